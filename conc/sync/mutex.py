"""A lock that belongs to the task or thread that took it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

from conc._kernel.current import charge, slot
from conc._kernel.holding import HeldQueue, has_ended, name_of
from conc._kernel.operation import LATER, QueueOperation, party_here, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, READY, Marker, toll
from conc._kernel.task import Task
from conc._kernel.waitqueue import Waiter
from conc._os.sync import is_empty
from conc.errors import BrokenResource, ConcError, WouldBlock

NOBODY: Final = Marker("NOBODY")
OWN: Final = Marker("OWN")  # granted to who holds it already
LOST: Final = Marker("LOST")  # granted when the holder has ended


class MutexStatistics(NamedTuple):
    """A `Mutex` at one moment."""

    locked: bool
    """Whether somebody holds it."""
    owner: object | None
    """Who: a task or a thread; None if nobody does."""
    tasks_waiting: int
    """How many wait in `Mutex.acquire`."""


class Mutex:
    """Lets one in at a time: ``async with mutex:`` waits until the others have left the block.

    It belongs to the task or thread that took it, which alone may give it back, and may not take it again meanwhile.
    May be used from any strand; `acquire_nowait`, `acquire_blocking` and `release` from any thread.

    A task that ends without giving it back leaves what it protects in an unknown state: whoever waits or comes later
    gets BrokenResource.

    Invariant: `_free` holds one thing while nobody has the mutex. To take that is to have it; then the name is written
    into `_owner`. Giving it back is the same in reverse.
    Invariant: nobody stands in line before a mutex that is free: who gets in line looks then whether it is free, and
    who gives it back looks then whether somebody waits.
    Order: first come, first served; it is handed to the first in line. One exception: who gets in line in the very
    moment in which another thread gives it back may be overtaken once, by a third.
    """

    __slots__ = ("_free", "_owner", "_waiters")

    def __init__(self) -> None:
        self._free: list[None] = [None]
        self._owner: object = NOBODY
        self._waiters = HeldQueue("Mutex.acquire", self._holders, self._lost)

    @property
    def owner(self) -> object | None:
        """The task or thread that holds it; None if nobody does."""
        owner = self._owner
        return None if owner is NOBODY else owner

    def locked(self) -> bool:
        """Whether somebody holds it. Checkpoint: never."""
        return not self._free

    def acquire_nowait(self) -> None:
        """Take it if nobody has it. From any thread.

        Raises:
            WouldBlock: somebody has it.
            RuntimeError, BrokenResource: as `acquire`.

        Checkpoint: never.
        """
        perform_nowait(_Acquire(self))

    async def acquire(self) -> None:
        """Take it, waiting in line for it.

        Raises:
            RuntimeError: the task has it already, and would wait for itself.
            BrokenResource: the task that had it has ended without giving it back.

        Checkpoint: always a cancel point; it waits only if somebody has it.
        If cancelled: it is not held, and the place in line is given up.
        """
        task = charge() or await toll()
        if self._free:
            try:
                self._free.pop()
            except IndexError:
                pass  # another thread was faster
            else:
                self._owner = task
                if self._waiters.watched:
                    self._waiters.took(task)
                return
        wait = self._wait_for_it(task)
        del task  # an error holds this frame, and may become that of the task
        await wait

    def acquire_blocking(self, timeout: float | None = None) -> None:
        """As `acquire`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not to be had in time.
            BrokenResource: as `acquire`.
            RuntimeError: this thread has it already; or it runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Acquire(self), timeout, "Mutex.acquire")

    def acquiring(self) -> QueueOperation[None]:
        """`acquire`, for `conc.select`."""
        return _Acquire(self)

    def release(self) -> None:
        """Give it back, to the first in line if anyone waits. From any thread.

        Raises:
            RuntimeError: the caller does not have it.

        Checkpoint: never.
        """
        worker = slot.worker
        waiters = self._waiters
        if worker is None or worker.task is not self._owner or waiters.watched:
            self._hand_on(party_here())
            return
        self._owner = NOBODY
        self._free.append(None)
        if waiters.watched:
            self._serve_line()

    # Both ends of `async with` are plain functions, with `acquire` and `release` written out for a mutex that nobody
    # else wants: an async function costs more than all that they do. The interpreter awaits at once what they return.

    def __aenter__(self) -> Awaitable[None]:
        worker = slot.worker
        if worker is not None:
            task: Task[Any] = worker.task  # type: ignore[assignment]
            budget = worker.budget
            if budget > 0 and not task.scope.cancelled:
                worker.budget = budget - 1
                if self._free:
                    try:
                        self._free.pop()
                    except IndexError:
                        return self._wait_for_it(task)  # another thread was faster
                    self._owner = task
                    if self._waiters.watched:
                        self._waiters.took(task)
                    return READY
                return self._wait_for_it(task)
        return self.acquire()

    def __aexit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> Awaitable[None]:
        worker = slot.worker
        waiters = self._waiters
        if worker is None or worker.task is not self._owner:
            # A block that is closed by force, or fails because the mutex was lost, may have nothing to give back.
            if kind is None or not (kind is GeneratorExit or has_ended(self._owner)):
                self._hand_on(party_here())
            return READY
        if waiters.watched:
            waiters.lock.acquire()
            heir = self._pass_on()
            waiters.lock.release()
            if heir is not None:
                heir.resume()
            return READY
        self._owner = NOBODY
        self._free.append(None)
        if waiters.watched:
            self._serve_line()
        return READY

    async def _wait_for_it(self, task: Task[Any]) -> None:
        """What ``perform(_Acquire(self))`` does, written out: where many want it, here their time goes."""
        waiters = self._waiters
        watched, heir = True, None
        granted: Any = LATER
        waiters.lock.acquire()
        try:
            if self._free or self._owner is task:
                granted = self._attempt(task)
            if granted is LATER:
                task.value = None
                task.wait = waiters
                waiters.line.append(task)
                watched = waiters.watched
                if not watched:
                    waiters.watched = True
                    heir = self._serve()
        finally:
            waiters.lock.release()
        if granted is LATER:
            if heir is not None:
                heir.resume()
            elif not watched:
                waiters.join(self._owner, task.strand)
            try:
                await PARK
            except BaseException:
                if task.wait is GRANTED:
                    task.wait = None
                    _Acquire(self).give_back(task.value)
                raise
            task.wait = None
            granted = task.value
            if granted is not None:
                task.value = None
        if granted is None:
            if waiters.watched:
                task.add_joiner(waiters)
            return
        del task  # an error holds this frame, and may become that of the task
        _Acquire(self).finish(granted)

    def statistics(self) -> MutexStatistics:
        """How it stands at this moment."""
        return MutexStatistics(self.locked(), self.owner, len(self._waiters))

    # ---- its rules, under the lock --------------------------------------------------------------------------------

    def _attempt(self, party: object) -> Any:
        """Take it for `party`, if nobody has it and nobody waits."""
        if self._owner is party:
            return OWN
        if not self._free or self._waiters.head() is not None:
            return LATER
        try:
            self._free.pop()
        except IndexError:
            return LATER
        self._owner = party
        return None

    def _look_again(self) -> Waiter | None:
        """Somebody stands in line now. Returns who is to be resumed for it."""
        watch = self._waiters.watch()  # first: who gives it back sees that, if we do not see that it is free
        return self._serve() or watch

    def _serve(self) -> Waiter | None:
        """Hand it to the first in line if it is free."""
        if is_empty(self._free):
            return None
        try:
            self._free.pop()
        except IndexError:
            return None
        return self._pass_on()

    def _pass_on(self) -> Waiter | None:
        """Who has it gives it up: hand it to the first in line, and return him."""
        waiters = self._waiters
        owner = self._owner
        if type(owner) is Task and owner._joiners:  # as `drop_joiner` does
            owner._joiners.pop(waiters, None)
        heir = waiters.grant()
        if heir is None:
            waiters.watched = False
            self._owner = NOBODY
            self._free.append(None)
        else:
            waiters.watched = bool(waiters.line)
            self._owner = heir if type(heir) is Task else heir.party
        return heir

    def _lost(self) -> list[Waiter]:
        """If the holder has ended, nobody will ever be served."""
        if not has_ended(self._owner):
            return []
        self._waiters.watched = False
        return self._waiters.grant_all(LOST)

    # ---- without the lock -----------------------------------------------------------------------------------------

    def _hand_on(self, party: object) -> None:
        """Give it back on behalf of `party`, which is the caller."""
        waiters = self._waiters
        waiters.lock.acquire()
        held = self._owner is party
        heir = self._pass_on() if held else None
        waiters.lock.release()
        if not held:
            raise RuntimeError(f"{name_of(party)} does not hold {self!r}, and only who holds it may give it back")
        if heir is not None:
            heir.resume()

    def _serve_line(self) -> None:
        """Somebody got in line while it was given back."""
        with self._waiters.lock:
            heir = self._serve()
        if heir is not None:
            heir.resume()

    def _holders(self) -> tuple[object, ...]:
        owner = self._owner
        return () if owner is NOBODY else (owner,)

    def _was_lost(self) -> BrokenResource:
        return BrokenResource(f"{self!r} without giving it back")

    def __repr__(self) -> str:
        owner = self._owner
        if owner is NOBODY:
            return "<Mutex free>"
        if has_ended(owner):
            return f"<Mutex held by {name_of(owner)}, which has ended>"
        return f"<Mutex held by {name_of(owner)}, {len(self._waiters)} waiting>"

    def _check(self) -> None:
        waiters = self._waiters
        waiters._check()
        assert len(self._free) == (self._owner is NOBODY), "free and held, or neither"
        assert self._owner is not NOBODY or waiters.head() is None, "somebody waits for a mutex that is free"


class _Acquire(QueueOperation[None]):
    __slots__ = ("_mutex",)

    looks_again = True

    def __init__(self, mutex: Mutex) -> None:
        super().__init__(mutex._waiters)
        self._mutex = mutex

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self._mutex._attempt(party)

    def look_again(self, woken: list[Waiter]) -> None:
        one = self._mutex._look_again()
        if one is not None:
            woken.append(one)

    def finish(self, granted: Any) -> None:
        mutex = self._mutex
        if granted is OWN:
            raise RuntimeError(f"{name_of(party_here())} would wait for itself: it holds {mutex!r}, "
                               "which cannot be taken twice")  # fmt: skip
        if granted is LOST:
            raise mutex._was_lost()
        mutex._waiters.took(party_here())

    def give_back(self, granted: Any) -> None:
        if granted is None:
            self._mutex.release()

    def would_block(self) -> ConcError:
        mutex = self._mutex
        return mutex._was_lost() if has_ended(mutex._owner) else WouldBlock(f"{mutex!r} is not to be had at once")
