"""A network in memory: sockets that behave as TCP does on loopback, and a poller that reports their edges.

What it knows: connecting (also to nobody, to a full queue, to who never answers), accepting, reading, writing into a
pipe of limited capacity, half-closing, closing, resets, and names. One thread, one worker. The tests that run on it run
on real sockets as well, so it cannot drift away from them.
"""

from __future__ import annotations

import errno
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from conc._os.choose import default_poller
from conc._os.poller import HUP, READ, WRITE, Events
from conc.io.stream import Buffer
from conc.net.network import Address, AddressInfo

FIRST_FD = 1_000_000  # no descriptor of the system gets there
FIRST_FREE_PORT = 49_152


def error(number: int) -> OSError:
    """As the system raises it."""
    return OSError(number, os.strerror(number))


class FakeNetwork:
    """Hosts, and the sockets that are open on them.

    Args:
        names: the addresses of each host that has a name.
        silent: addresses that never answer.
        capacity: how many bytes a connection takes in one direction before somebody reads them.
        no_ipv6: whether there are no sockets of that family.

    Attributes:
        opened: all sockets that were ever made.
    """

    def __init__(
        self,
        names: Mapping[str, list[str]] | None = None,
        *,
        silent: tuple[str, ...] = (),
        capacity: int = 65_536,
        no_ipv6: bool = False,
    ) -> None:
        self.names = dict(names or {})
        self.silent = silent
        self.capacity = capacity
        self.no_ipv6 = no_ipv6
        self.opened: list[FakeSocket] = []
        self.listening: dict[Address, FakeSocket] = {}
        self.poller: FakePoller | None = None
        self._fds = count(FIRST_FD)
        self._ports = count(FIRST_FREE_PORT)

    def make_poller(self) -> FakePoller:
        """The poller of the one worker."""
        self.poller = FakePoller(self)
        return self.poller

    def socket(self, family: int, type: int, proto: int = 0) -> FakeSocket:
        """A new socket."""
        if family == socket.AF_INET6 and self.no_ipv6:
            raise error(errno.EAFNOSUPPORT)
        return self.new(family)

    def new(self, family: int) -> FakeSocket:
        """A new socket of a family that is there."""
        sock = FakeSocket(self, family, next(self._fds))
        self.opened.append(sock)
        return sock

    async def resolve(
        self, host: str | None, port: int, *, family: int = 0, type: int = 0, flags: int = 0
    ) -> list[AddressInfo]:
        """Addresses as they are written, and the names."""
        if host is None:
            hosts = ["0.0.0.0", "::"]
        elif host in self.names:
            hosts = self.names[host]
        elif ":" in host or host.replace(".", "").isdigit():
            hosts = [host]
        else:
            raise socket.gaierror(socket.EAI_NONAME, f"host {host!r} has no address")
        return [
            (socket.AF_INET6, type, 0, "", (host, port, 0, 0))
            if ":" in host
            else (socket.AF_INET, type, 0, "", (host, port))
            for host in hosts
        ]

    def free_port(self) -> int:
        """A port that nobody uses."""
        return next(self._ports)

    def left_open(self) -> list[FakeSocket]:
        """The sockets that nobody has closed."""
        return [sock for sock in self.opened if sock.fileno() != -1]


class FakePoller:
    """Reports the edges of fake sockets, and leaves the other descriptors to the poller of the system."""

    def __init__(self, network: FakeNetwork) -> None:
        self._network = network
        self._real = default_poller()
        self._watched: dict[int, FakeSocket] = {}
        self._edges: dict[int, None] = {}

    @property
    def arm(self) -> Callable[[int, int], None] | None:
        """Edge-triggered."""
        return None

    def register(self, fd: int) -> None:
        """Watch a descriptor, and report what is ready now."""
        if fd < FIRST_FD:
            self._real.register(fd)
            return
        if fd in self._watched:
            raise FileExistsError(errno.EEXIST, "registered already")
        for sock in self._network.opened:
            if sock.fileno() == fd:
                self._watched[fd] = sock
                self._edges[fd] = None
                return
        raise error(errno.EBADF)

    def unregister(self, fd: int) -> None:
        """Watch it no longer."""
        if fd < FIRST_FD:
            self._real.unregister(fd)
        else:
            self._watched.pop(fd, None)
            self._edges.pop(fd, None)

    def edge(self, sock: FakeSocket) -> None:
        """Something has come to be ready."""
        if self._watched.get(sock.fileno()) is sock:
            self._edges[sock.fileno()] = None

    def poll(self, timeout: float | None) -> Events:
        """The edges since the last time. Only the descriptors of the system are worth waiting for."""
        fake = [(fd, self._watched[fd].flags()) for fd in self._edges]
        self._edges.clear()
        events = [event for event in fake if event[1]]
        return events + self._real.poll(0 if events else timeout)

    def close(self) -> None:
        """Give the poller of the system back."""
        self._real.close()


class FakeSocket:
    """One end of a connection, or one that listens, or neither yet."""

    def __init__(self, network: FakeNetwork, family: int, fd: int) -> None:
        self.network = network
        self.family = family
        self.options: dict[tuple[int, int], int] = {}
        self.name: Address = ("0.0.0.0", 0)
        self.peer: FakeSocket | None = None  # the other end, once connected
        self.peer_name: Address | None = None
        self.arrived = bytearray()
        self.end_arrived = False
        self.failure = 0  # told once, by the next call
        self.broken = False
        self.write_closed = False
        self.was_full = False
        self.backlog: int | None = None  # of one that listens
        self.queue: deque[FakeSocket] = deque()
        self.kept_out: deque[FakeSocket] = deque()
        self._fd = fd

    # ---- what the poller asks ---------------------------------------------------------------------------------

    def flags(self) -> int:
        """What this socket is ready for."""
        if self.backlog is not None:
            return READ if self.queue else 0
        if self.broken:
            return READ | WRITE | HUP
        if self.peer is None:
            return 0
        flags = READ if self.arrived or self.end_arrived else 0
        flags |= HUP if self.end_arrived else 0
        return flags | (WRITE if self.room() else 0)

    def room(self) -> int:
        """How many bytes may be written now."""
        return self.network.capacity - len(self.peer.arrived) if self.peer is not None else 0

    def edge(self) -> None:
        """Tell the poller."""
        if self.network.poller is not None:
            self.network.poller.edge(self)

    # ---- the interface of a socket ----------------------------------------------------------------------------

    def fileno(self) -> int:
        return self._fd

    def setsockopt(self, level: int, option: int, value: int) -> None:
        self._check_open()
        self.options[level, option] = value

    def getsockopt(self, level: int, option: int) -> int:
        self._check_open()
        if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR):
            failure, self.failure = self.failure, 0
            return failure
        return self.options.get((level, option), 0)

    def getsockname(self) -> Address:
        self._check_open()
        return self.name

    def getpeername(self) -> Address:
        self._check_open()
        if self.peer_name is None or self.broken:
            raise error(errno.ENOTCONN)
        return self.peer_name

    def bind(self, address: Address) -> None:
        self._check_open()
        self.name = (address[0], address[1] or self.network.free_port(), *address[2:])
        if self.name in self.network.listening:
            raise error(errno.EADDRINUSE)

    def listen(self, backlog: int) -> None:
        self._check_open()
        self.backlog = backlog
        self.network.listening[self.name] = self

    def connect_ex(self, address: Address) -> int:
        self._check_open()
        if not self.name[1]:
            self.bind((address[0], 0, *address[2:]))
        wildcard = "::" if self.family == socket.AF_INET6 else "0.0.0.0"
        listener = self.network.listening.get(address) or self.network.listening.get((wildcard, *address[1:]))
        self.peer_name = address
        if address[0] in self.network.silent:
            pass
        elif listener is None:
            self._break(errno.ECONNREFUSED)
        elif len(listener.queue) < (listener.backlog or 0):
            listener._let_in(self)
        else:
            listener.kept_out.append(self)
        return errno.EINPROGRESS

    def accept(self) -> tuple[FakeSocket, Address]:
        self._check_open()
        if not self.queue:
            raise error(errno.EAGAIN)
        sock = self.queue.popleft()
        while self.kept_out:
            late = self.kept_out.popleft()
            if late.fileno() != -1:
                self._let_in(late)
                break
        assert sock.peer_name is not None
        return sock, sock.peer_name

    def recv(self, max_bytes: int) -> bytes:
        self._check_open()
        if self.arrived:
            data = bytes(self.arrived[:max_bytes])
            del self.arrived[:max_bytes]
            writer = self.peer
            if writer is not None and writer.was_full:
                writer.was_full = False
                writer.edge()
            return data
        self._raise_failure()
        if self.end_arrived or self.broken:
            return b""
        raise error(errno.EAGAIN if self.peer is not None else errno.ENOTCONN)

    def send(self, data: Buffer) -> int:
        return self.sendmsg([memoryview(data)])

    def sendmsg(self, buffers: list[memoryview]) -> int:
        self._check_open()
        self._raise_failure()
        if self.broken or self.write_closed:
            raise error(errno.EPIPE)
        if self.peer is None:
            raise error(errno.ENOTCONN)
        data = b"".join(buffers)
        if not data:
            return 0
        if self.peer.fileno() == -1:
            self._break(errno.ECONNRESET)  # nobody is there any more, and says so
            return len(data)
        sent = data[: self.room()]
        self.was_full = len(sent) < len(data)
        if not sent:
            raise error(errno.EAGAIN)
        self.peer.arrived += sent
        self.peer.edge()
        return len(sent)

    def shutdown(self, how: int) -> None:
        self._check_open()
        assert how == socket.SHUT_WR, "only this direction is closed alone"
        if self.peer is None or self.broken:
            raise error(errno.ENOTCONN)
        self.write_closed = True
        self.peer.end_arrived = True
        self.peer.edge()

    def close(self) -> None:
        if self._fd == -1:
            return
        unread = bool(self.arrived)
        self._fd = -1
        if self.backlog is not None:
            self.network.listening.pop(self.name, None)
            for waiting in self.queue:
                waiting.reset()
            for outside in self.kept_out:
                outside._break(errno.ECONNREFUSED)
        elif unread or (self.options.get((socket.SOL_SOCKET, socket.SO_LINGER)) and not self.broken):
            self._reset_peer()
        elif self.peer is not None and not self.write_closed:
            self.peer.end_arrived = True
            self.peer.edge()

    # ---- behind the interface ---------------------------------------------------------------------------------

    def reset(self) -> None:
        """Close with a reset."""
        self._fd = -1
        self._reset_peer()

    def _reset_peer(self) -> None:
        if self.peer is not None and self.peer.fileno() != -1:
            self.peer._break(errno.ECONNRESET)

    def _break(self, number: int) -> None:
        self.broken = True
        self.failure = number
        self.edge()

    def _let_in(self, client: FakeSocket) -> None:
        """Complete a connection, and put its other end into the queue."""
        server = self.network.new(self.family)
        server.options = dict(self.options)
        server.name, server.peer_name = client.peer_name or self.name, client.name
        server.peer, client.peer = client, server
        self.queue.append(server)
        self.edge()
        client.edge()

    def _check_open(self) -> None:
        if self._fd == -1:
            raise error(errno.EBADF)

    def _raise_failure(self) -> None:
        if self.failure:
            failure, self.failure = self.failure, 0
            raise error(failure)

    def __repr__(self) -> str:
        return f"<FakeSocket {self._fd} at {self.name}, {dict.__repr__({'peer': self.peer_name})[1:-1]}>"


def state(sock: Any) -> FakeSocket:
    """The fake socket under a stream or listener of conc, for a test that wants to pull strings."""
    found = sock._socket
    assert isinstance(found, FakeSocket)
    return found
