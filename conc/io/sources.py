"""Streams without anything behind them: nothing, the same for ever, and a place where bytes vanish."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import ClosedResource
from conc.io.stream import Buffer
from conc.io.views import view_to_fill, views_of

REPEAT_AT_MOST: Final = 65_536


def empty() -> Empty:
    """A stream that is at its end, and takes whatever is written to it without keeping it: as ``/dev/null``.

    Checkpoint: never.
    """
    return Empty()


def sink() -> Sink:
    """A writer that takes whatever is written to it without keeping it.

    Checkpoint: never.
    """
    return Sink()


def repeat(data: Buffer) -> Repeat:
    """A reader that gives `data` over and over again, without end; `take` gives it one.

    Args:
        data: at least 1 byte.

    Raises:
        ValueError, TypeError: `data` is empty, or not bytes.

    Checkpoint: never.
    """
    return Repeat(data)


class Sink:
    """A `conc.io.AsyncWrite` that drops what it takes, and never waits. Made by `sink`.

    Attributes:
        bytes_written: how many bytes it has taken in its life.
    """

    __slots__ = ("_closed", "bytes_written")

    def __init__(self) -> None:
        self._closed = False
        self.bytes_written = 0

    async def write_all(self, *buffers: Buffer) -> None:
        """Take all bytes of all buffers, and drop them.

        Raises:
            ClosedResource: this side closed the stream, or its writing direction.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: nothing was taken.
        """
        size = sum(map(len, views_of(buffers)))
        charge() or await toll()
        if self._closed:
            raise ClosedResource(f"{self!r} was closed on this side")
        self.bytes_written += size

    async def close_write(self) -> None:
        """Take nothing more. Idempotent.

        Checkpoint: always a cancel point.
        If cancelled: it is still open.
        """
        charge() or await toll()
        self._closed = True

    async def aclose(self) -> None:
        """Close it. Idempotent.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        self._closed = True
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed = True
        if error is None:
            charge() or await toll()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {self.bytes_written} bytes written{', closed' if self._closed else ''}>"


class Empty(Sink):
    """A `conc.io.Stream` that is at its end, and drops what is written to it. Made by `empty`."""

    __slots__ = ()

    async def read(self, max_bytes: int) -> bytes:
        """Return ``b""``: this is the end.

        Raises:
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: nothing happened.
        """
        charge() or await toll()
        return self.read_nowait(max_bytes)

    def read_nowait(self, max_bytes: int) -> bytes:
        """As `read`. Checkpoint: never."""
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        return b""

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Put nothing into the buffer, and return 0: this is the end.

        Raises:
            TypeError, ValueError: `buffer` cannot be written to, or has no room.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: nothing happened.
        """
        view_to_fill(buffer)
        charge() or await toll()
        return 0


class Repeat:
    """A `conc.io.AsyncRead` of the same bytes over and over again. Made by `repeat`.

    Invariant: the next byte is ``_data[_next]``; `_block` is `_data` so often that a read is one slice of it.
    """

    __slots__ = ("_block", "_data", "_next")

    def __init__(self, data: Buffer) -> None:
        try:
            self._data = b"".join(views_of((data,)))
        except TypeError:
            raise TypeError(f"data must be bytes, not {data!r:.100}") from None
        if not self._data:
            raise ValueError("data must be at least 1 byte, not empty")
        self._block = self._data * (REPEAT_AT_MOST // len(self._data) + 2)
        self._next = 0

    async def read(self, max_bytes: int) -> bytes:
        """Return the next bytes: `max_bytes` of them, or 64 KiB if that is less.

        Raises:
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: no byte was taken.
        """
        charge() or await toll()
        return self.read_nowait(max_bytes)

    def read_nowait(self, max_bytes: int) -> bytes:
        """As `read`. Checkpoint: never."""
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        data = self._block[self._next : self._next + min(max_bytes, REPEAT_AT_MOST)]
        self._next = (self._next + len(data)) % len(self._data)
        return data

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Fill a buffer with the next bytes, or 64 KiB of it if that is less. Returns how many.

        Raises:
            TypeError, ValueError: `buffer` cannot be written to, or has no room.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: no byte was taken.
        """
        view = view_to_fill(buffer)
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def __repr__(self) -> str:
        return f"<Repeat of {self._data[:50]!r}{'...' if len(self._data) > 50 else ''}>"

    def _check(self) -> None:
        assert 0 <= self._next < len(self._data), "out of the pattern"
        assert len(self._block) >= len(self._data) + REPEAT_AT_MOST, "a read may be longer than the block"
