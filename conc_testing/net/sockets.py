"""A socket of the simulation: what `conc.net` asks of one, with the meanings and errors of the real one."""

from __future__ import annotations

import errno
import socket
import struct
from functools import partial
from typing import Any, ClassVar, Final

from conc.io.stream import Buffer
from conc_testing.net.addresses import LOOPBACK, WILDCARD, Endpoint, NotSimulated, endpoint_of, system_error
from conc_testing.net.connection import OPEN, SYN_SENT, Connection
from conc_testing.net.descriptors import HUP, READ, WRITE, Books, Option, SimDescriptor
from conc_testing.net.hosts import Process
from conc_testing.net.listening import Listener
from conc_testing.net.ports import Binding
from conc_testing.sim.choices import fault

REUSE: Final = (socket.SOL_SOCKET, socket.SO_REUSEADDR)
LINGER: Final = (socket.SOL_SOCKET, socket.SO_LINGER)
NO_DELAY: Final = (socket.IPPROTO_TCP, socket.TCP_NODELAY)
ONLY_V6: Final = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


class SimSocket(SimDescriptor):
    """A TCP socket of one process: fresh, or one that listens, or one end of a connection.

    It does what Linux does. Writes go out at once, with or without TCP_NODELAY.

    Attributes:
        connection: the end of a connection; None while there is none.

    Invariant: at most one of `_listener` and `connection` is there; with either there is a binding, until it is closed.
    """

    known_options: ClassVar[frozenset[Option]] = frozenset((REUSE, LINGER, NO_DELAY, ONLY_V6))

    def __init__(self, network: Books, process: Process, family: int, fd: int) -> None:
        super().__init__(network, process, family, fd)
        self.connection: Connection | None = None
        self._binding: Binding | None = None
        self._listener: Listener | None = None
        self._told_of_connection = False

    # ---- the interface of a socket ----------------------------------------------------------------------------

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option. Raises NotSimulated if it has no model."""
        if (level, option) == LINGER and isinstance(value, bytes):
            value = _lingers(value)
        super().setsockopt(level, option, value)

    def getsockname(self) -> Any:
        """The address of this end."""
        self._check_open()
        return self.local.sockaddr

    def getpeername(self) -> Any:
        """The address of the other end. Raises OSError while there is none."""
        self._check_open()
        if self.connection is None or self.connection.phase != OPEN:
            raise system_error(errno.ENOTCONN)
        return self.connection.remote.sockaddr

    def bind(self, address: Any, /) -> None:
        """Take an address; port 0 stands for a free one."""
        self._check_open()
        endpoint = endpoint_of(self.family, address)
        if self._binding is not None:
            raise system_error(errno.EINVAL)
        if not (endpoint.is_wildcard or self.process.host.owns(endpoint)):
            raise system_error(errno.EADDRNOTAVAIL)
        self._bind(endpoint)

    def listen(self, backlog: int, /) -> None:
        """Let connections come."""
        self._check_open()
        if self._listener is not None:
            self._listener.backlog = backlog
            return
        if self.connection is not None:
            raise system_error(errno.EINVAL)
        if self._binding is None:
            self._bind(Endpoint(WILDCARD[self.family], 0))
        if self.local.is_wildcard and self.family == socket.AF_INET6 and not self._options.get(ONLY_V6):
            raise NotSimulated("listening on :: for IPv4 as well is not simulated: set IPV6_V6ONLY")
        assert self._binding is not None
        listener = Listener(self, backlog)
        self.process.host.stack.listen(listener, self._binding)
        self._listener = listener

    def accept(self) -> tuple[SimSocket, Any]:
        """The next connection, and the address of its other end. Raises BlockingIOError if there is none."""
        self._check_open()
        if self._listener is None:
            raise system_error(errno.EINVAL)
        if not self._listener:
            raise system_error(errno.EAGAIN)
        if fault("fault.net.accept"):
            raise system_error(errno.EMFILE)
        connection = self._listener.take()
        sock = self._network.enter(partial(SimSocket, self._network, self.process, self.family))
        sock._options = dict(self._options)
        sock.connection = connection
        sock._told_of_connection = True
        connection.owner = sock
        return sock, connection.remote.sockaddr

    def connect_ex(self, address: Any, /) -> int:
        """Begin to connect: an error number, EINPROGRESS if all goes well."""
        if self._fd == -1:
            return errno.EBADF
        dest = endpoint_of(self.family, address)
        if self._listener is not None:
            return errno.EISCONN
        if self.connection is not None:
            return self._connect_again(self.connection)
        host = self.process.host
        if dest.is_wildcard:
            dest = Endpoint(LOOPBACK[self.family], dest.port)
        if not host.owns(dest) and not self._network.has_address(dest.address):
            return errno.EHOSTUNREACH
        if fault("fault.net.connect"):
            return errno.ECONNREFUSED
        try:
            local = self._source_for(dest)
        except OSError as error:
            return error.errno or errno.EADDRNOTAVAIL
        assert self._binding is not None
        if local.is_loopback and not host.owns(dest):
            return errno.EINVAL
        if host.stack.knows(local, dest):
            return errno.EADDRNOTAVAIL
        self.connection = host.stack.open(local, dest, self._binding)
        self.connection.owner = self
        self.connection.connect()
        return errno.EINPROGRESS

    def recv(self, max_bytes: int, /) -> bytes:
        """Some bytes; ``b""`` at the end. Raises BlockingIOError if there are none."""
        connection = self._connected(errno.ENOTCONN)
        if connection.unread and fault("fault.net.read"):
            connection.break_down()
        return connection.read(max_bytes)

    def recv_into(self, buffer: memoryview, /) -> int:
        """Put some bytes into a buffer; how many, 0 at the end. Raises BlockingIOError if there are none."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: Buffer, /) -> int:
        """Write some bytes; how many. Raises BlockingIOError if there is no room."""
        connection = self._connected(errno.EPIPE)
        if connection.phase == OPEN and fault("fault.net.write"):
            connection.break_down()
        return connection.write(bytes(data))

    def sendmsg(self, buffers: list[memoryview], /) -> int:
        """Write some bytes of several buffers; how many."""
        return self.send(b"".join(buffers))

    def shutdown(self, how: int, /) -> None:
        """Close the writing direction."""
        self._check_open()
        if how != socket.SHUT_WR:
            raise NotSimulated("shutdown is simulated for SHUT_WR only; to end reading close the socket")
        self._connected(errno.ENOTCONN).close_write()

    # ---- for the network --------------------------------------------------------------------------------------

    @property
    def local(self) -> Endpoint:
        """Its own address."""
        if self.connection is not None:
            return self.connection.local
        return Endpoint(WILDCARD[self.family], 0) if self._binding is None else self._binding.endpoint

    @property
    def state(self) -> str:
        """As netstat calls it."""
        if self.connection is not None:
            return self.connection.state
        return "CLOSED" if self._listener is None else "LISTEN"

    @property
    def remote(self) -> Endpoint | None:
        """The address of the other end."""
        return None if self.connection is None else self.connection.remote

    def take_failure(self) -> int:
        """The error that nobody has been told, which is told by that; 0 if there is none."""
        return 0 if self.connection is None else self.connection.take_failure()

    def flags(self) -> int:
        """What it is ready for, as a poller says it."""
        if self._listener is not None:
            return READ if self._listener else 0
        if self.connection is None:
            return READ | WRITE | HUP
        flags = READ if self.connection.readable else 0
        flags |= WRITE if self.connection.writable else 0
        return flags | (HUP if self.connection.hung_up else 0)

    # ---- behind the interface ---------------------------------------------------------------------------------

    def _bind(self, endpoint: Endpoint) -> None:
        self._binding = self.process.host.stack.ports.bind(endpoint, bool(self._options.get(REUSE)))

    def _source_for(self, dest: Endpoint) -> Endpoint:
        """The address that a connection to `dest` comes from; bound if it was not."""
        address = self.process.host.source_for(dest)
        if self._binding is None:
            self._bind(Endpoint(address, 0))
            assert self._binding is not None
        local = self._binding.endpoint
        return local._replace(address=address) if local.is_wildcard else local

    def _connect_again(self, connection: Connection) -> int:
        """How connecting has ended, for who asks for it by a second call."""
        if connection.phase == SYN_SENT:
            return errno.EALREADY
        if connection.phase != OPEN:
            return connection.take_failure() or errno.ECONNABORTED
        told, self._told_of_connection = self._told_of_connection, True
        return errno.EISCONN if told else 0

    def _connected(self, otherwise: int) -> Connection:
        self._check_open()
        if self.connection is None:
            raise system_error(otherwise)
        return self.connection

    def _let_go(self) -> None:
        """What was written is still delivered, unless bytes have come that nobody read."""
        stack = self.process.host.stack
        if self._listener is not None:
            assert self._binding is not None
            stack.stop_listening(self._binding)
            self._listener.close()
        elif self.connection is not None:
            self.connection.close(abort=bool(self._options.get(LINGER)))
        elif self._binding is not None:
            stack.ports.release(self._binding)


def _lingers(value: bytes) -> int:
    """What SO_LINGER says: whether closing resets."""
    on, seconds = struct.unpack("ii", value)
    if on and seconds:
        raise NotSimulated("SO_LINGER is simulated for no time only, which resets")
    return bool(on)
