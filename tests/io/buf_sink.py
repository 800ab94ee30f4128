"""A stream to write to that takes little at a time."""

from __future__ import annotations

from collections.abc import Iterable

import conc
from conc.io.stream import Buffer


class Slow:
    """Takes as many bytes at a time as `room` says, one number after the other, and then all; 0 is a second's pause.

    Attributes:
        taken: what it has taken.
        calls: the buffers of each `write_all`.
        ended: whether `close_write` was called.
    """

    def __init__(self, room: Iterable[int] = ()) -> None:
        self._room = list(room)
        self.taken = b""
        self.calls: list[list[bytes]] = []
        self.ended = False

    @property
    def bytes_written(self) -> int:
        return len(self.taken)

    async def write_all(self, *buffers: Buffer) -> None:
        await conc.checkpoint()
        self.calls.append([bytes(buffer) for buffer in buffers])
        rest = b"".join(buffers)
        while rest:
            n = self._room.pop(0) if self._room else len(rest)
            self.taken += rest[:n]
            rest = rest[n:]
            if not n:
                await conc.sleep(1)

    async def close_write(self) -> None:
        await conc.checkpoint()
        self.ended = True

    def __repr__(self) -> str:
        return "<a slow sink>"
