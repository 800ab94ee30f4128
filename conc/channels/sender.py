"""The sending end of an mpsc or mpmc channel, and the permits to send later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from conc._kernel.current import charge, slot
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, toll
from conc._kernel.waitqueue import Waiter, resume_all
from conc._os.sync import is_empty
from conc.channels.conduit import SENT, ChannelStatistics, Conduit
from conc.channels.ends import CLOSED, OVER, End, Place, calling_line
from conc.channels.permit import Permit
from conc.errors import ChannelClosed, ChannelFull, WouldBlock
from conc.sync.semaphore import check_count

if TYPE_CHECKING:
    from conc._kernel.task import Task

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Sender(End, Generic[T_contra]):
    """Sends items into a channel. Made by `mpsc`, `mpsc_unbounded` and `mpmc`, and by `clone`.

    May be used from any strand; what ends in `_nowait` or `_blocking`, `clone` and `close` from any thread. A context
    manager, which closes this end; when all senders are closed, the receivers see the end of the channel after what
    was sent.

    Order: what is sent through one sender by one task is received in that order. Who waits for a place is served first
    come, first served, and no newcomer overtakes.
    """

    __slots__ = ("_conduit",)

    def __init__(self, conduit: Conduit, made_at: Place) -> None:
        super().__init__(made_at)
        self._conduit = conduit

    # ---- sending --------------------------------------------------------------------------------------------------

    async def send(self, item: T_contra) -> None:
        """Send an item, waiting for a place if there is none. In a rendezvous, until a receiver takes it.

        Raises:
            ChannelClosed: all receivers are closed, or were closed meanwhile.
            ClosedResource: this sender is closed, or was closed meanwhile.

        Checkpoint: always a cancel point; it waits only if there is no place.
        If cancelled: the item was not sent, and the place in line is given up.
        """
        worker = slot.worker  # `charge`, in place: this is where programs spend their time
        if worker is None or worker.budget <= 0 or worker.task.scope.cancelled:  # type: ignore[union-attr]
            await toll()
        else:
            worker.budget -= 1
        conduit = self._conduit
        if conduit.receiving.line and self._hand_over(item):
            return
        if self._open and conduit.receivers and not conduit.sending.line and conduit.places:
            try:
                if conduit.counted:
                    conduit.places.pop()
            except IndexError:
                pass  # another thread was faster
            else:
                conduit.items.append(item)
                if conduit.receiving.line or conduit.ended:
                    self._settle(item)
                return
        if conduit.lost_receivers.places:
            conduit.lost_receivers.warn(conduit.receivers, conduit.free < 1)
        # The usual wait is written out: what `perform` does for all operations would take twice as long.
        task: Task[Any] = worker.task  # type: ignore[union-attr, assignment]
        woken: list[Waiter] | None = None
        conduit.lock.acquire()
        try:
            possible = conduit.receiving.line or conduit.places or conduit.unmade
            waits = not possible and self._open and conduit.receivers
            if waits:
                conduit.sending.enlist(task, (self, item, 0))
                if not is_empty(conduit.places):
                    conduit.settle(woken := [])
        finally:
            conduit.lock.release()
        if not waits:
            del task
            await perform(_Send(self, item))
            return
        if woken:
            resume_all(woken)
        try:
            await PARK
        except BaseException:
            if task.wait is GRANTED:  # no cancellation, then: the run is stopped by force
                task.wait = None
            raise
        task.wait = None
        granted, task.value = task.value, None
        del task  # an error holds this frame, and may become that of the task
        if granted is not SENT:
            _Send(self, item).finish(granted)

    def send_nowait(self, item: T_contra) -> None:
        """Send an item if there is a place, and nobody waits for one. From any thread.

        Raises:
            ChannelFull: there is no place, or others wait for theirs; in a rendezvous, no receiver waits.
            ChannelClosed, ClosedResource: as `send`.

        Checkpoint: never.
        """
        conduit = self._conduit
        if conduit.receiving.line and self._hand_over(item):
            return
        if self._open and conduit.receivers and not conduit.sending.line and conduit.places:
            try:
                if conduit.counted:
                    conduit.places.pop()
            except IndexError:
                pass  # another thread was faster
            else:
                conduit.items.append(item)
                if conduit.receiving.line or conduit.ended:
                    self._settle(item)
                return
        perform_nowait(_Send(self, item))

    def send_blocking(self, item: T_contra, timeout: float | None = None) -> None:
        """As `send`, for a thread outside.

        Args:
            item: what to send.
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: there was no place in time; the item was not sent.
            ChannelClosed, ClosedResource: as `send`.
            RuntimeError: this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        perform_blocking(_Send(self, item), timeout, "Sender.send")

    def sending(self, item: T_contra) -> QueueOperation[None]:
        """`send`, for `conc.select`."""
        return _Send(self, item)

    # ---- reserving ------------------------------------------------------------------------------------------------

    async def reserve(self) -> Permit[T_contra]:
        """Wait for a place, and keep it for an item that is sent later: ``with await sender.reserve() as permit:``.

        Raises:
            ChannelClosed, ClosedResource: as `send`.
            RuntimeError: a rendezvous has no places; use `conc.select` with `sending`.

        Checkpoint: always a cancel point; it waits only if there is no place.
        If cancelled: no place is kept, and that in line is given up.
        """
        return await self.reserve_many(1)

    async def reserve_many(self, places: int) -> Permit[T_contra]:
        """As `reserve`, for several: it keeps none until it keeps all.

        Args:
            places: how many, at least 1 and at most the capacity.

        Raises:
            ChannelClosed, ClosedResource, RuntimeError: as `reserve`.
            ValueError: more than the capacity: that would wait for ever.

        Checkpoint: always a cancel point; it waits only if the places are not free.
        If cancelled: no place is kept, and that in line is given up.
        """
        reservation = _Reserve(self, places)
        charge() or await toll()
        conduit = self._conduit
        conduit.lost_receivers.warn(conduit.receivers, conduit.free < places)
        return await perform(reservation)

    def reserve_nowait(self, places: int = 1) -> Permit[T_contra]:
        """Keep some places if they are free, and nobody waits for any. From any thread.

        Raises:
            ChannelFull: they are not free, or others wait for theirs.
            ChannelClosed, ClosedResource, RuntimeError, ValueError: as `reserve_many`.

        Checkpoint: never.
        """
        return perform_nowait(_Reserve(self, places))

    def reserve_blocking(self, places: int = 1, timeout: float | None = None) -> Permit[T_contra]:
        """As `reserve_many`, for a thread outside.

        Args:
            places: how many.
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: they were not free in time; none is kept.
            ChannelClosed, ClosedResource, RuntimeError, ValueError: as `reserve_many`.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(_Reserve(self, places), timeout, "Sender.reserve")

    def reserving(self, places: int = 1) -> QueueOperation[Permit[T_contra]]:
        """`reserve_many`, for `conc.select`."""
        return _Reserve(self, places)

    # ---- the end --------------------------------------------------------------------------------------------------

    def clone(self) -> Sender[T_contra]:
        """Another sender of the same channel, for another producer. From any thread.

        Raises:
            ClosedResource: this sender is closed.

        Checkpoint: never.
        """
        conduit = self._conduit
        with conduit.lock:
            if self._open:
                conduit.senders += 1
                return Sender(conduit, calling_line())
        raise self._closed_error()

    def downgrade(self) -> WeakSender[T_contra]:
        """A handle that can make senders as long as there is one, and does not keep the channel open by itself.

        From any thread. Checkpoint: never.
        """
        return WeakSender(self._conduit)

    def close(self) -> None:
        """Send nothing more through this end. Idempotent; from any thread.

        Tasks that wait in `send` or `reserve` through it get ClosedResource. Permits can still be used.

        Checkpoint: never.
        """
        conduit = self._conduit
        woken: list[Waiter] = []
        with conduit.lock:
            if self._open:
                self._open = False
                conduit.close_sender(self, woken)
        resume_all(woken)

    async def closed(self) -> None:
        """Wait until all receivers are closed: what is sent from then on is refused.

        Checkpoint: always a cancel point; it waits only if a receiver is open.
        If cancelled: nothing happened.
        """
        charge() or await toll()
        await perform(_Closed(self._conduit))

    def closing(self) -> QueueOperation[None]:
        """`closed`, for `conc.select`."""
        return _Closed(self._conduit)

    def is_closed(self) -> bool:
        """Whether all receivers are closed. Checkpoint: never."""
        return not self._conduit.receivers

    # ---- looking --------------------------------------------------------------------------------------------------

    def same_channel(self, other: Sender[Any]) -> bool:
        """Whether `other` sends into the same channel. Checkpoint: never."""
        return self._conduit is other._conduit

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
        return f"<Sender{'' if self._open else ' (closed)'} of {self._conduit!r}>"

    def _hand_over(self, item: T_contra) -> bool:
        """Give the item to somebody who waits for one; False if that cannot be done at once."""
        conduit = self._conduit
        waiter = None
        conduit.lock.acquire()  # not by `with`, which costs twice as much
        try:
            if not conduit.items and self._open and conduit.receivers and not conduit.sending.line:
                waiter = conduit.receiving.grant(item)
        finally:
            conduit.lock.release()
        if waiter is None:
            return False
        waiter.resume()
        return True

    def _settle(self, item: T_contra) -> None:
        """Somebody waits for the item that was sent; or was told, at the same time, that none will come."""
        conduit = self._conduit
        woken: list[Waiter] = []
        conduit.lock.acquire()
        try:
            unsent = conduit.ended and conduit.fetch_back(item)
            conduit.settle(woken)
        finally:
            conduit.lock.release()
        if woken:
            resume_all(woken)
        if unsent:
            _Send(self, item).finish(OVER if self._open else CLOSED)

    def _lose(self) -> None:
        conduit = self._conduit
        conduit.lost_senders.places.append(self._made_at)
        conduit.lost_senders.warn(conduit.senders, bool(conduit.receiving.line))

    def _check(self) -> None:
        self._conduit._check()


class WeakSender(Generic[T_contra]):
    """Makes senders of a channel while there is one that is open; see `Sender.downgrade`."""

    __slots__ = ("_conduit",)

    def __init__(self, conduit: Conduit) -> None:
        self._conduit = conduit

    def upgrade(self) -> Sender[T_contra] | None:
        """Another sender; None if all senders, or all receivers, are closed. From any thread. Checkpoint: never."""
        conduit = self._conduit
        with conduit.lock:
            if not conduit.senders or not conduit.receivers:
                return None
            conduit.senders += 1
        return Sender(conduit, calling_line())

    def __repr__(self) -> str:
        return f"<WeakSender of {self._conduit!r}>"


class _FromSender(QueueOperation[T]):
    """What a sender does."""

    __slots__ = ("end", "item", "places")

    looks_again = True

    def __init__(self, end: Sender[Any], item: Any, places: int) -> None:
        super().__init__(end._conduit.sending, (end, item, places))
        self.end = end
        self.item = item
        self.places = places

    def look_again(self, woken: list[Waiter]) -> None:
        conduit = self.end._conduit
        if not is_empty(conduit.places):
            conduit.settle(woken)

    def would_block(self) -> WouldBlock:
        conduit = self.end._conduit
        if not conduit.capacity:
            return ChannelFull(f"nobody waits to receive from {conduit!r}")
        return ChannelFull(f"there is no free place in {conduit!r}")

    def _refuse(self, granted: Any) -> None:
        """Raise the error if this is no success."""
        if granted is CLOSED:
            raise self.end._closed_error()
        if granted is not SENT:
            raise ChannelClosed(f"all receivers are closed: {self.end!r}")


class _Send(_FromSender[None]):
    __slots__ = ()

    def __init__(self, end: Sender[Any], item: Any) -> None:
        super().__init__(end, item, 0)

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self.end._conduit.send(self.item, woken) if self.end._open else CLOSED

    def finish(self, granted: Any) -> None:
        self._refuse(granted)


class _Reserve(_FromSender[Permit[T]]):
    __slots__ = ()

    def __init__(self, end: Sender[T], places: int) -> None:
        check_count(places, "places", 1)
        capacity = end._conduit.capacity
        if not capacity:
            raise RuntimeError("a rendezvous has no places to reserve; use conc.select with sending(item)")
        if places > capacity:
            raise ValueError(
                f"places must be at most the capacity ({capacity}), not {places}: this could never succeed"
            )
        super().__init__(end, None, places)

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self.end._conduit.reserve(self.places) if self.end._open else CLOSED

    def finish(self, granted: Any) -> Permit[T]:
        self._refuse(granted)
        return Permit(self.end._conduit, self.places, calling_line())

    def give_back(self, granted: Any) -> None:
        if granted is SENT:
            Permit(self.end._conduit, self.places, calling_line()).release()


class _Closed(QueueOperation[None]):
    __slots__ = ("_conduit",)

    def __init__(self, conduit: Conduit) -> None:
        super().__init__(conduit.gone)
        self._conduit = conduit

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return LATER if self._conduit.receivers else None
