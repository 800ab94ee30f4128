"""Addresses of sockets: what they are, and how people read them."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

Address: TypeAlias = tuple[Any, ...]
"""Of a socket: ``(host, port)`` for IPv4, ``(host, port, flow_info, scope_id)`` for IPv6."""

AddressInfo: TypeAlias = tuple[int, int, int, str, Address]
"""What a name stands for: family, type, protocol, canonical name, address."""


def path_of(address: Any) -> str:
    """The address of a Unix socket as text: a path, ``"\\0name"`` for an abstract name, ``""`` for no name at all."""
    return os.fsdecode(address) if address else ""


def show(address: Address | str) -> str:
    """An address for people: ``127.0.0.1:80`` or ``[::1]:80``; for Unix sockets a path, or ``@name``."""
    if isinstance(address, str):
        return address.replace("\0", "@") or "a socket without a name"
    if len(address) < 2:
        return repr(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
