"""A connection in memory: two ends, with limited room between them, and with latency if it is to be had."""

from __future__ import annotations

import errno
import math
from collections import deque

import conc
from conc_testing.io.memory import MemoryStream, take_from
from conc_testing.io.pieces import Chunk, check_chunk, piece_of
from conc_testing.seat import Later, Seat, Table


def duplex(capacity: int = 65_536, *, chunk: Chunk = None, latency: float = 0.0) -> tuple[MemoryStream, MemoryStream]:
    """Two streams that are connected: what is written to one is read from the other.

    Writing waits while `capacity` bytes are on their way that nobody has read. ``close_write`` ends one direction, the
    other goes on. When an end is closed, the other one reads the rest and the end, and its writing is a BrokenResource.

    Args:
        capacity: how many bytes each direction holds, at least 1.
        chunk: how many bytes a read returns at most. None: all that are there; ``"choice"``: in `explore` the search
            decides, otherwise all.
        latency: how long bytes, and the end, are on their way, in seconds on the runtime's clock. That an end is closed
            its peer's writing knows at once.

    Raises:
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: never.
    """
    if isinstance(capacity, bool) or not isinstance(capacity, int):
        raise TypeError(f"capacity must be a number of bytes, not {capacity!r}")
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, not {capacity}; without any room it is lockstep_pair()")
    check_chunk(chunk, "chunk")
    if isinstance(latency, bool) or not isinstance(latency, (int, float)):
        raise TypeError(f"latency must be a number of seconds, not {latency!r}")
    if not (math.isfinite(latency) and latency >= 0):
        raise ValueError(f"latency must be finite and at least 0, not {latency!r}")
    table = Table()
    there = Pipe(table, capacity, chunk, latency)
    back = Pipe(table, capacity, chunk, latency)
    return MemoryStream("one end of a duplex", table, back, there), MemoryStream("its other end", table, there, back)


class Pipe:
    """One direction: what was written and not yet read, in order.

    Invariant: `_size` is the number of bytes in `_arrived` and `_on_the_way` together, at most `_capacity`.
    Invariant: what is on its way arrives in order, and later than anything that has arrived.
    """

    __slots__ = (
        "_arrived",
        "_capacity",
        "_chunk",
        "_end",
        "_error",
        "_latency",
        "_on_the_way",
        "_reader_gone",
        "_size",
        "reading",
        "taken",
        "writing",
    )

    def __init__(self, table: Table, capacity: int, chunk: Chunk, latency: float) -> None:
        self.reading = Seat(table)
        self.writing = Seat(table)
        self.taken = 0
        self._capacity = capacity
        self._chunk = chunk
        self._latency = latency
        self._arrived = bytearray()
        self._on_the_way: deque[tuple[float, bytes]] = deque()
        self._size = 0
        self._end = math.inf  # when the end arrives
        self._error: OSError | None = None
        self._reader_gone = False

    # ---- for who reads --------------------------------------------------------------------------------------------

    def take(self, max_bytes: int) -> bytes | Exception | Later:
        """What has arrived."""
        if self._error is not None:
            return self._error
        now = conc.current_time()
        while self._on_the_way and self._on_the_way[0][0] <= now:
            self._arrived += self._on_the_way.popleft()[1]
        if self._arrived:
            n = piece_of(min(max_bytes, len(self._arrived)), self._chunk)
            data = bytes(self._arrived[:n])
            del self._arrived[:n]
            self._size -= n
            self.writing.call()
            return data
        if self._on_the_way:
            return Later("bytes that are on their way", self._on_the_way[0][0])
        if self._end <= now:
            return b""
        return Later("bytes from the other end", self._end)

    def abandon(self) -> None:
        """What nobody will read is dropped."""
        self._reader_gone = True
        self._drop()
        self.writing.call()

    # ---- for who writes -------------------------------------------------------------------------------------------

    def offer(self, views: list[memoryview]) -> Exception | Later | None:
        """As much as there is room for."""
        if (error := self._refusal()) is not None:
            return error
        data = take_from(views, self._capacity - self._size)
        if data:
            self.taken += len(data)
            self._size += len(data)
            self._on_the_way.append((self._arrival(), data))
            self.reading.call()
        return Later(f"room in a duplex of {self._capacity} bytes") if views else None

    def retract(self) -> None:
        """What was taken is on its way."""

    def finish(self) -> Exception | None:
        """The end follows what was written."""
        error = self._refusal()
        if error is None:
            self.leave()
        return error

    def leave(self) -> None:
        """As `finish`, whether anybody reads or not."""
        if self._end == math.inf:
            self._end = self._arrival()
            self.reading.call()

    # ---- for both -------------------------------------------------------------------------------------------------

    def reset(self, error: OSError) -> None:
        """What was not read is lost."""
        self._error = error
        self._drop()
        self.reading.call()
        self.writing.call()

    def _refusal(self) -> OSError | None:
        if self._error is None and self._reader_gone:
            return BrokenPipeError(errno.EPIPE, "the other end is closed")
        return self._error

    def _arrival(self) -> float:
        return conc.current_time() + self._latency

    def _drop(self) -> None:
        self._arrived.clear()
        self._on_the_way.clear()
        self._size = 0

    def _check(self) -> None:
        assert self._size == len(self._arrived) + sum(len(data) for _, data in self._on_the_way), "miscounted"
        assert self._size <= self._capacity, "more than there is room for"
        arrivals = [arrival for arrival, _ in self._on_the_way]
        assert arrivals == sorted(arrivals) and (not arrivals or arrivals[-1] <= self._end), "out of order"
