"""The receiving half of a connection: what has arrived, in order, and how much more may come."""

from __future__ import annotations

from conc_testing.net.packets import Packet
from conc_testing.sim.choices import choose


class Receiver:
    """What one end of a connection has got from the other.

    Attributes:
        expected: the number of the segment that comes next.
        has_ended: whether the other side has said that it sends no more.

    Invariant: `_inbox` holds what came in order and was not read, at most `capacity` bytes; `_early` the segments that
    came before others that are still missing.
    """

    def __init__(self, capacity: int, mss: int) -> None:
        self.expected = 0
        self.has_ended = False
        self._capacity = capacity
        self._opens_at = min(mss, capacity // 2 or 1)
        self._inbox = bytearray()
        self._early: dict[int, Packet] = {}
        self._offered = 0  # the window as the other side knows it

    def __len__(self) -> int:
        """How many bytes wait to be read."""
        return len(self._inbox)

    @property
    def window(self) -> int:
        """How many bytes there is room for."""
        return self._capacity - len(self._inbox)

    def offer(self) -> int:
        """The window, which the other side is about to be told."""
        self._offered = self.window
        return self._offered

    @property
    def should_offer_more(self) -> bool:
        """Whether the other side may be waiting for a window that is open again."""
        return not self.has_ended and self._offered < self._opens_at <= self.window

    def take(self, packet: Packet) -> list[Packet]:
        """A segment has arrived. Returns what is in order now: nothing if others are missing, or if it came before."""
        number = packet.number
        if number is None or number < self.expected:
            return []
        self._early[number] = packet
        in_order = []
        while (following := self._early.pop(self.expected, None)) is not None:
            self.expected += 1
            self._inbox += following.data
            self.has_ended |= following.fin
            in_order.append(following)
        return in_order

    def read(self, max_bytes: int) -> tuple[bytes, bool]:
        """Take bytes out, and whether a search has left some behind on purpose. There must be some."""
        size = min(max_bytes, len(self._inbox))
        piece = choose("net.chunk", 3) if size > 1 else 0
        if piece:
            size = 1 if piece == 1 else size // 2
        data = bytes(self._inbox[:size])
        del self._inbox[:size]
        return data, piece > 0

    def clear(self) -> None:
        """Forget what was not read."""
        self._inbox.clear()

    def _check(self) -> None:
        assert len(self._inbox) <= self._capacity, "more has arrived than there was room for"
        assert all(number > self.expected for number in self._early), "what is in order still waits"
