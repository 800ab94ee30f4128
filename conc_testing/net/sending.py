"""The sending half of a connection: what was written, what is under way, and what has to be sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Segment:
    """What is sent in one piece, until it is acknowledged."""

    number: int
    data: bytes = b""
    syn: bool = False
    fin: bool = False
    lost: bool = False


class Sender:
    """What one end of a connection has for the other.

    Attributes:
        has_ended: whether the last segment of all was sent.

    Invariant: `_unacked` holds what was sent and not acknowledged, in order, with `in_flight` bytes; with those of
    `_outbox`, which were not sent yet, they are at most `capacity`.
    """

    def __init__(self, capacity: int, mss: int, transmit: Callable[[Segment], None]) -> None:
        self.has_ended = False
        self.in_flight = 0
        self._capacity = capacity
        self._mss = mss
        self._transmit = transmit
        self._outbox = bytearray()
        self._unacked: deque[Segment] = deque()
        self._next_number = 0
        self._window = 0  # of the other side
        self._will_end = False
        self._was_full = False

    @property
    def pending(self) -> int:
        """How many bytes the other side has not acknowledged."""
        return len(self._outbox) + self.in_flight

    @property
    def will_end(self) -> bool:
        """Whether nothing more may be written."""
        return self._will_end

    @property
    def has_room(self) -> bool:
        """Whether a third of the buffer is free: what Linux waits for before it reports room."""
        return (self._capacity - self.pending) * 3 >= self._capacity

    @property
    def wants_answer(self) -> bool:
        """Whether something has to come from the other side before all is done."""
        return bool(self._unacked or self._outbox)

    @property
    def all_arrived(self) -> bool:
        """Whether all that was sent is acknowledged."""
        return not self._unacked

    def write(self, data: bytes) -> int:
        """Take as many bytes as there is room for."""
        taken = min(len(data), self._capacity - self.pending)
        self._was_full = taken < len(data)
        self._outbox += data[:taken]
        return taken

    def end(self) -> None:
        """Nothing more will be written."""
        self._will_end = True

    def pump(self) -> None:
        """Send what the window of the other side allows, and the end behind it."""
        while self._outbox:
            size = min(self._mss, self._window - self.in_flight, len(self._outbox))
            if size <= 0:
                return
            data = bytes(self._outbox[:size])
            del self._outbox[:size]
            self.send(data)
        if self._will_end and not self.has_ended:
            self.has_ended = True
            self.send(fin=True)

    def send(self, data: bytes = b"", *, syn: bool = False, fin: bool = False) -> None:
        """Send a new segment."""
        segment = Segment(self._next_number, data, syn, fin)
        self._next_number += 1
        self.in_flight += len(data)
        self._unacked.append(segment)
        self._transmit(segment)

    def acknowledged(self, ack: int, window: int) -> list[Segment]:
        """The other side has all segments before `ack`, and room for `window` bytes. Returns those it has now."""
        self._window = window
        done = []
        while self._unacked and self._unacked[0].number < ack:
            segment = self._unacked.popleft()
            self.in_flight -= len(segment.data)
            done.append(segment)
        return done

    def found_room(self) -> bool:
        """Whether a writer who found too little room may go on now. Says so once."""
        if self._was_full and self.has_room:
            self._was_full = False
            return True
        return False

    def lost(self, number: int | None) -> None:
        """A segment will not arrive."""
        for segment in self._unacked:
            if segment.number == number:
                segment.lost = True

    def send_again(self) -> bool:
        """Send what got lost; or if nothing did, the first that was not acknowledged. False if all was."""
        again = [segment for segment in self._unacked if segment.lost] or list(self._unacked)[:1]
        for segment in again:
            segment.lost = False
            self._transmit(segment)
        return bool(again)

    def clear(self) -> None:
        """Forget all that was to be sent."""
        self._outbox.clear()
        self._unacked.clear()
        self.in_flight = 0

    def _check(self) -> None:
        assert self.in_flight == sum(len(segment.data) for segment in self._unacked), "bytes in flight are miscounted"
        assert self.pending <= self._capacity, "more than the send buffer holds"
        numbers = [segment.number for segment in self._unacked]
        assert numbers == sorted(numbers), "segments stand in disorder"
