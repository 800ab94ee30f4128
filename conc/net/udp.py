"""UDP: a socket, bound to an address, or connected to one besides."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Sequence
from typing import Any, Final

from conc._kernel.current import charge, slot
from conc._kernel.suspend import toll
from conc._os import sockets
from conc._os.inherited import take_over
from conc.io.descriptor_stream import SYSTEM_CALL
from conc.io.stream import Buffer
from conc.net import multicast
from conc.net.addresses import Address, show
from conc.net.datagrams import DatagramSocket
from conc.net.listening import check_host, check_port
from conc.net.network import Socket, current_network

# How many hosts a socket knows to be written as addresses, before it begins to learn them anew.
KNOWN_AT_MOST: Final = 1024


class UdpSocket(DatagramSocket[Address]):
    """A UDP socket. Made by `bind_udp`, `connect_udp` and `from_socket`.

    ``async for data, address in socket:`` receives one datagram after the other, until the socket is closed. Each
    direction is used by one task at a time, and may be handed from strand to strand. ``async with socket:`` closes it
    at the end of the block.

    If a datagram finds nobody at its address, the host there may say so: a *connected* socket is told with the next
    call that sends or receives, which raises ConnectionRefusedError (or another OSError: no route, say) and has not
    sent or taken anything. It is told once and the socket stays as good as it was: whoever comes to that address later
    can be talked to. A socket that is not connected is told nothing.

    Attributes:
        peer_address: the address that it is connected to; None if it is not.
    """

    __slots__ = ("_family", "_known", "peer_address")

    def __init__(self, sock: Socket, family: int, peer_address: Address | None = None) -> None:
        super().__init__(sock)
        self._family = family
        self._known: set[str] = set()  # hosts that need no look-up: addresses of this family, written out
        self.peer_address = peer_address

    @classmethod
    def from_socket(cls, sock: socket.socket) -> UdpSocket:
        """Take over a socket that was made elsewhere: inherited, or with options of its own.

        Args:
            sock: a UDP socket. It is empty afterwards (`detach`), and closing it does nothing.

        Raises:
            ValueError: it is no UDP socket, or closed.
            TypeError: it is no plain socket.

        Checkpoint: never.
        """
        own = take_over(sock, (socket.AF_INET, socket.AF_INET6), socket.SOCK_DGRAM, listens=None)
        try:
            peer = own.getpeername()
        except OSError:
            peer = None
        return cls(own, own.family, peer)

    @property
    def local_address(self) -> Address:
        """The address of this end.

        Raises:
            ClosedResource: the socket is closed.
        """
        address: Address = self._open_socket().getsockname()
        return address

    # ---- sending ----------------------------------------------------------------------------------------------

    async def send_to(self, data: Buffer, address: Address) -> None:
        """Send a datagram.

        Args:
            data: its bytes; none is a datagram too.
            address: ``(host, port)``, or what `receive_from` returned. A host that is a name is looked up each time,
                without a memory: who sends much to a name looks it up once, or uses `connect_udp`. An IPv4 address
                works on a socket for both families too.

        Raises:
            OSError: it is too long (EMSGSIZE), there is no way to that address, no such name (`socket.gaierror`), or
                an error of the network that a connected socket is told of; see the class. It was not sent.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task waits for room to send.
            ValueError, TypeError: `address` is no address, or `data` no bytes.

        Checkpoint: always a cancel point; it waits only for the look-up of a name, and if there is no room.
        If cancelled: it was not sent.
        """
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        if address.__class__ is not tuple or address[0] not in self._known:
            address = self._in_place(address) or await self._look_up(address)
        if self._sender is not None:
            self._refuse_busy(self._sender, "sending through")
        try:
            self._sendto(data, address)
        except BlockingIOError:
            await self._send_when_there_is_room(task, data, address)
        except OverflowError:
            raise ValueError(f"the port of address must be 0 to 65535, not {address[1]!r}") from None
        except OSError as error:
            raise self._failed(error, f"send {memoryview(data).nbytes} bytes", address) from error

    def send_to_nowait(self, data: Buffer, address: Address) -> None:
        """Send a datagram if there is room; otherwise as `send_to`.

        Args:
            data: its bytes; none is a datagram too.
            address: as for `send_to`, but no name: that would have to be looked up.

        Raises:
            WouldBlock: there is no room.
            OSError: as for `send_to`.
            ClosedResource: this side closed the socket.
            BusyResource: another task waits for room to send.
            ValueError, TypeError: `address` is no address, or `data` no bytes.

        Checkpoint: never.
        """
        if address.__class__ is not tuple or address[0] not in self._known:
            found = self._in_place(address)
            if found is None:
                raise ValueError(f"the host of address must be written out, not {address[0]!r}: send_to looks names up")
            address = found
        self._send_now(data, address)

    def _in_place(self, address: Address) -> Address | None:
        """The address as this socket takes it; None if it has to be looked up.

        The system must never be given a name: its functions would look it up, and all tasks would wait for that.
        """
        host, port = split(address)
        if self._closed:
            self._refuse_closed()
        if host in self._known:
            return address
        family = sockets.literal(host)
        if family is None or "%" in host:
            return None
        if family == self._family:
            if len(self._known) >= KNOWN_AT_MOST:
                self._known = set()
            self._known.add(host)
            return address
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, f"{self!r} is a socket for IPv4, and cannot send to {show(address)}")
        return self._mapped(host, port)

    async def _look_up(self, address: Address) -> Address:
        """The address that a name stands for: the first that this socket can send to."""
        host, port = split(address)
        found = await current_network().resolve(host, port, type=socket.SOCK_DGRAM)
        if self._closed:
            self._refuse_closed()
        for family, _, _, _, candidate in found:
            if family == self._family:
                return (*candidate[:2], *(address[2:] or candidate[2:]))
            if family == socket.AF_INET and not self._is_for_ipv6_only:
                return self._mapped(candidate[0], port)
        raise OSError(
            errno.EADDRNOTAVAIL, f"{self!r} cannot send to {host!r}, which has no address of this socket's family"
        )

    def _mapped(self, host: str, port: int) -> Address:
        """How an IPv6 socket writes an IPv4 address."""
        if self._is_for_ipv6_only:
            raise OSError(
                errno.EAFNOSUPPORT,
                f"{self!r} is a socket for IPv6 only, and cannot send to {host}:{port}; "
                "bind_udp(None, ...) makes one for both",
            )
        return f"::ffff:{host}", port

    @property
    def _is_for_ipv6_only(self) -> bool:
        return self._family == socket.AF_INET6 and bool(
            self._socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
        )

    async def connect(self, host: str, port: int) -> None:
        """Send to one address only from now on, and receive from it only. Again: to another one.

        What others sent before, and nobody has received yet, is still received.

        Args:
            host: an address, or a name.
            port: 1 to 65535.

        Raises:
            OSError: there is no way to that address, or no such name.
            ClosedResource: this side closed the socket before or meanwhile.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: always a cancel point; it waits only for the look-up of a name.
        If cancelled: it is connected as it was.
        """
        check_host(host, "host")
        check_port(port, 1)
        charge() or await toll()
        address = self._in_place((host, port)) or await self._look_up((host, port))
        number = self._socket.connect_ex(address)
        if number:
            raise OSError(number, f"cannot connect {self!r} to {show(address)}: {os.strerror(number)}")
        self.peer_address = self._socket.getpeername()

    # ---- options ----------------------------------------------------------------------------------------------

    @property
    def broadcast(self) -> bool:
        """Whether it may send to broadcast addresses, such as ``255.255.255.255``."""
        return bool(self.get_option(socket.SOL_SOCKET, socket.SO_BROADCAST))

    @broadcast.setter
    def broadcast(self, on: bool) -> None:
        self.set_option(socket.SOL_SOCKET, socket.SO_BROADCAST, int(on))

    @property
    def ttl(self) -> int:
        """How many hops a datagram may take: 1 to 255."""
        return self.get_option(*multicast.TTL[self._family])

    @ttl.setter
    def ttl(self, hops: int) -> None:
        self.set_option(*multicast.TTL[self._family], multicast.check_hops(hops, "ttl", 1))

    @property
    def multicast_ttl(self) -> int:
        """How many hops a datagram to a group may take: 0 (this host only) to 255. 1 unless set: this network only."""
        return self.get_option(*multicast.GROUP_TTL[self._family])

    @multicast_ttl.setter
    def multicast_ttl(self, hops: int) -> None:
        self.set_option(*multicast.GROUP_TTL[self._family], multicast.check_hops(hops, "multicast_ttl", 0))

    @property
    def multicast_loop(self) -> bool:
        """Whether members of a group on this host receive what this socket sends to it. On unless set."""
        return bool(self.get_option(*multicast.LOOP[self._family]))

    @multicast_loop.setter
    def multicast_loop(self, on: bool) -> None:
        self.set_option(*multicast.LOOP[self._family], int(on))

    def set_multicast_interface(self, interface: str | int) -> None:
        """Send to groups through this interface, and not through the one that the routes say.

        Args:
            interface: its number, as `socket.if_nametoindex` gives it; for IPv4 also one of its addresses.

        Raises:
            OSError: there is no such interface.
            ClosedResource: this side closed the socket.
            ValueError, TypeError: `interface` is neither.

        Checkpoint: never.
        """
        self.set_option(*multicast.interface_option(self._family, interface))

    def join(self, group: str, interface: str | int | None = None) -> None:
        """Receive what is sent to a multicast group, at the port of this socket.

        A server that shares its port with others needs `bind_udp` with ``reuse_address=True``.

        Args:
            group: its address: 224.0.0.0 to 239.255.255.255, or one that begins with ``ff``.
            interface: where to receive it: the number of an interface, as `socket.if_nametoindex` gives it; for IPv4
                also one of its addresses. None: the one that the routes say.

        Raises:
            OSError: there is no such interface, the socket is in the group already (EADDRINUSE), or in too many.
            ClosedResource: this side closed the socket.
            ValueError, TypeError: `group` is no multicast address, or `interface` no interface.

        Checkpoint: never.
        """
        self._change_membership(group, interface, joins=True)

    def leave(self, group: str, interface: str | int | None = None) -> None:
        """Receive it no longer. The arguments are those that `join` was given.

        Raises:
            OSError: the socket is not in this group (EADDRNOTAVAIL).
            ClosedResource: this side closed the socket.
            ValueError, TypeError: `group` is no multicast address, or `interface` no interface.

        Checkpoint: never.
        """
        self._change_membership(group, interface, joins=False)

    def _change_membership(self, group: str, interface: str | int | None, *, joins: bool) -> None:
        level, option, value = multicast.membership_option(group, interface, joins=joins)
        try:
            self.set_option(level, option, value)
        except OSError as error:
            verb = "join" if joins else "leave"
            at = "" if interface is None else f" at interface {interface}"
            raise OSError(error.errno, f"{self!r} cannot {verb} {group}{at}: {error.strerror}") from error

    # ---- for people -------------------------------------------------------------------------------------------

    def _explain(self, error: OSError) -> str:
        if error.errno == errno.ECONNREFUSED:
            return f"{error.strerror}; nobody was at that address for a datagram sent before; the socket is still good"
        if error.errno == errno.EACCES:
            return f"{error.strerror}; to a broadcast address only with broadcast=True"
        return super()._explain(error)

    def _peer(self) -> Address | None:
        return self.peer_address

    def _show(self, address: Any) -> str:
        return show(address)

    def __repr__(self) -> str:
        if self._closed:
            return "<UdpSocket, closed>"
        peer = "" if self.peer_address is None else f" to {show(self.peer_address)}"
        return f"<UdpSocket at {show(self._socket.getsockname())}{peer}>"


def split(address: Address) -> tuple[str, int]:
    """Host and port of an address that somebody gave; an error that names it unless it is one."""
    if not isinstance(address, Sequence) or isinstance(address, str) or not 2 <= len(address) <= 4:
        raise TypeError(f"address must be (host, port), not {address!r}")
    host, port = address[:2]
    check_host(host, "the host of address")
    check_port(port, 0, "the port of address")
    return host, port
