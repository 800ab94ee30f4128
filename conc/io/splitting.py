"""The two directions of a stream, each for itself: for two tasks, or for two strands."""

from __future__ import annotations

from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, NoReturn, Self

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import BrokenResource, ClosedResource
from conc.io.stream import AsyncWrite, Buffer, Stream
from conc.time import move_on_after

MOMENT: Final = 0.01  # seconds; sockets, pipes and memory need none


def split(stream: Stream) -> tuple[ReadHalf, WriteHalf]:
    """The two directions of a stream. They may go to different strands.

    Use the halves and not the stream, which is closed when both halves are. Closing the half that writes ends that
    direction at once: the other side reads the rest, then the end. `unsplit` gives the stream back.

    Args:
        stream: what to split. Neither half owns it alone.

    Raises:
        TypeError: it is no stream.

    Checkpoint: never.
    """
    if not isinstance(stream, Stream):
        raise TypeError(f"stream must have the methods of conc.io.Stream, not be {stream!r}")
    reader, writer = ReadHalf(stream), WriteHalf(stream)
    reader._other, writer._other = writer, reader
    reader._turns = writer._turns = [True, False]
    return reader, writer


def unsplit(reader: ReadHalf, writer: WriteHalf) -> Stream:
    """Put two halves together again: the stream that was split. The halves are closed, the stream is not.

    Raises:
        ValueError: they are of different streams.
        ClosedResource: one of them is closed.

    Checkpoint: never.
    """
    if reader._other is not writer:
        raise ValueError(f"reader and writer must be halves of one stream, not {reader!r} and {writer!r}")
    for half in (reader, writer):
        if half._closed:
            half._refuse_closed()
    reader._closed = writer._closed = True
    return reader._stream


class Half:
    """What the two halves have in common: the stream, and closing it with the last of them.

    Invariant: the stream is open unless both halves are closed, or somebody closed it by itself.
    Invariant: each half takes one of `_turns` when it is closed and has nothing more to do with the stream; so one of
    them closes it, also if two strands close theirs at the same time.
    """

    __slots__ = ("_closed", "_other", "_stream", "_turns")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._closed = False
        self._other: Half = self
        self._turns: list[bool]

    async def aclose(self) -> None:
        """Close this half, and the stream with the second of its halves. Idempotent.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def _is_last(self) -> bool:
        """This half is done with the stream: whether it has to close it, since the other one is done too."""
        return self._turns.pop()

    def _refuse_closed(self) -> NoReturn:
        raise ClosedResource(f"{self!r} was closed on this side")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._stream!r}{', closed' if self._closed else ''}>"


class ReadHalf(Half):
    """The direction of a stream that bytes come out of: a `conc.io.AsyncRead`. Made by `split`."""

    __slots__ = ()

    def read(self, max_bytes: int) -> Coroutine[Any, Any, bytes]:
        """As ``read`` of the stream: wait for bytes, and return those that are there; ``b""`` at the end.

        Raises:
            ClosedResource: this half is closed.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if self._closed:
            self._refuse_closed()
        return self._stream.read(max_bytes)  # to be awaited: no coroutine of this half is between

    async def aclose(self) -> None:
        """Close this half, and the stream if the other half is closed too. Idempotent.

        A read that waits goes on, unless the stream is closed.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        if not self._closed:
            self._closed = True
            if self._is_last():
                await self._stream.aclose()
                return
        charge() or await toll()


class WriteHalf(Half):
    """The direction of a stream that bytes are put into: a `conc.io.AsyncWrite`. Made by `split`."""

    __slots__ = ()

    @property
    def bytes_written(self) -> int:
        """How many bytes the stream has taken in its life, those of a `write_all` that was cancelled included."""
        return self._stream.bytes_written

    def write_all(self, *buffers: Buffer) -> Coroutine[Any, Any, None]:
        """As ``write_all`` of the stream: write all bytes of all buffers, waiting for room where there is none.

        Raises:
            ClosedResource: this half is closed.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written; no more of it will be.
        """
        if self._closed:
            self._refuse_closed()
        return self._stream.write_all(*buffers)

    async def flush(self) -> None:
        """Send on what the stream keeps back, if it does: as its ``flush``.

        Raises:
            ClosedResource: this half is closed.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the stream does.
        If cancelled: what was not sent on is still kept.
        """
        if self._closed:
            self._refuse_closed()
        await flush(self._stream)

    async def close_write(self) -> None:
        """Say that nothing more will be written: the other side reads the rest, then the end. Idempotent.

        Raises:
            ClosedResource: this half is closed.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        if self._closed:
            self._refuse_closed()
        await self._stream.close_write()

    async def aclose(self) -> None:
        """Close this half and with it the direction, and the stream if the other half is closed too. Idempotent.

        A stream that cannot pass on the end at once, because it has to send other bytes before (TLS, a `BufWriter`) and
        the other side does not take them, does so for 10 ms at most; the other side then sees the end when the stream
        is closed.

        Raises:
            BusyResource: another task is writing. The half is closed all the same.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        if not self._closed:
            self._closed = True
            try:
                if not self._other._closed:
                    await end_writing(self._stream)
            finally:
                if self._is_last():
                    await self._stream.aclose()
        charge() or await toll()


async def end_writing(writer: AsyncWrite) -> None:
    """``close_write`` as a part of closing: a cancellation does not keep it from that, nor does the other side."""
    with move_on_after(MOMENT, shield=True):
        try:
            await writer.close_write()
        except (BrokenResource, ClosedResource):
            pass  # there is nobody to tell, or it was told


async def flush(writer: AsyncWrite) -> None:
    """Let a writer send on what it keeps back, if it is one that does."""
    send_on = getattr(writer, "flush", None)
    if send_on is not None:
        await send_on()
    else:
        charge() or await toll()
