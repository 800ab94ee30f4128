"""A stream that gives its bytes out in given pieces."""

from __future__ import annotations

from collections.abc import Iterable

import conc


class Pieces:
    """Reads give the pieces one by one, then ``b""``; an empty piece stands for a moment without any bytes.

    Attributes:
        reads: how many reads have returned.
        asked: the bytes that each asked for.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = list(pieces)
        self.reads = 0
        self.asked: list[int] = []

    async def read(self, max_bytes: int) -> bytes:
        """The next piece, or its beginning."""
        await conc.checkpoint()
        while self._pieces and not self._pieces[0]:
            self._pieces.pop(0)
            await conc.sleep(1)
        self.reads += 1
        self.asked.append(max_bytes)
        if not self._pieces:
            return b""
        piece = self._pieces.pop(0)
        if len(piece) > max_bytes:
            self._pieces.insert(0, piece[max_bytes:])
        return piece[:max_bytes]

    def __repr__(self) -> str:
        return f"<{len(self._pieces)} pieces>"
