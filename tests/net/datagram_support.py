"""Sockets for datagrams to play with."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from conc.errors import WouldBlock
from conc.net import UdpSocket, UnixDatagramSocket, bind_udp

LONG: Final = b"x" * 65_507  # the longest datagram of UDP over IPv4


@asynccontextmanager
async def udp_pair() -> AsyncIterator[tuple[UdpSocket, UdpSocket]]:
    """Two sockets that are bound to loopback, and not connected."""
    async with await bind_udp("127.0.0.1", 0) as one, await bind_udp("127.0.0.1", 0) as other:
        yield one, other


def received_now(sock: UdpSocket | UnixDatagramSocket) -> list[bytes]:
    """Receive all that is there."""
    got = []
    while True:
        try:
            got.append(sock.receive_nowait())
        except WouldBlock:
            return got


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for sockets, with a short name: their paths may have a hundred characters only."""
    with tempfile.TemporaryDirectory(prefix="conc") as name:
        yield Path(name)
