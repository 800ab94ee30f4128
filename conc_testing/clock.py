"""Virtual time: it stands still while anybody can go on, and costs nothing to pass.

The kernel tells the clock when the whole program has come to rest, on all workers: nothing is runnable, nothing is due,
and nothing that was declared (a thread job, an open portal, `conc.lowlevel.expect_wakeup`) may come from outside. Only
then does anything happen here, in this order: who waits for the rest itself is resumed; and unless somebody holds it,
time that a task advances goes on to the next deadline, and in automatic mode so does time that nobody advances. Real
idle time means nothing; only a warning comes from it, when time has waited for a while for something from outside.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock
from typing import Any, Final

from conc.lowlevel import Task, current_runtime, park, task_tree, unpark

logger = logging.getLogger("conc_testing")

PATIENCE: Final = 3  # how many times in a row the kernel finds that time waits for somebody outside until we warn


class VirtualClock:
    """A clock for ``conc.run(main, clock=VirtualClock())``: a program that sleeps for a year ends at once.

    It works with any number of workers, for one run at a time. It reads no real time, so whatever is awaited from
    outside the program has to be declared, or time moves on without it.

    Args:
        auto: whether time moves on to the next deadline when the program has come to rest. If not, only `advance` and
            `jump` move it.
        start: the time at the beginning, in seconds.

    Raises:
        ValueError: `start` is not a finite number.

    Attributes:
        auto: as the argument; may be changed at any time.

    Invariant: time never runs backwards, and a deadline is not passed before everything due earlier has been done,
    except by a `jump`.
    Invariant: while anybody holds it, time moves by a `jump` only.
    """

    virtual = True

    def __init__(self, auto: bool = True, start: float = 0.0) -> None:
        if not math.isfinite(start):
            raise ValueError(f"start must be a finite number of seconds, not {start!r}")
        self.auto = auto
        self._now = float(start)
        self._resting: deque[Task[Any]] = deque()
        self._journeys: list[_Journey] = []
        self._lock = Lock()  # of the two lines above: whoever is taken off decides what becomes of the wait
        self._holds: dict[_Hold, None] = {}
        self._is_held = False  # whether it was for a hold that time did not move when the program last came to rest
        self._outsiders: Callable[[], tuple[str, ...]] | None = None  # for whom time stood still then
        self._warned_of: tuple[str, ...] = ()
        self._look_again: Callable[[], None] | None = None

    # ---- for tests ----------------------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until every other task is durably blocked: what could be done without time passing has been done.

        Several who wait for this are resumed one after another, each with the others at rest, in order.

        Raises:
            RuntimeError: the running program has another clock.

        Checkpoint: always, and it lets all others run.
        If cancelled: it ends early.
        """
        self._check_own("settle")
        await park(_Rest(self._resting, self._lock), self._resting.append)

    async def advance(self, seconds: float) -> None:
        """Let time pass, and everything happen that it brings.

        Time stops at every deadline on the way, the last moment included, and goes on when all that became due there
        has settled. Without deadlines on the way it settles once, so ``advance(0)`` is a `settle`.

        Args:
            seconds: how long, at least 0 and finite.

        Raises:
            ValueError: negative, or not a finite number.
            RuntimeError: the running program has another clock.

        Checkpoint: always, and it lets all others run.
        If cancelled: time stays where it is.
        """
        _check_duration(seconds)
        self._check_own("advance")
        journey = _Journey(self._now + seconds, self._journeys, self._lock)
        await park(journey, journey.begin)

    def jump(self, seconds: float) -> None:
        """Let time pass in one leap, as for a machine that was asleep: all that is overdue then becomes due together.

        Args:
            seconds: how long, at least 0 and finite.

        Raises:
            ValueError: negative, or not a finite number.

        Checkpoint: never. From any task or thread.
        """
        _check_duration(seconds)
        with self._lock:
            self._now += seconds
        self._moved()

    def hold(self, reason: str = "") -> AbstractContextManager[None]:
        """``with clock.hold("two requests are under way"):`` time does not move on by itself inside the block.

        What can be done without time passing is done; then the program rests, for as long as anybody holds the time.
        Automatic time stands still, and `advance` waits; `settle` and `jump` do not mind. Where nothing else can wake
        the program, that is a `Deadlock`, which names the holds. From any task or thread.

        Args:
            reason: why, for people who look.

        Raises:
            TypeError: `reason` is not a string.

        Checkpoint: never.
        """
        if not isinstance(reason, str):
            raise TypeError(f"reason must be a string, not {reason!r}")
        return _Hold(self, reason)

    @property
    def held_by(self) -> tuple[str, ...]:
        """Why time stood still when the program last came to rest, in words: empty if there was nothing in its way.

        Open holds, ``'hold("backup")'``, and what may wake a task from outside: ``'to_thread(load_page)'``, ``'an open
        portal'``, the words given to `conc.lowlevel.expect_wakeup`. From any thread.
        """
        outsiders = self._outsiders
        holds = list(self._holds) if self._is_held or outsiders is not None else []
        return (*map(str, holds), *(() if outsiders is None else outsiders()))

    def __repr__(self) -> str:
        return f"<VirtualClock at {self._now:.6g} s, {'automatic' if self.auto else 'moved by hand'}>"

    # ---- for the kernel: conc.lowlevel.Clock --------------------------------------------------------------------

    def now(self) -> float:
        """The time in seconds. Hot."""
        return self._now

    def idle(self, deadline: float) -> float | None:
        """Nothing to wait for if the deadline has come; otherwise it never comes by itself."""
        return 0.0 if deadline <= self._now else None

    def advance_when_idle(self, deadline: float) -> bool:
        """The program is at rest: resume who waits for that, or move on. False if there is nothing to be done."""
        if deadline <= self._now:
            return True  # a worker has not seen yet what a jump has made due
        self._outsiders = None
        self._warned_of = ()
        with self._lock:
            self._is_held = False
            task: Task[Any] | None = None
            journey = min(self._journeys, key=_target, default=None)
            if self._resting:
                task = self._resting.popleft()
            elif journey is not None and journey.target < deadline and not self._is_kept_from(journey.target):
                self._journeys.remove(journey)
                self._now = max(self._now, journey.target)
                task = journey.task
            elif deadline != math.inf and (journey is not None or self.auto) and not self._is_kept_from(deadline):
                self._now = deadline
            else:
                return False
        if task is not None:
            unpark(task)
        return True

    def stands_still(self, outsiders: Callable[[], tuple[str, ...]], times: int) -> None:
        """The program is at rest, but for somebody outside: say so if it lasts, for nobody may ever come."""
        self._outsiders = outsiders
        if times < PATIENCE:
            return
        names = outsiders()
        if names == self._warned_of:
            return
        self._warned_of = names
        logger.warning(
            "virtual time stands still at %g s: all tasks wait, and time waits for what may come from outside, %s. "
            "Who waits for what:\n%s",
            self._now,
            ", ".join(names),
            task_tree(current_runtime()),
        )

    def attach(self, look_again: Callable[[], None] | None) -> None:
        """A run begins, or has ended.

        Raises:
            RuntimeError: another run uses this clock at the moment.
        """
        if look_again is not None and self._look_again is not None:
            raise RuntimeError(
                "this VirtualClock is the clock of a run already: it moves when all of that run is at rest, which says "
                "nothing about another; make a VirtualClock for each"
            )
        self._look_again = look_again
        self._outsiders = None

    def _is_kept_from(self, moment: float) -> bool:
        """Whether somebody holds the time, so that it does not come to `moment`. Under the lock."""
        self._is_held = bool(self._holds) and moment > self._now
        return self._is_held

    def _moved(self) -> None:
        """Time was moved, or may move again: the program looks what there is to do."""
        look_again = self._look_again
        if look_again is not None:
            look_again()

    def _check_own(self, name: str) -> None:
        running = current_runtime().clock
        if running is not self:
            raise RuntimeError(
                f"VirtualClock.{name}: this is not the clock of the running program, which has {running!r}"
            )


async def settle() -> None:
    """Wait until every other task is durably blocked, on the `VirtualClock` of the running program.

    Raises:
        RuntimeError: the program runs on real time, where nobody can tell what is still to come.

    Checkpoint: always, and it lets all others run.
    If cancelled: it ends early.
    """
    clock = current_runtime().clock
    if not isinstance(clock, VirtualClock):
        raise RuntimeError("settle() needs virtual time: conc.run(..., clock=conc_testing.VirtualClock())")
    await clock.settle()


class _Hold(AbstractContextManager[None]):
    """The block of `VirtualClock.hold`."""

    def __init__(self, clock: VirtualClock, reason: str) -> None:
        self._clock = clock
        self._reason = reason

    def __enter__(self) -> None:
        clock = self._clock
        with clock._lock:
            if self in clock._holds:
                raise RuntimeError(f"this {self} is entered already; call clock.hold() for each block")
            clock._holds[self] = None

    def __exit__(self, *error: object) -> None:
        clock = self._clock
        with clock._lock:
            del clock._holds[self]
        clock._moved()

    def __str__(self) -> str:
        return f'hold("{self._reason}")' if self._reason else "hold()"


class _Rest:
    """What a task waits for in `VirtualClock.settle`."""

    reason = "every other task to be blocked (settle)"

    def __init__(self, line: deque[Task[Any]], lock: Lock) -> None:
        self._line = line
        self._lock = lock

    def withdraw(self, task: Task[Any]) -> bool:
        """The task was cancelled, on its own thread: False if it has been resumed already."""
        with self._lock:
            if task not in self._line:
                return False
            self._line.remove(task)
            return True


class _Journey:
    """What a task waits for in `VirtualClock.advance`."""

    def __init__(self, target: float, journeys: list[_Journey], lock: Lock) -> None:
        self.target = target
        self.task: Task[Any] | None = None
        self._journeys = journeys
        self._lock = lock

    @property
    def reason(self) -> str:
        """For people."""
        return f"time to advance to {self.target:.6g} s"

    def begin(self, task: Task[Any]) -> None:
        """The task is parked: set out."""
        with self._lock:
            self.task = task
            self._journeys.append(self)

    def withdraw(self, task: Task[Any]) -> bool:
        """The task was cancelled, on its own thread: False if it has arrived already."""
        with self._lock:
            if self not in self._journeys:
                return False
            self._journeys.remove(self)
            return True


def _target(journey: _Journey) -> float:
    return journey.target


def _check_duration(seconds: float) -> None:
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"seconds must be finite and at least 0, not {seconds!r}: time never runs backwards")
