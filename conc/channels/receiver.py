"""The receiving end of an mpsc or mpmc channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from conc._kernel.current import charge, slot
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, Marker, toll
from conc._kernel.waitqueue import Waiter, resume_all
from conc._os.sync import is_empty
from conc.channels.conduit import ChannelStatistics, Conduit
from conc.channels.ends import BUSY, CLOSED, OVER, End, Place, calling_line
from conc.errors import BusyResource, ChannelEmpty, EndOfChannel, WouldBlock
from conc.sync.semaphore import check_count

if TYPE_CHECKING:
    from conc._kernel.task import Task

T_co = TypeVar("T_co", covariant=True)


class Receiver(End, Generic[T_co]):
    """Receives the items of a channel, oldest first. Made by `mpsc`, `mpsc_unbounded` and `mpmc`, and by `clone`.

    ``async for item in receiver:`` runs until the end of the channel. A context manager, which closes this end. May be
    used from any strand; what ends in `_nowait` or `_blocking`, and `close`, from any thread.

    Each item goes to one receiver. Receivers of an mpmc channel that wait are served first come, first served; the one
    receiver of an mpsc channel is for one task at a time.
    """

    __slots__ = ("_conduit",)

    def __init__(self, conduit: Conduit, made_at: Place) -> None:
        super().__init__(made_at)
        self._conduit = conduit

    # ---- receiving ------------------------------------------------------------------------------------------------

    async def receive(self) -> T_co:
        """Take the oldest item, waiting for one if there is none.

        Raises:
            EndOfChannel: nothing more will come: all senders are closed, or the receivers, and all was received.
            ClosedResource: this receiver is closed, or was closed meanwhile, and others are open.
            BusyResource: another task waits in this receiver of an mpsc channel.

        Checkpoint: always a cancel point; it waits only if there is no item.
        If cancelled: no item was taken.
        """
        worker = slot.worker  # `charge`, in place: this is where programs spend their time
        if worker is None or worker.budget <= 0 or worker.task.scope.cancelled:  # type: ignore[union-attr]
            await toll()
        else:
            worker.budget -= 1
        conduit = self._conduit
        if conduit.items and not conduit.receiving.line and self._open:
            try:
                item = conduit.items.popleft()
            except IndexError:
                pass  # another thread was faster
            else:
                if conduit.counted:
                    conduit.places.append(None)
                    if conduit.sending.line:
                        self._settle()
                return item  # type: ignore[no-any-return]
        if conduit.lost_senders.places:
            conduit.lost_senders.warn(conduit.senders, not conduit.items)
        # The usual wait is written out: what `perform` does for all operations would take twice as long.
        task: Task[Any] = worker.task  # type: ignore[union-attr, assignment]
        woken: list[Waiter] | None = None
        receiving = conduit.receiving
        conduit.lock.acquire()
        try:
            possible = conduit.items or receiving.line or conduit.sending.line
            waits = not possible and self._open and conduit.senders
            if waits:
                receiving.enlist(task, self)
                if not is_empty(conduit.items):
                    conduit.settle(woken := [])
        finally:
            conduit.lock.release()
        if not waits:
            del task
            return await perform(_Receive(self, 0))
        if woken:
            resume_all(woken)
        try:
            await PARK
        except BaseException:
            if task.wait is GRANTED:  # no cancellation, then: the run is stopped by force
                task.wait = None
                _Receive(self, 0).give_back(task.value)
            raise
        task.wait = None
        granted, task.value = task.value, None
        del task  # an error holds this frame, and may become that of the task
        return _Receive(self, 0).finish(granted) if type(granted) is Marker else granted  # type: ignore[no-any-return]

    def receive_nowait(self) -> T_co:
        """Take the oldest item if there is one. From any thread.

        Raises:
            ChannelEmpty: there is none.
            EndOfChannel, ClosedResource, BusyResource: as `receive`.

        Checkpoint: never.
        """
        return perform_nowait(_Receive(self, 0))  # type: ignore[no-any-return]

    def receive_blocking(self, timeout: float | None = None) -> T_co:
        """As `receive`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: nothing came in time; no item was taken.
            EndOfChannel, ClosedResource, BusyResource: as `receive`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(_Receive(self, 0), timeout, "Receiver.receive")  # type: ignore[no-any-return]

    def receiving(self) -> QueueOperation[T_co]:
        """`receive`, for `conc.select`."""
        return _Receive(self, 0)

    async def receive_many(self, limit: int) -> list[T_co]:
        """Take all items that are there, oldest first, but at most `limit`; waiting for one if there is none.

        Args:
            limit: at least 1.

        Raises:
            EndOfChannel, ClosedResource, BusyResource: as `receive`.

        Checkpoint: always a cancel point; it waits only if there is no item.
        If cancelled: no item was taken.
        Cost: O(items taken).
        """
        check_count(limit, "limit", 1)
        charge() or await toll()
        conduit = self._conduit
        conduit.lost_senders.warn(conduit.senders, not conduit.items)
        return await perform(_Receive(self, limit))

    def receive_many_nowait(self, limit: int) -> list[T_co]:
        """Take all items that are there, oldest first, but at most `limit`. From any thread.

        Raises:
            ChannelEmpty: there is none.
            EndOfChannel, ClosedResource, BusyResource: as `receive`.

        Checkpoint: never.
        """
        check_count(limit, "limit", 1)
        return perform_nowait(_Receive(self, limit))

    def receive_many_blocking(self, limit: int, timeout: float | None = None) -> list[T_co]:
        """As `receive_many`, for a thread outside.

        Args:
            limit: at least 1.
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: nothing came in time; no item was taken.
            EndOfChannel, ClosedResource, BusyResource: as `receive`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        check_count(limit, "limit", 1)
        return perform_blocking(_Receive(self, limit), timeout, "Receiver.receive_many")

    def receiving_many(self, limit: int) -> QueueOperation[list[T_co]]:
        """`receive_many`, for `conc.select`."""
        check_count(limit, "limit", 1)
        return _Receive(self, limit)

    def __aiter__(self) -> Receiver[T_co]:
        return self

    async def __anext__(self) -> T_co:
        worker = slot.worker  # `charge`, in place: this is where programs spend their time
        if worker is None or worker.budget <= 0 or worker.task.scope.cancelled:  # type: ignore[union-attr]
            await toll()
        else:
            worker.budget -= 1
        conduit = self._conduit
        if conduit.items and not conduit.receiving.line and self._open:
            try:
                item = conduit.items.popleft()
            except IndexError:
                pass  # another thread was faster
            else:
                if conduit.counted:
                    conduit.places.append(None)
                    if conduit.sending.line:
                        self._settle()
                return item  # type: ignore[no-any-return]
        try:
            return await self.receive()
        except EndOfChannel:
            raise StopAsyncIteration from None

    # ---- the end --------------------------------------------------------------------------------------------------

    def clone(self) -> Receiver[T_co]:
        """Another receiver of the same queue, for another consumer. From any thread.

        Raises:
            ClosedResource: this receiver is closed.
            RuntimeError: an mpsc channel has one receiver; make an mpmc channel.

        Checkpoint: never.
        """
        conduit = self._conduit
        if not conduit.shared:
            raise RuntimeError("an mpsc channel has one receiver: make an mpmc channel for several")
        with conduit.lock:
            if self._open:
                conduit.receivers += 1
                return Receiver(conduit, calling_line())
        raise self._closed_error()

    def close(self) -> None:
        """Receive nothing that is sent from now on, through this end. Idempotent; from any thread.

        If it is the last one, nothing can be sent any more, and all who wait for a place get ChannelClosed; what was
        sent before, or is sent through permits, can still be received through it, until EndOfChannel. Otherwise tasks
        that wait in this receiver get ClosedResource.

        Checkpoint: never.
        """
        conduit = self._conduit
        woken: list[Waiter] = []
        with conduit.lock:
            if self._open:
                self._open = False
                conduit.close_receiver(self, woken)
        resume_all(woken)

    def is_closed(self) -> bool:
        """Whether nothing can be sent any more: all senders are closed, or all receivers. Checkpoint: never."""
        return not (self._conduit.senders and self._conduit.receivers)

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def capacity(self) -> float:
        """How many places there are: inf if there is no limit."""
        return self._conduit.capacity

    def __len__(self) -> int:
        """How many items were sent and not received."""
        return len(self._conduit.items)

    def __bool__(self) -> bool:
        return True  # also when it is empty

    def statistics(self) -> ChannelStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._conduit.lock:
            return self._conduit.statistics()

    def __repr__(self) -> str:
        return f"<Receiver{'' if self._open else ' (closed)'} of {self._conduit!r}>"

    def _settle(self) -> None:
        """Somebody waits for the place that has become free."""
        conduit = self._conduit
        woken: list[Waiter] = []
        conduit.lock.acquire()  # not by `with`, which costs twice as much
        try:
            conduit.settle(woken)
        finally:
            conduit.lock.release()
        if woken:
            resume_all(woken)

    def _lose(self) -> None:
        conduit = self._conduit
        conduit.lost_receivers.places.append(self._made_at)
        conduit.lost_receivers.warn(conduit.receivers, bool(conduit.sending.line or conduit.gone.line))

    def _check(self) -> None:
        self._conduit._check()


class Batch(list[Any]):
    """Several items, taken at once. Who had to wait was granted one."""


class _Receive(QueueOperation[Any]):
    __slots__ = ("end", "limit")

    looks_again = True

    def __init__(self, end: Receiver[Any], limit: int) -> None:
        super().__init__(end._conduit.receiving, end)
        self.end = end
        self.limit = limit

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        conduit = self.end._conduit
        if not self.end._open and conduit.receivers:
            return CLOSED
        if not conduit.shared and conduit.receiving.head() is not None:
            return BUSY
        if not self.limit:
            return conduit.receive(woken)
        taken = Batch()
        while len(taken) < self.limit and (item := conduit.receive(woken)) is not LATER and item is not OVER:
            taken.append(item)
            conduit.receive_along(taken, self.limit, woken)
        return taken or item

    def finish(self, granted: Any) -> Any:
        if granted is OVER:
            raise EndOfChannel(f"nothing more will come out of {self.end!r}")
        if granted is CLOSED:
            raise self.end._closed_error()
        if granted is BUSY:
            raise BusyResource(
                "another task waits in this receiver: an mpsc channel has one consumer; make an mpmc channel, and a "
                "clone of the receiver for each task"
            )
        return granted if not self.limit else list(granted) if type(granted) is Batch else [granted]

    def look_again(self, woken: list[Waiter]) -> None:
        self.end._conduit.settle(woken)

    def give_back(self, granted: Any) -> None:
        if type(granted) is Marker:
            return
        conduit = self.end._conduit
        woken: list[Waiter] = []
        with conduit.lock:
            conduit.take_back(granted if type(granted) is Batch else [granted], woken)
        resume_all(woken)

    def would_block(self) -> WouldBlock:
        return ChannelEmpty(f"there is nothing in {self.end._conduit!r}")
