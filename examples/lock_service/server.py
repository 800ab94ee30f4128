"""The service: who asks for a lock gets it, or hears after some time that it was not to be had.

A line each: ``LOCK name seconds`` is answered by ``GRANTED`` or ``TIMEOUT``, ``UNLOCK name`` by ``FREE``. A connection
that ends gives its locks back.
"""

from collections import defaultdict

import conc
from conc.io import BufReader
from conc.net import TcpListener, TcpStream
from conc.sync import Semaphore

PORT = 7400


class LockService:
    """Hands out locks, one holder each, first come, first served."""

    def __init__(self) -> None:
        self.locks: defaultdict[str, Semaphore] = defaultdict(lambda: Semaphore(1, max_value=1))

    async def serve(self, listener: TcpListener) -> None:
        """Answer whoever connects."""
        await listener.serve(self.handle)

    async def handle(self, stream: TcpStream) -> None:
        """One connection."""
        held: list[str] = []
        try:
            async for line in BufReader(stream).lines():
                match line.decode().split():
                    case "LOCK", name, seconds:
                        await self.lock(stream, held, name, float(seconds))
                    case "UNLOCK", name if name in held:
                        held.remove(name)
                        self.locks[name].release()
                        await stream.write_all(b"FREE\n")
                    case _:
                        await stream.write_all(b"WHAT?\n")
        except conc.errors.BrokenResource:
            pass  # the client is gone
        finally:
            for name in held:
                self.locks[name].release()

    async def lock(self, stream: TcpStream, held: list[str], name: str, seconds: float) -> None:
        """Take a lock for a client, waiting for it so long at most."""
        with conc.move_on_after(seconds) as patience:
            await self.locks[name].acquire()
            held.append(name)
        await stream.write_all(b"TIMEOUT\n" if patience.cancelled_caught else b"GRANTED\n")


class HastyLockService(LockService):
    """The same, as it went to production: the answer is sent where the clock still runs."""

    async def lock(self, stream: TcpStream, held: list[str], name: str, seconds: float) -> None:
        """Take a lock for a client, waiting for it so long at most."""
        with conc.move_on_after(seconds):
            await self.locks[name].acquire()
            held.append(name)
            await stream.write_all(b"GRANTED\n")
            return
        await stream.write_all(b"TIMEOUT\n")
