"""No frames at all: pieces, as they come."""

from __future__ import annotations

from conc.codec.protocols import NEED_MORE, Codec, NeedMore
from conc.io.stream import Buffer


class BytesCodec(Codec[bytes, Buffer]):
    """Each piece that arrives is a frame, however the bytes were cut on the way; each frame is written as it is.

    Goes on after: nothing ever goes wrong.
    """

    __slots__ = ()

    def decode(self, buffer: bytearray) -> bytes | NeedMore:
        """All that is there, unless that is nothing."""
        if not buffer:
            return NEED_MORE
        frame = bytes(buffer)
        buffer.clear()
        return frame

    def encode(self, frame: Buffer) -> tuple[bytes, ...]:
        """The frame. What is not `bytes` is copied: it could change before it has left."""
        return (unchanging(frame),)

    def __repr__(self) -> str:
        return "<BytesCodec>"


def unchanging(data: Buffer) -> bytes:
    """The same bytes as `bytes`, copied only if they are something else.

    Raises:
        TypeError: they are no bytes.
    """
    if type(data) is bytes:
        return data
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"a frame must be bytes, bytearray or memoryview, not {data!r:.100}")
    return bytes(data)
