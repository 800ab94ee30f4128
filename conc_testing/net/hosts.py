"""Hosts, and the processes that run on them."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

from conc_testing.net.addresses import Endpoint
from conc_testing.net.stack import Stack
from conc_testing.net.udp_ports import UdpPorts
from conc_testing.net.unix_names import UnixNames


class Host:
    """A machine of a simulated world. Made by `World.host`.

    Attributes:
        name: under which it is found.
        ipv4: its first address; `ipv6` likewise, which is None where there is no IPv6.
        addresses: all that it has.
        stack: its kernel's part of the network: TCP.
        udp: who has which port of UDP.
        unix: who has which path, of Unix sockets.
    """

    stack: Stack
    udp: UdpPorts

    def __init__(self, name: str, ipv4: str, ipv6: str | None) -> None:
        self.name = name
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.unix = UnixNames()
        self.addresses: dict[str, None] = dict.fromkeys(address for address in (ipv4, ipv6) if address is not None)

    def owns(self, endpoint: Endpoint) -> bool:
        """Whether an address is one of its own."""
        return endpoint.is_loopback or endpoint.address in self.addresses

    def source_for(self, dest: Endpoint) -> str:
        """The address that it connects from unless told otherwise."""
        if self.owns(dest):
            return dest.address
        return next(address for address in self.addresses if Endpoint(address, 0).family == dest.family)

    def __repr__(self) -> str:
        return f"<Host {self.name!r} at {', '.join(self.addresses)}>"


class Process:
    """One life of a program on a host: what is killed, and what sockets belong to.

    Attributes:
        has_ended: whether it is over; then it opens nothing any more.
        is_paused: whether it stands still; then it is told nothing.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.has_ended = False
        self.is_paused = False

    def __repr__(self) -> str:
        return f"<Process on {self.host.name!r}{', ended' if self.has_ended else ''}>"


CURRENT_PROCESS: Final[ContextVar[Process]] = ContextVar("conc_testing: the process that a task is part of")
