"""What a broadcast keeps for slow receivers: the last items, as a state machine."""

from __future__ import annotations

from typing import Any, NamedTuple

from conc._kernel.operation import LATER
from conc._kernel.waitqueue import Waiter
from conc.channels.audience import Audience, Seat
from conc.channels.ends import OVER


class BroadcastStatistics(NamedTuple):
    """A broadcast channel at one moment."""

    items: int
    """How many items are kept, because some receiver has not got them."""
    capacity: int
    """How many are kept at most."""
    open_senders: int
    """Senders that are not closed."""
    open_receivers: int
    """Receivers that are not closed."""
    tasks_waiting: int
    """How many wait in `receive`."""


class Entry:
    """An item in the ring.

    `position` is how many were sent before it, `owed` the number of receivers that have not got it.
    """

    __slots__ = ("item", "owed", "position")

    def __init__(self, item: Any, position: int) -> None:
        self.item = item
        self.position = position
        self.owed = 0


class Ring(Audience):
    """The last items that were sent, each until all receivers have got it. All methods under the lock.

    Invariant: an entry is in the ring, at its position modulo capacity, if `oldest` <= its position < `end`.
    Invariant: it is owed to a receiver at least, and to no fewer than the one before it.
    Invariant: `end` - `oldest` <= `capacity`.
    """

    __slots__ = ("capacity", "end", "oldest", "ring")

    def __init__(self, capacity: int) -> None:
        super().__init__("BroadcastSender.closed")
        self.capacity = capacity
        self.ring: list[Any] = []  # entries, and None; grows up to the capacity
        self.oldest = 0
        self.end = 0

    def seat_from(self, position: int) -> Seat:
        """A seat for one receiver more, which gets what is sent, or was sent and is in the ring, from `position` on."""
        self.receivers += 1
        for unread in self._kept(position):
            self.ring[unread % self.capacity].owed += 1
        return Seat("BroadcastReceiver.receive", self, position)

    def put(self, item: Any, woken: list[Waiter]) -> Entry | None:
        """Send: to those who wait at once, to the others later. Returns what was overwritten."""
        entry = Entry(item, self.end)
        self.end += 1
        told = self.tell(entry, self.end)
        woken += told
        entry.owed = self.receivers - len(told)
        place = entry.position % self.capacity
        if place == len(self.ring):
            self.ring.append(None)
        overwritten: Entry | None = self.ring[place]
        if not entry.owed:
            self.oldest = self.end
        else:
            self.ring[place] = entry
            if overwritten is not None:
                self.oldest += 1
        return overwritten

    def take(self, seat: Seat) -> Any:
        """What comes next for a receiver: an entry, the positions of those it lost, OVER or LATER."""
        at = seat.at
        if at == self.end:
            return LATER if self.senders else OVER
        first = self.end - self.capacity
        if at < first:
            seat.at = first
            return range(at, first)
        seat.at = at + 1
        return self._read(at)

    def put_back(self, seat: Seat, granted: Any) -> Waiter | None:
        """Undo a grant of which nobody learnt, unless its receiver has got more since."""
        if granted.__class__ is range:
            if seat.at == granted.stop:
                seat.at = granted.start
        elif granted.__class__ is Entry and seat.at == granted.position + 1:
            if (waiter := seat.grant(granted)) is not None:
                return waiter
            seat.at = granted.position
            if self.end - seat.at <= self.capacity:  # else it is overwritten
                granted.owed += 1
                self.ring[seat.at % self.capacity] = granted
                self.oldest = min(self.oldest, seat.at)
        return None

    def give_up(self, position: int) -> list[Entry]:
        """What is in the ring from `position` on goes to one receiver less; returns that."""
        return [self._read(unread) for unread in self._kept(position)]

    def statistics(self) -> BroadcastStatistics:
        """How it stands."""
        return BroadcastStatistics(self.end - self.oldest, self.capacity, self.senders, self.receivers, self.waiting)

    def _kept(self, position: int) -> range:
        """The positions in the ring from `position` on."""
        return range(max(position, self.oldest), self.end)

    def _read(self, position: int) -> Entry:
        """The entry at `position`, which one receiver more has got. It leaves the ring with the last."""
        entry: Entry = self.ring[position % self.capacity]
        entry.owed -= 1
        if not entry.owed:
            self.ring[position % self.capacity] = None
            self.oldest = position + 1
        return entry

    def __repr__(self) -> str:
        return f"a broadcast with {self.end - self.oldest} of {self.capacity} items, {super().__repr__()}"

    def _check(self) -> None:
        super()._check()
        kept = self._kept(0)
        assert len(kept) <= self.capacity, "more items than it keeps"
        assert sum(entry is not None for entry in self.ring) == len(kept), "items that nobody gets"
        entries = [self.ring[position % self.capacity] for position in kept]
        assert [entry.position for entry in entries] == list(kept), "items out of order"
        owed = [entry.owed for entry in entries]
        assert owed == sorted(owed), "an item was got by more receivers than the one before it"
        assert all(0 < number <= self.receivers for number in owed), "an item is owed to nobody, or to too many"
