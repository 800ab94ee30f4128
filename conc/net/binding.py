"""UDP sockets: bound to an address of this machine, or connected to one of another."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from typing import Final

from conc.net.addresses import Address, AddressInfo, show
from conc.net.listening import check_host, check_port
from conc.net.network import Network, Socket, current_network, open_socket
from conc.net.udp import UdpSocket

# The machine lacks this family, or this address: no reason not to try the others.
NOT_HERE: Final = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT))
FAMILIES: Final = (0, socket.AF_INET, socket.AF_INET6)


async def bind_udp(
    host: str | None,
    port: int,
    *,
    family: int = 0,
    reuse_port: bool = False,
    reuse_address: bool = False,
    broadcast: bool = False,
) -> UdpSocket:
    """A UDP socket that receives what is sent to an address of this machine.

    Args:
        host: an address, or a name: then the first of its addresses that this machine has. None: all of this machine,
            for IPv6 and IPv4 with one socket, which writes an IPv4 address as ``::ffff:192.0.2.1``.
        port: 0 to 65535; 0 takes a free one.
        family: ``socket.AF_INET`` or ``socket.AF_INET6``, to have only addresses of that kind; 0: any.
        reuse_port: other sockets of the same user may be bound to the port too, and the system gives each sender to
            one of them (SO_REUSEPORT): several processes serve one port.
        reuse_address: other sockets that say so too may be bound to the port, and each gets what is sent to a multicast
            group (SO_REUSEADDR).
        broadcast: it may send to broadcast addresses.

    Raises:
        OSError: the address is taken (EADDRINUSE), not of this machine, or there is no such name.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it waits only for the look-up of a name.
    If cancelled: there is no socket.
    """
    check_host(host, "host", may_be_none=True)
    check_port(port, 0)
    if family not in FAMILIES:
        raise ValueError(f"family must be socket.AF_INET, socket.AF_INET6 or 0, not {family!r}")
    network = current_network()
    flags = socket.AI_PASSIVE
    infos = list(dict.fromkeys(await network.resolve(host, port, family=family, type=socket.SOCK_DGRAM, flags=flags)))
    if host is None:
        infos.sort(key=lambda info: info[0] != socket.AF_INET6)  # that one does for IPv4 as well
    wanted = {socket.SO_REUSEADDR: reuse_address, socket.SO_REUSEPORT: reuse_port, socket.SO_BROADCAST: broadcast}
    options = [option for option, is_wanted in wanted.items() if is_wanted]
    missing: list[OSError] = []
    for info in infos:
        try:
            return _bind(network, info, options, for_both=host is None and family == 0)
        except OSError as error:
            if error.errno not in NOT_HERE:
                raise
            missing.append(error)
    raise missing[0]


async def connect_udp(host: str, port: int, *, local_host: str | None = None, local_port: int = 0) -> UdpSocket:
    """A UDP socket that sends to one address and receives from no other.

    UDP has no handshake: this says nothing about whether anybody is there.

    Args:
        host: an address, or a name: then the first of its addresses to which there is a way.
        port: 1 to 65535.
        local_host: the address to send from, or a name for it; chosen by the system unless given.
        local_port: the port to send from; 0 takes a free one.

    Raises:
        OSError: there is no way to that address, no such name, or the local address is taken (EADDRINUSE) or not one of
            this machine.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it waits only for the look-up of a name.
    If cancelled: there is no socket.
    """
    check_host(host, "host")
    check_port(port, 1)
    if local_host is not None:
        check_host(local_host, "local_host")
    check_port(local_port, 0, "local_port")
    network = current_network()
    infos = list(dict.fromkeys(await network.resolve(host, port, type=socket.SOCK_DGRAM)))
    sources: dict[int, Address] = {}
    if local_host is not None:
        for family, _, _, _, address in await network.resolve(local_host, local_port, type=socket.SOCK_DGRAM):
            sources.setdefault(family, address)
        infos = [info for info in infos if info[0] in sources]
        if not infos:
            raise OSError(
                errno.EADDRNOTAVAIL, f"local_host {local_host!r} and {host!r} have no address family in common"
            )
    elif local_port:
        sources = {socket.AF_INET: ("0.0.0.0", local_port), socket.AF_INET6: ("::", local_port)}
    errors: list[OSError] = []
    for info in infos:
        try:
            return _connect(network, info, sources.get(info[0]))
        except OSError as error:
            errors.append(error)
    if len(errors) > 1:
        errors[0].__cause__ = ExceptionGroup(f"attempts to connect to {host!r} port {port}", errors[1:])
    raise errors[0]


def _bind(network: Network, info: AddressInfo, options: list[int], *, for_both: bool) -> UdpSocket:
    """A socket bound to one address; `for_both` means that one for IPv6 does for IPv4 too."""
    family, type, proto, _, address = info
    sock = open_socket(network, f"cannot bind a UDP socket to {show(address)}", family, type, proto)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if for_both else 1)
        for option in options:
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot bind a UDP socket to {show(address)}: {error.strerror}") from error
    return UdpSocket(sock, family)


def _connect(network: Network, info: AddressInfo, source: Address | None) -> UdpSocket:
    """A socket connected to one address."""
    family, type, proto, _, address = info
    sock = open_socket(network, f"cannot connect a UDP socket to {show(address)}", family, type, proto)
    try:
        if source is not None:
            sock.bind(source)
        number = sock.connect_ex(address)
        if number:
            raise OSError(number, os.strerror(number))
        if source is not None:
            _drop_all(sock)
        return UdpSocket(sock, family, sock.getpeername())
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"cannot connect to {show(address)} by UDP: {error.strerror}") from error


def _drop_all(sock: Socket) -> None:
    """What came between binding and connecting came from anybody."""
    with suppress(BlockingIOError):
        while True:
            sock.recvfrom(1)
