"""A client of the lock service."""

from types import TracebackType

import conc
from conc.io import BufReader
from conc.net import TcpStream
from examples.lock_service.server import PORT


class Locks:
    """``async with Locks(host) as locks:`` a connection to the service."""

    def __init__(self, host: str, port: int = PORT) -> None:
        self._host = host
        self._port = port

    async def __aenter__(self) -> "Locks":
        self._stream: TcpStream = await conc.net.connect_tcp(self._host, self._port)
        self._reader = BufReader(self._stream)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stream.aclose()

    async def lock(self, name: str, seconds: float) -> bool:
        """Whether the lock is ours now; it may take so many seconds to know that it is not."""
        return await self._ask(f"LOCK {name} {seconds}") == "GRANTED"

    async def unlock(self, name: str) -> None:
        """Give it back."""
        await self._ask(f"UNLOCK {name}")

    async def _ask(self, line: str) -> str:
        await self._stream.write_all(f"{line}\n".encode())
        return (await self._reader.read_line()).decode().strip()
