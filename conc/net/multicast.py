"""The options of a socket that have one name for IPv4 and another for IPv6: hops, and groups of receivers."""

from __future__ import annotations

import socket
import struct
from ipaddress import AddressValueError, IPv4Address, ip_address
from typing import Final

IPV4: Final = socket.AF_INET
IPV6: Final = socket.AF_INET6

# By family: level and option.
TTL: Final[dict[int, tuple[int, int]]] = {
    IPV4: (socket.IPPROTO_IP, socket.IP_TTL),
    IPV6: (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
}
GROUP_TTL: Final[dict[int, tuple[int, int]]] = {
    IPV4: (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
    IPV6: (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
}
LOOP: Final[dict[int, tuple[int, int]]] = {
    IPV4: (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP),
    IPV6: (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP),
}

ANY_ADDRESS: Final = bytes(4)
NUMBERS_AT_MOST: Final = 0x7FFFFFFF


def membership_option(group: str, interface: str | int | None, *, joins: bool) -> tuple[int, int, bytes]:
    """Level, option and value for joining a group, or for leaving it."""
    if not isinstance(group, str):
        raise TypeError(f"group must be a string, not {group!r}")
    try:
        address = ip_address(group)
    except ValueError:
        raise ValueError(f"group must be an address, not {group!r}") from None
    if not address.is_multicast:
        raise ValueError(f"group must be a multicast address (224.0.0.0/4 or ff00::/8), not {group}")
    if isinstance(address, IPv4Address):
        option = socket.IP_ADD_MEMBERSHIP if joins else socket.IP_DROP_MEMBERSHIP
        return socket.IPPROTO_IP, option, address.packed + _ipv4_interface(interface)
    option = socket.IPV6_JOIN_GROUP if joins else socket.IPV6_LEAVE_GROUP
    return socket.IPPROTO_IPV6, option, address.packed + struct.pack("@I", _number(interface))


def interface_option(family: int, interface: str | int) -> tuple[int, int, int | bytes]:
    """Level, option and value for sending to groups through an interface."""
    if family == IPV4:
        # An address alone, or (a group that does not count,) an address and a number.
        value = _ipv4_interface(interface)
        return socket.IPPROTO_IP, socket.IP_MULTICAST_IF, value if len(value) == 4 else ANY_ADDRESS + value
    return socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, _number(interface)


def check_hops(hops: int, name: str, least: int) -> int:
    """Return `hops` if it is a number of hops, else raise an error that names the argument."""
    if isinstance(hops, bool) or not isinstance(hops, int):
        raise TypeError(f"{name} must be a whole number, not {hops!r}")
    if not least <= hops <= 255:
        raise ValueError(f"{name} must be {least} to 255, not {hops}")
    return hops


def _ipv4_interface(interface: str | int | None) -> bytes:
    """An interface by its address, or by its number behind an address that stands for any."""
    if isinstance(interface, str):
        try:
            return IPv4Address(interface).packed
        except AddressValueError:
            raise ValueError(f"interface must be an IPv4 address or a number, not {interface!r}") from None
    if interface is None:
        return ANY_ADDRESS
    return ANY_ADDRESS + struct.pack("@i", _number(interface))


def _number(interface: str | int | None) -> int:
    """An interface by its number; 0 stands for none in particular."""
    if interface is None:
        return 0
    if isinstance(interface, bool) or not isinstance(interface, int):
        raise TypeError(f"interface must be its number, as socket.if_nametoindex gives it, not {interface!r}")
    if not 0 <= interface <= NUMBERS_AT_MOST:
        raise ValueError(f"interface must be 0 or more, not {interface}")
    return interface
