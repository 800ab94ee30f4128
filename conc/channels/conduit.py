"""What the ends of one mpsc or mpmc channel share: the items, the places, and the lines on both sides."""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

from conc._kernel.operation import AGAIN, LATER
from conc._kernel.suspend import Marker
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc._os.sync import Deque, is_empty
from conc.channels.ends import CLOSED, OVER, LostEnds

SENT: Final = Marker("SENT")

BATCH: Final = 64  # places that are made at a time: a channel of a million is not paid for before it is used


class ChannelStatistics(NamedTuple):
    """An mpsc or mpmc channel at one moment."""

    items: int
    """How many items were sent and not received."""
    capacity: float
    """How many there may be, with the reserved places; inf if there is no limit."""
    reserved: int
    """Places that are promised to permits."""
    open_senders: int
    """Senders that are not closed."""
    open_receivers: int
    """Receivers that are not closed."""
    tasks_waiting_send: int
    """How many wait in `send` or `reserve`."""
    tasks_waiting_receive: int
    """How many wait in `receive` or `receive_many`."""


class Conduit:
    """A queue of items, and a limited number of places for them. All methods under `lock`.

    The usual case needs no lock: to send is to take a place and to append an item, to receive is the reverse, each one
    step that no other thread divides. Who then finds the other side waiting calls `settle`. Who has to wait first gets
    in line, under the lock, and then looks once more: so of two that come at the same time at least one sees the other.
    In the same way who finds that all is over first says that it has `ended`, and then looks for an item; who has
    appended one looks whether it has, and takes it out again. (Of what order that needs tells `is_empty`.)

    If the places are `counted`, each of `capacity` is free, holds an item, or is promised to a permit; `places` are the
    free ones, but for `unmade`. If there is no limit, one is there for all and never taken. With capacity 0 there are
    none: items go from hand to hand.

    Who waits to send has the request (end, item, 0), or (end, None, places) to reserve some. Who waits to receive has
    its end for a request, and is granted one item.

    Invariant, while nobody is on the way: nobody waits to receive while there are items, nor to send while there are as
    many places as the first in line needs, nor to send if all receivers are closed, nor to receive if nothing more
    can come.
    Invariant: free places, items and reserved ones are `capacity` in number, and `_debt` more, if they are counted.
    Invariant: if it has `ended`, somebody was told so, and what is there is about to be taken out by who sent it.
    """

    __slots__ = (
        "_debt",
        "capacity",
        "counted",
        "ended",
        "gone",
        "items",
        "lock",
        "lost_receivers",
        "lost_senders",
        "places",
        "receivers",
        "receiving",
        "reserved",
        "senders",
        "sending",
        "shared",
        "unmade",
    )

    def __init__(self, capacity: float, shared: bool) -> None:
        self.capacity = capacity
        self.counted = 0 < capacity < math.inf
        self.shared = shared  # by several receivers
        self.items: Deque[Any] = Deque()
        self.places: Deque[None] = Deque() if capacity < math.inf else Deque((None,))
        self.reserved = 0
        self.ended = False
        self.senders = 1
        self.receivers = 1
        self.sending = WaitQueue("Sender.send", self._serve)
        self.receiving = WaitQueue("Receiver.receive", beside=self.sending)
        self.gone = WaitQueue("Sender.closed", beside=self.sending)
        self.lock = self.sending.lock
        self.lost_senders = LostEnds("sender")
        self.lost_receivers = LostEnds("receiver")
        self.unmade = capacity if self.counted else 0
        self._debt = 0  # places that were needed again after they had been given away; paid when somebody waits for one

    @property
    def free(self) -> float:
        """How many places are neither taken nor promised. A look, also without the lock."""
        return len(self.places) + self.unmade if self.counted else self.capacity

    # ---- sending --------------------------------------------------------------------------------------------------

    def send(self, item: Any, woken: list[Waiter]) -> Any:
        """Send an item if there is a place and nobody waits for one: SENT, OVER or LATER."""
        if not self.receivers:
            return OVER
        # In a rendezvous those who wait to send cannot send to those who wait to receive: they are the same selects.
        if self.capacity and self.sending.head() is not None:
            return LATER
        if not self.items and (waiter := self.receiving.grant(item)) is not None:
            woken.append(waiter)
            return SENT
        if not self._take_places(1):
            return LATER
        self.put(item, woken)
        return SENT

    def reserve(self, places: int) -> Any:
        """Promise some places if they are free and nobody waits for any: SENT, OVER or LATER."""
        if not self.receivers:
            return OVER
        if self.sending.head() is not None or not self._take_places(places):
            return LATER
        self.reserved += places
        return SENT

    def put(self, item: Any, woken: list[Waiter]) -> None:
        """Send an item for which a place was taken."""
        self.items.append(item)
        self.settle(woken)

    def release(self, places: int, woken: list[Waiter]) -> None:
        """Take back the promise of some places."""
        self.reserved -= places
        self._give_places(places)
        self.settle(woken)

    def fetch_back(self, item: Any) -> bool:
        """Take out an item that came when all had ended: False if it was received all the same."""
        others: list[Any] = []  # which came as late: their order does not matter
        try:
            while (one := self.items.pop()) is not item:
                others.append(one)
        except IndexError:
            found = False
        else:
            found = True
            self._give_places(1)
        self.items.extend(others)
        return found

    # ---- receiving ------------------------------------------------------------------------------------------------

    def receive(self, woken: list[Waiter]) -> Any:
        """Take the oldest item if nobody waits for one: that, OVER or LATER."""
        if self.ended:
            return OVER
        if self.capacity and self.receiving.head() is not None:
            return LATER
        try:
            item = self.items.popleft()
        except IndexError:
            return self._receive_by_hand(woken)
        if self.counted:
            self.places.append(None)
            if self.sending.line:
                self.settle(woken)
        return item

    def receive_along(self, taken: list[Any], limit: int, woken: list[Waiter]) -> None:
        """With an item that was received, take those behind it that are there: until `taken` are `limit`."""
        before = len(taken)
        take, put = self.items.popleft, taken.append
        try:
            for _ in range(limit - before):
                put(take())
        except IndexError:
            pass
        if len(taken) > before:
            self._give_places(len(taken) - before)
            if self.sending.line:
                self.settle(woken)

    def _receive_by_hand(self, woken: list[Waiter]) -> Any:
        """It is empty: in a rendezvous, take the item of the first who waits to send."""
        sending = self.sending
        while not self.capacity and (head := sending.head()) is not None:
            item = head.value[1]
            if sending.take(head, SENT):
                woken.append(head)
                return item
        return OVER if self._has_ended() else LATER

    def take_back(self, items: list[Any], woken: list[Waiter]) -> None:
        """Put back what a thread was given that was interrupted before it learnt of it."""
        if self.counted:
            for _ in items:
                if not self._take_places(1):  # which may pay an older debt
                    self._debt += 1
        self.ended = False
        self.items.extendleft(reversed(items))
        self.settle(woken)

    # ---- both sides -----------------------------------------------------------------------------------------------

    def settle(self, woken: list[Waiter]) -> None:
        """Give items to those that wait for items, and places to those that wait for places, in order; if nothing more
        will come, tell those that wait for it."""
        while True:
            if self.receiving.line:
                self._serve_receivers(woken)
            if not self.sending.line:
                break
            served = self._serve_senders()
            if not served:
                break
            woken += served
            if not self.receiving.line:
                return
        if self.receiving.line and self._has_ended():
            woken += self.receiving.grant_all(OVER)

    def _serve_receivers(self, woken: list[Waiter]) -> None:
        receiving, items = self.receiving, self.items
        while not is_empty(items) and (head := receiving.head()) is not None:
            # A select first: an item that it cannot have would have to be put back, when others have what was behind.
            if head.is_branch and not receiving.take(head, AGAIN):
                continue
            try:
                item = items.popleft()
            except IndexError:  # another thread was faster
                if head.is_branch:
                    woken.append(head)
                continue
            if head.is_branch:
                head.value = item
            else:
                receiving.take(head, item)
            woken.append(head)
            self._give_places(1)

    def _has_ended(self) -> bool:
        """Whether nothing more will come out; then whoever sends at this moment, without the lock, learns of it."""
        if not self.reserved and not (self.senders and self.receivers):
            self.ended = True  # said first, for who has appended an item looks
            self.ended = is_empty(self.items)
        return self.ended

    def _serve(self) -> list[Waiter]:
        """One who waited to send has left: whoever stands behind may need fewer places."""
        woken: list[Waiter] = []
        self.settle(woken)
        return woken

    def _serve_senders(self) -> list[Waiter]:
        """Let those in that wait for places, in order, as far as there are any."""
        sending = self.sending
        served: list[Waiter] = []
        while (head := sending.head()) is not None:
            _, item, places = head.value
            needed = places or 1
            if not (self.places or self.unmade) or not self._take_places(needed):
                break
            if not sending.take(head, SENT):
                self._give_places(needed)
            else:
                served.append(head)
                if places:
                    self.reserved += places
                else:
                    self.items.append(item)
        return served

    def _take_places(self, needed: int) -> bool:
        """Take some free places, or none. Others may take one at any moment, without the lock."""
        if not self.counted:
            return self.capacity > 0
        places = self.places
        if self.unmade or self._debt:
            self._make_places(needed)
        taken = 0
        try:
            while taken < needed:
                places.pop()
                taken += 1
        except IndexError:
            places.extend([None] * taken)
            return self.unmade > 0 and self._take_places(needed)  # others were faster, and there are more
        return True

    def _give_places(self, number: int) -> None:
        """Some places have become free."""
        if self.counted:
            self.places.extend([None] * number)

    def _make_places(self, needed: int) -> None:
        """See to it that there are as many places as needed, as far as that is possible; pay the debt first."""
        missing = needed + self._debt - len(self.places)
        if missing > 0:
            made = int(min(max(missing, BATCH), self.unmade))
            self.unmade -= made
            self.places.extend([None] * made)
        while self._debt and self.places:
            try:
                self.places.pop()
            except IndexError:
                return
            self._debt -= 1

    # ---- closing --------------------------------------------------------------------------------------------------

    def close_sender(self, end: object, woken: list[Waiter]) -> None:
        """One sender less: those that wait through it are told."""
        self._dismiss(self.sending, end, woken)
        self.senders -= 1
        self.settle(woken)

    def close_receiver(self, end: object, woken: list[Waiter]) -> None:
        """One receiver less: after the last one nothing can be sent; what is there can still be received."""
        if self.receivers > 1:
            self._dismiss(self.receiving, end, woken)
        self.receivers -= 1
        if not self.receivers:
            woken += self.sending.grant_all(OVER)
            woken += self.gone.grant_all()
            self.settle(woken)

    def _dismiss(self, queue: WaitQueue, end: object, woken: list[Waiter]) -> None:
        """Let those that wait in `queue` through `end` know that it was closed. Cost: O(waiters)."""
        for waiter in list(queue.line):
            if waiter.wait is queue:  # else the entry is dead, and its value anything
                asked = waiter.value
                through = asked[0] if type(asked) is tuple else asked
                if through is end and queue.pick(waiter, CLOSED):
                    woken.append(waiter)

    # ---- looking --------------------------------------------------------------------------------------------------

    def statistics(self) -> ChannelStatistics:
        """How it stands."""
        return ChannelStatistics(
            len(self.items),
            self.capacity,
            self.reserved,
            self.senders,
            self.receivers,
            len(self.sending),
            len(self.receiving),
        )

    def __repr__(self) -> str:
        kind = "mpmc" if self.shared else "mpsc"
        size = f"capacity {self.capacity}" if self.capacity < math.inf else "unbounded"
        waiting = len(self.sending) + len(self.receiving)
        waits = f", {waiting} waiting" if waiting else ""
        over = "" if self.receivers and self.senders else ", closed"
        return f"<{kind} {size}, {len(self.items)} items{waits}{over}>"

    def _check(self) -> None:
        self.sending._check()
        self.receiving._check()
        self.gone._check()
        receiver, sender = self.receiving.head(), self.sending.head()
        free = self.free
        if self.counted:
            assert free + len(self.items) + self.reserved == self.capacity + self._debt, "places were lost or made"
        assert self.reserved >= 0
        assert not (self.items and receiver), "somebody waits to receive beside items"
        assert not (receiver and not self.reserved and not (self.senders and self.receivers)), "nobody tells a receiver"
        assert not (receiver and self.ended), "somebody waits for what will never come"
        assert not (sender and not self.receivers), "somebody waits to send to nobody"
        assert sender is None or free < max(sender.value[2], 1) + self._debt, "somebody waits beside free places"
        if not self.capacity and sender is not None and receiver is not None:
            assert sender.party is receiver.party, "a rendezvous does not take place"
