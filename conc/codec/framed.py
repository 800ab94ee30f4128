"""Frames in both directions of a stream."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from conc.codec.closing import close_below
from conc.codec.protocols import Codec
from conc.codec.reading import Reading
from conc.codec.writing import BOUNDARY, Writing
from conc.io.stream import Stream

In_co = TypeVar("In_co", covariant=True)
Out_contra = TypeVar("Out_contra", contravariant=True)


class Framed(Reading[In_co], Writing[Out_contra]):
    """A stream of bytes as a stream of frames: ``async for frame in framed``, ``await framed.send(frame)``.

    One task may receive while another one sends; each direction is for one task at a time. Use either this or the
    stream below it. What was read and not yet given out is kept over a cancellation and over an error; all frames that
    came in one piece are given out without waiting.

    As a context manager it closes the stream.

    Args:
        stream: what to read from and write to.
        codec: makes frames of bytes and bytes of frames; for this stream alone. `decoder` and `encoder` may be replaced
            between two frames.
        buffered: bytes that were read already and come first.
        backpressure_boundary: how many bytes may wait to be written before `feed` writes them first; a frame that has
            more is kept all the same.

    Raises:
        ValueError, TypeError: a bad argument.

    Attributes:
        stream: as given.
        encoder: what makes bytes of frames.
        frames_sent: how many frames were encoded: they were written, or leave before all later ones.
    """

    __slots__ = (
        "_boundary",
        "_buffer",
        "_decoder",
        "_dry",
        "_ended",
        "_pending",
        "_reader",
        "_sender",
        "_size",
        "_writer",
        "encoder",
        "frames_sent",
        "stream",
    )

    def __init__(
        self,
        stream: Stream,
        codec: Codec[In_co, Out_contra],
        *,
        buffered: bytes = b"",
        backpressure_boundary: int = BOUNDARY,
    ) -> None:
        self.stream = stream
        self._start_reading(stream, codec, buffered)
        self._start_writing(stream, codec, backpressure_boundary)

    async def aclose(self) -> None:
        """Close the stream, both directions, at once. Idempotent. What was fed and not flushed is dropped.

        For an orderly end call `close_write` before, and receive what the other side still sends.

        Checkpoint: a cancel point, after the stream was closed.
        If cancelled: the stream is closed all the same.
        """
        await close_below(self.stream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await close_below(self.stream)

    def __repr__(self) -> str:
        return f"<Framed {self.stream!r} by {self.encoder!r}>"
