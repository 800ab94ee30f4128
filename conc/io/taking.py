"""A reader that ends after a number of bytes."""

from __future__ import annotations

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.io.stream import AsyncRead


def take(reader: AsyncRead, n: int) -> Take:
    """The next `n` bytes of a reader, then the end; less if the reader ends before.

    Args:
        reader: what to read from. It is not closed, and the bytes behind these stay in it.
        n: how many bytes, at least 0.

    Raises:
        ValueError, TypeError: `n` is no such number, or `reader` cannot be read from.

    Checkpoint: never.
    """
    return Take(reader, n)


class Take:
    """A `conc.io.AsyncRead` of the next bytes of another, at most so many. Made by `take`.

    Attributes:
        remaining: how many bytes may still come. Set it to begin anew.
    """

    __slots__ = ("_reader", "_remaining")

    def __init__(self, reader: AsyncRead, n: int) -> None:
        if not hasattr(reader, "read"):
            raise TypeError(f"reader must have a method read, as conc.io.AsyncRead says, not be {reader!r}")
        self._reader = reader
        self._remaining = _checked(n, "n")

    @property
    def remaining(self) -> int:
        """How many bytes may still come; set it to begin anew.

        Raises:
            ValueError, TypeError: it is set to what is no number of bytes, at least 0.
        """
        return self._remaining

    @remaining.setter
    def remaining(self, remaining: int) -> None:
        self._remaining = _checked(remaining, "remaining")

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes of the reader, and return them: as many as there are, at most `max_bytes` or what remains.

        ``b""`` if nothing remains, in which case the reader is not asked, or if the reader has ended.

        Raises:
            ValueError: `max_bytes` is less than 1.
            ConcError: what the reader raises.

        Checkpoint: always a cancel point; it waits only if the reader does.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        if not self._remaining:
            charge() or await toll()
            return b""
        data = await self._reader.read(min(max_bytes, self._remaining))
        self._remaining = max(0, self._remaining - len(data))  # it may have been set meanwhile
        return data

    def __repr__(self) -> str:
        return f"<Take {self._remaining} more bytes of {self._reader!r}>"

    def _check(self) -> None:
        assert self._remaining >= 0, "more was taken than asked for"


def _checked(n: int, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"{name} must be a number of bytes, not {n!r}")
    if n < 0:
        raise ValueError(f"{name} must be at least 0, not {n}")
    return n
