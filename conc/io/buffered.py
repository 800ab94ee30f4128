"""Reading by more than bytes: so many, up to a delimiter, line by line, numbers, all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, NoReturn

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import BusyResource, IncompleteRead, LimitExceeded, WouldBlock
from conc.io.numbers import NumberReader
from conc.io.stream import AsyncRead
from conc.io.views import view_to_fill

LIMIT: Final = 65_536
CHUNK: Final = 65_536  # what is asked for at a time


class BufReader(NumberReader):
    """Puts the pieces that come out of a stream together again.

    What was read from the stream and not yet given out is kept: over a cancellation, an `IncompleteRead` and a
    `LimitExceeded`. So any operation can be tried again, or another one in its place.

    It borrows the stream: it closes nothing; close the stream. Use either the reader or the stream below it, and one
    task at a time. What owns its stream, and writes too, is `BufStream`.

    Args:
        stream: what to read from.

    Invariant: what was read from `_stream` is what was given out, followed by `_buffer` from `_start` on.
    Invariant: `_buffer` is ``b""``, or `_start` is less than its length.
    """

    # The buffer is the piece that came from the stream, as it is, with `_start` moving through it. Pieces are joined
    # only where what is asked for lies across them: into new bytes if what is left over is the shorter part, else into
    # a bytearray that grows. Either way no byte is moved more often than O(1) times, however small the pieces.
    __slots__ = ("_buffer", "_ended", "_filling", "_start", "_stream")

    def __init__(self, stream: AsyncRead) -> None:
        self._stream = stream
        self._buffer: bytes | bytearray = b""
        self._start = 0
        self._ended = False
        self._filling = False

    @property
    def buffered(self) -> bytes:
        """What was read from the stream and not yet given out."""
        return bytes(memoryview(self._buffer)[self._start :])

    async def read(self, max_bytes: int) -> bytes:
        """Return what is buffered, at most `max_bytes`; if that is nothing, wait for bytes. ``b""`` at the end.

        Raises:
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        if self._buffer or self._ended:
            charge() or await toll()
            if self._filling:
                self._refuse_busy()
            return self._take(max_bytes)
        self._keep(await self._stream.read(max(max_bytes, CHUNK)))
        return self._take(max_bytes)

    def read_nowait(self, max_bytes: int) -> bytes:
        """Return what is buffered, or else what the stream has now, at most `max_bytes`; ``b""`` at the end.

        Raises:
            WouldBlock: nothing is there; or nothing is buffered, and the stream cannot be read without waiting.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.
            ConcError: what the stream raises.

        Checkpoint: never.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        if self._buffer or self._ended:
            if self._filling:
                self._refuse_busy()
            return self._take(max_bytes)
        read_nowait = getattr(self._stream, "read_nowait", None)
        if read_nowait is None:
            raise WouldBlock(f"nothing is buffered in {self!r}, and its stream has no read_nowait")
        self._keep(read_nowait(max(max_bytes, CHUNK)))
        return self._take(max_bytes)

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Put what is buffered into `buffer`; if that is nothing, wait for bytes. Returns how many; 0 at the end.

        Args:
            buffer: a bytearray, or another writable buffer of at least 1 byte; it is filled from its beginning, as far
                as the bytes go. One of 64 KiB or more is filled by the stream itself, if that has a `read_into`.

        Raises:
            BusyResource: another task is reading.
            TypeError, ValueError: `buffer` cannot be written to, or has no room.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        view = view_to_fill(buffer)
        if not self._buffer and not self._ended and len(view) >= CHUNK:
            read_into = getattr(self._stream, "read_into", None)
            if read_into is not None:
                got: int = await read_into(view)
                self._ended = not got
                return got
        await self._gather(1)
        n = min(len(view), len(self._buffer) - self._start)
        view[:n] = memoryview(self._buffer)[self._start : self._start + n]
        self._drop(n)
        return n

    async def read_exact(self, n: int) -> bytes:
        """Return exactly `n` bytes, waiting until so many have come. Memory is used as they come, and not before.

        Raises:
            IncompleteRead: the stream ended before. What did come is in ``partial``, and still in the buffer.
            BusyResource: another task is reading.
            ValueError: `n` is negative.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if n < 0:
            raise ValueError(f"n must be at least 0, not {n}")
        if self._buffer or self._ended or not n:
            charge() or await toll()
            if self._filling:
                self._refuse_busy()
        else:
            data = await self._stream.read(CHUNK)
            if len(data) == n:
                return data
            self._keep(data)
        while len(self._buffer) - self._start < n:
            if not await self._fill():
                have = self.buffered
                raise IncompleteRead(f"the stream ended after {len(have)} of {n} bytes", have)
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
            BusyResource: another task is reading.
            ValueError: the delimiter is empty, or longer than the limit.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the delimiter is not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        Cost: O(bytes), however many pieces they come in.
        """
        if not 1 <= len(delimiter) <= limit:
            raise ValueError(f"delimiter must have 1 to limit ({limit}) bytes, not {len(delimiter)}")
        if self._buffer or self._ended:
            charge() or await toll()
            if self._filling:
                self._refuse_busy()
        n = await self._find(delimiter, limit)
        if n or not self._buffer:
            return self._take(n)
        partial = self.buffered
        raise IncompleteRead(f"the stream ended {len(partial)} bytes behind the last {delimiter!r}", partial)

    async def read_line(self, limit: int = LIMIT) -> bytes:
        r"""Return the next line with its ``b"\n"``; ``b""`` at the end. The last line may lack it.

        Args:
            limit: how many bytes to return at most.

        Raises:
            LimitExceeded: the line does not end within the next `limit` bytes, which stay in the buffer.
            BusyResource: another task is reading.
            ValueError: `limit` is less than 1.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the line is not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        if self._buffer or self._ended:
            charge() or await toll()
            if self._filling:
                self._refuse_busy()
        else:
            data = await self._stream.read(CHUNK)
            if 0 < data.find(b"\n") + 1 == len(data) <= limit:
                return data  # one line and no more: so it is with most requests
            self._keep(data)
        start = self._start
        n = self._buffer.find(b"\n", start) + 1 - start
        if 0 < n <= limit:
            return self._take(n)
        n = await self._find(b"\n", limit)
        return self._take(n or len(self._buffer) - self._start)

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
            BusyResource: another task is reading.
            ValueError: `limit` is negative.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the end is not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if limit < 0:
            raise ValueError(f"limit must be at least 0, not {limit}")
        if await self._gather(limit + 1):
            raise LimitExceeded(f"the stream has more than {limit} bytes left", limit)
        return self._take(len(self._buffer) - self._start)

    async def peek(self, n: int) -> bytes:
        """Return the next `n` bytes and take none of them, waiting until so many are buffered. Fewer before the end.

        Raises:
            BusyResource: another task is reading.
            ValueError: `n` is less than 1.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken; those that came are in the buffer.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, not {n}")
        await self._gather(n)
        return bytes(memoryview(self._buffer)[self._start : self._start + n])

    def consume(self, n: int) -> None:
        """Take `n` bytes that are buffered, and drop them: those that `peek` has shown.

        Raises:
            BusyResource: another task is reading.
            ValueError: so many are not buffered.

        Checkpoint: never.
        """
        if self._filling:
            self._refuse_busy()
        if not 0 <= n <= len(self._buffer) - self._start:
            raise ValueError(f"n must be 0 to {len(self._buffer) - self._start}, as many as are buffered, not {n}")
        self._drop(n)

    # ---- waiting --------------------------------------------------------------------------------------------------

    async def _gather(self, n: int) -> bool:
        """Wait until `n` bytes are buffered: False if the stream ends before. Always a cancel point."""
        if self._buffer or self._ended or not n:
            charge() or await toll()
            if self._filling:
                self._refuse_busy()
        while len(self._buffer) - self._start < n:
            if not await self._fill():
                return False
        return True

    async def _find(self, delimiter: bytes, limit: int) -> int:
        """How many bytes there are with the first delimiter, waiting for it: 0 if the stream ends before.

        What was searched is not searched again.
        """
        searched = 0  # the delimiter does not begin in the first so many bytes
        while True:
            buffer = self._buffer
            start = self._start
            found = buffer.find(delimiter, start + searched)
            n = found - start + len(delimiter)
            if found >= 0 and n <= limit:
                return n
            have = len(buffer) - start
            if found >= 0 or have >= limit:
                raise LimitExceeded(f"no {delimiter!r} among the next {limit} bytes", limit)
            searched = max(0, have - len(delimiter) + 1)  # the buffer may end with the first part of one
            if not await self._fill():
                return 0

    async def _fill(self) -> bool:
        """Put more into the buffer, waiting for it: False at the end. Nothing is between reading and keeping."""
        if self._ended:
            return False
        self._filling = True
        try:
            data = await self._stream.read(CHUNK)
        finally:
            self._filling = False
        if not data:
            self._ended = True
            return False
        buffer = self._buffer
        kept = len(buffer) - self._start
        if not kept:
            self._buffer = data
        elif kept <= len(data):
            self._buffer = b"".join((memoryview(buffer)[self._start :], data))
        else:
            if isinstance(buffer, bytes):
                self._buffer = buffer = bytearray(memoryview(buffer)[self._start :])
            else:
                del buffer[: self._start]
            buffer += data
        self._start = 0
        return True

    # ---- without waiting ------------------------------------------------------------------------------------------

    def _refuse_busy(self) -> NoReturn:
        """The error for a second task: it may not take the bytes that the first is putting together."""
        raise BusyResource(f"another task is reading from {self!r}; one task at a time may read from a stream")

    def _keep(self, data: bytes) -> None:
        """What was read while the buffer was empty."""
        self._buffer = data
        self._ended = not data

    def _take(self, n: int) -> bytes:
        """The first `n` bytes of the buffer, or all if there are fewer."""
        buffer = self._buffer
        start = self._start
        end = start + n
        if end < len(buffer):
            self._start = end
        else:
            self._buffer = b""
            self._start = 0
        if type(buffer) is not bytes:
            return bytes(memoryview(buffer)[start:end])
        return buffer[start:end]  # which is the same object if that is all

    def _drop(self, n: int) -> None:
        """Without the first `n` bytes of the buffer."""
        self._start += n
        if self._start == len(self._buffer):
            self._buffer = b""
            self._start = 0

    def __repr__(self) -> str:
        ended = ", at its end" if self._ended else ""
        return f"<{type(self).__name__} of {self._stream!r}{ended}, {len(self._buffer) - self._start} bytes buffered>"

    def _check(self) -> None:
        assert 0 <= self._start < len(self._buffer) or (self._start, self._buffer) == (0, b""), "the start is lost"


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
