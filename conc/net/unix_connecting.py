"""Connecting to a Unix socket, and pairs of them."""

from __future__ import annotations

import errno
import os
import socket
from typing import Final

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os.sockets import AF_UNIX
from conc.net.addresses import show
from conc.net.network import current_network, open_socket
from conc.net.unix import UnixStream
from conc.net.unix_paths import UnixPath, check_path
from conc.time import sleep

FIRST_PAUSE_S: Final = 0.001
LONGEST_PAUSE_S: Final = 0.05


async def connect_unix(path: UnixPath) -> UnixStream:
    """Connect to a server on a Unix socket.

    Args:
        path: of the socket; ``"\\0name"`` is an abstract name, on Linux.

    Raises:
        OSError: nobody listens there (ECONNREFUSED, ENOENT), it may not be written to (EACCES), or the path is too long
            (ENAMETOOLONG).
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it waits only while the queue of the server is full, which it tries again up to
        1,000 times a second, since the system does not tell when there is room.
    If cancelled: there is no connection.
    """
    text = check_path(path)
    charge() or await toll()
    sock = open_socket(current_network(), f"cannot connect to {show(text)}", AF_UNIX, socket.SOCK_STREAM)
    pause = FIRST_PAUSE_S
    try:
        while (number := sock.connect_ex(text)) == errno.EAGAIN:
            await sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)
        if number:
            raise OSError(number, f"cannot connect to {show(text)}: {os.strerror(number)}")
    except BaseException:
        sock.close()
        raise
    return UnixStream(sock, text)


def unix_pair() -> tuple[UnixStream, UnixStream]:
    """Two streams that are connected with each other.

    One may go to a child process: `UnixStream.detach` makes a plain socket of it.

    Raises:
        OSError: there are no descriptors to be had (EMFILE, ENFILE).

    Checkpoint: never.
    """
    left, right = current_network().pair(socket.SOCK_STREAM)
    return UnixStream(left, ""), UnixStream(right, "")
