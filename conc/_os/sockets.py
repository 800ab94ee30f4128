"""Sockets that never wait, name look-ups that do, and addresses that need no look-up."""

from __future__ import annotations

import errno
import socket
from typing import Any, Final

AddressInfo = tuple[
    socket.AddressFamily,
    socket.SocketKind,
    int,
    str,
    tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes],
]
"""Family, type, protocol, canonical name, address."""


AF_UNIX: Final[int] = getattr(socket, "AF_UNIX", -1)
"""-1 on systems without Unix sockets, which know no such family."""

KEEP_IDLE: Final[int] = getattr(socket, "TCP_KEEPIDLE", 0x10)
"""TCP_KEEPIDLE; macOS calls it TCP_KEEPALIVE, with this number."""


def option_number(name: str) -> int:
    """The number of an option that not every system has.

    Raises:
        OSError: this one does not (ENOPROTOOPT).
    """
    number: int | None = getattr(socket, name, None)
    if number is None:
        raise OSError(errno.ENOPROTOOPT, f"this system has no option {name} for sockets")
    return number


class Socket(socket.socket):
    """A socket that does not block, and makes no others."""

    __slots__ = ()

    def accept(self) -> tuple[Socket, Any]:
        """The next connection, as a socket that does not block, and the address of its other end."""
        fd, address = self._accept()  # type: ignore[attr-defined]
        # As socket.accept does it, without a look at the names of the family and the kind: a fifth of the time.
        raw: Any = super(socket.socket, self)
        sock = Socket(raw.family, raw.type, raw.proto, fileno=fd)
        sock.setblocking(False)
        return sock, address


def create(family: int, type: int, proto: int = 0) -> Socket:
    """A new socket that does not block.

    Raises:
        OSError: the system has none to give (EMFILE), or not of this kind.
    """
    sock = Socket(family, type, proto)
    sock.setblocking(False)
    return sock


def adopt(sock: socket.socket) -> Socket:
    """A socket that was made elsewhere, as one that does not block; `sock` is empty afterwards."""
    family, type, proto = int(sock.family), int(sock.type), sock.proto
    own = Socket(family, type, proto, fileno=sock.detach())
    own.setblocking(False)
    return own


def connected_pair(type: int) -> tuple[Socket, Socket]:
    """Two Unix sockets that are connected with each other and do not block.

    Raises:
        OSError: the system has none to give (EMFILE), or not of this kind.
    """
    left, right = socket.socketpair(AF_UNIX, type)
    return adopt(left), adopt(right)


def pair() -> tuple[socket.socket, socket.socket]:
    """Two connected stream sockets that do not block."""
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    return left, right


def resolve(
    host: str | None,
    port: int | str | None,
    *,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[AddressInfo]:
    """Look a name up with `socket.getaddrinfo`. Blocks, perhaps for many seconds, unless the host is a `literal`.

    Raises:
        socket.gaierror: there is no such name, or nobody to ask; an OSError.
        UnicodeError: the name cannot be encoded, for instance because a label has more than 63 characters.
    """
    return list(socket.getaddrinfo(host, port, family, type, proto, flags))


def literal(host: str) -> socket.AddressFamily | None:
    """The family of an address written out (``"127.0.0.1"``, ``"::1"``, ``"fe80::1%lo"``), None for a name.

    Literals are resolved without a name service, so without a thread. What only looks like one (``"127.1"``) counts as
    a name; the look-up knows what to do.
    """
    if _parses(socket.AF_INET, host):
        return socket.AF_INET
    address, percent, scope = host.partition("%")
    if bool(percent) == bool(scope) and _parses(socket.AF_INET6, address):
        return socket.AF_INET6
    return None


def _parses(family: socket.AddressFamily, address: str) -> bool:
    try:
        socket.inet_pton(family, address)
    except (OSError, ValueError):  # ValueError: a zero byte, or a lone surrogate
        return False
    return True
