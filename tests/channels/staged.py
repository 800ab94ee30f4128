"""Threads that take turns in the middle of what channels do: the code itself, stopped before each step that others see.

Each player is a thread with a program. One of them runs at a time, until it comes before so many steps as its turn has,
or has to wait; a step is an instruction of the channel or of its wait queue that may touch what is shared. Coroutines
are driven by the player, as a worker would; locks are taken in turns. So each interleaving can be named, by a schedule,
and played again.
"""

from __future__ import annotations

import dis
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import permutations
from types import CodeType, FrameType
from typing import Any, TypeAlias, TypeVar

from conc._kernel import choosing, operation, waitqueue
from conc._kernel.current import slot
from conc._kernel.suspend import GRANTED, PARKED
from conc._kernel.waitqueue import Waiter
from conc.channels import Receiver, Sender, conduit, permit, receiver, sender

T = TypeVar("T")

Turn: TypeAlias = tuple[int, int]  # the number of a player, and how many steps it may take
Schedule: TypeAlias = Sequence[Turn]
Program: TypeAlias = Callable[["Player"], None]

TO_THE_END = sys.maxsize
STAGED = {module.__file__ for module in (choosing, operation, waitqueue, conduit, permit, receiver, sender)}
ASIDE = {"__del__", "__init__", "__repr__", "_check", "_lose"}
LOOKS_AND_CALLS = ("BINARY_SUBSCR", "CALL", "FOR_ITER", "JUMP_IF", "LOAD_ATTR", "LOAD_METHOD", "POP_JUMP", "STORE_ATTR",
                   "TO_BOOL", "UNARY_NOT")  # fmt: skip

_steps: dict[CodeType, frozenset[int]] = {}


def steps_of(code: CodeType) -> frozenset[int]:
    """The offsets of the instructions that may touch what others see."""
    steps = _steps.get(code)
    if steps is None:
        found = (one.offset for one in dis.get_instructions(code) if one.opname.startswith(LOOKS_AND_CALLS))
        steps = _steps[code] = frozenset(found)
    return steps


class Cancelled(BaseException):
    """Raised in a player that was told to give up, if its wait could be withdrawn."""


class Abandoned(BaseException):
    """The play is over, and this player waits for ever."""


class TurnLock:
    """A lock for players."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.owner: Player | None = None

    def acquire(self) -> None:
        me = self._stage.player
        if self.owner is not None:
            assert self.owner is not me, f"{me} takes a lock twice"
            self._stage.wait(lambda: self.owner is None)
        self.owner = me

    def release(self) -> None:
        self.owner = None

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class Player(Waiter):
    """A thread with a program, and the task that it stands for."""

    is_task = True

    def __init__(self, stage: Stage, number: int, name: str, program: Program) -> None:
        self.stage = stage
        self.number = number
        self.name = name
        self.program = program
        self.cue = threading.Semaphore(0)
        self.until: Callable[[], bool] | None = None
        self.taken = 0  # steps
        self.told = False  # to give up
        self.budget = sys.maxsize  # as a worker's
        self.wait: Any = None
        self.value: Any = None
        self._resumed = False

    @property
    def task(self) -> Player:
        """As a worker's."""
        return self

    @property
    def scope(self) -> Player:
        """As a task's."""
        return self

    cancelled = False  # as a scope's: who is told to give up is told while it waits

    def resume(self) -> None:
        assert not self._resumed, f"{self} is resumed twice"
        assert not self.stage.holds_a_lock(self.stage.player), f"{self} is resumed under a lock"
        self._resumed = True

    def do(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine as a worker would.

        Raises:
            Cancelled: the player was told to give up, and could.
        """
        try:
            yielded = coro.send(None)
            while True:
                assert yielded is PARKED, yielded
                self.stage.wait(lambda: self._resumed or self.told)
                if self._resumed:
                    self._resumed = False
                    assert self.wait is GRANTED, f"{self} is resumed before its wait is decided"
                    yielded = coro.send(None)
                else:
                    self.told = False
                    if self.wait is not None and self.wait.withdraw(self):
                        self.wait = self.value = None
                        yielded = coro.throw(Cancelled())
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return self.name


class Stage:
    """Players, and the schedule of their turns. When it is used up they run to their ends, one after the other.

    Args:
        schedule: whose turns those are; that of a player who cannot go on is left out.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._turns = iter(schedule)
        self._left = 0
        self._over = threading.Semaphore(0)
        self._is_over = False
        self._locks: list[TurnLock] = []
        self.players: list[Player] = []
        self.player: Player | None = None
        self.running: list[Player] = []
        self.errors: list[BaseException] = []

    def bring(self, end: Sender[Any] | Receiver[Any]) -> None:
        """Let the players use a channel."""
        channel: Any = end._conduit
        lock = TurnLock(self)
        self._locks.append(lock)
        channel.lock = channel.sending.lock = channel.receiving.lock = channel.gone.lock = lock
        if channel.counted:
            channel._make_places(channel.capacity)  # or the first sends would all take the lock

    def add(self, name: str, program: Program) -> Player:
        """Let somebody play."""
        player = Player(self, len(self.players), name, program)
        self.players.append(player)
        return player

    def play(self) -> None:
        """All of it. Whoever is left in `running` waits for ever."""
        self.running = list(self.players)
        threads = [threading.Thread(target=self._act, args=(player,), daemon=True) for player in self.players]
        for thread in threads:
            thread.start()
        self._cue_next()
        assert self._over.acquire(timeout=60), "the play hangs"
        self._is_over = True
        for player in self.players:
            player.cue.release()
        for thread in threads:
            thread.join()
        assert not self.errors, self.errors
        assert not any(lock.owner for lock in self._locks), "a lock was not given back"

    def holds_a_lock(self, player: Player | None) -> bool:
        """Whether somebody holds the lock of a channel."""
        return any(lock.owner is player for lock in self._locks)

    def wait(self, until: Callable[[], bool]) -> None:
        """Let the player whose turn it is go on when something holds."""
        assert self.player is not None
        self.player.until = until
        self._give_way(self.player)

    def _give_way(self, player: Player) -> None:
        self._cue_next()
        player.cue.acquire()
        if self._is_over:
            raise Abandoned

    def _cue_next(self) -> None:
        able = [player for player in self.running if player.until is None or player.until()]
        for number, steps in self._turns:
            if self.players[number] in able:
                self.player, self._left = self.players[number], steps
                break
        else:
            if not able:
                self._over.release()
                return
            self.player, self._left = able[0], TO_THE_END
        self.player.until = None
        self.player.cue.release()

    def _act(self, player: Player) -> None:
        player.cue.acquire()
        slot.worker = player  # type: ignore[assignment]
        sys.settrace(self._enter)
        try:
            player.program(player)
        except Abandoned:
            return
        except BaseException as error:
            self.errors.append(error)
        finally:
            sys.settrace(None)
            slot.worker = None
        self.running.remove(player)
        self._cue_next()

    def _enter(self, frame: FrameType, event: str, arg: object) -> Any:
        code = frame.f_code
        if code.co_filename not in STAGED or code.co_name in ASIDE:
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        return self._step

    def _step(self, frame: FrameType, event: str, arg: object) -> Any:
        if event == "opcode" and not self._is_over and frame.f_lasti in steps_of(frame.f_code):
            player = self.player
            assert player is not None
            while self._left == 0:
                self._give_way(player)
            self._left -= 1
            player.taken += 1
        return self._step


def one_switch(steps: Sequence[int], stride: int = 1) -> Iterator[Schedule]:
    """The schedules in which one player is stopped after some of its steps, and the others run to their ends first."""
    players = range(len(steps))
    for first in players:
        for rest in permutations([player for player in players if player != first]):
            for taken in range(0, steps[first] + 1, stride):
                yield [(first, taken), *((player, TO_THE_END) for player in rest)]


def two_switches(steps: Sequence[int], stride: int = 1) -> Iterator[Schedule]:
    """The schedules in which one player is stopped, then another; the others run, then these two in either order."""
    players = range(len(steps))
    for first, second in permutations(players, 2):
        others = [(player, TO_THE_END) for player in players if player not in (first, second)]
        for taken in range(0, steps[first] + 1, stride):
            for taken_by_other in range(0, steps[second] + 1, stride):
                stops = [(first, taken), (second, taken_by_other)]
                yield [*stops, *others, (first, TO_THE_END)]
                yield [*stops, *others, (second, TO_THE_END)]
                if others:
                    yield [*stops, (first, TO_THE_END)]
