"""Which sockets are simulated."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Final

from conc_testing.net.addresses import NotSimulated
from conc_testing.net.descriptors import Books, SimDescriptor
from conc_testing.net.hosts import Process
from conc_testing.net.sockets import SimSocket
from conc_testing.net.udp import SimUdpSocket
from conc_testing.net.unix_datagrams import SimUnixDatagramSocket
from conc_testing.net.unix_datagrams import connected_sockets as datagram_pair
from conc_testing.net.unix_streams import SimUnixSocket
from conc_testing.net.unix_streams import connected_sockets as stream_pair

AF_UNIX: Final = getattr(socket, "AF_UNIX", None)

Maker = Callable[[Books, Process, int], SimDescriptor]
"""Makes a socket for a process, with a number."""


def maker_of(family: int, type: int, proto: int) -> Maker:
    """What makes the sockets of a kind. Raises NotSimulated for one that has no model."""
    is_inet = family in (socket.AF_INET, socket.AF_INET6)
    if type == socket.SOCK_STREAM and is_inet and proto in (0, socket.IPPROTO_TCP):
        return partial(_of_family, SimSocket, family)
    if type == socket.SOCK_DGRAM and is_inet and proto in (0, socket.IPPROTO_UDP):
        return partial(_of_family, SimUdpSocket, family)
    if family == AF_UNIX and proto == 0 and type == socket.SOCK_STREAM:
        return SimUnixSocket
    if family == AF_UNIX and proto == 0 and type == socket.SOCK_DGRAM:
        return SimUnixDatagramSocket
    raise NotSimulated(
        f"such a socket (family {int(family)}, type {int(type)}, protocol {proto}) is not simulated, "
        "only TCP, UDP and Unix sockets are"
    )


def make_pair(type: int, network: Books, process: Process) -> tuple[SimDescriptor, SimDescriptor]:
    """Two Unix sockets that are connected with each other."""
    if type == socket.SOCK_STREAM:
        return stream_pair(network, process)
    if type == socket.SOCK_DGRAM:
        return datagram_pair(network, process)
    raise NotSimulated(f"Unix sockets of type {int(type)} are not simulated, only streams and datagrams are")


def _of_family(
    kind: type[SimSocket | SimUdpSocket], family: int, network: Books, process: Process, fd: int
) -> SimDescriptor:
    return kind(network, process, family, fd)
