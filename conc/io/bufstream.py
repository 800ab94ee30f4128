"""A stream with a buffer for each direction."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self

from conc.errors import Cancelled
from conc.io.buffered import BufReader
from conc.io.bufwriter import CAPACITY, BufWriter
from conc.io.numbers import NumberWriter
from conc.io.stream import Buffer, Stream


class BufStream(BufReader, NumberWriter):
    """A stream that is read as by a `BufReader`, and written to as by a `BufWriter`: itself a `conc.io.Stream`.

    What is written is sent when `flush` or `close_write` says so, or when the buffer is full. Before waiting for an
    answer, flush the question.

    It owns the stream: closing it closes that. At the end of ``async with BufStream(stream) as stream:`` what is unsent
    is flushed first, unless the block raises.

    Args:
        stream: what to read from and write to. Leave it alone from now on.
        capacity: how many bytes that were written are kept at most, at least 1.

    Raises:
        ValueError: `capacity` is less than 1.
    """

    __slots__ = ("_owned", "_writer")

    def __init__(self, stream: Stream, capacity: int = CAPACITY) -> None:
        super().__init__(stream)
        self._owned = stream
        self._writer = BufWriter(stream, capacity)

    @property
    def bytes_written(self) -> int:
        """How many bytes it has taken in its life, those in the buffer included."""
        return self._writer.bytes_written

    @property
    def unsent(self) -> bytes:
        """What was taken, and not yet handed to the stream."""
        return self._writer.unsent

    def write_all(self, *buffers: Buffer) -> Coroutine[Any, Any, None]:
        """Take all bytes of all buffers, in order: see `BufWriter.write_all`.

        Checkpoint: always a cancel point; it waits only if the buffer is full and the stream has no room.
        If cancelled: `bytes_written` tells how much was taken; of the rest nothing will be.
        """
        return self._writer.write_all(*buffers)

    def flush(self) -> Coroutine[Any, Any, None]:
        """Hand all that was taken to the stream: see `BufWriter.flush`.

        Checkpoint: always a cancel point; it waits only if the stream has no room.
        If cancelled: what the stream has not taken stays in `unsent`, and the next `flush` goes on with it.
        """
        return self._writer.flush()

    def close_write(self) -> Coroutine[Any, Any, None]:
        """Flush, and say that nothing more will be written: see `BufWriter.close_write`. Reading goes on.

        Checkpoint: always a cancel point; it waits only if there is something to flush.
        If cancelled: the direction is still open; what the stream has not taken stays in `unsent`.
        """
        return self._writer.close_write()

    async def aclose(self) -> None:
        """Close the stream, at once and whatever the other side does. Idempotent.

        What is in the buffers is dropped, also what was not sent: `flush` before. A task that waits in another
        operation gets ClosedResource.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        self._forget()
        await self._owned.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if error is None and not self._writer._ended:
                await self._writer.flush()
        finally:
            self._forget()
            try:
                await self._owned.aclose()
            except Cancelled:
                if error is None:  # else that is what has to be known, more than a cancellation
                    raise

    def _forget(self) -> None:
        """From now on all operations go to the stream, which is closed and says so; but for writing to the buffer."""
        self._drop(len(self._buffer) - self._start)
        self._ended = False
        self._writer._abandon()

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, {len(self._writer._buffer)} bytes unsent>"

    def _check(self) -> None:
        super()._check()
        self._writer._check()
