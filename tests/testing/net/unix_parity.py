"""Unix sockets to ask questions, real and simulated ones."""

from __future__ import annotations

import socket
from typing import Any

from tests.testing.net.parity import Bench

STREAM = socket.SOCK_STREAM
DATAGRAM = socket.SOCK_DGRAM


def fresh(bench: Bench, type: int = STREAM) -> Any:
    return bench.socket(socket.AF_UNIX, type)


def bound(bench: Bench, name: str, type: int = DATAGRAM) -> Any:
    sock = fresh(bench, type)
    sock.bind(path(bench, name))
    return sock


def path(bench: Bench, name: str) -> str:
    """A path, in a folder of its own for each network."""
    return f"{bench.folder.name}/{name}"


def listener(bench: Bench, backlog: int = 5) -> Any:
    sock = bound(bench, "server", STREAM)
    sock.listen(backlog)
    return sock


def full(sock: Any, data: bytes = b"x") -> int:
    """Send until there is no room; how often that went."""
    sent = 0
    while True:
        try:
            sock.send(data)
        except BlockingIOError:
            return sent
        sent += 1


def emptied(sock: Any) -> int:
    """Receive what is there; how often that went."""
    got = 0
    while True:
        try:
            sock.recv(65_536)
        except BlockingIOError:
            return got
        got += 1
