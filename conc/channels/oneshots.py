"""A channel for one item: a promise, and who keeps it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NamedTuple, TypeVar

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import GRANTED, PARK, Marker, toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.channels.ends import BUSY, OVER, End, LostEnds
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, EndOfChannel, WouldBlock

if TYPE_CHECKING:
    from types import FrameType

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
T_contra = TypeVar("T_contra", contravariant=True)

NOTHING: Final = Marker("NOTHING")  # was sent yet
TAKEN: Final = Marker("TAKEN")  # received


class oneshot(tuple["OneshotSender[T]", "OneshotReceiver[T]"]):  # noqa: N801  # used like a function
    """``sender, receiver = oneshot()``: a channel for one item, as the answer to a request.

    Checkpoint: never.
    """

    __slots__ = ()

    def __new__(cls) -> tuple[OneshotSender[T], OneshotReceiver[T]]:  # type: ignore[misc]
        shot = _Shot(sys._getframe(1))
        return OneshotSender(shot), OneshotReceiver(shot)


class OneshotStatistics(NamedTuple):
    """A oneshot at one moment."""

    state: Literal["open", "sent", "received", "closed"]
    """What became of the item: it may still be sent, was sent, was received, or will not be sent."""
    receiver_open: bool
    """Whether it is still wanted: the receiver is not closed, and has not got it."""
    tasks_waiting: int
    """How many wait in `receive`: one at most."""


class OneshotSender(End, Generic[T_contra]):
    """Sends one item, and is closed by that. Made by `oneshot`.

    May be used from any strand; all but `closed` from any thread. A context manager, which closes this end: who waits
    for the item learns that it will not come.
    """

    __slots__ = ("_shot",)

    def __init__(self, shot: _Shot) -> None:
        self._open = True
        self._shot = shot

    def send_nowait(self, item: T_contra) -> None:
        """Send the item. It never waits. That it was sent does not mean that it will be received.

        Raises:
            ChannelClosed: the receiver is closed; the item was not sent.
            RuntimeError: an item was sent already.
            ClosedResource: this sender is closed.

        Checkpoint: never.
        """
        shot = self._shot
        shot.lock.acquire()
        try:
            if not self._open or not shot.receiver_open:
                raise self._refusal()
            self._open = False
            woken = shot.send(item)
        finally:
            shot.lock.release()
        if woken:
            resume_all(woken)

    def _refusal(self) -> Exception:
        if self._open:
            return ChannelClosed(f"the receiver is closed: {self!r}")
        if self._shot.item is not OVER:
            return RuntimeError(f"a oneshot is for one item, and that was sent: {self!r}")
        return self._closed_error()

    def close(self) -> None:
        """Send nothing, if nothing was sent: the receiver sees EndOfChannel. Idempotent; from any thread.

        Checkpoint: never.
        """
        shot = self._shot
        woken: list[Waiter] = []
        with shot.lock:
            if self._open:
                self._open = False
                woken = shot.close_sender()
        resume_all(woken)

    async def closed(self) -> None:
        """Wait until nobody will receive an item any more: the receiver is closed, or has got it.

        Checkpoint: always a cancel point; it waits only if that is not so.
        If cancelled: nothing happened.
        """
        charge() or await toll()
        shot = self._shot
        if shot.lost is not None:
            shot.lost.warn(1, waits=shot.receiver_open)
        await perform(self.closing())

    def closing(self) -> QueueOperation[None]:
        """`closed`, for `conc.select`."""
        return _Closed(self._shot)

    def is_closed(self) -> bool:
        """Whether nobody will receive an item any more: the receiver is closed, or has got it. Checkpoint: never."""
        return not self._shot.receiver_open

    def statistics(self) -> OneshotStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._shot.lock:
            return self._shot.statistics()

    def _lose(self) -> None:
        self._shot.lose("sender", self._shot)

    def __repr__(self) -> str:
        return f"<OneshotSender{'' if self._open else ' (closed)'} of {self._shot!r}>"

    def _check(self) -> None:
        self._shot._check()


class OneshotReceiver(End, Generic[T_co]):
    """Receives the one item, and is closed by that. Made by `oneshot`.

    May be used from any strand; what ends in `_nowait` or `_blocking`, and `close`, from any thread. A context manager,
    which closes this end; ``async for`` gives the item, if one comes.
    """

    __slots__ = ("_shot",)

    def __init__(self, shot: _Shot) -> None:
        self._open = True
        self._shot = shot

    async def receive(self) -> T_co:
        """Take the item, waiting until it is sent.

        Raises:
            EndOfChannel: it will not come: the sender was closed, or this receiver.
            BusyResource: another task waits for it.
            RuntimeError: it was received already.

        Checkpoint: always a cancel point; it waits only if the item was not sent.
        If cancelled: the item was not taken.
        """
        task = charge() or await toll()
        shot = self._shot
        if shot.lost is not None:
            shot.lost.warn(1, waits=shot.item is NOTHING)
        woken: list[Waiter] = []
        shot.lock.acquire()
        try:
            granted = shot.receive(woken)
            if granted is LATER:
                shot.enlist(task)
        finally:
            shot.lock.release()
        if woken:
            resume_all(woken)
        if granted is LATER:  # as `perform`, in a frame less
            try:
                await PARK
            except BaseException:
                if task.wait is GRANTED:  # the run is stopped by force
                    task.wait = None
                    _Receive(self).give_back(task.value)
                raise
            task.wait = None
            granted, task.value = task.value, None
        del task
        return self._received(granted)

    def receive_nowait(self) -> T_co:
        """Take the item if it was sent. From any thread.

        Raises:
            ChannelEmpty: it was not sent yet.
            EndOfChannel, BusyResource, RuntimeError: as `receive`.

        Checkpoint: never.
        """
        return perform_nowait(_Receive(self))

    def receive_blocking(self, timeout: float | None = None) -> T_co:
        """As `receive`, for a thread outside.

        Args:
            timeout: seconds of real time; None is for ever.

        Raises:
            TimeoutError: it did not come in time; it was not taken.
            EndOfChannel, BusyResource: as `receive`.
            RuntimeError: it was received already; or this thread runs tasks.

        Checkpoint: never; it blocks the thread.
        """
        return perform_blocking(_Receive(self), timeout, "OneshotReceiver.receive")

    def receiving(self) -> QueueOperation[T_co]:
        """`receive`, for `conc.select`."""
        return _Receive(self)

    def _received(self, granted: Any) -> T_co:
        if granted.__class__ is not Marker:
            self._open = False  # the channel counts it as closed since the item was granted
            return granted  # type: ignore[no-any-return]
        if granted is OVER:
            raise EndOfChannel(f"nothing was sent, and nothing will come: {self!r}")
        if granted is BUSY:
            raise BusyResource(f"another task waits for the item: {self!r}")
        raise RuntimeError(f"a oneshot is for one item, and that was received: {self!r}")

    def __aiter__(self) -> OneshotReceiver[T_co]:
        return self

    async def __anext__(self) -> T_co:
        if self._shot.item is TAKEN:
            raise StopAsyncIteration
        try:
            return await self.receive()
        except EndOfChannel:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Refuse the item if it was not sent yet. Idempotent; from any thread.

        What was sent before can still be received; a task that waits gets EndOfChannel.

        Checkpoint: never.
        """
        shot = self._shot
        woken: list[Waiter] = []
        with shot.lock:
            if self._open:
                self._open = False
                woken = shot.close_receiver()
        resume_all(woken)

    def is_closed(self) -> bool:
        """Whether nothing can be sent any more: an end is closed, or the item was sent. Checkpoint: never."""
        return self._shot.item is not NOTHING or not self._shot.receiver_open

    def statistics(self) -> OneshotStatistics:
        """How the channel stands at this moment. Checkpoint: never."""
        with self._shot.lock:
            return self._shot.statistics()

    def _lose(self) -> None:
        self._shot.lose("receiver", self._shot.gone)

    def __repr__(self) -> str:
        return f"<OneshotReceiver{'' if self._open else ' (closed)'} of {self._shot!r}>"

    def _check(self) -> None:
        self._shot._check()


class _Receive(QueueOperation[T]):
    __slots__ = ("_receiver",)

    queue: _Shot
    request = None

    def __init__(self, receiver: OneshotReceiver[T]) -> None:
        self.queue = receiver._shot
        self._receiver = receiver

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self.queue.receive(woken)

    def finish(self, granted: Any) -> T:
        return self._receiver._received(granted)

    def give_back(self, granted: Any) -> None:
        with self.queue.lock:
            if granted.__class__ is not Marker:
                self.queue.item = granted
                self.queue.receiver_open = self._receiver._open

    def would_block(self) -> WouldBlock:
        return ChannelEmpty(f"nothing was sent yet: {self._receiver!r}")


class _Closed(QueueOperation[None]):
    __slots__ = ("_shot",)

    def __init__(self, shot: _Shot) -> None:
        super().__init__(shot.line_of_sender())
        self._shot = shot

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return LATER if self._shot.receiver_open else None


class _Shot(WaitQueue):
    """The line in front of the receiver, and what became of the item. All methods under the lock.

    `item` is NOTHING until it is sent, then that, then TAKEN; or OVER, if the sender was closed before.

    Invariant: who waits for the item gets it at once: nobody waits unless it is NOTHING, and the receiver open.
    Invariant: nobody waits in `gone` when the receiver is not open: it was closed, or has got the item.
    """

    __slots__ = ("gone", "item", "lost", "made_at", "receiver_open")

    def __init__(self, made_in: FrameType) -> None:
        WaitQueue.__init__(self, "OneshotReceiver.receive")
        self.item: Any = NOTHING
        self.receiver_open = True
        self.gone: WaitQueue | None = None  # most senders never wait
        self.lost: LostEnds | None = None
        self.made_at = made_in.f_code, made_in.f_lasti

    @property
    def state(self) -> Literal["open", "sent", "received", "closed"]:
        """What became of the item."""
        item = self.item
        return "open" if item is NOTHING else "received" if item is TAKEN else "closed" if item is OVER else "sent"

    def send(self, item: Any) -> Sequence[Waiter]:
        """Hand the item over, or keep it until it is asked for."""
        waiter = self.grant(item) if self.line else None
        if waiter is None:
            self.item = item
            return ()
        return [waiter, *self._taken()]

    def receive(self, woken: list[Waiter]) -> Any:
        """The item, or TAKEN, OVER, BUSY or LATER."""
        item = self.item
        if item is NOTHING:
            if not self.receiver_open:
                return OVER
            return BUSY if self.line and self.head() is not None else LATER
        if item is not TAKEN and item is not OVER:
            woken += self._taken()
        return item

    def _taken(self) -> Sequence[Waiter]:
        self.item = TAKEN
        self.receiver_open = False
        return () if self.gone is None else self.gone.grant_all()

    def close_sender(self) -> list[Waiter]:
        """Nothing will be sent."""
        self.item = OVER
        return self.grant_all(OVER)

    def close_receiver(self) -> list[Waiter]:
        """Nothing is wanted, but for what was sent already."""
        self.receiver_open = False
        woken = self.grant_all(OVER)
        return woken if self.gone is None else woken + self.gone.grant_all()

    def line_of_sender(self) -> WaitQueue:
        """The line of those who wait in `OneshotSender.closed`. Takes the lock."""
        with self.lock:
            if self.gone is None:
                self.gone = WaitQueue("OneshotSender.closed", beside=self)
            return self.gone

    def lose(self, side: str, other_side: WaitQueue | None) -> None:
        """An end was collected unclosed. Takes no lock."""
        self.lost = LostEnds(side)
        self.lost.places.append(self.made_at)
        self.lost.warn(1, waits=other_side is not None and len(other_side) > 0)

    def statistics(self) -> OneshotStatistics:
        """How it stands."""
        return OneshotStatistics(self.state, self.receiver_open, len(self))

    def __repr__(self) -> str:
        waits = f", {len(self)} waiting" if len(self) else ""
        unwanted = ", receiver closed" if self.item is NOTHING and not self.receiver_open else ""
        return f"a oneshot, {self.state}{waits}{unwanted}"

    def _check(self) -> None:
        super()._check()
        if self.item is not NOTHING or not self.receiver_open:
            assert not len(self), "somebody waits for what will not come, or is there"
        assert self.item is not TAKEN or not self.receiver_open, "the receiver is open, and has got the item"
        if self.gone is not None:
            self.gone._check()
            assert self.receiver_open or not len(self.gone), "somebody waits for a receiver to go that is gone"
