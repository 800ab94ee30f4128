"""Running tests in simulated worlds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import conc
from conc.net import TcpStream, listen_tcp
from conc_testing import SimNetwork, VirtualClock, World

T = TypeVar("T")

PORT = 5432


def run_in(world: World, test: Callable[..., Awaitable[T]], *args: Any, seed: int = 0) -> T:
    """Run a test as a client of a world; all sockets must be closed at its end."""

    async def main() -> T:
        async with world.running(), world.client("tester"):
            return await test(*args)
        raise AssertionError("a world lets nothing pass")

    value = conc.run(main, clock=VirtualClock(), network=world.net, seed=seed)
    world._check()
    assert world.net.open_sockets() == []
    return value


def run_on(network: SimNetwork, test: Callable[..., Awaitable[T]], *args: Any, seed: int = 0) -> T:
    """Run a test on the host "local" of a network."""
    value = conc.run(test, *args, clock=VirtualClock(), network=network, seed=seed)
    network._check()
    return value


async def echo(stream: TcpStream) -> None:
    """Send back what comes."""
    while data := await stream.read(65_536):
        await stream.write_all(data)


async def serve_echo(port: int = PORT) -> None:
    """A program that sends back what comes, on all addresses of its host."""
    async with await listen_tcp(None, port) as listener:
        await listener.serve(echo)


async def read_all(stream: TcpStream) -> bytes:
    """Everything until the end."""
    parts = []
    while part := await stream.read(65_536):
        parts.append(part)
    return b"".join(parts)
