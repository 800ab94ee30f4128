"""A reader and a writer as one stream: two pipes to a process, the standard streams, the halves of two connections."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.io.splitting import end_writing, flush
from conc.io.stream import AsyncRead, AsyncWrite, Buffer


def join(reader: AsyncRead, writer: AsyncWrite) -> JoinedStream:
    """A stream that reads from the one and writes to the other.

    Args:
        reader: where its bytes come from.
        writer: where its bytes go. Both are closed with the stream, if they have ``aclose``.

    Raises:
        TypeError: they cannot be read from, or written to.

    Checkpoint: never.
    """
    return JoinedStream(reader, writer)


class JoinedStream:
    """A `conc.io.Stream` that reads from one object and writes to another. Made by `join`."""

    __slots__ = ("_reader", "_writer")

    def __init__(self, reader: AsyncRead, writer: AsyncWrite) -> None:
        if not isinstance(reader, AsyncRead):
            raise TypeError(f"reader must have the methods of conc.io.AsyncRead, not be {reader!r}")
        if not isinstance(writer, AsyncWrite):
            raise TypeError(f"writer must have the methods of conc.io.AsyncWrite, not be {writer!r}")
        self._reader = reader
        self._writer = writer

    @property
    def bytes_written(self) -> int:
        """How many bytes the writer has taken in its life, those of a `write_all` that was cancelled included."""
        return self._writer.bytes_written

    def read(self, max_bytes: int) -> Coroutine[Any, Any, bytes]:
        """As ``read`` of the reader: wait for bytes, and return those that are there; ``b""`` at the end.

        Raises:
            ConcError: what the reader raises.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        return self._reader.read(max_bytes)  # to be awaited: no coroutine of this stream is between

    def write_all(self, *buffers: Buffer) -> Coroutine[Any, Any, None]:
        """As ``write_all`` of the writer: write all bytes of all buffers, waiting for room where there is none.

        Raises:
            ConcError: what the writer raises.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written; no more of it will be.
        """
        return self._writer.write_all(*buffers)

    async def flush(self) -> None:
        """Send on what the writer keeps back, if it does: as its ``flush``.

        Raises:
            ConcError: what the writer raises.

        Checkpoint: always a cancel point; it waits only if the writer does.
        If cancelled: what was not sent on is still kept.
        """
        await flush(self._writer)

    async def close_write(self) -> None:
        """Say that nothing more will be written, to the writer. Reading goes on. Idempotent.

        Raises:
            ConcError: what the writer raises.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        await self._writer.close_write()

    async def aclose(self) -> None:
        """Close the reader, then the writer, whatever comes of the first. Idempotent.

        A writer that has no ``aclose`` is told that nothing more will be written; a reader without it is left alone.

        Raises:
            Exception: what closing them raised.

        Checkpoint: a cancel point, after both were closed.
        If cancelled: both are closed all the same.
        """
        try:  # the reader first: the second half of a stream that was split closes it, also under who waits to write
            if hasattr(self._reader, "aclose"):
                await self._reader.aclose()
        finally:
            if hasattr(self._writer, "aclose"):
                await self._writer.aclose()
            else:
                await end_writing(self._writer)
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<JoinedStream of {self._reader!r} and {self._writer!r}>"
