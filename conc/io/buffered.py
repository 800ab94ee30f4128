"""Reading by more than bytes: so many, up to a delimiter, line by line, all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import IncompleteRead, LimitExceeded
from conc.io.stream import AsyncRead

LIMIT: Final = 65_536
CHUNK: Final = 65_536  # what is asked for at a time


class BufReader:
    """Puts the pieces that come out of a stream together again.

    What was read from the stream and not yet given out is kept: over a cancellation, an `IncompleteRead` and a
    `LimitExceeded`. So any operation can be tried again, or another one in its place. Use either the reader or the
    stream below it, and one task at a time. It closes nothing; close the stream.

    Args:
        stream: what to read from.

    Invariant: what was read from `_stream` is what was given out, followed by `_buffer`.
    Invariant: `_delimiter` begins nowhere in the first `_searched` bytes of `_buffer`.
    """

    __slots__ = ("_buffer", "_delimiter", "_ended", "_searched", "_stream")

    def __init__(self, stream: AsyncRead) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._ended = False
        self._delimiter = b""
        self._searched = 0

    @property
    def buffered(self) -> bytes:
        """What was read from the stream and not yet given out."""
        return bytes(self._buffer)

    async def read(self, max_bytes: int) -> bytes:
        """Return what is buffered, at most `max_bytes`; if that is nothing, wait for bytes. ``b""`` at the end.

        Raises:
            ValueError: `max_bytes` is less than 1.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        if self._buffer or self._ended:
            charge() or await toll()
            return self._take(min(max_bytes, len(self._buffer)))
        data = await self._stream.read(max_bytes)
        self._ended = not data
        return data

    async def read_exact(self, n: int) -> bytes:
        """Return exactly `n` bytes, waiting until so many have come.

        Raises:
            IncompleteRead: the stream ended before. What did come is in ``partial``, and still in the buffer.
            ValueError: `n` is negative.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if n < 0:
            raise ValueError(f"n must be at least 0, not {n}")
        charge() or await toll()
        while len(self._buffer) < n:
            if not await self._fill():
                have = len(self._buffer)
                raise IncompleteRead(f"the stream ended after {have} of {n} bytes", bytes(self._buffer))
        return self._take(n)

    async def read_until(self, delimiter: bytes, limit: int = LIMIT) -> bytes:
        """Return all bytes up to and including the delimiter; ``b""`` if the stream has ended and nothing is left.

        Args:
            delimiter: one byte or more.
            limit: how many bytes to return at most, those of the delimiter included.

        Raises:
            LimitExceeded: the delimiter is not among the next `limit` bytes, which stay in the buffer.
            IncompleteRead: the stream ended behind other bytes than the delimiter. They are in ``partial``, and still
                in the buffer.
            ValueError: the delimiter is empty, or longer than the limit.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the delimiter is not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        Cost: O(bytes), however many pieces they come in.
        """
        if not 1 <= len(delimiter) <= limit:
            raise ValueError(f"delimiter must have 1 to limit ({limit}) bytes, not {len(delimiter)}")
        charge() or await toll()
        while not (end := self._find(delimiter, limit)):
            if not await self._fill():
                if not self._buffer:
                    return b""
                partial = bytes(self._buffer)
                raise IncompleteRead(f"the stream ended {len(partial)} bytes behind the last {delimiter!r}", partial)
        return self._take(end)

    async def read_line(self, limit: int = LIMIT) -> bytes:
        r"""Return the next line with its ``b"\n"``; ``b""`` at the end. The last line may lack it.

        Args:
            limit: how many bytes to return at most.

        Raises:
            LimitExceeded: the line does not end within the next `limit` bytes, which stay in the buffer.
            ValueError: `limit` is less than 1.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the line is not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        charge() or await toll()
        while not (end := self._find(b"\n", limit)):
            if not await self._fill():
                end = len(self._buffer)
                break
        return self._take(end)

    def lines(self, limit: int = LIMIT) -> AsyncIterator[bytes]:
        r"""The lines that are left, without their ends ``b"\n"`` or ``b"\r\n"``: ``async for line in reader.lines()``.

        Each step does what `read_line` does, and raises what it raises. Leaving the loop loses nothing.

        Args:
            limit: how many bytes a line may have, its end included.
        """
        return _Lines(self, limit)

    async def read_to_end(self, limit: int = LIMIT) -> bytes:
        """Return all that is left, waiting for the end of the stream.

        Args:
            limit: how many bytes to return at most.

        Raises:
            LimitExceeded: there are more. What was read stays in the buffer.
            ValueError: `limit` is negative.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the end is not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if limit < 0:
            raise ValueError(f"limit must be at least 0, not {limit}")
        charge() or await toll()
        while len(self._buffer) <= limit:
            if not await self._fill():
                return self._take(len(self._buffer))
        raise LimitExceeded(f"the stream has more than {limit} bytes left", limit)

    async def _fill(self) -> bool:
        """Put more into the buffer, waiting for it: False at the end. Nothing is between reading and keeping."""
        if self._ended:
            return False
        data = await self._stream.read(CHUNK)
        self._buffer += data
        self._ended = not data
        return not self._ended

    def _find(self, delimiter: bytes, limit: int) -> int:
        """Where the first delimiter ends; 0 if it is not in the buffer. What was searched is not searched again."""
        buffer = self._buffer
        if delimiter != self._delimiter:
            self._delimiter = delimiter
            self._searched = 0
        start = buffer.find(delimiter, self._searched)
        if 0 <= start <= limit - len(delimiter):
            return start + len(delimiter)
        # The buffer may end with the first part of a delimiter.
        self._searched = start if start >= 0 else max(0, len(buffer) - len(delimiter) + 1)
        if start >= 0 or len(buffer) >= limit:
            raise LimitExceeded(f"no {delimiter!r} among the next {limit} bytes", limit)
        return 0

    def _take(self, n: int) -> bytes:
        """The first `n` bytes of the buffer."""
        buffer = self._buffer
        self._searched = 0
        data = bytes(buffer) if n == len(buffer) else bytes(buffer[:n])
        del buffer[:n]
        return data

    def __repr__(self) -> str:
        ended = ", at its end" if self._ended else ""
        return f"<BufReader of {self._stream!r}{ended}, {len(self._buffer)} bytes buffered>"

    def _check(self) -> None:
        found = self._buffer.find(self._delimiter) if self._delimiter else -1
        assert found == -1 or found >= self._searched, "a delimiter was passed by"


class _Lines:
    """The loop over the lines of a reader; all state is in that."""

    __slots__ = ("_limit", "_reader")

    def __init__(self, reader: BufReader, limit: int) -> None:
        self._reader = reader
        self._limit = limit

    def __aiter__(self) -> _Lines:
        return self

    async def __anext__(self) -> bytes:
        line = await self._reader.read_line(self._limit)
        if not line:
            raise StopAsyncIteration
        return line.removesuffix(b"\n").removesuffix(b"\r") if line.endswith(b"\n") else line
