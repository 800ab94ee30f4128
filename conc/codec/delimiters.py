"""Chunks of bytes with something between them."""

from __future__ import annotations

import re

from conc.codec.bytes_codec import unchanging
from conc.codec.lines import MAX_LENGTH, check_length
from conc.codec.protocols import NEED_MORE, Codec, NeedMore
from conc.errors import LimitExceeded
from conc.io.stream import Buffer


class DelimiterCodec(Codec[bytes, Buffer]):
    """Chunks of bytes that end with any of some delimiters, which are not part of them.

    ``a,b;;c`` is the chunks ``a``, ``b``, an empty one and ``c`` if the delimiters are ``,`` and ``;``. What follows
    the last delimiter is a chunk too, if it is not empty. Encoded chunks end with the first of the delimiters.

    Goes on after: a chunk that is too long (`LimitExceeded`, raised once, as soon as it has too many bytes; the rest of
    it is dropped as it comes). The next frame is the next chunk.

    Args:
        delimiters: one or more, each of one byte or more. None may be a part of another one, or it would depend on how
            the bytes were cut on the way where a chunk ends.
        max_length: how many bytes a chunk may have, without its delimiter. For decoding only.

    Raises:
        ValueError, TypeError: a bad argument.

    Invariant: no delimiter begins in the first `_searched` bytes of the buffer.
    Invariant: while `_discarding`, the buffer starts in a chunk of which nobody wants the rest.
    Cost: O(bytes), however many pieces they come in. Memory: `max_length` and what one read brings.
    """

    __slots__ = ("_discarding", "_end", "_longest", "_pattern", "_searched", "delimiters", "max_length")

    def __init__(self, *delimiters: bytes, max_length: int = MAX_LENGTH) -> None:
        self.max_length = check_length(max_length)
        self.delimiters = delimiters
        _check_delimiters(delimiters)
        self._pattern = re.compile(b"|".join(map(re.escape, delimiters)))
        self._longest = max(map(len, delimiters))
        self._end = delimiters[0]
        self._searched = 0
        self._discarding = False

    def decode(self, buffer: bytearray) -> bytes | NeedMore:
        """The next chunk.

        Raises:
            LimitExceeded: the next chunk has more than `max_length` bytes.
        """
        while True:
            found = self._pattern.search(buffer, self._searched)
            if found is None:
                return self._none_there(buffer)
            end, behind = found.span()
            del found  # it keeps the buffer from being changed
            self._searched = 0
            discarding, self._discarding = self._discarding, False
            if end <= self.max_length and not discarding:
                chunk = bytes(buffer[:end])
                del buffer[:behind]
                return chunk
            del buffer[:behind]
            if not discarding:
                raise self._too_long()

    def decode_end(self, buffer: bytearray) -> bytes | NeedMore:
        """The next chunk; what follows the last delimiter is one.

        Raises:
            LimitExceeded: the next chunk has more than `max_length` bytes.
        """
        frame = self.decode(buffer)
        if frame is not NEED_MORE:
            return frame
        discarded, self._discarding = self._discarding, False
        self._searched = 0
        rest = bytes(buffer)
        buffer.clear()
        if len(rest) > self.max_length and not discarded:
            raise self._too_long()
        return rest if rest and not discarded else NEED_MORE

    def encode(self, frame: Buffer) -> tuple[bytes, ...]:
        """The chunk and a delimiter.

        Raises:
            ValueError: there is a delimiter in it, so it would not be decoded as it is.
            TypeError: it is no bytes.
        """
        chunk = unchanging(frame)
        # Of the chunk alone, and where it meets its end: so it need not be copied.
        seam = chunk[max(0, len(chunk) - self._longest + 1) :]
        met = self._pattern.search(seam + self._end)
        assert met is not None, "a delimiter does not match itself"
        if self._pattern.search(chunk) is not None or met.start() < len(seam):
            raise ValueError(f"a chunk must not contain a delimiter, as {chunk!r:.100} does")
        return (chunk, self._end)

    def _none_there(self, buffer: bytearray) -> NeedMore:
        """There is no whole delimiter in the buffer; its end may be the beginning of one."""
        self._searched = max(0, len(buffer) - self._longest + 1)
        if self._discarding or self._searched > self.max_length:
            del buffer[: self._searched]
            self._searched = 0
            if not self._discarding:
                self._discarding = True
                raise self._too_long()
        return NEED_MORE

    def _too_long(self) -> LimitExceeded:
        return LimitExceeded(
            f"a chunk has more than {self.max_length} bytes before any of {self.delimiters}", self.max_length
        )

    def __repr__(self) -> str:
        return f"<DelimiterCodec at {', '.join(map(repr, self.delimiters))}, at most {self.max_length} bytes a chunk>"


def _check_delimiters(delimiters: tuple[bytes, ...]) -> None:
    if not delimiters:
        raise ValueError("DelimiterCodec needs at least one delimiter")
    for one in delimiters:
        if not isinstance(one, bytes):
            raise TypeError(f"delimiters must be bytes, not {one!r:.100}")
        if not one:
            raise ValueError("delimiters must have at least one byte")
    for place, one in enumerate(delimiters):
        for other in delimiters[place + 1 :]:
            if one in other or other in one:
                raise ValueError(
                    f"of the delimiters {one!r} and {other!r} one is a part of the other: where a chunk ends would "
                    "depend on how the bytes were cut on the way"
                )
