"""Lines of text."""

from __future__ import annotations

from typing import Final, Literal

from conc.codec.protocols import NEED_MORE, Codec, NeedMore
from conc.errors import InvalidFrame, LimitExceeded

MAX_LENGTH: Final = 65_536


class LinesCodec(Codec[str, str]):
    r"""Lines of text in UTF-8: decoded without their ends, ``\n`` or ``\r\n``, and encoded with them.

    What follows the last ``\n`` is a line too, if it is more than a lone ``\r``. For lines of bytes, or in another
    encoding, there is ``DelimiterCodec(b"\n")``.

    Goes on after: a line that is too long (`LimitExceeded`, raised once, as soon as the line has too many bytes; the
    rest of it is dropped as it comes), and a line that is no UTF-8 (`InvalidFrame`). The next frame is the next line.

    Args:
        max_length: how many bytes a line may have, without its ``\n`` but with its ``\r``. For decoding only.
        newline: what ends the lines that are encoded.

    Raises:
        ValueError, TypeError: a bad argument.

    Invariant: there is no newline in the first `_searched` bytes of the buffer.
    Invariant: while `_discarding`, the buffer starts in the middle of a line of which nobody wants the rest.
    Cost: O(bytes), however many pieces they come in. Memory: `max_length` and what one read brings.
    """

    __slots__ = ("_discarding", "_end", "_searched", "max_length")

    def __init__(self, max_length: int = MAX_LENGTH, *, newline: Literal["\n", "\r\n"] = "\n") -> None:
        self.max_length = check_length(max_length)
        if newline not in {"\n", "\r\n"}:
            raise ValueError(f'newline must be "\\n" or "\\r\\n", not {newline!r}')
        self._end = newline.encode()
        self._searched = 0
        self._discarding = False

    def decode(self, buffer: bytearray) -> str | NeedMore:
        """The next line.

        Raises:
            LimitExceeded: the next line has more than `max_length` bytes.
            InvalidFrame: the next line is no UTF-8.
        """
        if self._discarding and not self._discard(buffer):
            return NEED_MORE
        end = buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(buffer)
            if self._searched > self.max_length:
                buffer.clear()
                self._discarding = True
                self._searched = 0
                raise self._too_long()
            return NEED_MORE
        self._searched = 0
        if end > self.max_length:
            del buffer[: end + 1]
            raise self._too_long()
        line = buffer[:end]
        del buffer[: end + 1]
        return _text(line)

    def decode_end(self, buffer: bytearray) -> str | NeedMore:
        r"""The next line; what follows the last ``\n`` is one.

        Raises:
            LimitExceeded: the next line has more than `max_length` bytes.
            InvalidFrame: the next line is no UTF-8.
        """
        frame = self.decode(buffer)
        if frame is not NEED_MORE:
            return frame
        self._searched = 0
        self._discarding = False
        rest = bytearray(buffer)
        buffer.clear()
        return _text(rest) if rest and rest != b"\r" else NEED_MORE

    def encode(self, frame: str) -> tuple[bytes, ...]:
        r"""The line and its end.

        Raises:
            ValueError: there is a ``\n`` in it, or a ``\r`` at its end, so it would not be decoded as it is; or it has
                lone surrogates, which UTF-8 cannot tell.
            TypeError: it is no text.
        """
        if not isinstance(frame, str):
            raise TypeError(f"a line must be a str, not {frame!r:.100}")
        if "\n" in frame or frame.endswith("\r"):
            raise ValueError(rf"a line must not contain \n, nor end with \r: {frame!r:.100}; send each line alone")
        return (frame.encode() + self._end,)

    def _discard(self, buffer: bytearray) -> bool:
        """Drop the rest of a line that was too long: True if the next one begins."""
        end = buffer.find(b"\n")
        if end < 0:
            buffer.clear()
            return False
        del buffer[: end + 1]
        self._discarding = False
        return True

    def _too_long(self) -> LimitExceeded:
        return LimitExceeded(f"a line has more than {self.max_length} bytes", self.max_length)

    def __repr__(self) -> str:
        return f"<LinesCodec, at most {self.max_length} bytes a line>"


def _text(line: bytearray) -> str:
    r"""The text of a line, without a ``\r`` at its end."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise InvalidFrame(f"a line is no UTF-8: {error.reason} at byte {error.start} of {len(line)}") from error
    return text.removesuffix("\r")


def check_length(max_length: int, name: str = "max_length") -> int:
    """The limit of a codec, if it is one.

    Raises:
        ValueError, TypeError: it is none.
    """
    if isinstance(max_length, bool) or not isinstance(max_length, int):
        raise TypeError(f"{name} must be a number of bytes, not {max_length!r}")
    if max_length < 1:
        raise ValueError(f"{name} must be at least 1, not {max_length}")
    return max_length
