"""Several readers as one, one behind the other."""

from __future__ import annotations

from collections import deque

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.io.stream import AsyncRead


def chain(*readers: AsyncRead) -> Chain:
    """All bytes of the first reader, then all of the second, and so on.

    Args:
        readers: any number of them. Each is read from when those before it have ended; none is closed.

    Raises:
        TypeError: something that cannot be read from.

    Checkpoint: never.
    """
    return Chain(readers)


class Chain:
    """A `conc.io.AsyncRead` of several readers, one behind the other. Made by `chain`.

    Only the end of a reader leads to the next. What has ended is forgotten, and not asked again. It closes nothing.

    Invariant: `_readers` are those that have not ended; the first is being read from.
    """

    __slots__ = ("_readers",)

    def __init__(self, readers: tuple[AsyncRead, ...]) -> None:
        for reader in readers:
            if not hasattr(reader, "read"):
                raise TypeError(f"readers must have a method read, as conc.io.AsyncRead says, not be {reader!r}")
        self._readers = deque(readers)

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes of the first reader that has not ended, and return them. ``b""`` if all have.

        Raises:
            ValueError: `max_bytes` is less than 1.
            ConcError: what the reader raises.

        Checkpoint: always a cancel point; it waits only if the reader does.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        readers = self._readers
        while readers:
            reader = readers[0]
            data = await reader.read(max_bytes)
            if data:
                return data
            if readers and readers[0] is reader:
                readers.popleft()
        charge() or await toll()
        return b""

    def __repr__(self) -> str:
        return f"<Chain of {list(self._readers)!r}>"
