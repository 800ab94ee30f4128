"""All primitives of conc.sync, and those who use them at once: tasks of many strands, threads, and who cancels them."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import conc
from conc import CancelScope
from conc._kernel.operation import party_here
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc.errors import WouldBlock
from conc.lowlevel import Operation
from conc.sync import (
    AtomicInt,
    Barrier,
    CancellationToken,
    CapacityLimiter,
    Condition,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    SetOnce,
    TaskTracker,
)
from tests.stress.load import Dice
from tests.stress.watchdog import in_threads

PERMITS = 3
PARTIES = 3


class Order:
    """Who stands in a line when a newcomer comes, and whether he has got past them.

    Attributes:
        overtaken: how often each wait was overtaken: a waiter, and the number of his turn.
    """

    def __init__(self, queue: WaitQueue) -> None:
        self.overtaken: Counter[tuple[Waiter, int]] = Counter()
        self._queue = queue
        self._turns: Counter[object] = Counter()

    @contextmanager
    def newcomer(self) -> Iterator[Callable[[], None]]:
        """Somebody comes. He calls what this gives as soon as he is inside."""
        with self._queue.lock:
            self._turns[party_here()] += 1
            before = [(waiter, self._turns[waiter]) for waiter in self._queue.line if self._waits(waiter)]
        yield partial(self._is_inside, before)

    def _is_inside(self, before: list[tuple[Waiter, int]]) -> None:
        with self._queue.lock:
            for waiter, turn in before:
                if self._waits(waiter) and self._turns[waiter] == turn:
                    self.overtaken[waiter, turn] += 1

    def _waits(self, waiter: Waiter) -> bool:
        return waiter.wait is self._queue and not (waiter.is_branch and waiter.decided)


class Room:
    """Where so many may be at a time."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._inside = 0
        self.most = 0

    @contextmanager
    def visit(self) -> Iterator[None]:
        """Be inside. The counting is as fragile as can be: it is right only if what is around it is."""
        self._inside = inside = self._inside + 1
        self.most = max(self.most, inside)
        yield
        assert self._size > 1 or self._inside == inside == 1, "somebody else is inside"
        self._inside -= 1


class Arena:
    """All primitives, and those who use them: tasks of many strands, and threads.

    Args:
        dice: their choices.
    """

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.mutex = Mutex()
        self.lock = RwLock()
        self.semaphore = Semaphore(PERMITS, max_value=PERMITS)
        self.limiter = CapacityLimiter(PERMITS)
        self.notify = Notify()
        self.condition = Condition()
        self.barrier = Barrier(PARTIES)
        self.token = CancellationToken()
        self.tracker = TaskTracker()
        self.cell = OnceCell[int]()
        self.once = SetOnce[int]()
        self.orders = {name: Order(thing._waiters) for name, thing in self._lines()}
        self.alone = {"mutex": Room(1), "writer": Room(1)}
        self.shelf: deque[int] = deque()  # guarded by the condition
        self.counts = {name: AtomicInt(0) for name in COUNTED}
        self.errors: list[BaseException] = []
        self.over = False
        self.scopes: deque[CancelScope] = deque(maxlen=30)
        self._actions = [
            self._exclude, self._read, self._write, self._hold_permits, self._borrow, self._signal, self._put,
            self._take, self._meet, self._follow, self._track, self._make, self._set, self._choose,
        ]  # fmt: skip

    def _lines(self) -> list[tuple[str, Any]]:
        return [("mutex", self.mutex), ("lock", self.lock), ("semaphore", self.semaphore)]

    # ---- the run --------------------------------------------------------------------------------------------------

    async def main(self, strands: int, tasks: int, rounds: int) -> None:
        """Everybody does what the dice say, in scopes that are cancelled at any time."""
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(strands):
                nursery.start_soon(self._strand, tasks, rounds)

    async def _strand(self, tasks: int, rounds: int) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(self._player, self.dice.another(), rounds)

    async def _player(self, dice: Dice, rounds: int) -> None:
        for _ in range(rounds):
            action: Callable[[Dice], Awaitable[object]] = dice.pick(self._actions)
            with conc.move_on_after(dice.seconds(0, 0.003)) as scope:
                if dice.chance() < 0.3:
                    self.scopes.append(scope)
                await action(dice)
            self.counts["cancelled"].fetch_add(int(scope.cancelled_caught))

    def check(self) -> None:
        """All is given back, all that was given was had once, and nobody waits."""
        assert not self.errors, self.errors
        for thing in (self.mutex, self.lock, self.semaphore, self.limiter, self.notify, self.condition, self.barrier):
            thing._check()
        count = {name: atomic.load() for name, atomic in self.counts.items()}
        assert self.mutex.statistics() == (False, None, 0)
        assert self.lock.statistics() == (0, None, 0)
        assert self.semaphore.statistics() == (PERMITS, PERMITS, 0, False)
        assert self.limiter.statistics() == (0, PERMITS, (), 0)
        assert self.condition.statistics().tasks_waiting == 0
        assert self.barrier.statistics() == (PARTIES, 0, count["led"])
        assert count["met"] == PARTIES * count["led"]
        assert count["taken"] + len(self.shelf) == count["put"]
        stored = self.notify.statistics()
        assert stored.tasks_waiting == 0
        assert count["heard"] <= count["signalled"]
        assert count["made"] <= 1
        assert count["made"] == self.cell.is_set()
        assert count["set"] == self.once.is_set()
        assert self.tracker.statistics()[0::2] == (0, 0)
        assert self.token.statistics()[1:3] == (0, 0)
        assert all(room.most <= 1 for room in self.alone.values())

    # ---- what a task does -----------------------------------------------------------------------------------------

    async def _rest(self, dice: Dice) -> None:
        if dice.chance() < 0.4:
            await conc.checkpoint()

    async def _exclude(self, dice: Dice) -> None:
        with self.orders["mutex"].newcomer() as is_inside:
            async with self.mutex:
                is_inside()
                with self._alone("mutex"):
                    await self._shielded_rest(dice)

    async def _read(self, dice: Dice) -> None:
        with self.orders["lock"].newcomer() as is_inside:
            async with self.lock.read():
                is_inside()
                await self._rest(dice)

    async def _write(self, dice: Dice) -> None:
        with self.orders["lock"].newcomer() as is_inside:
            async with self.lock.write():
                is_inside()
                with self._alone("writer"):
                    await self._shielded_rest(dice)
                if dice.chance() < 0.5:
                    self.lock.downgrade()
                    await self._rest(dice)

    async def _hold_permits(self, dice: Dice) -> None:
        n = dice.between(1, PERMITS)
        with self.orders["semaphore"].newcomer() as is_inside:
            if dice.chance() < 0.2:
                try:
                    self.semaphore.acquire_nowait(n)
                except WouldBlock:
                    return
            else:
                await self.semaphore.acquire(n)
        is_inside()
        try:
            await self._rest(dice)
        finally:
            self.semaphore.release(n)

    async def _borrow(self, dice: Dice) -> None:
        async with self.limiter:
            await self._rest(dice)

    async def _signal(self, dice: Dice) -> None:
        if dice.chance() < 0.5:
            self.counts["signalled"].fetch_add(1)
            (self.notify.notify_one if dice.chance() < 0.7 else self.notify.notify_last)()
        else:
            await self.notify.notified()
            self.counts["heard"].fetch_add(1)

    async def _put(self, dice: Dice) -> None:
        async with self.condition:
            with self._alone("shelf"):
                self.shelf.append(self.counts["put"].fetch_add(1))
            self.condition.notify()

    async def _take(self, dice: Dice) -> None:
        async with self.condition:
            await self.condition.wait_for(lambda: self.shelf)
            with self._alone("shelf"):
                self.shelf.popleft()
            self.counts["taken"].fetch_add(1)

    async def _meet(self, dice: Dice) -> None:
        leads = await self.barrier.wait()
        self.counts["met"].fetch_add(1)
        self.counts["led"].fetch_add(int(leads))

    async def _follow(self, dice: Dice) -> None:
        child = self.token.child_token()
        with child.scope() as scope:
            if dice.chance() < 0.5:
                child.cancel("by a task")
            await self._rest(dice)
            assert not child.is_cancelled or scope.cancel_called
            await conc.select(child.waiting(), conc.after(0.0005))

    async def _track(self, dice: Dice) -> None:
        async with conc.open_nursery() as nursery:
            self.tracker.start_soon(nursery, self._rest, dice)
            with self.tracker.token():
                await self._rest(dice)

    async def _make(self, dice: Dice) -> None:
        async def make() -> int:
            await self._rest(dice)
            if dice.chance() < 0.9:
                raise Refusal
            self.counts["made"].fetch_add(1)
            return 1

        try:
            assert await self.cell.get_or_init(make) == 1
        except Refusal:
            pass

    async def _set(self, dice: Dice) -> None:
        if dice.chance() < 0.02 and not self.once.is_set():
            try:
                self.once.set(7)
            except RuntimeError:
                return  # somebody else did
            self.counts["set"].fetch_add(1)
        else:
            assert await self.once.wait() == 7

    async def _choose(self, dice: Dice) -> None:
        """A select of all that can be had, and whatever it is, it is given back."""
        n = dice.between(1, PERMITS)
        branches: list[tuple[Operation[None], Callable[[], object]]] = [
            (self.mutex.acquiring(), self.mutex.release),
            (self.lock.acquiring_read(), self.lock.release),
            (self.lock.acquiring_write(), self.lock.release),
            (self.semaphore.acquiring(n), partial(self.semaphore.release, n)),
            (self.limiter.acquiring(), self.limiter.release),
            (self.notify.waiting(), partial(self.counts["heard"].fetch_add, 1)),
        ]
        index, _ = await conc.select(*(operation for operation, _ in branches), conc.after(dice.seconds(0, 0.002)))
        if index < len(branches):
            try:
                await self._rest(dice)
            finally:
                branches[index][1]()

    async def _shielded_rest(self, dice: Dice) -> None:
        """A rest that nothing cuts short, where only one may be."""
        with CancelScope(shield=True):
            await self._rest(dice)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        with self.alone.setdefault(name, Room(1)).visit():
            yield


class Refusal(Exception):
    """What makes no value."""


COUNTED = ("cancelled", "heard", "led", "made", "met", "put", "set", "signalled", "taken")


class Outsiders:
    """Threads that use the primitives of an arena, cancel its tasks, and look at everything, as long as a block lasts.

    Args:
        arena: what they use.
        users: how many use it; two more cancel and look.
    """

    def __init__(self, arena: Arena, users: int) -> None:
        self._arena = arena
        using = (self._exclude, self._lock, self._hold_permits, self._borrow, self._signal, self._shelf, self._meet)
        acts: list[Callable[[Dice], object]] = [*[partial(self._one_of, using)] * users, self._cancel, self._look]
        self._threads = in_threads(*(self._again_and_again(act, arena.dice.another()) for act in acts))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self._arena.over = True
        for thread in self._threads:
            thread.join()

    def _again_and_again(self, act: Callable[[Dice], object], dice: Dice) -> Callable[[], None]:
        def run() -> None:
            try:
                while not self._arena.over:
                    act(dice)
                    time.sleep(dice.seconds(0, 0.0003))
            except BaseException as error:
                self._arena.errors.append(error)

        return run

    def _one_of(self, acts: tuple[Callable[[Dice], None], ...], dice: Dice) -> None:
        try:
            dice.pick(acts)(dice)
        except TimeoutError:
            pass

    def _exclude(self, dice: Dice) -> None:
        arena = self._arena
        with arena.orders["mutex"].newcomer() as is_inside:
            arena.mutex.acquire_blocking(dice.seconds(0, 0.002))
            is_inside()
            with arena._alone("mutex"):
                time.sleep(0)
            arena.mutex.release()

    def _lock(self, dice: Dice) -> None:
        lock, writes = self._arena.lock, dice.chance() < 0.5
        with self._arena.orders["lock"].newcomer() as is_inside:
            (lock.acquire_write_blocking if writes else lock.acquire_read_blocking)(dice.seconds(0, 0.002))
            is_inside()
        if writes:
            with self._arena._alone("writer"):
                time.sleep(0)
        lock.release()

    def _hold_permits(self, dice: Dice) -> None:
        n = dice.between(1, PERMITS)
        with self._arena.orders["semaphore"].newcomer() as is_inside:
            self._arena.semaphore.acquire_blocking(n, dice.seconds(0, 0.002))
            is_inside()
        self._arena.semaphore.release(n)

    def _borrow(self, dice: Dice) -> None:
        self._arena.limiter.acquire_blocking(dice.seconds(0, 0.002))
        self._arena.limiter.release()

    def _signal(self, dice: Dice) -> None:
        if dice.chance() < 0.5:
            self._arena.counts["signalled"].fetch_add(1)
            self._arena.notify.notify_one()
        else:
            self._arena.notify.notified_blocking(dice.seconds(0, 0.002))
            self._arena.counts["heard"].fetch_add(1)

    def _shelf(self, dice: Dice) -> None:
        arena = self._arena
        arena.condition.mutex.acquire_blocking()
        try:
            if dice.chance() < 0.5:
                arena.shelf.append(arena.counts["put"].fetch_add(1))
                arena.condition.notify()
                return
            if not arena.shelf:
                arena.condition.wait_blocking(dice.seconds(0, 0.002))
            if arena.shelf:
                arena.shelf.popleft()
                arena.counts["taken"].fetch_add(1)
        finally:
            arena.condition.mutex.release()

    def _meet(self, dice: Dice) -> None:
        leads = self._arena.barrier.wait_blocking(dice.seconds(0, 0.002))
        self._arena.counts["met"].fetch_add(1)
        self._arena.counts["led"].fetch_add(int(leads))

    def _cancel(self, dice: Dice) -> None:
        if self._arena.scopes:
            dice.pick(self._arena.scopes.copy()).cancel("a thread")

    def _look(self, dice: Dice) -> None:
        arena = self._arena
        for thing in (arena.mutex, arena.lock, arena.semaphore, arena.limiter, arena.notify, arena.condition,
                      arena.barrier, arena.cell, arena.once, arena.tracker, arena.token):  # fmt: skip
            repr(thing)
            thing.statistics()
        for name, thing in arena._lines():
            with thing._waiters.lock:
                if name != "mutex":  # who holds a mutex is written down behind the fact, and without the lock
                    thing._check()
