"""Pipes, and other descriptors that bytes are read from and written to, with the face of a socket."""

from __future__ import annotations

import os
import stat
import warnings
from contextlib import suppress
from typing import Any


class File:
    """A descriptor of a pipe, a terminal or the like, that does not block: what streams ask of a socket.

    The file owns the descriptor: `close` closes it. Each call asks for its number anew, since another file has that
    once it is closed; none has -1, so then the calls fail with EBADF.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._fd

    def recv(self, max_bytes: int) -> bytes:
        """Some bytes; ``b""`` at the end. Raises BlockingIOError if there are none."""
        return os.read(self._fd, max_bytes)

    def recv_into(self, buffer: memoryview) -> int:
        """Read into a buffer; how many bytes, 0 at the end."""
        return os.readv(self._fd, [buffer])

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Write some bytes; how many. Raises BlockingIOError if there is no room."""
        return os.write(self._fd, data)

    def sendmsg(self, buffers: list[memoryview]) -> int:
        """Write some bytes of several buffers; how many."""
        return os.writev(self._fd, buffers)

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self, warn: Any = warnings.warn) -> None:
        if getattr(self, "_fd", -1) >= 0:
            warn(f"descriptor {self._fd} of a pipe or terminal was never closed", ResourceWarning, stacklevel=2)
            with suppress(OSError):  # somebody closed it behind our back
                self.close()


def stops_short(fd: int) -> bool:
    """Whether reading a descriptor may give less than is there: a terminal gives a line at a time."""
    return not stat.S_ISFIFO(os.fstat(fd).st_mode) and not stat.S_ISSOCK(os.fstat(fd).st_mode)


def open_pipe() -> tuple[int, int]:
    """A new pipe: the descriptors of its reading and of its writing end, inherited by no child.

    Raises:
        OSError: there are no descriptors to be had (EMFILE, ENFILE).
    """
    return os.pipe()
