"""The ports of UDP on one host: who has which, and who gets a datagram."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Protocol
from zlib import crc32

from conc_testing.net.addresses import LAST_PORT, Endpoint, system_error
from conc_testing.net.packets import Datagram
from conc_testing.net.ports import FIRST_FREE_PORT


class Receiver(Protocol):
    """What the table asks of a socket."""

    family: int
    bound: Endpoint | None
    peer: Endpoint | None

    @property
    def is_for_both(self) -> bool:
        """Whether it has the addresses of both families."""

    @property
    def reuses_address(self) -> bool:
        """Whether it shares its port (SO_REUSEADDR)."""

    @property
    def reuses_port(self) -> bool:
        """Whether it shares its port, and the senders are shared out (SO_REUSEPORT)."""

    @property
    def unread(self) -> int:
        """How many bytes wait for the program."""

    def is_member(self, group: str) -> bool:
        """Whether it has joined a group."""

    def take(self, datagram: Datagram) -> None:
        """A datagram has come."""

    def was_refused(self) -> None:
        """Nobody was there for an earlier one."""


class UdpPorts:
    """All UDP sockets of a host that have a port, whoever on it opened them.

    Invariant: each socket stands under the port that it is bound to, in the order in which they were bound; two that
    overlap share their port by consent.
    """

    def __init__(self, transmit: Callable[[Datagram], None]) -> None:
        self._transmit = transmit
        self._sockets: dict[int, list[Receiver]] = {}
        self._last = FIRST_FREE_PORT - 1

    def bind(self, sock: Receiver, endpoint: Endpoint) -> None:
        """Give an address to a socket; port 0 stands for one that nobody has.

        Raises:
            OSError: it is taken (EADDRINUSE); or all ports are (EADDRNOTAVAIL).
        """
        if endpoint.port == 0:
            endpoint = endpoint._replace(port=self._free_port())
        sock.bound = endpoint
        for other in self._sockets.get(endpoint.port, ()):
            shared = (sock.reuses_address and other.reuses_address) or (sock.reuses_port and other.reuses_port)
            if not shared and _overlap(sock, other):
                sock.bound = None
                raise system_error(errno.EADDRINUSE)
        self._sockets.setdefault(endpoint.port, []).append(sock)

    def release(self, sock: Receiver) -> None:
        """Take a socket out of the books."""
        assert sock.bound is not None
        sockets = self._sockets[sock.bound.port]
        sockets.remove(sock)
        if not sockets:
            del self._sockets[sock.bound.port]

    def receive(self, datagram: Datagram) -> None:
        """A datagram for this host has arrived."""
        dest, source = datagram.dest, datagram.source
        found = [
            sock
            for sock in self._sockets.get(dest.port, ())
            if _has(sock, dest) and (sock.peer is None or sock.peer == source)
        ]
        if datagram.refused:
            for sock in found:
                if sock.peer is not None:
                    sock.was_refused()
        elif dest.is_multicast:
            for sock in found:
                if sock.is_member(dest.address):
                    sock.take(datagram)
        elif dest.is_broadcast:
            for sock in found:
                sock.take(datagram)
        elif found:
            _choose(found, datagram).take(datagram)
        else:
            self._transmit(Datagram(dest, source, refused=True))

    def has_member(self, group: str) -> bool:
        """Whether some socket has joined a group."""
        return any(sock.is_member(group) for sockets in self._sockets.values() for sock in sockets)

    def sockets(self) -> list[Receiver]:
        """All, by port."""
        return [sock for sockets in self._sockets.values() for sock in sockets]

    def _free_port(self) -> int:
        for _ in range(FIRST_FREE_PORT, LAST_PORT + 1):
            self._last = self._last + 1 if self._last < LAST_PORT else FIRST_FREE_PORT
            if self._last not in self._sockets:
                return self._last
        raise system_error(errno.EADDRNOTAVAIL)

    def _check(self) -> None:
        for port, sockets in self._sockets.items():
            assert sockets, "a port without sockets"
            assert all(sock.bound is not None and sock.bound.port == port for sock in sockets), "at another's port"


def _has(sock: Receiver, dest: Endpoint) -> bool:
    """Whether a socket has an address; its port is right."""
    bound = sock.bound
    assert bound is not None
    if bound.is_wildcard:
        return bound.family == dest.family or sock.is_for_both
    return bound.address == dest.address


def _overlap(one: Receiver, other: Receiver) -> bool:
    """Whether there is an address that both have; their port is the same."""
    assert one.bound is not None and other.bound is not None
    if one.bound.is_wildcard and other.bound.is_wildcard:
        return one.bound.family == other.bound.family or one.is_for_both or other.is_for_both
    return _has(one, other.bound) or _has(other, one.bound)


def _choose(found: list[Receiver], datagram: Datagram) -> Receiver:
    """Who gets a datagram, of those who could: as Linux, the one that says most precisely what it wants; of equals one
    of those who share their port, always the same for one sender, or the youngest."""

    def precision(sock: Receiver) -> tuple[bool, bool, bool]:
        bound = sock.bound
        assert bound is not None
        return sock.peer is not None, not bound.is_wildcard, sock.family == datagram.dest.family

    best = max(map(precision, found))
    equals = [sock for sock in found if precision(sock) == best]
    if equals[-1].reuses_port:
        equals = [sock for sock in equals if sock.reuses_port]
        return equals[crc32(str(datagram.source).encode()) % len(equals)]
    return equals[-1]
