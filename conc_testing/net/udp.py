"""A UDP socket of the simulation, with the meanings and errors of the real one."""

from __future__ import annotations

import errno
import socket
from collections import deque
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, ClassVar, Final

from conc.io.stream import Buffer
from conc_testing.net.addresses import LOOPBACK, WILDCARD, Endpoint, NotSimulated, endpoint_of, system_error
from conc_testing.net.descriptors import (
    BUFFER,
    HUP,
    OVERHEAD,
    READ,
    RECEIVE_BUFFER,
    SEND_BUFFER,
    WRITE,
    Books,
    Option,
    SimDescriptor,
)
from conc_testing.net.hosts import Process
from conc_testing.net.packets import Datagram
from conc_testing.sim.choices import fault

V6: Final = socket.AF_INET6
# Longest datagram, by family of the address.
LONGEST: Final = {socket.AF_INET: 65_507, socket.AF_INET6: 65_527}

REUSE_ADDRESS: Final[Option] = (socket.SOL_SOCKET, socket.SO_REUSEADDR)
REUSE_PORT: Final[Option] = (socket.SOL_SOCKET, socket.SO_REUSEPORT)
BROADCAST: Final[Option] = (socket.SOL_SOCKET, socket.SO_BROADCAST)
ONLY_V6: Final[Option] = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
GROUP_TTL: Final[dict[int, Option]] = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS),
}
LOOP: Final[dict[int, Option]] = {
    socket.AF_INET: (socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP),
    socket.AF_INET6: (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP),
}
TTL: Final[tuple[Option, ...]] = (
    (socket.IPPROTO_IP, socket.IP_TTL),
    (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
)
# Groups: which option takes how many bytes of address.
JOIN: Final[dict[Option, int]] = {
    (socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP): 4,
    (socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP): 16,
}
LEAVE: Final[dict[Option, int]] = {
    (socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP): 4,
    (socket.IPPROTO_IPV6, socket.IPV6_LEAVE_GROUP): 16,
}
INTERFACE: Final[tuple[Option, ...]] = (
    (socket.IPPROTO_IP, socket.IP_MULTICAST_IF),
    (socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF),
)
DEFAULTS: Final[dict[Option, int]] = {
    **dict.fromkeys(TTL, 64),
    **dict.fromkeys(GROUP_TTL.values(), 1),
    **dict.fromkeys(LOOP.values(), 1),
}


class SimUdpSocket(SimDescriptor):
    """A UDP socket of one process.

    Attributes:
        bound: its own address; None if it has none yet.
        peer: the address that it is connected to; None if it is not.

    Invariant: `bound` is not None exactly while the ports of the host know it.
    """

    known_options: ClassVar[frozenset[Option]] = frozenset(
        (REUSE_ADDRESS, REUSE_PORT, BROADCAST, ONLY_V6, SEND_BUFFER, RECEIVE_BUFFER, *DEFAULTS)
    )

    def __init__(self, network: Books, process: Process, family: int, fd: int) -> None:
        super().__init__(network, process, family, fd)
        self._options.update(DEFAULTS)
        self.bound: Endpoint | None = None
        self.peer: Endpoint | None = None
        self._queue: deque[Datagram] = deque()
        self._groups: set[str] = set()

    # ---- the interface of a socket ----------------------------------------------------------------------------

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option. Raises NotSimulated if it has no model."""
        self._check_open()
        if (level, option) in JOIN or (level, option) in LEAVE:
            self._change_membership((level, option), value)
        elif (level, option) not in INTERFACE:  # a host of the simulation has one
            super().setsockopt(level, option, value)

    def getsockname(self) -> Any:
        """The address of this end."""
        self._check_open()
        return self._written(self.local)

    def getpeername(self) -> Any:
        """The address of the other end. Raises OSError if it is not connected."""
        self._check_open()
        if self.peer is None:
            raise system_error(errno.ENOTCONN)
        return self._written(self.peer)

    def bind(self, address: Any, /) -> None:
        """Take an address; port 0 stands for a free one."""
        self._check_open()
        endpoint = self._read_address(address)
        if self.bound is not None:
            raise system_error(errno.EINVAL)
        host = self.process.host
        if not (endpoint.is_wildcard or endpoint.is_multicast or endpoint.is_broadcast or host.owns(endpoint)):
            raise system_error(errno.EADDRNOTAVAIL)
        host.udp.bind(self, endpoint)

    def connect_ex(self, address: Any, /) -> int:
        """Send to one address only, and receive from no other."""
        if self._fd == -1:
            return errno.EBADF
        try:
            dest = self._dest(self._read_address(address))
            source = self._source_for(dest)
        except OSError as error:
            return error.errno or errno.EINVAL
        if self.bound is not None and self.bound.is_wildcard:
            self.bound = source
        self.peer = dest
        return 0

    def recvfrom(self, max_bytes: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """A datagram, cut to `max_bytes`, and its sender. Raises BlockingIOError if there is none."""
        self._check_open()
        if flags & ~socket.MSG_PEEK:
            raise NotSimulated(f"these flags of recvfrom are not simulated: {flags:#x}")
        self._tell_failure()
        if not self._queue:
            raise system_error(errno.EAGAIN)
        datagram = self._queue[0] if flags & socket.MSG_PEEK else self._queue.popleft()
        return datagram.data[:max_bytes], self._written(datagram.source)

    def recv(self, max_bytes: int, flags: int = 0, /) -> bytes:
        """As `recvfrom`, without the sender."""
        return self.recvfrom(max_bytes, flags)[0]

    def recv_into(self, buffer: memoryview, /) -> int:
        """As `recv`, into a buffer."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def sendto(self, data: Buffer, address: Any, /) -> int:
        """Send a datagram to an address that is written out."""
        self._check_open()
        return self._send(_bytes_of(data), self._read_address(address))

    def send(self, data: Buffer, /) -> int:
        """Send a datagram to where the socket is connected."""
        self._check_open()
        self._bind_if_free()
        if self.peer is None:
            raise system_error(errno.EDESTADDRREQ)
        return self._send(_bytes_of(data), self.peer)

    def sendmsg(self, buffers: list[memoryview], /) -> int:
        """Send one datagram of several buffers."""
        return self.send(b"".join(buffers))

    def listen(self, backlog: int, /) -> None:
        """There are no connections."""
        self._check_open()
        raise system_error(errno.EOPNOTSUPP)

    def accept(self) -> tuple[SimDescriptor, Any]:
        """There are no connections."""
        self._check_open()
        raise system_error(errno.EOPNOTSUPP)

    def shutdown(self, how: int, /) -> None:
        """It has no end that could be told."""
        self._check_open()
        if self.peer is None:
            raise system_error(errno.ENOTCONN)
        raise NotSimulated("shutdown is not simulated for UDP")

    # ---- for the ports of the host ----------------------------------------------------------------------------

    @property
    def is_for_both(self) -> bool:
        """Whether it has the addresses of both families."""
        return self.family == V6 and self.local.is_wildcard and not self._option(ONLY_V6)

    @property
    def reuses_address(self) -> bool:
        """Whether it shares its port (SO_REUSEADDR)."""
        return bool(self._option(REUSE_ADDRESS))

    @property
    def reuses_port(self) -> bool:
        """Whether it shares its port, and the senders are shared out (SO_REUSEPORT)."""
        return bool(self._option(REUSE_PORT))

    def is_member(self, group: str) -> bool:
        """Whether it has joined a group."""
        return group in self._groups

    def take(self, datagram: Datagram) -> None:
        """A datagram has come. It is dropped if the buffer is full."""
        if self._fills + OVERHEAD <= self._option(RECEIVE_BUFFER, BUFFER):
            self._queue.append(datagram)
            self.edge()

    def was_refused(self) -> None:
        """Nobody was there for an earlier one."""
        self._failure = errno.ECONNREFUSED
        self.edge()

    # ---- for the network --------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """As netstat calls it."""
        return "UDP"

    @property
    def local(self) -> Endpoint:
        """Its own address."""
        return Endpoint(WILDCARD[self.family], 0) if self.bound is None else self.bound

    @property
    def remote(self) -> Endpoint | None:
        """The address of the other end."""
        return self.peer

    @property
    def unread(self) -> int:
        """How many bytes wait for the program."""
        return sum(len(datagram.data) for datagram in self._queue)

    def flags(self) -> int:
        """What it is ready for, as a poller says it."""
        flags = WRITE | (READ if self._queue or self._failure else 0)
        return flags | (HUP if self._failure else 0)

    # ---- behind the interface ---------------------------------------------------------------------------------

    @property
    def _fills(self) -> int:
        """How much of its buffer is in use."""
        return sum(len(datagram.data) + OVERHEAD for datagram in self._queue)

    def _send(self, data: bytes, dest: Endpoint) -> int:
        self._tell_failure()
        if len(data) > LONGEST[socket.AddressFamily(dest.family)]:
            raise system_error(errno.EMSGSIZE)
        if dest.port == 0:
            raise system_error(errno.EINVAL)
        dest = self._dest(dest)
        if fault("fault.net.write"):
            raise system_error(errno.ENETUNREACH)
        datagram = Datagram(self._source_for(dest), dest, data)
        family = socket.AddressFamily(self.family)
        self._network.send_datagram(
            self.process.host,
            datagram,
            hops=self._option(GROUP_TTL[family]),
            loops=bool(self._option(LOOP[family])),
        )
        return len(data)

    def _dest(self, dest: Endpoint) -> Endpoint:
        """Where a datagram goes that is sent to an address."""
        if dest.is_wildcard:
            return Endpoint(LOOPBACK[dest.family], dest.port)
        if dest.family != self.family and self._option(ONLY_V6):
            raise system_error(errno.ENETUNREACH)
        if dest.is_broadcast:
            if not self._option(BROADCAST):
                raise system_error(errno.EACCES)
        elif not (dest.is_multicast or self.process.host.owns(dest) or self._network.has_address(dest.address)):
            raise system_error(errno.EHOSTUNREACH)
        return dest

    def _source_for(self, dest: Endpoint) -> Endpoint:
        """The address that a datagram comes from; bound if the socket was not."""
        host = self.process.host
        address = host.source_for(dest)
        bound = self._bind_if_free()
        if bound.is_wildcard or bound.is_multicast or bound.is_broadcast:
            if bound.family != dest.family and not self.is_for_both:
                raise system_error(errno.ENETUNREACH)
            return Endpoint(address, bound.port)
        if bound.family != dest.family:
            raise system_error(errno.ENETUNREACH)
        if bound.is_loopback and not (host.owns(dest) or dest.is_multicast):
            raise system_error(errno.EINVAL)
        return bound

    def _bind_if_free(self) -> Endpoint:
        """Its own address: all addresses and a free port if it had none."""
        if self.bound is None:
            self.process.host.udp.bind(self, Endpoint(WILDCARD[self.family], 0))
        assert self.bound is not None
        return self.bound

    def _read_address(self, address: Any) -> Endpoint:
        """What a program gave as an address; those that stand for IPv4 within IPv6 are what they stand for."""
        if self.family == V6 and isinstance(address, tuple) and address and isinstance(address[0], str):
            try:
                written = ip_address(address[0])
            except ValueError:
                written = None
            if isinstance(written, IPv6Address) and written.ipv4_mapped is not None:
                return endpoint_of(socket.AF_INET, (str(written.ipv4_mapped), *address[1:2]))
        return endpoint_of(self.family, address)

    def _written(self, endpoint: Endpoint) -> Any:
        """An address as this socket writes it."""
        if endpoint.family == self.family:
            return endpoint.sockaddr
        return (f"::ffff:{endpoint.address}", endpoint.port, 0, 0)

    def _change_membership(self, option: Option, value: int | bytes) -> None:
        assert isinstance(value, bytes), "struct ip_mreq"
        joins = option in JOIN
        size = JOIN[option] if joins else LEAVE[option]
        group = str(IPv4Address(value[:size]) if size == 4 else IPv6Address(value[:size]))
        if joins == (group in self._groups):
            raise system_error(errno.EADDRINUSE if joins else errno.EADDRNOTAVAIL)
        if joins:
            self._groups.add(group)
        else:
            self._groups.remove(group)

    def _let_go(self) -> None:
        if self.bound is not None:
            self.process.host.udp.release(self)


def _bytes_of(data: Buffer) -> bytes:
    """What is sent. Raises TypeError for what is no bytes."""
    return bytes(memoryview(data))
