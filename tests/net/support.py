"""Running a test on a network, real or fake, with a limit; and streams to play with."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

import conc
from conc.net import TcpStream, connect_tcp, listen_tcp
from tests.net.fake_network import FakeNetwork

T = TypeVar("T")

SECONDS_AT_MOST = 20.0


def run(
    main: Callable[..., Awaitable[T]], *args: Any, network: Any = None, workers: int = 1, seconds: float = SECONDS_AT_MOST
) -> T:
    """``conc.run`` for a test: it takes `seconds` at most."""

    async def limited() -> T:
        with conc.fail_after(seconds):
            return await main(*args)

    return conc.run(limited, network=network, workers=workers)


def on_both_networks(test: Callable[[], Awaitable[None]]) -> Callable[[str], None]:
    """A test that holds on real loopback sockets and on those in memory, which must all be closed at its end."""

    @pytest.mark.parametrize("kind", ["real", "fake"])
    def both(kind: str) -> None:
        network = FakeNetwork() if kind == "fake" else None
        run(test, network=network)
        assert network is None or network.left_open() == []

    both.__name__ = both.__qualname__ = test.__name__
    both.__module__ = test.__module__
    both.__doc__ = test.__doc__
    return both


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


async def read_all(stream: TcpStream, at_a_time: int = 65_536) -> bytes:
    """Everything until the end."""
    parts = []
    while part := await stream.read(at_a_time):
        parts.append(part)
    return b"".join(parts)
