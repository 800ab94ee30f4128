"""Sockets that somebody else has made: the program itself, its parent, or systemd."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Mapping
from typing import Final

from conc._os.sockets import Socket, adopt

FIRST: Final = 3  # after standard input, output and error
KINDS: Final[Mapping[int, str]] = {
    socket.SOCK_STREAM: "stream",
    socket.SOCK_DGRAM: "datagram",
    socket.SOCK_RAW: "raw",
}


def take_over(sock: socket.socket, families: tuple[int, ...], type: int, *, listens: bool | None) -> Socket:
    """Take a socket over: the result owns its descriptor, and does not block; `sock` is as if closed.

    Args:
        sock: any socket of the standard library.
        families: those it may be of.
        type: what it must be, SOCK_STREAM or SOCK_DGRAM.
        listens: whether it must listen, or else be connected; None: neither matters.

    Raises:
        TypeError: `sock` is no plain socket.
        ValueError: it is of another family or kind, or closed, or listens where it should not, or does not where it
            should.
        OSError: it is not connected where it should be (ENOTCONN).
    """
    if not isinstance(sock, socket.socket) or hasattr(sock, "do_handshake"):
        raise TypeError(f"sock must be a plain socket.socket, not {sock!r}")
    if sock.fileno() < 0:
        raise ValueError(f"sock must be open, not {sock!r}")
    if sock.family not in families:
        names = " or ".join(socket.AddressFamily(family).name for family in families if family >= 0)
        raise ValueError(f"sock must be of the family {names}, not {sock!r}")
    if sock.type != type:
        raise ValueError(f"sock must be a {KINDS.get(type, type)} socket, not {sock!r}")
    if listens is not None:
        if listening(sock) != listens:
            raise ValueError(f"sock must {'' if listens else 'not '}listen for connections: {sock!r}")
        if not listens:
            try:
                sock.getpeername()
            except OSError as error:
                raise OSError(error.errno, f"cannot use {sock!r} as a connection: {error.strerror}") from error
    return adopt(sock)


def listening(sock: socket.socket) -> bool:
    """Whether `listen` was called on it."""
    return sock.type == socket.SOCK_STREAM and bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def release(sock: socket.socket) -> socket.socket:
    """The same socket as a plain one, that blocks; `sock` is as if closed."""
    plain = socket.socket(sock.family, sock.type, sock.proto, fileno=sock.detach())
    plain.setblocking(True)
    return plain


def passed_at_start() -> list[tuple[str, int]]:
    """What the service manager has passed to this process at its start: names and descriptors.

    Source: sd_listen_fds(3). LISTEN_PID says which process is meant, so that its children do not take them as well.

    Raises:
        ValueError: the variables are there, but make no sense.
    """
    pid, count = os.environ.get("LISTEN_PID"), os.environ.get("LISTEN_FDS")
    if pid is None or count is None:
        return []
    for name, value in (("LISTEN_PID", pid), ("LISTEN_FDS", count)):
        if not (value.isascii() and value.isdigit()):
            raise ValueError(f"the environment variable {name} must be a number, not {value!r}")
    if int(pid) != os.getpid():
        return []
    given = os.environ.get("LISTEN_FDNAMES")
    names = given.split(":") if given else []
    names += ["unknown"] * (int(count) - len(names))
    return list(zip(names, range(FIRST, FIRST + int(count)), strict=False))


def take_passed(fds: list[int]) -> list[socket.socket]:
    """Sockets of the descriptors that were passed; the children of this process get neither them nor the variables.

    Raises:
        OSError: one is not open (EBADF), or no socket (ENOTSOCK). Then none was taken.
    """
    for fd in fds:
        try:
            is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
        except OSError as error:
            raise OSError(error.errno, f"descriptor {fd}, named by LISTEN_FDS, is not open") from error
        if not is_socket:
            raise OSError(errno.ENOTSOCK, f"descriptor {fd}, named by LISTEN_FDS, is no socket")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        os.environ.pop(name, None)
    sockets = []
    for fd in fds:
        os.set_inheritable(fd, False)
        sockets.append(socket.socket(fileno=fd))
    return sockets


def check_plain(sock: object) -> socket.socket:
    """`sock`, if it is a real socket. Raises TypeError if not."""
    if not isinstance(sock, socket.socket):
        raise TypeError(f"only a real socket can be given away, not {sock!r}")
    return sock
