"""A channel in which every receiver gets every item, and a slow one loses the oldest rather than hold up the sender."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, toll
from conc._kernel.waitqueue import Waiter, resume_all
from conc.channels.audience import Listener, Next, Speaker
from conc.channels.ends import calling_line
from conc.channels.ring import BroadcastStatistics, Entry, Ring
from conc.errors import EndOfChannel, Lagged
from conc.sync.semaphore import check_count

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class broadcast(tuple["BroadcastSender[T]", "BroadcastReceiver[T]"]):  # noqa: N801  # used like a function
    """``sender, receiver = broadcast(16)``: every receiver gets every item that is sent while it is there.

    Sending never waits. The channel keeps the last `capacity` items; a receiver that is further behind gets `Lagged`,
    which tells how many it lost, and goes on with the oldest that is left. An item is kept no longer than until all
    receivers have got it. More receivers come from ``sender.subscribe()`` and ``receiver.clone()``.

    Args:
        capacity: how many items are kept for slow receivers, at least 1.

    Raises:
        ValueError, TypeError: a bad capacity.

    Checkpoint: never.
    """

    __slots__ = ()

    def __new__(cls, capacity: int) -> tuple[BroadcastSender[T], BroadcastReceiver[T]]:  # type: ignore[misc]
        check_count(capacity, "capacity", 1)
        ring = Ring(capacity)
        made_at = calling_line()
        return BroadcastSender(ring, made_at), BroadcastReceiver(ring, ring.seat_from(0), made_at)


class BroadcastSender(Speaker, Generic[T]):
    """Sends items to all receivers of a broadcast. Made by `broadcast`, and by `clone`.

    May be used from any strand; all but `closed` from any thread. A context manager, which closes this end.

    Order: all receivers get the items in the order in which they were sent.
    """

    __slots__ = ()

    _channel: Ring

    def send_nowait(self, item: T) -> int:
        """Send an item to all receivers. It never waits: if the channel is full, the oldest item is overwritten.

        Returns:
            How many receivers there are, slow ones included.

        Raises:
            ChannelClosed: all receivers are closed; the item was not sent. `subscribe` opens the channel again.
            ClosedResource: this sender is closed.

        Checkpoint: never.
        Cost: O(receivers that wait).
        """
        ring = self._channel
        woken: list[Waiter] = []
        ring.lock.acquire()
        try:
            receivers = ring.receivers
            if not receivers or not self._open:
                raise self._refusal()
            overwritten = ring.put(item, woken)
        finally:
            ring.lock.release()
        resume_all(woken)
        del overwritten  # not before: this may run a finaliser of the item
        return receivers

    def subscribe(self) -> BroadcastReceiver[T]:
        """Another receiver, which gets what is sent from now on. From any thread.

        Raises:
            ClosedResource: this sender is closed.

        Checkpoint: never.
        """
        ring = self._channel
        with ring.lock:
            self._check_open()
            return BroadcastReceiver(ring, ring.seat_from(ring.end), calling_line())

    def clone(self) -> BroadcastSender[T]:
        """Another sender of the same channel, for another producer. From any thread.

        Raises:
            ClosedResource: this sender is closed.

        Checkpoint: never.
        """
        ring = self._channel
        with ring.lock:
            self._check_open()
            ring.senders += 1
            return BroadcastSender(ring, calling_line())

    def statistics(self) -> BroadcastStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._channel.lock:
            return self._channel.statistics()

    def __repr__(self) -> str:
        return f"<BroadcastSender{'' if self._open else ' (closed)'} of {self._channel!r}>"


class BroadcastReceiver(Listener[T_co]):
    """Gets every item of a broadcast. Made by `broadcast`, `BroadcastSender.subscribe`, `clone` and `resubscribe`.

    ``async for item in receiver:`` runs until the end of the channel; `Lagged` leaves the loop, and another loop over
    the same receiver goes on from there. For one task at a time: make a clone for each. May be used from any strand;
    what ends in `_nowait` or `_blocking`, `clone`, `resubscribe` and `close` from any thread. A context manager, which
    closes this end.
    """

    __slots__ = ()

    _channel: Ring

    # ---- receiving ------------------------------------------------------------------------------------------------

    async def receive(self) -> T_co:
        """Get the next item, waiting for one if there is none.

        Raises:
            Lagged: items were overwritten before this receiver got them; the next call gives the oldest that is left.
            EndOfChannel: all senders are closed, and this receiver has got everything.
            ClosedResource: this receiver is closed, or was closed meanwhile.
            BusyResource: another task waits in this receiver.

        Checkpoint: always a cancel point; it waits only if there is no item.
        If cancelled: no item was taken, and this receiver gets the same one next.
        """
        task = charge() or await toll()
        ring = self._channel
        if ring.lost_senders.places:
            ring.lost_senders.warn(ring.senders, waits=not self.unread)
        ring.lock.acquire()
        try:
            granted = self._take()
            if granted is LATER:
                self._seat.enlist(task)
        finally:
            ring.lock.release()
        if granted is LATER:  # as `perform`, in a frame less
            try:
                await PARK
            except BaseException:
                if task.wait is GRANTED:  # the run is stopped by force
                    task.wait = None
                    Next(self).give_back(task.value)
                raise
            task.wait = None
            granted, task.value = task.value, None
        del task
        return self._got(granted)

    def receive_nowait(self) -> T_co:
        """Get the next item if there is one. From any thread.

        Raises:
            ChannelEmpty: there is none.
            Lagged, EndOfChannel, ClosedResource, BusyResource: as `receive`.

        Checkpoint: never.
        """
        return perform_nowait(Next(self))

    def receive_blocking(self, timeout: float | None = None) -> T_co:
        """As `receive`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: nothing came in time; no item was taken.
            Lagged, EndOfChannel, ClosedResource, BusyResource: as `receive`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(Next(self), timeout, "BroadcastReceiver.receive")

    def receiving(self) -> QueueOperation[T_co]:
        """`receive`, for `conc.select`."""
        return Next(self)

    def _got(self, granted: Any) -> T_co:
        if granted.__class__ is Entry:
            return granted.item  # type: ignore[no-any-return]
        if granted.__class__ is range:
            raise Lagged(len(granted))
        raise self._refusal(granted)

    def __aiter__(self) -> BroadcastReceiver[T_co]:
        return self

    async def __anext__(self) -> T_co:
        try:
            return await self.receive()
        except EndOfChannel:
            raise StopAsyncIteration from None

    @property
    def unread(self) -> int:
        """How many items were sent that this receiver has not got. More than the capacity: the next call is Lagged."""
        at = self._seat.at  # read first: `end` grows, and never falls behind
        return self._channel.end - at

    # ---- other receivers, and the end -----------------------------------------------------------------------------

    def clone(self) -> BroadcastReceiver[T_co]:
        """Another receiver, which stands where this one does: both get what is still to come. From any thread.

        Raises:
            ClosedResource: this receiver is closed.

        Checkpoint: never.
        Cost: O(unread items).
        """
        ring = self._channel
        with ring.lock:
            self._check_open()
            return BroadcastReceiver(ring, ring.seat_from(self._seat.at), calling_line())

    def resubscribe(self) -> BroadcastReceiver[T_co]:
        """Another receiver, which gets what is sent from now on. From any thread.

        Raises:
            ClosedResource: this receiver is closed.

        Checkpoint: never.
        """
        ring = self._channel
        with ring.lock:
            self._check_open()
            return BroadcastReceiver(ring, ring.seat_from(ring.end), calling_line())

    def close(self) -> None:
        """Get nothing more, not even what was sent already. Idempotent; from any thread.

        A task that waits in this receiver gets ClosedResource. If it is the last one, sends are refused.

        Checkpoint: never.
        Cost: O(unread items).
        """
        ring = self._channel
        woken: list[Waiter] = []
        dropped: list[Entry] = []  # here, not under the lock: that may run finalisers of the items
        with ring.lock:
            if self._open:
                self._open = False
                woken = ring.close_receiver(self._seat)
                dropped = ring.give_up(self._seat.at)
        resume_all(woken)
        del dropped

    def statistics(self) -> BroadcastStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._channel.lock:
            return self._channel.statistics()

    def __repr__(self) -> str:
        return f"<BroadcastReceiver{'' if self._open else ' (closed)'}, {self.unread} unread, of {self._channel!r}>"

    def _check(self) -> None:
        super()._check()
        self._seat._check()
        assert self.unread >= 0, "this receiver has got what was not sent"
        assert not (self.unread and self._seat.head()), "somebody waits beside an item"
