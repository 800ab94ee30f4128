"""Files and devices that never have to be waited for, as streams."""

from __future__ import annotations

from typing import Final

from conc._kernel.current import charge, current_worker
from conc._kernel.suspend import toll
from conc.errors import BrokenResource, ClosedResource
from conc.io.descriptor_stream import LARGE_SHIFT, READ_AT_MOST, SYSTEM_CALL, Endpoint
from conc.io.stream import Buffer
from conc.io.views import view_to_fill, views_of

PIECE: Final = 65_536  # how much is written before others may run


class ReadyFile:
    """What the system says is always ready, and pollers refuse: a file, ``/dev/null``.

    It is read and written at once, as `print` does; a slow disk holds up the worker.

    Args:
        endpoint: the file.
        name: for people.

    Attributes:
        bytes_written: how many bytes the system has taken.
    """

    __slots__ = ("_endpoint", "_name", "bytes_written")

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        self._endpoint = endpoint
        self._name = name
        self.bytes_written = 0

    async def read(self, max_bytes: int) -> bytes:
        """As `DescriptorReader.read`; it never waits."""
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        await self._pay()
        try:
            data = self._endpoint.recv(min(max_bytes, READ_AT_MOST))
        except OSError as error:
            raise self._failed(error) from error
        current_worker().budget -= len(data) >> LARGE_SHIFT
        return data

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """As `DescriptorReader.read_into`; it never waits."""
        view = view_to_fill(buffer)
        await self._pay()
        try:
            got = self._endpoint.recv_into(view)
        except OSError as error:
            raise self._failed(error) from error
        current_worker().budget -= got >> LARGE_SHIFT
        return got

    async def write_all(self, *buffers: Buffer) -> None:
        """As `DescriptorWriter.write_all`; it never waits, but lets others run now and then."""
        views = views_of(buffers)
        await self._pay()
        for view in views:
            written = 0
            while written < len(view):
                try:
                    sent = self._endpoint.send(view[written : written + PIECE])
                except OSError as error:
                    raise self._failed(error) from error
                written += sent
                self.bytes_written += sent
                current_worker().budget -= sent >> LARGE_SHIFT
                if written < len(view):
                    await self._pay()

    async def _pay(self) -> None:
        task = charge() or await toll()
        task.strand.worker.budget -= SYSTEM_CALL  # type: ignore[union-attr]
        if self._endpoint.fileno() < 0:
            raise ClosedResource(f"{self!r} was closed on this side")

    def _failed(self, error: OSError) -> BrokenResource:
        return BrokenResource(f"{self!r}: {error.strerror or error}")

    def __repr__(self) -> str:
        return f"<{self._name}>"
