"""The same words for edge-triggered and level-triggered pollers."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from conc._os.poller import HUP, READ, WRITE, Events, Poller

BOTH = READ | WRITE


@dataclass(frozen=True)
class Kind:
    """A poller, and what it cannot do."""

    name: str
    make: Callable[[], Poller]
    tells_hang_ups: bool = True
    notices_twice: bool = True

    @property
    def hup(self) -> int:
        return HUP if self.tells_hang_ups else 0


def ask(poller: Poller, fd: int, directions: int = BOTH) -> None:
    """Wait in these directions, where that has to be said."""
    if poller.arm is not None:
        for direction in (READ, WRITE):
            if directions & direction:
                poller.arm(fd, direction)


def watch(poller: Poller, fd: int, directions: int = BOTH) -> None:
    """Register, and wait in these directions."""
    poller.register(fd)
    ask(poller, fd, directions)


def merged(events: Events) -> dict[int, int]:
    """The flags of each descriptor, which may come more than once."""
    flags: dict[int, int] = {}
    for fd, one in events:
        flags[fd] = flags.get(fd, 0) | one
    return flags


def poll_now(poller: Poller) -> dict[int, int]:
    """What is ready at this moment."""
    return merged(poller.poll(0))


def poll_for(poller: Poller, fd: int, wanted: int, directions: int = BOTH, limit: float = 5.0) -> int:
    """Poll until all these flags have come for a descriptor; returns all that came. Fails after `limit` seconds."""
    flags = 0
    deadline = time.monotonic() + limit
    while wanted & ~flags:
        assert time.monotonic() < deadline, f"flags {flags} came for descriptor {fd}, {wanted} were expected"
        ask(poller, fd, directions)
        flags |= merged(poller.poll(0.05)).get(fd, 0)
    return flags


def forget_first_edges(poller: Poller) -> None:
    """Take what a registration reports at once."""
    while poller.arm is None and poller.poll(0):
        pass


def poll_for_ever(poller: Poller) -> dict[int, int]:
    """``poll(None)``, but a test that would never end fails after ten seconds."""
    reader, writer = os.pipe()
    watch(poller, reader, READ)
    rescue = threading.Timer(10, os.write, [writer, b"x"])
    rescue.start()
    events = merged(poller.poll(None))
    rescue.cancel()
    rescue.join()
    poller.unregister(reader)
    os.close(reader)
    os.close(writer)
    assert reader not in events, "nothing woke the sleeper"
    return events


def fill(sock: socket.socket) -> None:
    """Write until there is no room."""
    try:
        while True:
            sock.send(bytes(65536))
    except BlockingIOError:
        pass


def drain(sock: socket.socket) -> bytes:
    """Read until nothing is left."""
    chunks = []
    try:
        while chunk := sock.recv(65536):
            chunks.append(chunk)
    except BlockingIOError:
        pass
    return b"".join(chunks)
