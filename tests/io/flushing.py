"""A writer that keeps back what it is given until it is told to send it on."""

from __future__ import annotations

import conc
from conc.io import AsyncWrite
from conc.io.stream import Buffer


class KeepsBack:
    """Around a writer. A third party's, so to speak: nothing of it is conc's but the protocol.

    Attributes:
        flushes: how often it was told.
        bytes_written: how many bytes it was given.
    """

    def __init__(self, writer: AsyncWrite) -> None:
        self._writer = writer
        self._kept = b""
        self.flushes = 0
        self.bytes_written = 0

    async def write_all(self, *buffers: Buffer) -> None:
        """Keep it."""
        await conc.checkpoint()
        data = b"".join(buffers)
        self.bytes_written += len(data)
        self._kept += data

    async def flush(self) -> None:
        """Send it on."""
        self.flushes += 1
        before = self._writer.bytes_written
        try:
            await self._writer.write_all(self._kept)
        finally:
            self._kept = self._kept[self._writer.bytes_written - before :]

    async def close_write(self) -> None:
        """Send it on, and the end."""
        await self.flush()
        await self._writer.close_write()
