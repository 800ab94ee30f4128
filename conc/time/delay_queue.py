"""A queue out of which each item comes when its time has come."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, TypeVar

from conc._kernel.cancel import check_time
from conc._kernel.current import charge, current_worker, slot
from conc._kernel.operation import LATER, QueueOperation, perform, perform_nowait
from conc._kernel.suspend import Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.errors import ChannelEmpty, ClosedResource, EndOfChannel
from conc.time.delay_heap import DelayHeap, DelayKey

if TYPE_CHECKING:
    from conc._kernel.choosing import Branch
    from conc._kernel.strand import Strand

T = TypeVar("T")

OVER: Final = Marker("OVER")  # what is received in place of an item when nothing more will come


class DelayQueueStatistics(NamedTuple):
    """A `DelayQueue` at one moment."""

    items: int
    """How many items it holds, due or not."""
    tasks_waiting_receive: int
    """How many wait in `DelayQueue.receive`."""
    closed: bool
    """Whether it is closed."""


class DelayQueue(Generic[T]):
    """Items that may be received from a certain time on, in order of these times. Typed as ``DelayQueue[str]()``.

    `receive` waits for the next item that becomes due, also while there is none at all: others may still insert some.
    After `close` what is left comes in its time, and then the end. Made in a running program, on whose clock it counts.

    May be used from any strand; all but `receive` from any thread.

    Raises:
        RuntimeError: it is made outside of a running program.

    Invariant: nobody waits when the queue is closed and empty.
    Invariant: if somebody waits, the alarm of the first in line is to ring when the first item is due.
    Order: by deadline, those of equal deadlines as they were inserted or reset. Receivers: first come, first served.
    """

    __slots__ = ("_closed", "_heap", "_now", "_waiters")

    def __init__(self) -> None:
        self._now = current_worker().now
        self._heap = DelayHeap[T]()
        self._closed = False
        self._waiters = WaitQueue("DelayQueue.receive", self._serve)

    # ---- what goes in ---------------------------------------------------------------------------------------------

    def insert(self, value: T, delay: float) -> DelayKey:
        """Let `value` be received `delay` seconds from now. From any thread.

        Args:
            value: the item.
            delay: seconds, at least 0; inf is never, until it is reset.

        Returns:
            The key of the item, for `remove`, `reset` and `deadline`.

        Raises:
            ValueError: negative, or NaN.
            TypeError: not a number.
            ClosedResource: the queue is closed.

        Checkpoint: never.
        Cost: O(log items).
        """
        return self.insert_at(value, self._after(delay))

    def insert_at(self, value: T, deadline: float) -> DelayKey:
        """As `insert`, with a moment on the runtime's clock (`conc.current_time`). One that has passed is due now."""
        deadline = check_time(deadline, "deadline")
        with self._waiters.lock:
            if self._closed:
                raise ClosedResource(f"{self!r} is closed")
            key = self._heap.add(value, deadline)
            served = self._serve()
        resume_all(served)
        return key

    def reset(self, key: DelayKey, delay: float) -> None:
        """Let an item be received `delay` seconds from now instead. From any thread.

        Args:
            key: of the item.
            delay: as for `insert`.

        Raises:
            KeyError: the item is not in the queue any more.
            ValueError, TypeError: as `insert`.

        Checkpoint: never.
        Cost: O(log items), amortised.
        """
        self.reset_at(key, self._after(delay))

    def reset_at(self, key: DelayKey, deadline: float) -> None:
        """As `reset`, with a moment on the runtime's clock."""
        deadline = check_time(deadline, "deadline")
        with self._waiters.lock:
            self._check_has(key)
            self._heap.schedule(key, deadline)
            served = self._serve()
        resume_all(served)

    def remove(self, key: DelayKey) -> T:
        """Take an item out before its time, and return it. From any thread.

        Raises:
            KeyError: the item is not in the queue any more: it was received, or removed.

        Checkpoint: never.
        Cost: O(1), amortised.
        """
        with self._waiters.lock:
            self._check_has(key)
            value = self._heap.remove(key)
            served = self._serve()
        resume_all(served)
        return value

    def clear(self) -> None:
        """Remove all items. From any thread. Checkpoint: never."""
        with self._waiters.lock:
            gone = self._heap.clear()
            served = self._serve()
        resume_all(served)
        del gone  # what it does when it goes is not done under the lock

    def close(self) -> None:
        """Let nothing more be inserted; what is there comes in its time. Idempotent. From any thread.

        Checkpoint: never.
        """
        with self._waiters.lock:
            self._closed = True
            served = self._serve()
        resume_all(served)

    # ---- what comes out -------------------------------------------------------------------------------------------

    async def receive(self) -> T:
        """Wait until the first item is due, and take it out.

        Raises:
            EndOfChannel: the queue is closed and empty.
            RuntimeError: the queue counts on the clock of another program.

        Checkpoint: always a cancel point; it waits only if no item is due.
        If cancelled: no item was taken, and the place in line is given up.
        """
        task = charge() or await toll()
        self._check_clock()
        operation = _Receive(self)
        operation.request = alarm = _Alarm(self, task.strand)
        try:
            return await perform(operation)
        finally:
            alarm.put_away()
            del task  # an error holds this frame, and may become that of the task

    def receive_nowait(self) -> T:
        """Take out the first item if it is due and nobody waits for it. From any thread.

        Raises:
            ChannelEmpty: it is not due, or there is none.
            EndOfChannel: the queue is closed and empty.

        Checkpoint: never.
        """
        return perform_nowait(_Receive(self))

    def receiving(self) -> QueueOperation[T]:
        """`receive`, for `conc.select`."""
        self._check_clock()
        return _Receive(self)

    def __aiter__(self) -> DelayQueue[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except EndOfChannel:
            raise StopAsyncIteration from None

    # ---- looking --------------------------------------------------------------------------------------------------

    def deadline(self, key: DelayKey) -> float:
        """When an item is due, on the runtime's clock. From any thread. Checkpoint: never.

        Raises:
            KeyError: the item is not in the queue any more.
        """
        self._check_has(key)
        return key._deadline

    def peek(self) -> DelayKey | None:
        """The key of the item that comes next; None if there is none. From any thread. Checkpoint: never."""
        with self._waiters.lock:
            return self._heap.first()

    def statistics(self) -> DelayQueueStatistics:
        """How it stands at this moment."""
        return DelayQueueStatistics(len(self._heap.items), len(self._waiters), self._closed)

    def __len__(self) -> int:
        return len(self._heap.items)

    def __contains__(self, key: object) -> bool:
        return key in self._heap.items

    def __repr__(self) -> str:
        closed = ", closed" if self._closed else ""
        return f"<DelayQueue of {len(self._heap.items)} items, {len(self._waiters)} waiting{closed}>"

    # ---- the state machine, under the lock ------------------------------------------------------------------------

    def _serve(self) -> list[Waiter]:
        """Give what is due to those who wait, in order, and let the alarm of the first who goes on waiting be set.

        Returns who is to be resumed when the lock was given back.
        """
        heap, waiters = self._heap, self._waiters
        served: list[Waiter] = []
        while (head := waiters.head()) is not None:
            first = heap.first()
            if first is None and self._closed:
                if waiters.take(head, OVER):
                    served.append(head)
            elif first is not None and first._deadline <= self._now():
                if waiters.take(head, (first, heap.items[first])):
                    heap.pop(first)
                    served.append(head)
            else:
                alarm, deadline = head.value, math.inf if first is None else first._deadline
                if alarm.deadline != deadline:
                    alarm.deadline = deadline
                    served.append(alarm)
                break
        return served

    def _take(self) -> Any:
        """The first key and item, if it is due and nobody waits for it; OVER if nothing more will come; else LATER."""
        if self._waiters.head() is not None:
            return LATER
        heap = self._heap
        first = heap.first()
        if first is None:
            return OVER if self._closed else LATER
        return (first, heap.pop(first)) if first._deadline <= self._now() else LATER

    # ---- without the lock -----------------------------------------------------------------------------------------

    def _after(self, delay: float) -> float:
        """The time in `delay` seconds."""
        delay = check_time(delay, "delay")
        if not delay >= 0:
            raise ValueError(f"delay must be at least 0 seconds, not {delay}")
        return self._now() + delay

    def _check_has(self, key: DelayKey) -> None:
        if not isinstance(key, DelayKey):
            raise TypeError(f"key must be the DelayKey that insert has returned, not {key!r}")
        if key not in self._heap.items:
            raise KeyError(f"the item of {key!r} is not in the queue any more: it was received, or removed")

    def _check_clock(self) -> None:
        worker = slot.worker
        if worker is not None and worker.now != self._now:
            raise RuntimeError(f"{self!r} was made in a program with another clock; each needs a queue of its own")

    def _check(self) -> None:
        self._waiters._check()
        self._heap._check()
        assert not (self._closed and not self._heap.items and len(self._waiters)), "somebody waits for what never comes"
        head, first = self._waiters.head(), self._heap.first()
        if head is not None and not self._waiters._passed:  # else a select will serve when it has left
            deadline = math.inf if first is None else first._deadline
            assert head.value.deadline == deadline, "the alarm of the first in line is not to ring for the first item"


class _Alarm(Waiter):
    """The alarm of one who waits to receive: if that is the first in line, it rings when the first item is due.

    `deadline` is written under the lock of the queue, by whoever changes what comes first or who is first; then the
    alarm is resumed, as waiters are, for only its own worker sets it.

    Invariant: it stands in the timers of its worker at `_set_to`, unless that is inf; or it was taken out of them to
    ring, and has not yet.
    """

    __slots__ = ("_delays", "_set_to", "_strand", "deadline")

    def __init__(self, delays: DelayQueue[Any], strand: Strand) -> None:
        self._delays = delays
        self._strand = strand
        self._set_to = math.inf
        self.deadline = math.inf

    def resume(self) -> None:
        """Let the alarm be set to `deadline`. From any thread."""
        if slot.worker is self._strand.worker:
            self._set()
        else:
            self._strand.post(self._set)

    def expire(self) -> None:
        """As a timer: ring. What it was to be set to meanwhile is looked up again."""
        self._set_to = math.inf
        delays = self._delays
        with delays._waiters.lock:
            self.deadline = math.inf
            served = delays._serve()
        resume_all(served)

    def put_away(self) -> None:
        """Its owner does not wait any more, so that nobody else knows of it. By the owner."""
        self.deadline = math.inf
        self._set()

    def _set(self) -> None:
        deadline, before = self.deadline, self._set_to
        if deadline != before:
            timers = self._strand.worker.timers  # type: ignore[union-attr]
            if before < math.inf and not timers.remove(before, self):
                return  # it is about to ring
            if deadline < math.inf:
                timers.add(deadline, self)
            self._set_to = deadline


class _Receive(QueueOperation[T]):
    """Its request, while it waits, is an alarm."""

    __slots__ = ("_delays",)

    looks_again: ClassVar[bool] = True

    def __init__(self, delays: DelayQueue[T]) -> None:
        super().__init__(delays._waiters)
        self._delays = delays

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self._delays._take()

    def enter(self, branch: Branch) -> None:
        self.request = _Alarm(self._delays, branch.party.strand)
        super().enter(branch)

    def look_again(self, woken: list[Waiter]) -> None:
        woken += self._delays._serve()

    def leave(self, branch: Branch) -> None:
        super().leave(branch)
        self._put_alarm_away()

    def finish(self, granted: Any) -> T:
        self._put_alarm_away()
        if granted is OVER:
            raise EndOfChannel(f"{self._delays!r}: nothing more will come")
        return granted[1]  # type: ignore[no-any-return]

    def give_back(self, granted: Any) -> None:
        delays = self._delays
        if granted is not OVER:
            with delays._waiters.lock:
                delays._heap.put_back(*granted)
                served = delays._serve()
            resume_all(served)

    def would_block(self) -> ChannelEmpty:
        return ChannelEmpty(f"nothing is due in {self._delays!r}")

    def _put_alarm_away(self) -> None:
        if self.request is not None:
            self.request.put_away()
