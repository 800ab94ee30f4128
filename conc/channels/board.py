"""What a watch shows: its present value, as a state machine."""

from __future__ import annotations

from typing import Any, NamedTuple

from conc._kernel.operation import LATER
from conc._kernel.waitqueue import Waiter
from conc.channels.audience import Audience, Seat
from conc.channels.ends import OVER


class WatchStatistics(NamedTuple):
    """A watch channel at one moment."""

    version: int
    """How often the value was replaced."""
    open_senders: int
    """Senders that are not closed."""
    open_receivers: int
    """Receivers that are not closed."""
    tasks_waiting: int
    """How many wait in `changed` or `wait_for`."""


class Version:
    """A value, and how many there were before it."""

    __slots__ = ("number", "value")

    def __init__(self, value: Any, number: int) -> None:
        self.value = value
        self.number = number


class Board(Audience):
    """The present value. All methods under the lock; `current` may be read without it."""

    __slots__ = ("current",)

    def __init__(self, initial: Any) -> None:
        super().__init__("WatchSender.closed")
        self.current = Version(initial, 0)

    def seat_at(self, number: int) -> Seat:
        """A seat for one receiver more, which has seen the version of that number."""
        self.receivers += 1
        return Seat("WatchReceiver.changed", self, number)

    def replace(self, value: Any, woken: list[Waiter]) -> Version:
        """Show another value, and tell those who wait. Returns the version that was replaced."""
        replaced = self.current
        self.current = Version(value, replaced.number + 1)
        woken += self.tell(self.current, self.current.number)
        return replaced

    def take(self, seat: Seat) -> Any:
        """What comes next for a receiver: the present version, OVER or LATER."""
        current = self.current
        if seat.at == current.number:
            return LATER if self.senders else OVER
        seat.at = current.number
        return current

    def put_back(self, seat: Seat, granted: Any) -> Waiter | None:
        """Undo a grant of which nobody learnt. An older version than the present one need not be told of."""
        return self.mark_changed(seat) if granted is self.current else None

    def mark_changed(self, seat: Seat) -> Waiter | None:
        """Let a receiver not have seen the present version; who waits in it gets that."""
        waiter = seat.grant(self.current)
        if waiter is None:
            seat.at = self.current.number - 1
        return waiter

    def statistics(self) -> WatchStatistics:
        """How it stands."""
        return WatchStatistics(self.current.number, self.senders, self.receivers, self.waiting)

    def __repr__(self) -> str:
        return f"a watch at version {self.current.number}, {super().__repr__()}"
