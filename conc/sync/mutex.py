"""A lock that belongs to the task or thread that took it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

from conc._kernel.current import charge, slot
from conc._kernel.holding import HeldQueue, has_ended, name_of
from conc._kernel.operation import LATER, QueueOperation, party_here, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import READY, Marker, toll
from conc._kernel.waitqueue import Waiter
from conc._os.sync import is_empty
from conc.errors import BrokenResource, WouldBlock

OWN: Final = Marker("OWN")  # granted to who holds it already
LOST: Final = Marker("LOST")  # granted to whoever wants it when the holder has ended


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

    A task that ends without giving it back leaves behind what it protects in an unknown state: everybody who waits or
    comes later gets BrokenResource.

    Invariant: `_free` holds one thing while nobody holds the mutex. Who takes that has the mutex, and then writes his
    name into `_owner`; who gives it back does the same in reverse.
    Invariant: nobody stands in line before a mutex that is free. A newcomer looks again when he stands in line; who
    gives it back, when it is free.
    Order: first come, first served: it is handed to the first in line. Only where one thread gets in line in the very
    moment in which another gives the mutex back, a third may come first.
    """

    __slots__ = ("_free", "_owner", "_waiters")

    def __init__(self) -> None:
        self._free: list[None] = [None]
        self._owner: object | None = None
        self._waiters = HeldQueue("Mutex.acquire", self._holders, self._lost)

    @property
    def owner(self) -> object | None:
        """The task or thread that holds it; None if nobody does."""
        return self._owner

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
        waiters = self._waiters
        if self._free:
            try:
                self._free.pop()
            except IndexError:
                pass  # another thread was faster
            else:
                self._owner = task
                if waiters.line:
                    waiters.took(task)
                return
        # `perform`, written out: where many want it at once, this is where their time goes.
        acquire = _ACQUIRE
        woken = None
        waiters.lock.acquire()
        try:
            granted = self._attempt(task)
            if granted is LATER:
                waiters.enlist(task)
                woken = self._look_at_line()
        finally:
            waiters.lock.release()
        if woken is not None:
            woken.resume()
        if granted is LATER:
            try:
                await PARK
            except BaseException:
                if task.wait is GRANTED:
                    task.wait = None
                    _Acquire(self).give_back(task.value)
                raise
            task.wait = None
            granted, task.value = task.value, None
        if granted is None:
            if waiters.watched:
                waiters.took(task)
            return
        self._refuse(granted, task)

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
        owner = self._owner
        worker = slot.worker
        waiters = self._waiters
        if worker is None or worker.task is not owner or owner is None or waiters.watched:
            self._release(party_here())
            return
        self._owner = None
        self._free.append(None)
        if waiters.line:
            self._look_again()

    # The two ends of `async with`, where it pays most. Plain functions: the interpreter awaits what they return at once,
    # and an async function that need not wait would cost more than all that these do.

    def __aenter__(self) -> Awaitable[None]:
        worker = slot.worker
        if worker is not None:
            task = worker.task
            budget = worker.budget
            if budget > 0 and self._free and not task.scope.cancelled:  # type: ignore[union-attr]
                try:
                    self._free.pop()
                except IndexError:
                    return self.acquire()
                self._owner = task
                worker.budget = budget - 1
                if self._waiters.line:
                    self._waiters.took()
                return READY
        return self.acquire()

    def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> Awaitable[None]:
        owner = self._owner
        worker = slot.worker
        waiters = self._waiters
        if worker is None or worker.task is not owner or owner is None or waiters.watched:
            if kind is None or not self._is_gone():
                self._release(party_here())
            return READY
        self._owner = None
        self._free.append(None)
        if waiters.line:
            self._look_again()
        return READY

    def statistics(self) -> MutexStatistics:
        """How it stands at this moment."""
        return MutexStatistics(self.locked(), self._owner, len(self._waiters))

    # ---- giving it back -------------------------------------------------------------------------------------------

    def _release(self, party: object) -> None:
        """Give it back on behalf of `party`, which is the caller."""
        waiters = self._waiters
        with waiters.lock:
            held = self._owner is party
            heir = self._pass_on() if held else None
        if not held:
            raise RuntimeError(f"{name_of(party)} does not hold {self!r}, and only who holds it may give it back")
        if heir is not None:
            heir.resume()

    def _pass_on(self) -> Waiter | None:
        """Who has it gives it up: hand it to the first in line, and return him. Under the lock."""
        waiters = self._waiters
        if waiters.watched:
            waiters.gave_up(self._owner)
        heir = waiters.grant()
        if heir is None:
            waiters.watched = False
            self._owner = None
            self._free.append(None)
        else:
            waiters.watched = waiters.head() is not None
            self._owner = heir.party
        return heir

    def _serve(self) -> Waiter | None:
        """Somebody stands in line: hand it to the first if it is free. Under the lock."""
        # Asked in a way that waits for whoever is just giving it back: he looks at the line afterwards.
        if is_empty(self._free):
            return None
        try:
            self._free.pop()
        except IndexError:
            return None
        return self._pass_on()

    def _look_again(self) -> None:
        """Somebody got in line while it was given back."""
        with self._waiters.lock:
            heir = self._serve()
        if heir is not None:
            heir.resume()

    # ---- holders that have ended ----------------------------------------------------------------------------------

    def _holders(self) -> tuple[object, ...]:
        owner = self._owner
        return () if owner is None else (owner,)

    def _lost(self) -> list[Waiter]:
        waiters = self._waiters
        if not has_ended(self._owner):
            return []
        waiters.watched = False  # nobody is left who could be watched
        return waiters.grant_all(LOST)

    def _is_gone(self) -> bool:
        """Whether a block that fails cannot give it back because it lost it, as its error tells: the task that had it
        has ended, or the run is stopped in the middle of `Condition.wait`."""
        return has_ended(self._owner)

    def __repr__(self) -> str:
        owner = self._owner
        if owner is None:
            return "<Mutex free>"
        ended = ", which has ended" if has_ended(owner) else ""
        return f"<Mutex held by {name_of(owner)}{ended}, {len(self._waiters)} waiting>"

    def _check(self) -> None:
        waiters = self._waiters
        waiters._check()
        assert len(self._free) == (self._owner is None), "free and held, or neither"
        assert self._owner is not None or waiters.head() is None, "somebody waits for a mutex that is free"


class _Acquire(QueueOperation[None]):
    __slots__ = ("_mutex",)

    queue: HeldQueue
    looks_again = True

    def __init__(self, mutex: Mutex) -> None:
        super().__init__(mutex._waiters)
        self._mutex = mutex

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        mutex = self._mutex
        if mutex._owner is party:
            return OWN
        if self.queue.head() is not None:
            return LATER
        try:
            mutex._free.pop()
        except IndexError:
            # While it is watched, the end of the holder is told to those in line.
            return LOST if not self.queue.watched and has_ended(mutex._owner) else LATER
        mutex._owner = party
        return None

    def look_again(self, woken: list[Waiter]) -> None:
        heir = self._mutex._serve()
        if heir is not None:
            woken.append(heir)
        if self.queue.head() is not None:
            self.queue.watch(woken)

    def finish(self, granted: Any) -> None:
        mutex = self._mutex
        if granted is OWN:
            raise RuntimeError(f"{name_of(party_here())} holds {mutex!r} and would wait for itself: a Mutex cannot be "
                               "taken twice")  # fmt: skip
        if granted is LOST:
            raise BrokenResource(f"{mutex!r} was not given back")
        self.queue.took()

    def give_back(self, granted: Any) -> None:
        if granted is None:
            self._mutex.release()

    def would_block(self) -> WouldBlock:
        return WouldBlock(f"{self._mutex!r} cannot be had at once")
