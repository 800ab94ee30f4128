"""Pipes, and other descriptors that bytes are read from and written to, with the face of a socket."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any


class File:
    """A descriptor of a pipe, a terminal or the like, that does not block: what streams ask of a socket.

    The file owns the descriptor: `close` closes it.
    """

    __slots__ = ("_fd", "recv", "send", "sendmsg")

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self.recv: Callable[[int], bytes] = partial(os.read, fd)
        self.send: Callable[[Any], int] = partial(os.write, fd)
        self.sendmsg: Callable[[list[memoryview]], int] = partial(os.writev, fd)

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._fd

    def recv_into(self, buffer: memoryview) -> int:
        """Read into a buffer; how many bytes, 0 at the end."""
        return os.readv(self._fd, [buffer])

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def open_pipe() -> tuple[int, int]:
    """A new pipe: the descriptors of its reading and of its writing end, inherited by no child.

    Raises:
        OSError: there are no descriptors to be had (EMFILE, ENFILE).
    """
    return os.pipe()
