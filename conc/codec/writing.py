"""Frames into a stream."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Self, TypeVar

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.codec.closing import close_below
from conc.codec.lines import check_length
from conc.codec.protocols import Encoder, check_codec, pieces_of
from conc.errors import BusyResource
from conc.io.stream import AsyncWrite, Buffer

if TYPE_CHECKING:
    from conc._kernel.task import Task

Out_contra = TypeVar("Out_contra", contravariant=True)

BOUNDARY: Final = 65_536
SMALL: Final = 4096  # bytes: up to here joining costs less than one more buffer in a system call


class Writing(Generic[Out_contra]):
    """The sending half of what has frames.

    Invariant: what the encoder has made is what the stream has taken, followed by `_pending`. Both end with a whole
    frame, or will: a frame of which the stream has taken a part goes on at the front of `_pending`.
    Invariant: `_size` is the number of bytes in `_pending`, while nobody flushes.
    Invariant: `_sender` is the task that flushes, else None.
    """

    if not TYPE_CHECKING:  # as in Reading
        __slots__ = ()

    frames_sent: int
    encoder: Encoder[Out_contra]
    _writer: AsyncWrite
    _pending: list[Buffer]
    _size: int
    _boundary: int
    _sender: Task[Any] | None

    def _start_writing(self, writer: AsyncWrite, encoder: Encoder[Out_contra], boundary: int) -> None:
        self._boundary = check_length(boundary, "backpressure_boundary")
        check_codec(encoder, "encode")
        self._writer = writer
        self.encoder = encoder
        self.frames_sent = 0
        self._pending = []
        self._size = 0
        self._sender = None

    @property
    def pending_bytes(self) -> int:
        """How many bytes of frames wait to be written: of `feed`, or of a `send` that was cancelled."""
        return self._size

    async def send(self, frame: Out_contra) -> None:
        """Send a frame, after all that was fed before: when this returns, the stream has taken every byte of it.

        It goes through three phases. *Room*: while more bytes wait to be written than the boundary allows, they are
        written first. *Encode*: at one stroke the frame becomes bytes, and `frames_sent` goes up. *Flush*: all bytes
        that wait are written.

        Raises:
            ValueError, TypeError: the encoder refuses the frame. Nothing of it was sent.
            BusyResource: another task is sending.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if there is no room in the stream.
        If cancelled: before it was encoded, the frame was not sent. While it is flushed, it counts as sent: what is
            left of it stays here and leaves first with the next `send`, `flush`, or `feed` that has to make room; so
            there is never half a frame with another one behind it. `frames_sent` tells which of the two it was.
        """
        task = charge() or await toll()
        if self._sender is not None:
            self._refuse_busy()
        if self._size >= self._boundary:
            await self._flush(task)
        self._encode(frame)
        await self._flush(task)

    async def feed(self, frame: Out_contra) -> None:
        """As `send` without its last phase: the frame waits here until there are more, or `flush` is called.

        Raises:
            ValueError, TypeError: the encoder refuses the frame. Nothing of it was sent.
            BusyResource: another task is sending.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only for room, when more bytes wait to be written than the boundary
            allows.
        If cancelled: the frame was not sent.
        """
        task = charge() or await toll()
        if self._sender is not None:
            self._refuse_busy()
        if self._size >= self._boundary:
            await self._flush(task)
        self._encode(frame)

    async def flush(self) -> None:
        """Write all frames that were fed, and what is left of one whose `send` was cancelled.

        Raises:
            BusyResource: another task is sending.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if there is no room in the stream.
        If cancelled: what was not written stays here; nothing is lost or written twice.
        """
        task = charge() or await toll()
        if self._sender is not None:
            self._refuse_busy()
        await self._flush(task)

    async def close_write(self) -> None:
        """Write what waits, then say that nothing more will be written: the orderly end of the frames. Idempotent.

        Raises:
            BusyResource: another task is sending.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if there is no room in the stream.
        If cancelled: the direction is still open; what was not written stays here.
        """
        task = charge() or await toll()
        if self._sender is not None:
            self._refuse_busy()
        await self._flush(task)
        await self._writer.close_write()

    def _encode(self, frame: Out_contra) -> None:
        """At one stroke: an encoder that raises leaves nothing behind."""
        pieces = pieces_of(self.encoder, frame)
        self._pending += pieces
        self._size += sum(map(len, pieces))
        self.frames_sent += 1

    async def _flush(self, task: Task[Any]) -> None:
        """Write all that is pending. What the stream has not taken stays pending, whatever happens."""
        writer = self._writer
        self._sender = task
        try:
            if self._size:
                pending = self._pending = joined(self._pending)
                before = writer.bytes_written
                try:
                    await writer.write_all(*pending)
                except BaseException:
                    self._size -= drop(pending, writer.bytes_written - before)
                    raise
                self._pending = []
                self._size = 0
            flush = getattr(writer, "flush", None)  # of one that keeps bytes back itself
            if flush is not None:
                await flush()
        finally:
            self._sender = None

    def _refuse_busy(self) -> NoReturn:
        raise BusyResource(f"{self._sender!r} is sending through {self!r}; one task at a time may send")

    def _check(self) -> None:
        if self._sender is None:
            assert self._size == sum(map(len, self._pending)), "bytes were miscounted"


class FramedWrite(Writing[Out_contra]):
    """Frames into what can only be written, as one half of a stream: ``await FramedWrite(writer, codec).send(frame)``.

    Use either this or the writer below it, and one task at a time.

    Args:
        writer: what to write to.
        encoder: makes bytes of frames. Another one may take its place between two frames.
        backpressure_boundary: how many bytes may wait to be written before `feed` writes them first; a frame that has
            more is kept all the same.

    Raises:
        ValueError, TypeError: a bad argument.

    Attributes:
        encoder: as given.
        frames_sent: how many frames were encoded: they were written, or leave before all later ones.
    """

    __slots__ = ("_boundary", "_pending", "_sender", "_size", "_writer", "encoder", "frames_sent")

    def __init__(
        self, writer: AsyncWrite, encoder: Encoder[Out_contra], *, backpressure_boundary: int = BOUNDARY
    ) -> None:
        self._start_writing(writer, encoder, backpressure_boundary)

    @property
    def writer(self) -> AsyncWrite:
        """What it writes to."""
        return self._writer

    async def aclose(self) -> None:
        """Close the writer, if that can be closed, at once. Idempotent. What was fed and not flushed is dropped.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        await close_below(self._writer)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await close_below(self._writer)

    def __repr__(self) -> str:
        return f"<FramedWrite to {self._writer!r} by {self.encoder!r}>"


def joined(pieces: list[Buffer]) -> list[Buffer]:
    """The same bytes in fewer pieces: neighbours are joined if they are small; large ones are not copied."""
    if len(pieces) < 2:
        return pieces
    result: list[Buffer] = []
    small: list[Buffer] = []
    for piece in pieces:
        if len(piece) <= SMALL:
            small.append(piece)
            continue
        if small:
            result.append(b"".join(small))
            small = []
        result.append(piece)
    if small:
        result.append(b"".join(small))
    return result


def drop(pieces: list[Buffer], count: int) -> int:
    """Take `count` bytes off the front of the pieces; returns `count`."""
    left = count
    used = 0
    while used < len(pieces) and left >= len(pieces[used]):
        left -= len(pieces[used])
        used += 1
    del pieces[:used]
    if left:
        pieces[0] = memoryview(pieces[0])[left:]
    return count
