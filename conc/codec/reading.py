"""Frames out of a stream."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from conc._kernel.current import charge, slot
from conc._kernel.suspend import toll
from conc.codec.closing import close_below
from conc.codec.protocols import NEED_MORE, Decoder, NeedMore, check_codec
from conc.errors import EndOfChannel, IncompleteRead, WouldBlock
from conc.io.stream import AsyncRead

In_co = TypeVar("In_co", covariant=True)

CHUNK: Final = 65_536  # what is asked for at a time


class Reading(Generic[In_co]):
    """The receiving half of what has frames. It reads only when the decoder has said that it needs more.

    Invariant: what was read from the stream is what the decoder has taken, followed by `_buffer`.
    Invariant: if `_dry`, the decoder has seen all of `_buffer` and needs more.
    """

    if not TYPE_CHECKING:  # the classes below have the slots: two bases that have some would not go together
        __slots__ = ()

    _reader: AsyncRead
    _decoder: Decoder[In_co]
    _buffer: bytearray
    _dry: bool
    _ended: bool

    def _start_reading(self, reader: AsyncRead, decoder: Decoder[In_co], buffered: bytes) -> None:
        check_codec(decoder, "decode", "decode_end")
        if not isinstance(buffered, bytes | bytearray | memoryview):
            raise TypeError(f"buffered must be the bytes that were read already, not {buffered!r:.100}")
        self._reader = reader
        self._decoder = decoder
        self._buffer = bytearray(buffered)
        self._dry = False  # the decoder looks at what is there before anything is read
        self._ended = False

    @property
    def decoder(self) -> Decoder[In_co]:
        """What makes frames of bytes. Another one may take its place between two frames; it gets all bytes that were
        read and not decoded."""
        return self._decoder

    @decoder.setter
    def decoder(self, decoder: Decoder[In_co]) -> None:
        check_codec(decoder, "decode", "decode_end")
        self._decoder = decoder
        self._dry = False

    @property
    def buffered(self) -> bytes:
        """What was read from the stream and not decoded: for who goes on without frames."""
        return bytes(self._buffer)

    async def receive(self) -> In_co:
        """Return the next frame, waiting for its bytes.

        Raises:
            EndOfChannel: the stream has ended, behind a whole frame.
            IncompleteRead: the stream has ended within a frame; what came of it is in ``partial``. Again each time.
            LimitExceeded, InvalidFrame: what the decoder raises. The codec says whether the next frames can still be
                received: if not, this raises again.
            ConcError: what the stream raises.

        Checkpoint: always a cancel point; it waits only if the frame is not there.
        If cancelled: no frame was taken; the bytes that came are in the buffer.
        """
        charge() or await toll()
        if not self._dry:
            frame = self._decoder.decode(self._buffer)
            if frame is not NEED_MORE:
                return frame
        frame = await self._next()
        if frame is NEED_MORE:
            raise EndOfChannel(f"nothing more will come out of {self!r}")
        return frame

    def receive_nowait(self) -> In_co:
        """As `receive`, if the frame is among the bytes that were read already: reads nothing.

        Raises:
            WouldBlock: it is not.
            ConcError: as `receive`.

        Checkpoint: never.
        """
        frame: In_co | NeedMore = NEED_MORE
        if not self._dry:
            frame = self._decode()
        if frame is NEED_MORE and self._ended:
            frame = self._decode_end()
            if frame is NEED_MORE:
                raise EndOfChannel(f"nothing more will come out of {self!r}")
        if frame is NEED_MORE:
            raise WouldBlock(f"there is no whole frame among the {len(self._buffer)} bytes that {self!r} has read")
        return frame

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> In_co:
        worker: Any = slot.worker  # as `charge`, without a call; and on as `receive`, without a coroutine of its own
        if worker is None or worker.budget <= 0 or worker.task.scope.cancelled:
            await toll()
            worker = slot.worker
        worker.budget -= 1
        if not self._dry:
            frame = self._decoder.decode(self._buffer)
            if frame is not NEED_MORE:
                return frame
        frame = await self._next()
        if frame is NEED_MORE:
            raise StopAsyncIteration
        return frame

    async def _next(self) -> In_co | NeedMore:
        """The next frame, reading until it is there; NEED_MORE at the end. Nothing is between reading and keeping."""
        self._dry = True
        while not self._ended:
            data = await self._reader.read(CHUNK)
            self._dry = False
            if not data:
                self._ended = True
                break
            self._buffer += data
            frame = self._decode()
            if frame is not NEED_MORE:
                return frame
        return self._decode_end()

    def _decode(self) -> In_co | NeedMore:
        frame = self._decoder.decode(self._buffer)
        self._dry = frame is NEED_MORE
        return frame

    def _decode_end(self) -> In_co | NeedMore:
        frame = self._decoder.decode_end(self._buffer)
        if frame is NEED_MORE and self._buffer:
            partial = bytes(self._buffer)
            raise IncompleteRead(f"the stream ended {len(partial)} bytes into a frame", partial)
        return frame


class FramedRead(Reading[In_co]):
    """Frames out of what can only be read, as one half of a stream: ``async for frame in FramedRead(reader, codec)``.

    What was read and not yet given out is kept over a cancellation and over an error. Use either this or the reader
    below it, and one task at a time. All frames that came in one piece are given out without waiting.

    Args:
        reader: what to read from.
        decoder: makes frames of bytes; for this reader alone.
        buffered: bytes that were read already and come first.

    Raises:
        TypeError: a bad argument.
    """

    __slots__ = ("_buffer", "_decoder", "_dry", "_ended", "_reader")

    def __init__(self, reader: AsyncRead, decoder: Decoder[In_co], *, buffered: bytes = b"") -> None:
        self._start_reading(reader, decoder, buffered)

    @property
    def reader(self) -> AsyncRead:
        """What it reads from."""
        return self._reader

    async def aclose(self) -> None:
        """Close the reader, if that can be closed. Idempotent.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        await close_below(self._reader)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await close_below(self._reader)

    def __repr__(self) -> str:
        return f"<FramedRead of {self._reader!r} by {self._decoder!r}>"
