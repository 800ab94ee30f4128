"""Unix sockets for datagrams: bound to a path, connected to one, or to each other."""

from __future__ import annotations

import os
import socket

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.net.addresses import show
from conc.net.network import current_network, open_socket
from conc.net.unix_datagrams import UnixDatagramSocket
from conc.net.unix_paths import UnixPath, bind_to_path, check_mode, check_path


async def bind_unix_datagram(path: UnixPath | None, *, mode: int | None = None) -> UnixDatagramSocket:
    """A Unix socket that receives the datagrams that are sent to a path.

    Where a process has died and left its file, the file is replaced. Closing the socket removes it.

    Args:
        path: where to find it: a path, or an abstract name (``"\\0name"``, Linux only), which has no file. None: a free
            abstract name, for one that wants to be answered.
        mode: who may send to it, as permission bits such as ``0o660``; None: what the umask of the process leaves.

    Raises:
        OSError: the address is taken (EADDRINUSE), longer than an address may be (ENAMETOOLONG), or the system refuses.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it does not wait.
    If cancelled: there is no socket.
    """
    if path is not None:
        path = check_path(path)
    check_mode(mode)
    charge() or await toll()
    return _open(path, None, mode, binds=True)


async def connect_unix_datagram(path: UnixPath, *, local_path: UnixPath | None = None) -> UnixDatagramSocket:
    """A Unix socket that sends datagrams to one address and receives from no other.

    Args:
        path: a path, or an abstract name (``"\\0name"``, Linux only).
        local_path: where the other side can answer to, as the path of `bind_unix_datagram`. None: this end has no name,
            and cannot be answered.

    Raises:
        OSError: there is nothing at that path (FileNotFoundError), or only what a closed socket has left
            (ConnectionRefusedError); the local path is taken (EADDRINUSE).
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it does not wait.
    If cancelled: there is no socket.
    """
    path = check_path(path)
    if local_path is not None:
        local_path = check_path(local_path, "local_path")
    charge() or await toll()
    return _open(local_path, path, None, binds=local_path is not None)


def unix_datagram_pair() -> tuple[UnixDatagramSocket, UnixDatagramSocket]:
    """Two Unix sockets for datagrams that are connected with each other, and have no names.

    Raises:
        OSError: there is no descriptor to be had (EMFILE).

    Checkpoint: never.
    """
    left, right = current_network().pair(socket.SOCK_DGRAM)
    return UnixDatagramSocket(left, ""), UnixDatagramSocket(right, "")


def _open(local: str | None, peer: str | None, mode: int | None, *, binds: bool) -> UnixDatagramSocket:
    """A socket that is bound, or connected, or both."""
    network = current_network()
    where = f"connect to {show(peer)}" if peer is not None else f"bind to {show(local or 'a free name')}"
    attempt = f"cannot {where} by Unix datagrams"
    sock = open_socket(network, attempt, socket.AF_UNIX, socket.SOCK_DGRAM)
    file = None
    try:
        if local is not None:
            file = bind_to_path(network, sock, local, type=socket.SOCK_DGRAM, mode=mode)
        elif binds:
            sock.bind("")  # the system chooses an abstract name
        if peer is not None:
            number = sock.connect_ex(peer)
            if number:
                raise OSError(number, os.strerror(number))
        return UnixDatagramSocket(sock, peer, file)
    except OSError as error:
        if file is not None:
            file.remove()
        sock.close()
        raise OSError(error.errno, f"{attempt}: {error.strerror}") from error
