"""Moving bytes from one descriptor to another inside the system, through a pipe, never to us: on Linux only."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from typing import Final

from conc._os.pipes import File

if sys.platform == "linux":
    from fcntl import fcntl

PIPE_BYTES: Final = 1 << 20  # what an unprivileged process may ask for
SET_PIPE_SIZE: Final = 1031  # F_SETPIPE_SZ, which Python 3.11 has only where its C library names it
WITHOUT_WAITING: Final = 3  # SPLICE_F_MOVE | SPLICE_F_NONBLOCK
CAN_SPLICE: Final = sys.platform == "linux" and hasattr(os, "splice")


def is_real(endpoint: object) -> bool:
    """Whether this is a socket or a pipe of the system, and not of a simulation."""
    return CAN_SPLICE and (isinstance(endpoint, socket.socket) or type(endpoint) is File)


class Sluice:
    """A pipe that bytes go through, in at one end by `fill`, out at the other by `drain`.

    Raises:
        OSError: there are no descriptors to be had (EMFILE, ENFILE).
    """

    __slots__ = ("_reader", "_writer")

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        with suppress(OSError):  # this user has many pipes: then it is smaller
            fcntl(self._writer, SET_PIPE_SIZE, PIPE_BYTES)

    def fill(self, fd: int) -> int:
        """Move some bytes in; how many, 0 at the end. Raises BlockingIOError if there are none, or it is full."""
        return os.splice(fd, self._writer, PIPE_BYTES, flags=WITHOUT_WAITING)

    def drain(self, fd: int, n: int) -> int:
        """Move some of `n` bytes out; how many. Raises BlockingIOError if there is no room for them."""
        return os.splice(self._reader, fd, n, flags=WITHOUT_WAITING)

    def take(self, n: int) -> bytes:
        """Take out the `n` bytes that are in it."""
        parts = []
        while n:
            parts.append(os.read(self._reader, n))
            n -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._reader)
        os.close(self._writer)
