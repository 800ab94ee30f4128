"""The network of a runtime: the one object through which conc.net gets sockets and resolves names.

``conc.run(..., network=mine)`` puts another in place of the real one. It may have a method ``make_poller()`` too, for
sockets that the pollers of the system know nothing of.
"""

from __future__ import annotations

import socket
from typing import Any, Protocol, overload

from conc._kernel.current import charge
from conc._kernel.present import current_runtime
from conc._kernel.suspend import toll
from conc._os import sockets, unix_sockets
from conc.io.descriptor_stream import Endpoint
from conc.io.stream import Buffer
from conc.net.addresses import AddressInfo
from conc.threads import to_thread


class Socket(Endpoint, Protocol):
    """What conc.net asks of a socket that does not block: a part of `socket.socket`, with its meanings and errors.

    It is watched by the poller of the runtime, under the number `fileno` gives.
    """

    def recv(self, max_bytes: int, flags: int = 0, /) -> bytes:
        """Some bytes; ``b""`` at the end. With MSG_PEEK they stay. Raises BlockingIOError if there are none."""

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option; those that are not known are ignored by what is no real network."""

    @overload
    def getsockopt(self, level: int, option: int, /) -> int:
        """Ask for an option that is a number: SO_ERROR tells, once, how connecting has ended."""

    @overload
    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """Ask for an option of at most `size` bytes."""

    def getsockname(self) -> Any:
        """The address of this end."""

    def getpeername(self) -> Any:
        """The address of the other end. Raises OSError while there is none."""

    def bind(self, address: Any, /) -> None:
        """Take an address; port 0 stands for a free one."""

    def listen(self, backlog: int, /) -> None:
        """Let connections come."""

    def accept(self) -> tuple[Socket, Any]:
        """The next connection, and the address of its other end. Raises BlockingIOError if there is none."""

    def connect_ex(self, address: Any, /) -> int:
        """Begin to connect: 0, or an error number, EINPROGRESS for one."""

    def recvfrom(self, max_bytes: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """A datagram, as much of it as there is room for, and its sender. Raises BlockingIOError if there is none."""

    def sendto(self, data: Buffer, address: Any, /) -> int:
        """Send a datagram to an address that is written out. Raises BlockingIOError if there is no room."""

    def shutdown(self, how: int, /) -> None:
        """Close one direction."""


class Network(Protocol):
    """Where conc.net gets its sockets and its addresses from.

    Attributes:
        slow_names: whether it may take long to look a name up, and longer for one family than for another: then it is
            worth asking for IPv4 alone as well.
    """

    slow_names: bool

    def socket(self, family: int, type: int, proto: int = 0) -> Socket:
        """A new socket that does not block.

        Raises:
            OSError: there is none to be had (EMFILE), or not of this kind (EAFNOSUPPORT).
        """

    def pair(self, type: int) -> tuple[Socket, Socket]:
        """Two Unix sockets that do not block and are connected with each other."""

    def identify(self, path: str) -> object:
        """Which file the Unix socket at a path is, to be compared; None if there is nothing, or something else."""

    def unlink(self, path: str) -> None:
        """Remove the file of a Unix socket. Raises OSError."""

    def set_mode(self, path: str, mode: int) -> None:
        """Say who may connect to a Unix socket. Raises OSError."""

    async def resolve(
        self, host: str | None, port: int, *, family: int = 0, type: int = 0, flags: int = 0
    ) -> list[AddressInfo]:
        """Look a name up, as `socket.getaddrinfo` does; at least one address, the best first.

        Raises:
            OSError: there is no such name, or nobody to ask (`socket.gaierror`).
            ValueError: `host` cannot be a name.

        Checkpoint: always a cancel point.
        If cancelled: nothing happened.
        """


class SystemNetwork:
    """The network that this machine is connected to."""

    __slots__ = ()

    slow_names = True

    def socket(self, family: int, type: int, proto: int = 0) -> Socket:
        """A new socket that does not block."""
        return sockets.create(family, type, proto)

    def pair(self, type: int) -> tuple[Socket, Socket]:
        """Two Unix sockets that are connected with each other."""
        return sockets.connected_pair(type)

    identify = staticmethod(unix_sockets.identify)
    unlink = staticmethod(unix_sockets.unlink)
    set_mode = staticmethod(unix_sockets.set_mode)

    async def resolve(
        self, host: str | None, port: int, *, family: int = 0, type: int = 0, flags: int = 0
    ) -> list[AddressInfo]:
        """Look a name up: in a thread, but for what needs no name service."""
        charge() or await toll()

        def look_up() -> list[AddressInfo]:
            return list(sockets.resolve(host, port, family=family, type=type, flags=flags))

        try:
            if host is None or sockets.literal(host) is not None:
                return look_up()
            return await to_thread(look_up, abandon_on_cancel=True)
        except socket.gaierror as error:
            raise socket.gaierror(error.errno, f"host {host!r} has no address: {error.strerror}") from error
        except ValueError as error:  # UnicodeError is one
            raise ValueError(f"host {host!r} cannot be a name: {error}") from error


SYSTEM_NETWORK = SystemNetwork()


def open_socket(network: Network, attempt: str, family: int, type: int, proto: int = 0) -> Socket:
    """A new socket for an attempt (``"cannot listen on ..."``), with which the error begins if there is none."""
    try:
        return network.socket(family, type, proto)
    except OSError as error:
        raise OSError(error.errno, f"{attempt}: no socket is to be had: {error.strerror}") from error


def current_network() -> Network:
    """The network of the runtime that this task runs on."""
    network: Network | None = current_runtime().network
    return SYSTEM_NETWORK if network is None else network
