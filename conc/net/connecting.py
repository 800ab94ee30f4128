"""Connecting to a name: to the first of its addresses that answers, without waiting long for those that do not."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Final

from conc._kernel.cancel import check_time
from conc._kernel.current import charge
from conc._kernel.nursery import open_nursery
from conc._kernel.suspend import toll
from conc.net.addresses import Address, AddressInfo, show
from conc.net.listening import check_host, check_port
from conc.net.network import Network, Socket, current_network
from conc.net.tcp import TcpStream
from conc.sync import Event
from conc.time import move_on_after

UNDER_WAY: Final = frozenset((errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR))


async def connect_tcp(
    host: str, port: int, *, local_host: str | None = None, happy_eyeballs_delay: float = 0.25
) -> TcpStream:
    """Connect to a TCP server.

    A name may stand for many addresses, of which some do not answer. They are tried in order, IPv6 and IPv4 in turn:
    the next one when one has failed, or has not answered for a while. The first connection is taken; the other attempts
    are called off.

    Args:
        host: an address, or a name.
        port: 1 to 65535.
        local_host: the address to connect from, or a name for it; chosen by the system unless given.
        happy_eyeballs_delay: how long to wait for one address before the next is tried too, in seconds, at least 0.

    Raises:
        OSError: nobody answers; if several addresses were tried, the ``__cause__`` is the group of their errors. Or
            there is no such name (`socket.gaierror`).
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always, and it waits.
    If cancelled: there is no connection, or no longer.
    Source: RFC 8305 (Happy Eyeballs), sections 4 and 5.
    """
    check_host(host, "host")
    check_port(port, 1)
    if local_host is not None:
        check_host(local_host, "local_host")
    if check_time(happy_eyeballs_delay, "happy_eyeballs_delay") < 0:
        raise ValueError(f"happy_eyeballs_delay must be at least 0, not {happy_eyeballs_delay}")
    network = current_network()
    infos = interleave(await network.resolve(host, port, type=socket.SOCK_STREAM))
    sources: dict[int, Address] = {}
    if local_host is not None:
        for family, _, _, _, address in await network.resolve(local_host, 0, type=socket.SOCK_STREAM):
            sources.setdefault(family, address)
        infos = [info for info in infos if info[0] in sources]
        if not infos:
            raise OSError(
                errno.EADDRNOTAVAIL, f"local_host {local_host!r} and {host!r} have no address family in common"
            )
    if len(infos) == 1:
        return await _attempt(network, infos[0], sources)
    return await _race(network, infos, sources, happy_eyeballs_delay, f"{host!r} port {port}")


def interleave(infos: Sequence[AddressInfo]) -> list[AddressInfo]:
    """The families in turn, beginning with that of the first address; within each in the given order."""
    families: dict[int, list[AddressInfo]] = {}
    for info in dict.fromkeys(infos):
        families.setdefault(info[0], []).append(info)
    return [info for info in chain.from_iterable(zip_longest(*families.values())) if info is not None]


async def _race(
    network: Network, infos: Sequence[AddressInfo], sources: dict[int, Address], delay: float, target: str
) -> TcpStream:
    """Start an attempt for each address, in order, until one has succeeded."""
    winners: list[TcpStream] = []
    errors: dict[int, OSError] = {}

    async def attempt(place: int, failed: Event) -> None:
        try:
            stream = await _attempt(network, infos[place], sources)
        except OSError as error:
            errors[place] = error
            failed.set()
        else:
            winners.append(stream)
            nursery.cancel_scope.cancel(reason="another address has answered")

    try:
        async with open_nursery() as nursery:
            for place in range(len(infos)):
                failed = Event()
                nursery.start_soon(attempt, place, failed, name=f"connect to {show(infos[place][4])}")
                with move_on_after(delay):
                    await failed.wait()
    except BaseException:
        for stream in winners:
            stream._close()
        raise
    for stream in winners[1:]:  # two in the same turn
        stream._close()
    if winners:
        return winners[0]
    in_order = [errors[place] for place in sorted(errors)]
    numbers = {error.errno for error in in_order}
    text = f"no address of {target} answers: " + "; ".join(str(error.strerror or error) for error in in_order)
    error = OSError(numbers.pop(), text) if len(numbers) == 1 else OSError(text)
    raise error from ExceptionGroup(f"attempts to connect to {target}", in_order)


async def _attempt(network: Network, info: AddressInfo, sources: dict[int, Address]) -> TcpStream:
    """Connect to one address."""
    family, type, proto, _, address = info
    task = charge() or await toll()
    stream = None
    sock = network.socket(family, type, proto)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
