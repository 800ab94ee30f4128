"""Asking sockets, real and simulated ones, the same questions."""

from __future__ import annotations

import errno
import socket
import tempfile
from collections.abc import Awaitable, Callable
from typing import Any

import conc
from conc.net.network import SystemNetwork
from conc_testing import SimNetwork, VirtualClock
from conc_testing.net.descriptors import HUP, READ, WRITE

V4 = socket.AF_INET


class Bench:
    """Sockets of one network, a folder for their paths, and the notes of what they answered."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.notes: list[Any] = []
        self.sockets: list[Any] = []
        self.folder = tempfile.TemporaryDirectory(prefix="conc")

    def socket(self, family: int = V4, type: int = socket.SOCK_STREAM) -> Any:
        sock = self.network.socket(family, type)
        self.sockets.append(sock)
        return sock

    def both(self, type: int) -> tuple[Any, Any]:
        """Two Unix sockets that are connected with each other."""
        pair = self.network.pair(type)
        self.sockets.extend(pair)
        return pair  # type: ignore[no-any-return]

    def note(self, call: Callable[..., Any], *args: Any) -> Any:
        """Note what a call returns, or the number of its error."""
        try:
            answer = call(*args)
        except OSError as error:
            self.notes.append(errno.errorcode.get(error.errno or 0, type(error).__name__))
            return None
        self.notes.append(answer if isinstance(answer, (int, bytes)) else type(answer).__name__)
        return answer

    async def flags(self, sock: Any) -> None:
        """Note what a poller reports of a socket that it has just been told of."""
        await self.rest()
        worker = conc.lowlevel.current_runtime()._crew.workers[0]  # type: ignore[union-attr]
        worker.poller.register(sock.fileno())
        reported = [flags for fd, flags in worker.poller.poll(0) if fd == sock.fileno()]
        worker.poller.unregister(sock.fileno())
        names = {READ: "read", WRITE: "write", HUP: "hup"}
        self.notes.append({name for flag, name in names.items() if any(flags & flag for flags in reported)})

    async def rest(self) -> None:
        """Let the network do its work."""
        await conc.sleep(0.005)

    def listener(self, backlog: int = 10) -> Any:
        listener = self.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(backlog)
        return listener

    async def pair(self) -> tuple[Any, Any]:
        """The two ends of a connection."""
        listener = self.listener()
        client = self.socket()
        client.connect_ex(listener.getsockname())
        await self.rest()
        server, _ = listener.accept()
        listener.close()
        self.sockets.append(server)
        return client, server


Script = Callable[[Bench], Awaitable[None]]


def notes_of(script: Script, network: Any, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        bench = Bench(network)
        try:
            await script(bench)
        finally:
            for sock in bench.sockets:
                sock.close()
            bench.folder.cleanup()
        return bench.notes

    return conc.run(main, network=network, **options)


def answers(script: Script) -> tuple[list[Any], list[Any]]:
    """What simulated sockets answered, and what real ones did."""
    network = SimNetwork()
    network.add_address(network.add_host("elsewhere").name, "10.0.0.9")
    simulated = notes_of(script, network, clock=VirtualClock())
    network._check()
    return simulated, notes_of(script, SystemNetwork())
