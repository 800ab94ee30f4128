"""A lock that many may hold for reading, or one for writing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple

from conc._kernel.current import charge
from conc._kernel.holding import HeldQueue, has_ended, name_of
from conc._kernel.operation import LATER, QueueOperation, party_here, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import READY, Marker, toll
from conc._kernel.waitqueue import Waiter, resume_all
from conc.errors import BrokenResource, ConcError, WouldBlock

READ: Final = Marker("READ")
WRITE: Final = Marker("WRITE")
TAKEN: Final = Marker("TAKEN")  # granted: what was asked for
OWN: Final = Marker("OWN")  # granted to who would have to wait for himself
AGAIN: Final = Marker(
    "AGAIN"
)  # granted to a reader who reads again and would have to wait for a writer who waits for him
LOST: Final = Marker("LOST")  # granted when a holder has ended


class RwLockStatistics(NamedTuple):
    """An `RwLock` at one moment."""

    readers: int
    """How many tasks and threads read."""
    writer: object | None
    """The task or thread that writes; None if nobody does."""
    tasks_waiting: int
    """How many wait, to read or to write."""


class RwLock:
    """Many may read at a time, or one may write: ``async with lock.read():`` and ``async with lock.write():``.

    It belongs to the tasks and threads that took it, which give it back. May be used from any strand; the forms that
    end in _nowait and _blocking, `release` and `downgrade` from any thread.

    Fair: who comes while others wait stands in line behind them, readers behind a writer too, so that neither kind
    keeps the other out. Readers who stand one behind the other are let in together.

    A task that ends while it writes leaves the data in an unknown state: whoever waits or comes later gets
    BrokenResource. After one that ends while it reads, there can be no writer any more: only writers get it.

    Invariant: there are readers, or a writer, or neither; each reader reads at least once.
    Invariant: the first in line waits for somebody: a writer for those inside, a reader for the writer inside.
    """

    __slots__ = ("_readers", "_waiters", "_writer")

    def __init__(self) -> None:
        self._readers: dict[object, int] = {}
        self._writer: object | None = None
        self._waiters = HeldQueue("RwLock", self._holders, self._lost, self._serve)

    def read(self) -> Block:
        """``async with lock.read():`` reads inside the block."""
        return Block(self, self.acquire_read)

    def write(self) -> Block:
        """``async with lock.write():`` writes inside the block."""
        return Block(self, self.acquire_write)

    # ---- reading --------------------------------------------------------------------------------------------------

    async def acquire_read(self) -> None:
        """Take it for reading, waiting in line for it. Who reads already may do so again, and gives back each time.

        Raises:
            RuntimeError: the task would wait for itself: it writes; or it reads, and a writer waits for it in line.
            BrokenResource: a task has ended while it wrote.

        Checkpoint: always a cancel point; it waits only if somebody writes, or waits in line.
        If cancelled: it is not held, and the place in line is given up.
        """
        charge() or await toll()
        await perform(_Read(self))

    def acquire_read_nowait(self) -> None:
        """Take it for reading if nobody writes or waits. From any thread.

        Raises:
            WouldBlock: somebody does.
            RuntimeError, BrokenResource: as `acquire_read`.

        Checkpoint: never.
        """
        perform_nowait(_Read(self))

    def acquire_read_blocking(self, timeout: float | None = None) -> None:
        """As `acquire_read`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not to be had in time.
            RuntimeError, BrokenResource: as `acquire_read`; or this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Read(self), timeout, "RwLock.acquire_read")

    def acquiring_read(self) -> QueueOperation[None]:
        """`acquire_read`, for `conc.select`."""
        return _Read(self)

    # ---- writing --------------------------------------------------------------------------------------------------

    async def acquire_write(self) -> None:
        """Take it for writing, waiting in line for it.

        Raises:
            RuntimeError: the task has it already, to read or to write, and would wait for itself.
            BrokenResource: a task has ended without giving it back.

        Checkpoint: always a cancel point; it waits only if somebody has it, or waits in line.
        If cancelled: it is not held, and the place in line is given up; readers behind it are let in if they can be.
        """
        charge() or await toll()
        await perform(_Write(self))

    def acquire_write_nowait(self) -> None:
        """Take it for writing if nobody has it or waits. From any thread.

        Raises:
            WouldBlock: somebody does.
            RuntimeError, BrokenResource: as `acquire_write`.

        Checkpoint: never.
        """
        perform_nowait(_Write(self))

    def acquire_write_blocking(self, timeout: float | None = None) -> None:
        """As `acquire_write`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it was not to be had in time.
            RuntimeError, BrokenResource: as `acquire_write`; or this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Write(self), timeout, "RwLock.acquire_write")

    def acquiring_write(self) -> QueueOperation[None]:
        """`acquire_write`, for `conc.select`."""
        return _Write(self)

    # ---- giving it back -------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Give it back: the caller writes no more, or reads once less. From any thread.

        Raises:
            RuntimeError: the caller does not have it.

        Checkpoint: never.
        Cost: O(1) for each who is let in.
        """
        party = party_here()
        waiters = self._waiters
        served: list[Waiter] = []
        waiters.lock.acquire()
        times = 0 if self._writer is party else self._readers.get(party, -1)
        if times >= 0:
            if times > 1:
                self._readers[party] = times - 1
            else:
                served = self._give_up(party)
        waiters.lock.release()
        if times < 0:
            raise RuntimeError(f"{name_of(party)} does not hold {self!r}, and only who holds it may give it back")
        resume_all(served)

    def downgrade(self) -> None:
        """Go on reading in place of writing: what was written stays as it is meanwhile. From any thread.

        Readers who are first in line are let in; no writer comes between.

        Raises:
            RuntimeError: the caller does not write.

        Checkpoint: never.
        Cost: O(1) for each who is let in.
        """
        party = party_here()
        waiters = self._waiters
        served: list[Waiter] = []
        waiters.lock.acquire()
        writes = self._writer is party
        if writes:
            self._writer = None
            self._readers[party] = 1
            served = self._serve()
        waiters.lock.release()
        if not writes:
            raise RuntimeError(f"{name_of(party)} does not write: downgrade of {self!r}")
        resume_all(served)

    def statistics(self) -> RwLockStatistics:
        """How it stands at this moment."""
        return RwLockStatistics(len(self._readers), self._writer, len(self._waiters))

    # ---- its rules, under the lock --------------------------------------------------------------------------------

    def _attempt_read(self, party: object) -> Any:
        """Let `party` read, if nobody writes and nobody waits."""
        if self._writer is not None:
            return OWN if self._writer is party else LATER
        if self._waiters.head() is not None:
            return AGAIN if party in self._readers else LATER
        self._readers[party] = self._readers.get(party, 0) + 1
        return TAKEN

    def _attempt_write(self, party: object) -> Any:
        """Let `party` write, if nobody is inside and nobody waits."""
        if self._writer is party or party in self._readers:
            return OWN
        if self._writer is not None or self._readers or self._waiters.head() is not None:
            return LATER
        self._writer = party
        return TAKEN

    def _serve(self) -> list[Waiter]:
        """Let in who is first in line, as long as that can be."""
        waiters = self._waiters
        served = []
        while self._writer is None and (head := waiters.head()) is not None:
            party = head.party
            if head.value is WRITE:
                if self._readers:
                    break
                if waiters.take(head, TAKEN):
                    self._writer = party
                    served.append(head)
            elif waiters.take(head, TAKEN):
                self._readers[party] = self._readers.get(party, 0) + 1
                served.append(head)
        return served

    def _give_up(self, party: object) -> list[Waiter]:
        """`party`, which is the caller, leaves; returns who is let in."""
        waiters = self._waiters
        if waiters.watched:
            waiters.gave_up(party)
        if self._writer is party:
            self._writer = None
        else:
            del self._readers[party]
        if self._readers:
            return self._serve()
        served = self._serve()
        waiters.watched = waiters.head() is not None  # those who were joined have all left
        return served

    def _lost(self) -> list[Waiter]:
        """If a holder has ended, refuse those who wait for it."""
        if not self._has_lost_a_holder():
            return []
        waiters = self._waiters
        waiters.watched = False
        if self._writer is not None:
            return waiters.grant_all(LOST)
        decided = []
        while (head := waiters.head()) is not None:
            if head.value is WRITE:
                if waiters.take(head, LOST):
                    decided.append(head)
            else:
                decided += self._serve()
        return decided

    def _holders(self) -> list[object]:
        writer = self._writer
        return list(self._readers.copy()) if writer is None else [writer]

    def _has_lost_a_holder(self) -> bool:
        return any(map(has_ended, self._holders()))

    def _was_lost(self) -> BrokenResource:
        gone = ", ".join(name_of(holder) for holder in self._holders() if has_ended(holder))
        return BrokenResource(f"{self!r}: {gone} has ended without giving it back")

    def __repr__(self) -> str:
        writer = self._writer
        if writer is not None:
            state = f"{name_of(writer)} writes"
        else:
            count = len(self._readers)
            state = f"{count or 'nobody'} {'reads' if count < 2 else 'read'}"
        return f"<RwLock {state}, {len(self._waiters)} waiting>"

    def _check(self) -> None:
        self._waiters._check()
        assert not (self._readers and self._writer is not None), "some read while one writes"
        assert all(times > 0 for times in self._readers.values()), "a reader that does not read"
        head = self._waiters.head()
        if head is not None and not self._waiters._passed:  # else a select will serve when it has left
            waits_for = self._writer is not None or (head.value is WRITE and self._readers)
            assert waits_for, "the first in line waits for nobody"


class Block:
    """The block that reads or writes."""

    __slots__ = ("_acquire", "_lock")

    def __init__(self, lock: RwLock, acquire: Callable[[], Awaitable[None]]) -> None:
        self._lock = lock
        self._acquire = acquire

    def __aenter__(self) -> Awaitable[None]:
        return self._acquire()

    def __aexit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> Awaitable[None]:
        self._lock.release()
        return READY


class _Take(QueueOperation[None]):
    """Taking the lock, in one way or the other."""

    __slots__ = ("_lock",)

    looks_again = True
    queue: HeldQueue

    def __init__(self, lock: RwLock, request: Marker) -> None:
        super().__init__(lock._waiters, request)
        self._lock = lock

    @property
    def reason(self) -> str:
        return f"RwLock.acquire_{'read' if self.request is READ else 'write'}"

    def look_again(self, woken: list[Waiter]) -> None:
        watch = self.queue.watch()
        if watch is not None:
            woken.append(watch)

    def finish(self, granted: Any) -> None:
        if granted is TAKEN:
            self.queue.took(party_here())
            return
        lock, me = self._lock, name_of(party_here())
        if granted is LOST:
            raise lock._was_lost()
        if granted is AGAIN:
            with self.queue.lock:
                head = self.queue.head()
            writer = "the writer" if head is None else name_of(head.party)
            raise RuntimeError(f"{me} would wait for itself: it reads {lock!r} already, {writer} waits in line until "
                               "it has left, and it would stand in line behind that")  # fmt: skip
        may_downgrade = self.request is READ  # it writes, then: who reads may read again
        remedy = "give it back first, or downgrade" if may_downgrade else "give it back first"
        raise RuntimeError(f"{me} would wait for itself: it holds {lock!r}; {remedy}")

    def give_back(self, granted: Any) -> None:
        if granted is TAKEN:
            self._lock.release()

    def would_block(self) -> ConcError:
        lock = self._lock
        if lock._has_lost_a_holder() and (self.request is WRITE or lock._writer is not None):
            return lock._was_lost()
        return WouldBlock(f"{self.reason} of {lock!r} would have to wait")


class _Read(_Take):
    __slots__ = ()

    def __init__(self, lock: RwLock) -> None:
        super().__init__(lock, READ)

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self._lock._attempt_read(party)


class _Write(_Take):
    __slots__ = ()

    def __init__(self, lock: RwLock) -> None:
        super().__init__(lock, WRITE)

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self._lock._attempt_write(party)
