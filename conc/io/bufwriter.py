"""Writing in few large pieces what a program writes in many small ones."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, NoReturn, Self

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import BusyResource, ClosedResource
from conc.io.numbers import NumberWriter
from conc.io.stream import AsyncWrite, Buffer
from conc.io.views import views_of

CAPACITY: Final = 65_536


class BufWriter(NumberWriter):
    """Collects what is written, and hands it to a stream in large pieces: a `conc.io.AsyncWrite`.

    What is written is sent when `flush` or `close_write` says so, or when the buffer is full: then all of it goes to
    the stream together with what does not fit, in one ``write_all`` of several buffers, without being copied first.

    What the stream has not taken is kept in `unsent`, over a cancellation and over an error of the stream: the next
    `flush` goes on behind the last byte that was taken. What is never flushed is never sent::

        async with BufWriter(stream) as writer:
            for row in rows:
                await writer.write_all(row, b"\\n")

    sends it at the end of the block; unless the block raises, for then half of something may be in there.

    It borrows the stream: it closes nothing; close the stream. Use either the writer or the stream below it, and one
    task at a time. What owns its stream, and reads too, is `BufStream`.

    Args:
        stream: what to write to. If it has a `flush` of its own, that of the writer calls it too.
        capacity: how many bytes are kept at most, at least 1.

    Attributes:
        bytes_written: how many bytes the writer has taken in its life, those in the buffer included.

    Raises:
        ValueError: `capacity` is less than 1.

    Invariant: what was taken is what the stream has taken from the writer, followed by `_buffer`.
    Invariant: `_buffer` has at most `_capacity` bytes.
    Invariant: `_sending` while a task hands bytes to the stream; `_ended` after `close_write`, and if `_closed`.
    """

    __slots__ = ("_buffer", "_capacity", "_closed", "_ended", "_flush_below", "_sending", "_stream", "bytes_written")

    def __init__(self, stream: AsyncWrite, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self._stream = stream
        self._flush_below: Callable[[], Awaitable[None]] | None = getattr(stream, "flush", None)
        self._buffer = bytearray()
        self._capacity = capacity
        self._sending = False
        self._ended = False
        self._closed = False
        self.bytes_written = 0

    @property
    def unsent(self) -> bytes:
        """What was taken, and not yet handed to the stream."""
        return bytes(self._buffer)

    async def write_all(self, data: Buffer = b"", /, *more: Buffer) -> None:
        """Take all bytes of all buffers, in order. If they do not fit, the stream gets all that is there, and these.

        Raises:
            BusyResource: another task is writing.
            ClosedResource: `close_write` was called.
            TypeError: what is not bytes, or not contiguous.
            ConcError: what the stream raises. What was taken before and not sent stays in `unsent`.

        Checkpoint: always a cancel point; it waits only if the buffer is full and the stream has no room.
        If cancelled: `bytes_written` tells how much was taken, see `conc.io.AsyncWrite`; of the rest nothing will be.
        """
        buffers: tuple[Buffer, ...] | list[memoryview] = (data, *more)
        size = 0
        for part in buffers:
            if type(part) is not bytes:
                buffers = views_of((data, *more))
                size = sum(map(len, buffers))
                break
            size += len(part)
        charge() or await toll()
        if self._sending or self._ended:
            self._refuse()
        if len(self._buffer) + size > self._capacity:
            await self._hand_over(*buffers)
            return
        for part in buffers:
            self._buffer += part
        self.bytes_written += size

    async def flush(self) -> None:
        """Hand all that was taken to the stream; if that keeps bytes back itself, it is flushed too.

        Raises:
            BusyResource: another task is writing.
            ClosedResource: the stream was closed on this side.
            ConcError: what the stream raises. What it has not taken stays in `unsent`.

        Checkpoint: always a cancel point; it waits only if the stream has no room.
        If cancelled: what the stream has not taken stays in `unsent`, and the next `flush` goes on with it.
        """
        charge() or await toll()
        if self._sending or self._closed:
            self._refuse()
        if self._buffer:
            await self._hand_over()
        if self._flush_below is not None:
            await self._flush_below()

    async def close_write(self) -> None:
        """Flush, and say that nothing more will be written: the other side reads the rest, then the end.

        Idempotent.

        Raises:
            BusyResource: another task is writing.
            ConcError: what the stream raises. What it has not taken stays in `unsent`.

        Checkpoint: always a cancel point; it waits only if there is something to flush.
        If cancelled: the direction is still open; what the stream has not taken stays in `unsent`.
        """
        if not self._ended:
            await self.flush()
        await self._stream.close_write()
        self._ended = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and not self._ended:
            await self.flush()

    async def _hand_over(self, *buffers: Buffer) -> None:
        """Give the stream what is buffered, and `buffers` behind it."""
        before = self._stream.bytes_written
        held = len(self._buffer)
        self._sending = True
        try:
            # A copy, for the stream may still look at what it was given when the buffer changes.
            await self._stream.write_all(*((bytes(self._buffer), *buffers) if held else buffers))
        finally:
            self._sending = False
            sent = self._stream.bytes_written - before
            del self._buffer[:sent]
            if sent > held:
                self.bytes_written += sent - held

    def _abandon(self) -> None:
        """The stream is closed: nothing more is taken, and nothing kept."""
        self._closed = self._ended = True
        self._buffer.clear()

    def _refuse(self) -> NoReturn:
        if self._ended:
            raise ClosedResource(f"nothing more can be written to {self!r}: that was closed on this side")
        raise BusyResource(f"another task is writing to {self!r}; one task at a time may write to a stream")

    def __repr__(self) -> str:
        ended = ", closed for writing" if self._ended else ""
        return f"<BufWriter of {self._stream!r}{ended}, {len(self._buffer)} bytes unsent>"

    def _check(self) -> None:
        assert len(self._buffer) <= self._capacity, "more was taken than there is room for"
        assert not (self._ended and self._buffer), "it was closed before all was sent"
