"""Connecting to a name: to the first of its addresses that answers, without waiting long for those that do not."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from functools import partial
from typing import Final

from conc._kernel.cancel import check_time
from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os.sockets import literal
from conc.net.addresses import Address, AddressInfo, show
from conc.net.happy_eyeballs import Race
from conc.net.listening import check_host, check_port
from conc.net.network import Network, Socket, current_network, open_socket
from conc.net.options import SocketOption, check_options
from conc.net.tcp import TcpStream

UNDER_WAY: Final = frozenset((errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR))
ANY_ADDRESS: Final[dict[int, str]] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


async def connect_tcp(
    host: str,
    port: int,
    *,
    local_host: str | None = None,
    local_port: int = 0,
    happy_eyeballs_delay: float = 0.25,
    options: Iterable[SocketOption] = (),
) -> TcpStream:
    """Connect to a TCP server.

    A name may stand for many addresses, of which some do not answer. They are tried in order, IPv6 and IPv4 in turn:
    the next one when one has failed, or has not answered for a while. The first connection is taken; the other attempts
    are called off. If the name service is slow to tell of all addresses, those of IPv4 are asked for alone too, and
    what is known is tried at once.

    Args:
        host: an address, or a name.
        port: 1 to 65535.
        local_host: the address to connect from, or a name for it; chosen by the system unless given.
        local_port: the port to connect from; 0 leaves it to the system.
        happy_eyeballs_delay: how long to wait for one address before the next is tried too, in seconds, at least 0. The
            RFC says 0.25, and never less than 0.01.
        options: more options of the socket, set before it is bound and connects, as `TcpStream.set_option` takes them:
            ``[(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_000_000)]``.

    Raises:
        OSError: nobody answers; if several addresses were tried, the ``__cause__`` is the group of their errors. Or
            there is no such name (`socket.gaierror`), or the local address is taken or not of this machine.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always, and it waits.
    If cancelled: there is no connection, or no longer.
    Source: RFC 8305 (Happy Eyeballs), sections 3 to 5.
    """
    check_host(host, "host")
    check_port(port, 1)
    if local_host is not None:
        check_host(local_host, "local_host")
    check_port(local_port, 0, "local_port")
    if check_time(happy_eyeballs_delay, "happy_eyeballs_delay") < 0:
        raise ValueError(f"happy_eyeballs_delay must be at least 0, not {happy_eyeballs_delay}")
    chosen = check_options(options)
    network = current_network()
    sources = await _sources(network, local_host, local_port)
    if local_port:
        chosen.append((socket.SOL_SOCKET, socket.SO_REUSEADDR, 1))  # several attempts may be bound to it at a time

    async def resolve(family: int) -> list[AddressInfo]:
        infos = await network.resolve(host, port, family=family, type=socket.SOCK_STREAM)
        if local_host is None:
            return infos
        infos = [info for info in infos if info[0] in sources]
        if not infos and not family:
            raise OSError(
                errno.EADDRNOTAVAIL, f"local_host {local_host!r} and {host!r} have no address family in common"
            )
        return infos

    attempt = partial(_attempt, network, sources, chosen)
    race = Race(resolve, attempt, happy_eyeballs_delay, f"{host!r} port {port}")
    if literal(host) is None and network.slow_names:
        return await race.run(only_ipv4_too=local_host is None or socket.AF_INET in sources)
    return await race.run(await resolve(0))


async def _sources(network: Network, local_host: str | None, local_port: int) -> dict[int, Address]:
    """The address to connect from, for each family; those that are not there are chosen by the system."""
    sources: dict[int, Address] = {}
    if local_host is not None:
        for family, _, _, _, address in await network.resolve(local_host, local_port, type=socket.SOCK_STREAM):
            sources.setdefault(family, address)
    elif local_port:
        sources = {family: (address, local_port) for family, address in ANY_ADDRESS.items()}
    return sources


async def _attempt(
    network: Network, sources: dict[int, Address], options: list[SocketOption], info: AddressInfo
) -> TcpStream:
    """Connect to one address."""
    family, type, proto, _, address = info
    task = charge() or await toll()
    stream = None
    sock = open_socket(network, f"cannot connect to {show(address)}", family, type, proto)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in options:
            sock.setsockopt(*option)
        if family in sources:
            sock.bind(sources[family])
        stream = TcpStream(sock, address)
        number = sock.connect_ex(address)
        # Registered only now: a socket that does not connect yet counts as hung up.
        while number in UNDER_WAY:
            writing = stream._write_in(task.strand)
            writing.ready = False
            await stream._wait(task, writing)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) or still_under_way(sock)
        if number:
            raise OSError(number, os.strerror(number))
    except BaseException as error:
        if stream is not None:
            stream._close()
        else:
            sock.close()
        if isinstance(error, OSError):
            raise OSError(error.errno, f"cannot connect to {show(address)}: {error.strerror}") from error
        raise
    return stream


def still_under_way(sock: Socket) -> int:
    """No error is no connection yet: woken without a reason, the socket has no peer."""
    try:
        sock.getpeername()
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            return error.errno or errno.EIO
        return errno.EINPROGRESS
    return 0
