"""Addresses of the simulation: what a host is called on the wire, and how `socket` writes that."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

WILDCARD: Final[dict[int, str]] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}
LOOPBACK: Final[dict[int, str]] = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
LAST_PORT: Final = 0xFFFF
BROADCAST: Final = "255.255.255.255"


class NotSimulated(RuntimeError):
    """The program asked the simulated network for something that it has no model of; the text says what."""


class Endpoint(NamedTuple):
    """One end of a connection: an address, written in the one way that counts, and a port."""

    address: str
    port: int

    @property
    def family(self) -> int:
        """AF_INET or AF_INET6."""
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET

    @property
    def is_wildcard(self) -> bool:
        """Whether it stands for all addresses of a host."""
        return self.address == WILDCARD[self.family]

    @property
    def is_loopback(self) -> bool:
        """Whether it never leaves its host."""
        return self.address == LOOPBACK[socket.AF_INET6] or self.address.startswith("127.")

    @property
    def is_multicast(self) -> bool:
        """Whether it stands for a group."""
        return ip_address(self.address).is_multicast

    @property
    def is_broadcast(self) -> bool:
        """Whether it stands for all hosts."""
        return self.address == BROADCAST

    @property
    def sockaddr(self) -> tuple[Any, ...]:
        """As `socket` writes it: two parts for IPv4, four for IPv6."""
        return (*self, 0, 0) if self.family == socket.AF_INET6 else tuple(self)

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


def family_of(text: str) -> int | None:
    """The family of an address that is written out; None for a name."""
    try:
        version = ip_address(text).version
    except ValueError:
        return None
    if "%" in text:
        raise NotSimulated(f"{text!r}: addresses with a scope are not simulated")
    return socket.AF_INET6 if version == 6 else socket.AF_INET


def canonical(text: str) -> str:
    """The one way to write an address."""
    return ip_address(text).compressed


def endpoint_of(family: int, sockaddr: Any) -> Endpoint:
    """What a program gave as the address of a socket of `family`.

    Raises:
        OSError: an address of the other family (`socket.gaierror`).
        TypeError, OverflowError: as `socket` does, for what is no address.
        NotSimulated: a name, which only a name service could look up.
    """
    if not isinstance(sockaddr, Sequence) or isinstance(sockaddr, str) or len(sockaddr) not in (2, 4):
        raise TypeError(f"the address of a socket is (host, port), or four parts for IPv6, not {sockaddr!r}")
    host, port = sockaddr[:2]
    if isinstance(port, bool) or not isinstance(port, int):
        raise TypeError(f"a port is a whole number, not {port!r}")
    if not 0 <= port <= LAST_PORT:
        raise OverflowError(f"a port is 0 to 65535, not {port}")
    found = family_of(host)
    if found is None:
        raise NotSimulated(f"{host!r} is no address: look the name up first")
    if found != family:
        raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
    return Endpoint(canonical(host), port)


def system_error(number: int) -> OSError:
    """As the system raises it."""
    return OSError(number, os.strerror(number))
