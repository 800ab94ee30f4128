"""What must hold of a codec for any bytes: which pieces, limits and options, the bytes themselves decide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conc.codec import NEED_MORE, Codec, DelimiterCodec, LengthDelimitedCodec, LinesCodec
from conc.errors import ConcError
from tests.codec.decoding import DOCUMENTED, REPEATED, cut, encoded, outcomes

Make = Callable[[], Codec[Any, Any]]


class Bytes:
    """Takes decisions from the front of some bytes, and nothing but zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._next = 0

    def number(self, least: int, most: int) -> int:
        """One of some numbers."""
        value = self._data[self._next] if self._next < len(self._data) else 0
        self._next += 1
        return least + value % (most - least + 1)

    def rest(self) -> bytes:
        """What is left."""
        data, self._data = self._data[self._next :], b""
        return data


def lines(choice: Bytes) -> Make:
    """A codec for lines, with some limit."""
    limit = choice.number(1, 40)
    return lambda: LinesCodec(limit)


def delimiters(choice: Bytes) -> Make:
    """A codec for chunks, with some limit and delimiters that begin or end alike."""
    limit = choice.number(1, 40)
    sets = ((b"\n",), (b";", b","), (b"\r\n.\r\n", b"\0"), (b"aa", b"bcb", b"cc"), (b"abab", b"baa"))
    chosen = sets[choice.number(0, len(sets) - 1)]
    return lambda: DelimiterCodec(*chosen, max_length=limit)


def lengths(choice: Bytes) -> Make:
    """A codec for frames with lengths, with options of all kinds."""
    options: dict[str, Any] = {
        "max_frame_length": choice.number(1, 200),
        "byteorder": ("big", "little", "native")[choice.number(0, 2)],
        "length_field_length": choice.number(1, 8),
        "length_field_offset": choice.number(0, 5),
        "length_adjustment": choice.number(0, 12) - 6,
        "num_skip": (None, 0, 1, 3, 8, 20)[choice.number(0, 5)],
    }
    try:
        LengthDelimitedCodec(**options)
    except ValueError:  # no length that the field can say is one of a frame
        options["length_adjustment"] = 6
    return lambda: LengthDelimitedCodec(**options)


TARGETS: dict[str, Callable[[Bytes], Make]] = {"lines": lines, "delimiters": delimiters, "lengths": lengths}


def check(name: str, data: bytes) -> None:
    """Raise an AssertionError if something does not hold."""
    choice = Bytes(data)
    make = TARGETS[name](choice)
    places = [choice.number(0, 255) for _ in range(choice.number(0, 6))]
    rest = choice.rest()
    whole = outcomes(make(), [rest])
    assert outcomes(make(), cut(rest, places)) == whole, "frames depend on how the bytes were cut"
    for result in whole:
        assert not isinstance(result, type) or result in DOCUMENTED, "an error that no codec promises"
    _check_memory(make(), rest, places)
    frames = [frame for frame in whole[:-1] if not isinstance(frame, type) and frame is not REPEATED]
    _check_round_trip(make, frames, places)


def _check_memory(codec: Any, data: bytes, places: list[int]) -> None:
    """What stays in the buffer, when it needs more, is less than a frame of the largest kind."""
    limit = getattr(codec, "max_length", 0) or codec.max_frame_length
    buffer = bytearray()
    for piece in cut(data, places):
        buffer += piece
        try:
            while codec.decode(buffer) is not NEED_MORE:
                pass
            assert len(buffer) <= limit + 40, "more is kept than a frame and its header"
        except ConcError:
            continue  # what is behind a mistake is looked at with the next piece


def _check_round_trip(make: Make, frames: list[Any], places: list[int]) -> None:
    """Frames that can be sent come back, unless header and frame are told otherwise than they are written."""
    codec = make()
    if isinstance(codec, LengthDelimitedCodec) and codec._head != codec._field + codec._least:
        return
    if isinstance(codec, LengthDelimitedCodec) and codec._skip != codec._field:
        return
    sendable = list(_sendable(codec, frames))
    assert outcomes(make(), cut(encoded(codec, sendable), places)) == sendable, "frames do not come back"


def _sendable(codec: Codec[Any, Any], frames: list[Any]) -> Iterator[Any]:
    for frame in frames:
        try:
            codec.encode(frame)
        except ValueError:
            continue
        yield frame
