"""What a codec is: bytes in, frames out, and the other way round. It does no I/O and awaits nothing.

So a codec is tested with plain function calls, and works over everything: streams, datagrams, files, somebody else's
event loop. `FramedRead` and `FramedWrite` bring the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any, Final, Protocol, TypeVar

from conc.io.stream import Buffer

In_co = TypeVar("In_co", covariant=True)
Out_contra = TypeVar("Out_contra", contravariant=True)


class NeedMore(Enum):
    """The type of `NEED_MORE`, for annotations."""

    NEED_MORE = "NEED_MORE"

    def __repr__(self) -> str:
        return "NEED_MORE"

    __str__ = __repr__


NEED_MORE: Final = NeedMore.NEED_MORE
"""What a decoder returns when the buffer holds no whole frame. Not None, which may be a frame: the null of JSON."""


class Decoder(Protocol[In_co]):
    """Makes frames of bytes. One object serves one stream: it may remember how far it has looked into the buffer.

    A subclass has to write `decode` only.
    """

    __slots__ = ()

    def decode(self, buffer: bytearray) -> In_co | NeedMore:
        """Take the next frame off the front of the buffer: its bytes are deleted, and what they mean is returned.

        Called again and again, until it returns `NEED_MORE`; then again when more bytes were added at the end. Nothing
        else happens to the buffer between two calls. It may take bytes and return `NEED_MORE` all the same, as one does
        that hands them to a parser with a buffer of its own.

        ``del buffer[:n]`` costs no more than the `n` bytes: what is behind them is not moved each time.

        Raises:
            ConcError: what is there is no frame. If the bad part was deleted, the next call goes on behind it; if not,
                the next call finds it again, and so it is the end.
        """

    def decode_end(self, buffer: bytearray) -> In_co | NeedMore:
        """As `decode`, when no more bytes will come: what is left may be a frame now. As `decode` unless written.

        Called until it returns `NEED_MORE`: then a codec remembers nothing, and the next bytes are of another stream,
        or another datagram. Bytes that are left then are the beginning of a frame: `IncompleteRead`.
        """
        return self.decode(buffer)


class Encoder(Protocol[Out_contra]):
    """Makes bytes of frames."""

    __slots__ = ()

    def encode(self, frame: Out_contra) -> Iterable[Buffer]:
        """The bytes of a frame, in one piece or in several, which are written together and need no joining.

        They may have to wait for room, so they must not change any more: what a caller could still write into has to be
        copied.

        Raises:
            ValueError, TypeError: this is no frame for the codec. It changed nothing; the next frame may be encoded.
        """


class Codec(Decoder[In_co], Encoder[Out_contra], Protocol[In_co, Out_contra]):
    """Both directions: decodes frames of the first type, and encodes frames of the second."""

    __slots__ = ()


def check_codec(codec: object, *methods: str) -> None:
    """Raise TypeError if this is no codec with these methods: a class, perhaps, or something else by mistake."""
    if isinstance(codec, type):
        raise TypeError(f"a codec is an object, such as {codec.__name__}(...), and not the class {codec.__name__}")
    for method in methods:
        if not callable(getattr(codec, method, None)):
            raise TypeError(f"{codec!r:.100} is no codec: it has no {method}; conc.codec.Codec is the class to inherit")


def pieces_of(encoder: Encoder[Out_contra], frame: Out_contra) -> tuple[Buffer, ...]:
    """The bytes of a frame, in pieces.

    Raises:
        ValueError, TypeError: the encoder refuses the frame, or what it returned is no pieces of bytes.
    """
    made: Any = encoder.encode(frame)
    if type(made) is not tuple:
        if isinstance(made, bytes | bytearray | memoryview | str) or not isinstance(made, Iterable):
            raise TypeError(f"encode of {encoder!r} must return pieces of bytes, such as (data,), not {made!r:.100}")
        made = tuple(made)
    for piece in made:
        if type(piece) is not bytes and not _is_bytes(piece):
            raise TypeError(f"encode of {encoder!r} must return pieces of bytes, and {piece!r:.100} is none")
    return made  # type: ignore[no-any-return]


def _is_bytes(piece: object) -> bool:
    """Whether its length is that of its bytes, too: that of a view of other items is not."""
    if isinstance(piece, memoryview):
        return piece.nbytes == len(piece)
    return isinstance(piece, bytes | bytearray)
