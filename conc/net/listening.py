"""Listening on an address, or on all that a name stands for."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable
from typing import Final

from conc._os.sockets import option_number
from conc.net.addresses import AddressInfo, show
from conc.net.network import Network, Socket, current_network, open_socket
from conc.net.options import SocketOption, check_options
from conc.net.tcp import TcpListener
from conc.sync.semaphore import check_count

# The machine lacks this family, or this address: no reason not to listen on the others.
NOT_HERE: Final = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT))
TRIES: Final = 10


async def listen_tcp(
    host: str | None,
    port: int,
    *,
    backlog: int = 4096,
    reuse_port: bool = False,
    options: Iterable[SocketOption] = (),
) -> TcpListener:
    """Listen for TCP connections.

    Args:
        host: an address, or a name: then on all addresses that it stands for. None: on all of this machine, those of
            IPv6 included.
        port: 0 to 65535; 0 takes a free one, the same for all addresses.
        backlog: how many connections may wait to be accepted, at least 1. The system has a limit of its own.
        reuse_port: whether other processes and listeners of the same user that say so too may listen on the same
            address (SO_REUSEPORT). The system deals the connections out to them.
        options: more options of the sockets, set before they are bound, as `TcpStream.set_option` takes them:
            ``[(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)]``. Connections inherit most of them.

    Raises:
        OSError: the address is taken (EADDRINUSE), not of this machine, or there is no such name; or an option is
            refused.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it waits only for the look-up of a name.
    If cancelled: nothing is listened on.
    """
    check_host(host, "host", may_be_none=True)
    check_port(port, 0)
    check_count(backlog, "backlog", 1)
    chosen = check_options(options)
    if reuse_port:
        chosen.insert(0, (socket.SOL_SOCKET, option_number("SO_REUSEPORT"), 1))
    network = current_network()
    found = await network.resolve(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    infos = list(dict.fromkeys(found))
    tries = TRIES if port == 0 and len(infos) > 1 else 1
    while True:
        tries -= 1
        try:
            return TcpListener(_listen_on_all(network, infos, min(backlog, 0x7FFFFFFF), chosen))
        except OSError as error:
            # The free port of the first address may be taken at the second: take another.
            if error.errno != errno.EADDRINUSE or not tries:
                raise


def _listen_on_all(
    network: Network, infos: list[AddressInfo], backlog: int, options: list[SocketOption]
) -> list[Socket]:
    """A listening socket for each address that this machine has."""
    sockets: list[Socket] = []
    missing: list[OSError] = []
    port: int | None = None
    try:
        for info in infos:
            try:
                sockets.append(_listen(network, info, port, backlog, options))
            except OSError as error:
                if error.errno not in NOT_HERE:
                    raise
                missing.append(error)
            else:
                port = sockets[0].getsockname()[1]
        if not sockets:
            raise missing[0]
    except BaseException:
        for sock in sockets:
            sock.close()
        raise
    return sockets


def _listen(network: Network, info: AddressInfo, port: int | None, backlog: int, options: list[SocketOption]) -> Socket:
    """A socket that listens on one address; on `port` in place of that in the address, if it is given."""
    family, type, proto, _, address = info
    if port is not None:
        address = (address[0], port, *address[2:])
    sock = open_socket(network, f"cannot listen on {show(address)}", family, type, proto)
    try:
        if sys.platform != "win32":  # where it would allow two servers on one port
            # A restarted server need not wait for the old connections to be forgotten.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted inherits it
        for option in options:
            sock.setsockopt(*option)
        sock.bind(address)
        sock.listen(backlog)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot listen on {show(address)}: {error.strerror}") from error
    return sock


def check_host(host: object, name: str, *, may_be_none: bool = False) -> None:
    """Raise an error that names the argument unless `host` is a string that can stand for an address."""
    if host is None and may_be_none:
        return
    if not isinstance(host, str):
        raise TypeError(f"{name} must be a string{' or None' if may_be_none else ''}, not {host!r}")
    if not host or "\0" in host:  # the system would read it up to there, as another host
        raise ValueError(f"{name} must be an address or a name, not {host!r}")


def check_port(port: object, least: int, name: str = "port") -> None:
    """Raise an error that names the argument unless `port` is the number of a port."""
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"{name} must be a whole number, not {port!r}")
    if not least <= port <= 0xFFFF:
        raise ValueError(f"{name} must be {least} to 65535, not {port}")
