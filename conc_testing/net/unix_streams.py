"""A Unix socket for streams, of the simulation, with the meanings and errors of the real one."""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from conc.io.stream import Buffer
from conc_testing.net.addresses import NotSimulated, system_error
from conc_testing.net.descriptors import (
    BUFFER,
    HUP,
    READ,
    RECEIVE_BUFFER,
    SEND_BUFFER,
    WRITE,
    Books,
    Option,
    SimDescriptor,
)
from conc_testing.net.hosts import Process
from conc_testing.net.unix_ends import UnixEnd, connected_ends
from conc_testing.net.unix_names import written
from conc_testing.sim.choices import fault


class SimUnixSocket(SimDescriptor):
    """A Unix socket for streams: fresh, or one that listens, or one end of a connection.

    Attributes:
        name: where it is bound to; ``""`` if it is not.

    Invariant: at most one of `_queue` and `_end` is not None; a socket that listens has a name.
    """

    known_options: ClassVar[frozenset[Option]] = frozenset((SEND_BUFFER, RECEIVE_BUFFER))

    def __init__(self, network: Books, process: Process, fd: int, end: UnixEnd | None = None) -> None:
        super().__init__(network, process, socket.AF_UNIX, fd)
        self.name = "" if end is None else end.name
        self._end = end
        self._queue: deque[UnixEnd] | None = None
        self._backlog = 0
        if end is not None:
            end.owner = self

    # ---- the interface of a socket ----------------------------------------------------------------------------

    def setsockopt(self, level: int, option: int, value: int | bytes, /) -> None:
        """Set an option. Raises NotSimulated if it has no model."""
        super().setsockopt(level, option, value)
        if self._end is not None:
            self._end.capacity = self._option(SEND_BUFFER, BUFFER)

    def getsockname(self) -> Any:
        """The name of this end."""
        self._check_open()
        return written(self.name)

    def getpeername(self) -> Any:
        """The name of the other end. Raises OSError while there is none."""
        return written(self._connected(errno.ENOTCONN).other.name)

    def bind(self, address: Any, /) -> None:
        """Take a name."""
        self._check_open()
        if self.name:
            if address == "":
                return
            raise system_error(errno.EINVAL)
        self.name = self.process.host.unix.bind(self, address)
        if self._end is not None:
            self._end.name = self.name

    def listen(self, backlog: int, /) -> None:
        """Let connections come."""
        self._check_open()
        if not self.name or self._end is not None:
            raise system_error(errno.EINVAL)
        self._backlog = backlog
        if self._queue is None:
            self._queue = deque()

    def accept(self) -> tuple[SimUnixSocket, Any]:
        """The next connection, and the name of its other end. Raises BlockingIOError if there is none."""
        self._check_open()
        if self._queue is None:
            raise system_error(errno.EINVAL)
        if not self._queue:
            raise system_error(errno.EAGAIN)
        if fault("fault.net.accept"):
            raise system_error(errno.EMFILE)
        end = self._queue.popleft()
        sock = self._network.enter(lambda fd: SimUnixSocket(self._network, self.process, fd, end))
        return sock, written(end.other.name)

    def connect_ex(self, address: Any, /) -> int:
        """Connect: 0, or an error number; EAGAIN if the queue of the other side is full."""
        if self._fd == -1:
            return errno.EBADF
        if self._queue is not None:
            return errno.EINVAL
        try:
            listener = self.process.host.unix.find(address)
        except OSError as error:
            return error.errno or errno.EINVAL
        if not isinstance(listener, SimUnixSocket):
            return errno.EPROTOTYPE
        if self._end is not None:
            return errno.EISCONN
        if listener._queue is None or fault("fault.net.connect"):
            return errno.ECONNREFUSED
        if len(listener._queue) > listener._backlog:
            return errno.EAGAIN
        self._end, other = connected_ends(self.name, listener.name)
        self._end.owner = self
        self._end.capacity = self._option(SEND_BUFFER, BUFFER)
        listener._queue.append(other)
        listener.edge()
        return 0

    def recv(self, max_bytes: int, flags: int = 0, /) -> bytes:
        """Some bytes; ``b""`` at the end. Raises BlockingIOError if there are none."""
        if flags & ~socket.MSG_PEEK:
            raise NotSimulated(f"these flags of recv are not simulated: {flags:#x}")
        end = self._connected(errno.EINVAL)
        if end.unread and fault("fault.net.read"):
            end.break_down()
        return end.read(max_bytes, peek=bool(flags & socket.MSG_PEEK))

    def recv_into(self, buffer: memoryview, /) -> int:
        """Put some bytes into a buffer; how many, 0 at the end. Raises BlockingIOError if there are none."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def send(self, data: Buffer, /) -> int:
        """Write some bytes; how many. Raises BlockingIOError if there is no room."""
        end = self._connected(errno.ENOTCONN)
        if fault("fault.net.write"):
            end.break_down()
        return end.write(bytes(data))

    def sendmsg(self, buffers: Sequence[memoryview], ancillary: Sequence[Any] = (), /) -> int:
        """Write some bytes of several buffers; how many."""
        if ancillary:
            raise NotSimulated("passing descriptors is not simulated")
        return self.send(b"".join(buffers))

    def shutdown(self, how: int, /) -> None:
        """Close the writing direction."""
        if how != socket.SHUT_WR:
            raise NotSimulated("shutdown is simulated for SHUT_WR only; to end reading close the socket")
        self._check_open()
        if self._end is not None:  # without a connection the system has nothing against it
            self._end.end()

    # ---- for the network --------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """As netstat calls it."""
        return "LISTEN" if self._queue is not None else "CLOSED" if self._end is None else "CONNECTED"

    @property
    def local(self) -> str:
        """Its own name."""
        return shown(self.name)

    @property
    def remote(self) -> str | None:
        """The name of the other end."""
        return None if self._end is None else shown(self._end.other.name)

    def take_failure(self) -> int:
        """The error that nobody has been told, which is told by that; 0 if there is none."""
        return 0 if self._end is None else self._end.take_failure()

    def flags(self) -> int:
        """What it is ready for, as a poller says it."""
        if self._queue is not None:
            return READ if self._queue else 0
        return READ | WRITE | HUP if self._end is None else self._end.flags()

    # ---- behind the interface ---------------------------------------------------------------------------------

    def _connected(self, otherwise: int) -> UnixEnd:
        self._check_open()
        if self._end is None:
            raise system_error(otherwise)
        return self._end

    def _let_go(self) -> None:
        self.process.host.unix.release(self)
        for end in self._queue or ():
            end.reset_other()
            end.close()
        if self._end is not None:
            self._end.close()


def connected_sockets(network: Books, process: Process) -> tuple[SimUnixSocket, SimUnixSocket]:
    """Two sockets that are connected with each other."""
    one, other = (network.enter(partial(_with_end, network, process, end)) for end in connected_ends())
    return one, other


def _with_end(network: Books, process: Process, end: UnixEnd, fd: int) -> SimUnixSocket:
    return SimUnixSocket(network, process, fd, end)


def shown(name: str) -> str:
    """A name for people."""
    return name.replace("\0", "@") or "(no name)"
