"""Decoding by hand: what a codec makes of bytes that come in given pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import strategies as st

from conc.codec import NEED_MORE, Codec, Decoder, DelimiterCodec, LengthDelimitedCodec, LinesCodec
from conc.errors import ConcError, InvalidFrame, LimitExceeded

REPEATED = "and again"


def outcomes(decoder: Decoder[Any], pieces: Iterable[bytes]) -> list[Any]:
    """The frames in order, with the classes of errors between them; at the end what is left in the buffer, if anything.

    An error that comes twice without a byte being taken is the end: REPEATED.
    """
    buffer = bytearray()
    results: list[Any] = []
    for piece in pieces:
        buffer += piece
        if not _drain(decoder.decode, buffer, results):
            return results
    if _drain(decoder.decode_end, buffer, results) and buffer:
        results.append(bytes(buffer))
    return results


def _drain(decode: Callable[[bytearray], Any], buffer: bytearray, results: list[Any]) -> bool:
    """Decode until nothing more comes; False if nothing more can."""
    before: object = None
    while True:
        try:
            frame = decode(buffer)
        except ConcError as error:
            state = type(error), bytes(buffer)
            if state == before:
                results.append(REPEATED)
                return False
            results.append(type(error))
            before = state
            continue
        if frame is NEED_MORE:
            return True
        before = None
        results.append(frame)


def encoded(codec: Codec[Any, Any], frames: Iterable[Any]) -> bytes:
    """All frames, one behind the other."""
    return b"".join(bytes(piece) for frame in frames for piece in codec.encode(frame))


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The same bytes in pieces; the places wrap around."""
    ends = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]


PLACES = st.lists(st.integers(0, 400), max_size=12)
SMALL_LIMIT = 6


def lines_of_any_kind() -> LinesCodec:
    """With a limit that is easily exceeded."""
    return LinesCodec(SMALL_LIMIT)


def chunks_between_letters() -> DelimiterCodec:
    """With delimiters of several lengths, which overlap with themselves."""
    return DelimiterCodec(b"aa", b"bcb", b"\n", max_length=SMALL_LIMIT)


def lengths_in_one_byte() -> LengthDelimitedCodec:
    """With a header on both sides of the field, and a field that counts two too many."""
    return LengthDelimitedCodec(
        SMALL_LIMIT, length_field_length=1, length_field_offset=1, length_adjustment=-2, num_skip=3
    )


MAKERS: tuple[Callable[[], Codec[Any, Any]], ...] = (
    lines_of_any_kind,
    chunks_between_letters,
    lengths_in_one_byte,
    LengthDelimitedCodec,
)
# Few different bytes, so that delimiters and halves of them are frequent, and small lengths.
BYTES = st.one_of(
    st.binary(max_size=60),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"\n", b"\r", b"\0", b"\3", b"\xc3", b"\xa9"]), max_size=60).map(
        b"".join
    ),
)
DOCUMENTED = (LimitExceeded, InvalidFrame)
