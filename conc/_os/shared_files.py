"""Descriptors that other processes have too: used without waiting, and without making them non-blocking for all.

O_NONBLOCK belongs to the open file, which a shell, say, shares with the program that it starts, and which it does not
expect to find changed. So a pipe and a terminal are opened anew if the system lets us, and otherwise asked each time
whether there is something to be read, or room; sockets take the wish not to wait with each call.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
import sys
from typing import Final

from conc._os.pipes import File

if sys.platform != "win32":
    import fcntl

MASTER_OF_TERMINALS: Final = os.makedev(5, 2) if sys.platform == "linux" else -1  # opening it makes another terminal
WORTH_A_READ: Final = select.POLLIN | select.POLLHUP | select.POLLERR if hasattr(select, "poll") else 0
WORTH_A_WRITE: Final = select.POLLOUT | select.POLLERR if hasattr(select, "poll") else 0
# What fits into a pipe that has room, so that writing it does not block.
PIPE_BUF: Final = getattr(select, "PIPE_BUF", 512)
UNLIMITED: Final = 1 << 20


class SharedFile:
    """A pipe, a terminal, a file or a device that blocks, with the face of a socket that does not.

    Whoever else reads from the same pipe may take what we were told is there, and whoever writes to it the room. Then
    this blocks; nothing can be done about that.

    Args:
        fd: a descriptor, which this owns.
        at_most: how many bytes may be written at a time when there is room.
    """

    __slots__ = ("_at_most", "_fd")

    def __init__(self, fd: int, at_most: int) -> None:
        self._fd = fd
        self._at_most = at_most

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._fd

    def recv(self, max_bytes: int) -> bytes:
        """Some bytes; ``b""`` at the end. Raises BlockingIOError if there are none."""
        self._require(WORTH_A_READ)
        return os.read(self._fd, max_bytes)

    def recv_into(self, buffer: memoryview) -> int:
        """Read into a buffer; how many bytes, 0 at the end. Raises BlockingIOError if there are none."""
        self._require(WORTH_A_READ)
        return os.readv(self._fd, [buffer])

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Write as much as there is room for; how many bytes. Raises BlockingIOError if there is no room."""
        sent = 0
        with memoryview(data) as view:
            while sent < len(view):
                try:
                    self._require(WORTH_A_WRITE)
                    sent += os.write(self._fd, view[sent : sent + self._at_most])
                except OSError:
                    if sent:
                        break  # the next call will say it again
                    raise
        return sent

    def sendmsg(self, buffers: list[memoryview]) -> int:
        """Write some bytes of several buffers; how many."""
        sent = 0
        for buffer in buffers:
            try:
                part = self.send(buffer)
            except OSError:
                if sent:
                    break
                raise
            sent += part
            if part < len(buffer):
                break
        return sent

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _require(self, events: int) -> None:
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(self._fd, events)
            ready = bool(poll.poll(0))
        else:
            ready = any(select.select([self._fd], [], [], 0) if events == WORTH_A_READ else
                        select.select([], [self._fd], [], 0))  # fmt: skip
        if not ready:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


class SharedSocket:
    """A socket that may block, told with each call not to.

    Args:
        fd: a descriptor, which this owns.
    """

    __slots__ = ("_socket",)

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)

    def fileno(self) -> int:
        """The descriptor; -1 once closed."""
        return self._socket.fileno()

    def recv(self, max_bytes: int) -> bytes:
        """Some bytes; ``b""`` at the end. Raises BlockingIOError if there are none."""
        return self._socket.recv(max_bytes, socket.MSG_DONTWAIT)

    def recv_into(self, buffer: memoryview) -> int:
        """Read into a buffer; how many bytes, 0 at the end."""
        return self._socket.recv_into(buffer, 0, socket.MSG_DONTWAIT)

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Write some bytes; how many. Raises BlockingIOError if there is no room."""
        return self._socket.send(data, socket.MSG_DONTWAIT)

    def sendmsg(self, buffers: list[memoryview]) -> int:
        """Write some bytes of several buffers; how many."""
        return self._socket.sendmsg(buffers, (), socket.MSG_DONTWAIT)

    def close(self) -> None:
        """Close the descriptor."""
        self._socket.close()


def open_standard(fd: int) -> tuple[File | SharedFile | SharedSocket, bool]:
    """Open what a standard descriptor stands for: 0 to be read, 1 and 2 to be written. It is left as it is itself.

    Returns:
        It, and whether it may have to be waited for.

    Raises:
        OSError: the descriptor is closed, or open for the other direction only (EBADF); or there are none to be had
            (EMFILE, ENFILE).
    """
    if getattr(sys, ("__stdin__", "__stdout__", "__stderr__")[fd], None) is None:
        # It was closed when the program began. The number may be that of any other file by now.
        raise OSError(errno.EBADF, "it is closed")
    return open_shared(fd, writing=fd != 0)


def open_shared(fd: int, writing: bool) -> tuple[File | SharedFile | SharedSocket, bool]:
    """Open what a descriptor stands for, in one direction; the descriptor itself is left as it is.

    Returns:
        It, and whether it may have to be waited for. Files and devices like ``/dev/null`` are always ready.

    Raises:
        OSError: the descriptor is closed, or open for the other direction only (EBADF); or there are none to be had
            (EMFILE, ENFILE).
    """
    try:
        status = os.fstat(fd)
    except OSError as error:
        raise OSError(error.errno, "it is closed" if error.errno == errno.EBADF else error.strerror) from None
    if sys.platform != "win32" and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE not in (
        os.O_RDWR,
        os.O_WRONLY if writing else os.O_RDONLY,
    ):  # opened anew it would be the other end of a pipe, which waits for itself
        raise OSError(errno.EBADF, f"it is not open for {'writing' if writing else 'reading'}")
    kind = stat.S_IFMT(status.st_mode)
    if kind == stat.S_IFSOCK:
        return SharedSocket(os.dup(fd)), True
    is_terminal = os.isatty(fd)
    if kind != stat.S_IFIFO and not is_terminal:
        return SharedFile(os.dup(fd), UNLIMITED), False
    if status.st_rdev != MASTER_OF_TERMINALS:
        own = _open_anew(fd, writing, is_terminal)
        if own is not None:
            return File(own), True
    return SharedFile(os.dup(fd), PIPE_BUF), True


def _open_anew(fd: int, writing: bool, is_terminal: bool) -> int | None:
    """A descriptor of the same pipe or terminal that shares nothing with `fd`; None if it cannot be had: it belongs to
    another user, or nobody reads from the pipe."""
    try:
        if sys.platform == "linux":
            path = f"/proc/self/fd/{fd}"
        elif is_terminal:
            path = os.ttyname(fd)
        else:
            return None
        return os.open(path, (os.O_WRONLY if writing else os.O_RDONLY) | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            raise
        return None
