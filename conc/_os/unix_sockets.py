"""What only Unix sockets have: a file, the credentials of the other side, and descriptors to pass."""

from __future__ import annotations

import array
import os
import socket
import stat
import struct
import sys
from collections.abc import Sequence
from typing import Any, Final

# The size of sun_path, without the zero byte at the end of a path.
PATH_AT_MOST: Final = 107 if sys.platform == "linux" else 103
FDS_AT_MOST: Final = 253  # SCM_MAX_FD of Linux
FD_SIZE: Final = array.array("i").itemsize
CREDENTIALS: Final = struct.Struct("iII")


def identify(path: str) -> tuple[int, int] | None:
    """Which file the socket at a path is; None if there is nothing, or something else."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if stat.S_ISSOCK(status.st_mode) else None


def unlink(path: str) -> None:
    """Remove a file."""
    os.unlink(path)


def set_mode(path: str, mode: int) -> None:
    """Say who may open a file, or connect to a socket."""
    os.chmod(path, mode)


def peer_credentials(sock: Any) -> tuple[int, int, int]:
    """The process, user and group at the other end, as they were when it connected.

    Raises:
        OSError: the system does not tell.
    """
    if not hasattr(socket, "SO_PEERCRED"):
        raise OSError(f"{sys.platform} does not tell the credentials of a peer in a way that conc knows")
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
    pid, uid, gid = CREDENTIALS.unpack(data)
    return pid, uid, gid


def send_with_fds(sock: Any, buffers: Sequence[memoryview], fds: Sequence[int]) -> int:
    """Write some bytes, at least one, and descriptors with the first of them; how many bytes."""
    return int(sock.sendmsg(buffers, [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]))


def receive_with_fds(sock: Any, max_bytes: int) -> tuple[bytes, list[int]]:
    """Some bytes, and the descriptors that came with them, which are this process's now and not inherited.

    There is always room for as many as one message can carry: what does not fit would be closed without a word.
    """
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    data, messages, _, _ = sock.recvmsg(max_bytes, socket.CMSG_SPACE(FDS_AT_MOST * FD_SIZE), flags)
    fds: list[int] = []
    for level, kind, content in messages:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received = array.array("i")
            received.frombytes(content[: len(content) - len(content) % FD_SIZE])
            fds += received
    if not flags:
        for fd in fds:
            os.set_inheritable(fd, False)
    return data, fds


def close_all(fds: Sequence[int]) -> None:
    """Close descriptors that nobody wants."""
    for fd in fds:
        os.close(fd)
