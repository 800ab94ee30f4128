"""Frames with their length before them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from struct import Struct
from typing import Any, Final, Literal, NoReturn

from conc.codec.bytes_codec import unchanging
from conc.codec.lines import check_length
from conc.codec.protocols import NEED_MORE, Codec, NeedMore
from conc.errors import InvalidFrame, LimitExceeded
from conc.io.stream import Buffer

MAX_FRAME_LENGTH: Final = 8 * 1024 * 1024
LARGE: Final = 4096  # from here on one copy less is worth a view


class LengthDelimitedCodec(Codec[bytes, Buffer]):
    r"""Frames of bytes, each with a header in which its length stands.

    Unless told otherwise the header is the length of what follows, in four bytes, the highest first: ``b"\0\0\0\2hi"``.
    What other protocols have in their headers the options tell::

        offset       length field                        num_skip: how many bytes before the frame are dropped
        +----------+--------------+----------------+     length of the frame = length field + length_adjustment
        | other    | length       | other          | ...

    Goes on after: nothing. A frame that is too long (`LimitExceeded`), or shorter than it can be (`InvalidFrame`: less
    than nothing, or than the part of the header that is kept in it), is refused as soon as its header is there, and so
    is everything behind it: the sender does not keep to the protocol, and where its next frame begins nobody knows. The
    same error is raised again by each `decode`.

    Args:
        max_frame_length: how many bytes a frame may have, decoded or encoded; less if the length field cannot say so
            much.
        byteorder: of the length field: "native" is that of this machine.
        length_field_length: of how many bytes it is, 1 to 8.
        length_field_offset: how many bytes are before it. For decoding only: nothing is before it when encoding.
        length_adjustment: what to add to the field to get the length of the frame: negative if the field counts more
            than that, a header perhaps, and positive if it counts less.
        num_skip: how many bytes are dropped from the front of header and frame; all up to the end of the length field
            unless given, and 0 keeps the header in the frame. For decoding only.

    Raises:
        ValueError, TypeError: a bad argument.

    Invariant: `_needed` is how many bytes header and frame have, if the header is known; else 0.
    Cost: O(bytes), however many pieces they come in. Memory: nothing is set aside for a frame before its bytes come,
        and of a refused one the header is kept.
    """

    __slots__ = (
        "_adjustment",
        "_byteorder",
        "_end",
        "_field",
        "_head",
        "_least",
        "_needed",
        "_read_field",
        "_skip",
        "_start",
        "max_frame_length",
    )

    def __init__(
        self,
        max_frame_length: int = MAX_FRAME_LENGTH,
        *,
        byteorder: Literal["big", "little", "native"] = "big",
        length_field_length: int = 4,
        length_field_offset: int = 0,
        length_adjustment: int = 0,
        num_skip: int | None = None,
    ) -> None:
        check_length(max_frame_length, "max_frame_length")
        if byteorder not in {"big", "little", "native"}:
            raise ValueError(f'byteorder must be "big", "little" or "native", not {byteorder!r}')
        _check_range("length_field_length", length_field_length, 1, 8)
        _check_range("length_field_offset", length_field_offset, 0, None)
        _check_range("length_adjustment", length_adjustment, None, None)
        self._byteorder: Literal["big", "little"] = sys.byteorder if byteorder == "native" else byteorder
        self._field = length_field_length
        self._read_field = self._field_reader()
        self._start = length_field_offset
        self._end = length_field_offset + length_field_length
        self._adjustment = length_adjustment
        if num_skip is None:
            num_skip = self._end
        _check_range("num_skip", num_skip, 0, None)
        self._skip = num_skip
        self._head = max(self._end, num_skip)
        self._least = self._head - num_skip  # what of the header is kept in the frame
        self._needed = 0
        sayable = (1 << (8 * length_field_length)) - 1 + length_adjustment
        if sayable < self._least:
            raise ValueError(
                f"length_adjustment {length_adjustment} leaves no length of a frame that a field of "
                f"{length_field_length} byte(s) can say"
            )
        self.max_frame_length = min(max_frame_length, sayable)

    def decode(self, buffer: bytearray) -> bytes | NeedMore:
        """The next frame.

        Raises:
            LimitExceeded: it has more than `max_frame_length` bytes.
            InvalidFrame: it is shorter than it can be.
        """
        needed = self._needed
        if not needed:
            if len(buffer) < self._head:
                return NEED_MORE
            (said,) = self._read_field(buffer, self._start)
            length = said + self._adjustment
            if not self._least <= length <= self.max_frame_length:
                self._refuse(buffer, length)
            needed = self._skip + length
        if len(buffer) < needed:
            self._needed = needed
            return NEED_MORE
        self._needed = 0
        if needed < LARGE:
            frame = bytes(buffer[self._skip : needed])
        else:
            with memoryview(buffer) as view:
                frame = bytes(view[self._skip : needed])
        del buffer[:needed]
        return frame

    def decode_end(self, buffer: bytearray) -> bytes | NeedMore:
        """As `decode`.

        Raises:
            LimitExceeded, InvalidFrame: as `decode`.
        """
        frame = self.decode(buffer)
        if frame is NEED_MORE:
            self._needed = 0
        return frame

    def encode(self, frame: Buffer) -> tuple[bytes, ...]:
        """The length field and the frame, which is not copied if it is `bytes`.

        Raises:
            ValueError: it has more than `max_frame_length` bytes, or `length_adjustment` makes of its length what the
                field cannot say.
            TypeError: it is no bytes.
        """
        payload = unchanging(frame)
        if len(payload) > self.max_frame_length:
            raise ValueError(f"a frame must have at most {self.max_frame_length} bytes, not {len(payload)}")
        try:
            header = (len(payload) - self._adjustment).to_bytes(self._field, self._byteorder)
        except OverflowError:
            raise ValueError(
                f"a frame of {len(payload)} bytes would have {len(payload) - self._adjustment} in its length field, "
                f"because of length_adjustment {self._adjustment}; a field of {self._field} byte(s) cannot say that"
            ) from None
        return (header, payload)

    def _field_reader(self) -> Callable[[bytearray, int], tuple[Any, ...]]:
        """What reads the length field, at a place in a buffer; by `struct` where that knows such integers."""
        code = {1: "B", 2: "H", 4: "I", 8: "Q"}.get(self._field)
        if code is not None:
            return Struct((">" if self._byteorder == "big" else "<") + code).unpack_from
        field, byteorder = self._field, self._byteorder
        return lambda buffer, start: (int.from_bytes(buffer[start : start + field], byteorder),)

    def _refuse(self, buffer: bytearray, length: int) -> NoReturn:
        """Raise, of a frame of that length. Nothing more of it is kept than its header, which is found again."""
        del buffer[self._head :]
        if length > self.max_frame_length:
            raise LimitExceeded(
                f"a frame has {length} bytes, more than the {self.max_frame_length} allowed", self.max_frame_length
            )
        raise InvalidFrame(
            f"a length field says {length - self._adjustment}, which with length_adjustment {self._adjustment} is a "
            f"frame of {length} bytes" + (f"; its header alone has {self._least}" if self._least else "")
        )

    def __repr__(self) -> str:
        return f"<LengthDelimitedCodec, {self._field} byte(s) of length, at most {self.max_frame_length} bytes a frame>"


def _check_range(name: str, value: int, least: int | None, most: int | None) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r}")
    if (least is not None and value < least) or (most is not None and value > most):
        bounds = f"at least {least}" if most is None else f"{least} to {most}"
        raise ValueError(f"{name} must be {bounds}, not {value}")
