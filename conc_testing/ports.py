"""Ports of this machine that nobody has at the moment, for tests that listen on a real one."""

from __future__ import annotations

import socket
from typing import Final

TRIES: Final = 1000


class PortFactory:
    """``free_port_factory()`` gives the number of a TCP port that is free on the loopback addresses, never one twice.

    Free is free now: nobody keeps it for the caller. Who can should listen on port 0, and ask the listener.

    Invariant: each number was given out once.
    """

    def __init__(self) -> None:
        self._given: set[int] = set()

    def __call__(self) -> int:
        """A port number.

        Raises:
            RuntimeError: none could be found.
        """
        for _ in range(TRIES):
            port = free_on_loopback()
            if port is not None and port not in self._given:
                self._given.add(port)
                return port
        raise RuntimeError(f"no free port was found in {TRIES} tries, after {len(self._given)} that were given out")


def free_on_loopback() -> int | None:
    """A TCP port that is free in IPv4 and, where there is IPv6, in that too; None if the two did not agree."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as four:
        four.bind(("127.0.0.1", 0))
        port: int = four.getsockname()[1]
        try:
            six = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        except OSError:
            return port  # there is no IPv6
        with six:
            try:
                six.bind(("::1", port))
            except OSError:
                return None if has_ipv6_loopback() else port
    return port


def has_ipv6_loopback() -> bool:
    """Whether anybody can listen on ``::1``."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as six:
            six.bind(("::1", 0))
    except OSError:
        return False
    return True
