"""Running a test on a network, real or simulated, with a limit; and streams to play with."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

import conc
from conc._os.select_poller import SelectPoller
from conc.io import AsyncRead
from conc.lowlevel import Poller
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import SimNetwork, VirtualClock

T = TypeVar("T")

SECONDS_AT_MOST = 20.0
LARGE = bytes(range(256)) * 4 * 1024  # 1 MiB: more than any buffer on the way


def run(
    main: Callable[..., Awaitable[T]],
    *args: Any,
    network: Any = None,
    poller: Callable[[], Poller] | None = None,
    workers: int = 1,
    seconds: float = SECONDS_AT_MOST,
) -> T:
    """``conc.run`` for a test: it takes `seconds` at most. On a simulated network these are virtual, and at the end all
    sockets must be closed."""

    async def limited() -> T:
        with conc.fail_after(seconds):
            return await main(*args)
        raise AssertionError("fail_after lets nothing pass")

    if not isinstance(network, SimNetwork):
        return conc.run(limited, network=network, poller=poller, workers=workers)
    value = conc.run(limited, network=network, clock=VirtualClock())
    network._check()
    assert network.open_sockets() == []
    return value


def on_every_network(test: Callable[[], Awaitable[None]]) -> Callable[[str], None]:
    """A test that holds on loopback, with the poller of the system and with a level-triggered one, and in a simulation:
    so the simulated network cannot drift away from the real one."""

    @pytest.mark.parametrize("kind", ["loopback", "level-triggered", "simulated"])
    def everywhere(kind: str) -> None:
        network = SimNetwork() if kind == "simulated" else None
        run(test, network=network, poller=SelectPoller if kind == "level-triggered" else None)

    everywhere.__name__ = everywhere.__qualname__ = test.__name__
    everywhere.__module__ = test.__module__
    return everywhere


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[TcpStream, TcpStream]]:
    """The two ends of a connection: that of the client, and that of the server."""
    async with await listen_tcp("127.0.0.1", 0) as listener:
        client = await connect_tcp("127.0.0.1", listener.port)
        server = await listener.accept()
    async with client, server:
        yield client, server


def reset(stream: TcpStream) -> None:
    """Close so that the other end sees a reset."""
    option: Any = struct.pack("ii", 1, 0)  # on, and no time to linger
    stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, option)
    stream._close()


async def fill(stream: TcpStream, chunk: bytes = b"x" * 65_536) -> int:
    """Write until nothing more goes in; how many bytes went."""
    before = stream.bytes_written
    while True:
        so_far = stream.bytes_written
        with conc.move_on_after(0.05) as scope:
            await stream.write_all(chunk)
        if scope.cancelled_caught and stream.bytes_written == so_far:
            return stream.bytes_written - before


async def read_all(stream: AsyncRead, at_a_time: int = 65_536) -> bytes:
    """Everything until the end."""
    parts = []
    while part := await stream.read(at_a_time):
        parts.append(part)
    return b"".join(parts)
