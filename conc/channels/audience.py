"""A channel in which every receiver gets everything: who sends, who listens, and which of the listeners waits."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform
from conc._kernel.suspend import toll
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all
from conc.channels.ends import BUSY, CLOSED, OVER, End, LostEnds, Place
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, EndOfChannel, WouldBlock

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Audience:
    """What the ends of one broadcast or watch share. All methods under the lock.

    Invariant: whoever waits for the next thing stands in the line of a seat in `attentive`; where he does, nothing is
    there that his receiver has not got, and a sender is open.
    Invariant: nobody waits in `gone` when all receivers are closed.
    """

    __slots__ = ("attentive", "gone", "lock", "lost_receivers", "lost_senders", "receivers", "senders")

    def __init__(self, gone_reason: str) -> None:
        self.senders = 1
        self.receivers = 0
        self.gone = WaitQueue(gone_reason)
        self.lock = self.gone.lock
        self.attentive: dict[Seat, None] = {}  # in the order in which they came
        self.lost_senders = LostEnds("sender")
        self.lost_receivers = LostEnds("receiver")

    def tell(self, news: Any, at: int) -> list[Waiter]:
        """Grant the next thing to all who wait for it. Cost: O(waiters)."""
        woken = []
        for seat in self.attentive:
            waiter = seat.grant(news)
            if waiter is not None:  # else he was cancelled, or got something else in a select
                seat.at = at
                woken.append(waiter)
        self.attentive.clear()
        return woken

    def close_sender(self) -> list[Waiter]:
        """One sender less."""
        self.senders -= 1
        if self.senders:
            return []
        woken = [waiter for seat in self.attentive for waiter in seat.grant_all(OVER)]
        self.attentive.clear()
        return woken

    def close_receiver(self, seat: Seat) -> list[Waiter]:
        """One receiver less."""
        self.receivers -= 1
        self.attentive.pop(seat, None)
        woken = seat.grant_all(CLOSED)
        return woken if self.receivers else woken + self.gone.grant_all()

    def take(self, seat: Seat) -> Any:
        """What comes next for a receiver: that, OVER or LATER."""
        raise NotImplementedError

    def put_back(self, seat: Seat, granted: Any) -> Waiter | None:
        """Undo a grant of which nobody learnt, if that is still possible; who waits in the seat by now gets it."""
        raise NotImplementedError

    @property
    def waiting(self) -> int:
        """How many wait for the next thing. A look, also without the lock."""
        return sum(map(len, list(self.attentive)))

    def __repr__(self) -> str:
        waits = f", {self.waiting} waiting" if self.waiting else ""
        return f"{self.senders} sender(s), {self.receivers} receiver(s){waits}"

    def _check(self) -> None:
        self.gone._check()
        assert self.senders >= 0, "more senders closed than there were"
        assert self.receivers >= len(self.attentive), "more receivers closed than there were"
        assert self.receivers or not len(self.gone), "somebody waits for receivers to go that are gone"
        assert self.senders or not self.waiting, "somebody waits for something although all senders are closed"


class Seat(WaitQueue):
    """The line in front of one receiver, and how far that is.

    Of a broadcast, `at` is the position of the item it gets next; of a watch, the number of the version it saw last.
    """

    __slots__ = ("_attentive", "at")

    def __init__(self, reason: str, audience: Audience, at: int) -> None:
        super().__init__(reason, beside=audience.gone)
        self._attentive = audience.attentive
        self.at = at

    def enlist(self, waiter: Waiter, request: Any = None) -> None:
        """As that of every queue; and be told what comes next. Under the lock."""
        waiter.value = request  # as `WaitQueue.enlist`, in place: there may be a thousand receivers
        waiter.wait = self
        self.line.append(waiter)
        self._attentive[self] = None


class Member(End):
    """An end of a channel in which every receiver gets everything."""

    __slots__ = ("_channel",)

    def __init__(self, channel: Audience, made_at: Place) -> None:
        super().__init__(made_at)
        self._channel = channel

    def _check_open(self) -> None:
        if not self._open:
            raise self._closed_error()

    def _check(self) -> None:
        self._channel._check()


class Speaker(Member):
    """A sending end."""

    __slots__ = ()

    def close(self) -> None:
        """Send nothing more through this end. Idempotent; from any thread.

        When all senders are closed, receivers that have got everything see EndOfChannel.

        Checkpoint: never.
        """
        woken: list[Waiter] = []
        with self._channel.lock:
            if self._open:
                self._open = False
                woken = self._channel.close_sender()
        resume_all(woken)

    async def closed(self) -> None:
        """Wait until all receivers are closed. (`subscribe` opens the channel again.)

        Checkpoint: always a cancel point; it waits only if a receiver is open.
        If cancelled: nothing happened.
        """
        charge() or await toll()
        channel = self._channel
        if channel.lost_receivers.places:
            channel.lost_receivers.warn(channel.receivers, waits=True)
        await perform(_Closed(channel))

    def closing(self) -> QueueOperation[None]:
        """`closed`, for `conc.select`."""
        return _Closed(self._channel)

    def is_closed(self) -> bool:
        """Whether all receivers are closed. Checkpoint: never."""
        return not self._channel.receivers

    def _refusal(self) -> Exception:
        """The error for what was not sent."""
        return ChannelClosed(f"all receivers are closed: {self!r}") if self._open else self._closed_error()

    def _lose(self) -> None:
        channel = self._channel
        channel.lost_senders.places.append(self._made_at)
        channel.lost_senders.warn(channel.senders, waits=channel.waiting > 0)


class Listener(Member, Generic[T_co]):
    """A receiving end."""

    __slots__ = ("_seat",)

    def __init__(self, channel: Audience, seat: Seat, made_at: Place) -> None:
        super().__init__(channel, made_at)
        self._seat = seat

    def is_closed(self) -> bool:
        """Whether nothing will be sent any more: all senders are closed. Checkpoint: never."""
        return not self._channel.senders

    def _lose(self) -> None:
        channel = self._channel
        channel.lost_receivers.places.append(self._made_at)
        channel.lost_receivers.warn(channel.receivers, waits=len(channel.gone) > 0)

    def _take(self) -> Any:
        """What comes next: that, OVER, CLOSED, BUSY or LATER. Under the lock."""
        if not self._open:
            return CLOSED
        seat = self._seat
        granted = self._channel.take(seat)
        return BUSY if granted is LATER and seat.line and seat.head() is not None else granted

    def _got(self, granted: Any) -> T_co:
        """The result of what was granted; or raises."""
        raise NotImplementedError

    def _refusal(self, granted: Any) -> Exception:
        """The error for what was granted in place of the next thing."""
        if granted is OVER:
            return EndOfChannel(f"all senders are closed, and nothing more will come out of {self!r}")
        if granted is BUSY:
            return BusyResource(f"another task waits in this receiver: make a clone for each task of {self!r}")
        return self._closed_error()


class Next(QueueOperation[T]):
    """Getting what comes next."""

    __slots__ = ("_receiver",)

    def __init__(self, receiver: Listener[T]) -> None:
        super().__init__(receiver._seat)
        self._receiver = receiver

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        """As for every operation."""
        return self._receiver._take()

    def finish(self, granted: Any) -> T:
        """As for every operation."""
        return self._receiver._got(granted)

    def give_back(self, granted: Any) -> None:
        """As for every operation."""
        receiver = self._receiver
        waiter = None
        with receiver._channel.lock:
            if receiver._open:
                waiter = receiver._channel.put_back(receiver._seat, granted)
        if waiter is not None:
            waiter.resume()

    def would_block(self) -> WouldBlock:
        """As for every operation."""
        return ChannelEmpty(f"there is nothing new for {self._receiver!r}")


class _Closed(QueueOperation[None]):
    __slots__ = ("_channel",)

    def __init__(self, channel: Audience) -> None:
        super().__init__(channel.gone)
        self._channel = channel

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return LATER if self._channel.receivers else None
