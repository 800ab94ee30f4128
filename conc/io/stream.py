"""What a byte stream is: the protocols that everything readable and writable in conc keeps.

Bytes are read and written; objects are sent and received (channels). A stream has no message borders: what was written
in one piece may be read in several, and the other way round. `BufReader` puts pieces together again.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias, runtime_checkable

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What can be written."""


@runtime_checkable
class AsyncRead(Protocol):
    """The side of a stream that bytes come out of. One task at a time reads."""

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        Raises:
            ValueError: `max_bytes` is less than 1.
            BrokenResource: the other side is gone without an orderly end.
            ClosedResource: this side closed the stream.
            BusyResource: another task is reading.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """


@runtime_checkable
class AsyncWrite(Protocol):
    """The side of a stream that bytes are put into. One task at a time writes."""

    @property
    def bytes_written(self) -> int:
        """How many bytes this stream has taken in its life, those of a `write_all` that was cancelled included."""

    async def write_all(self, *buffers: Buffer) -> None:
        """Write all bytes of all buffers, in order, waiting for room where there is none.

        To go on after a cancellation, remember `bytes_written` before::

            before = stream.bytes_written
            with conc.move_on_after(1) as scope:
                await stream.write_all(data)
            rest = data[stream.bytes_written - before :]

        Raises:
            BrokenResource: the other side is gone.
            ClosedResource: this side closed the stream, or its writing direction.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written; no more of it will be.
        """

    async def close_write(self) -> None:
        """Say that nothing more will be written: the other side reads the rest, then the end. Reading goes on.

        Idempotent.

        Raises:
            BrokenResource: the other side is gone.
            ClosedResource: this side closed the stream.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """


@runtime_checkable
class AsyncClose(Protocol):
    """What is open until it is closed."""

    async def aclose(self) -> None:
        """Close it, at once and whatever the other side does. Idempotent.

        A task that waits in another operation of it gets ClosedResource.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """


@runtime_checkable
class AsyncBufRead(AsyncRead, Protocol):
    """A side that bytes come out of, and that shows what comes next: a `BufReader`, for one.

    So the first bytes can decide who reads them::

        handle = serve_tls if await reader.peek(1) == b"\\x16" else serve_http
    """

    async def peek(self, n: int) -> bytes:
        """Return the next `n` bytes and take none of them, waiting until so many have come. Fewer before the end.

        Raises:
            ValueError: `n` is less than 1.
            BrokenResource: the other side is gone without an orderly end.
            ClosedResource: this side closed the stream.
            BusyResource: another task is reading.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken.
        """

    def consume(self, n: int) -> None:
        """Take `n` bytes that were peeked at, and drop them.

        Raises:
            ValueError: so many have not come.
            BusyResource: another task is reading.

        Checkpoint: never.
        """


@runtime_checkable
class Stream(AsyncRead, AsyncWrite, AsyncClose, Protocol):
    """Bytes in both directions, each used by one task at a time, until both are closed at once."""
