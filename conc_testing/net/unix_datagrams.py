"""A Unix socket for datagrams, of the simulation, with the meanings and errors of the real one."""

from __future__ import annotations

import errno
import socket
import struct
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple

from conc.io.stream import Buffer
from conc_testing.net.addresses import NotSimulated, system_error
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
from conc_testing.net.unix_names import written
from conc_testing.net.unix_streams import shown

QUEUE_AT_MOST: Final = 10  # net.unix.max_dgram_qlen
MEMINFO: Final[Option] = (socket.SOL_SOCKET, 55)  # SO_MEMINFO
MEMINFO_NUMBERS: Final = 9


class Letter(NamedTuple):
    """A datagram in a queue."""

    data: bytes
    sender: SimUnixDatagramSocket

    @property
    def cost(self) -> int:
        """How much of the buffer of its sender it takes."""
        return len(self.data) + OVERHEAD


class SimUnixDatagramSocket(SimDescriptor):
    """A Unix socket for datagrams.

    Attributes:
        name: where it is bound to; ``""`` if it is not.

    Invariant: `_pending` is what the datagrams cost that it has sent and nobody has received; `_callers` are those that
    are connected to it.
    """

    known_options: ClassVar[frozenset[Option]] = frozenset((SEND_BUFFER, RECEIVE_BUFFER))

    def __init__(self, network: Books, process: Process, fd: int) -> None:
        super().__init__(network, process, socket.AF_UNIX, fd)
        self.name = ""
        self._peer: SimUnixDatagramSocket | None = None
        self._callers: dict[SimUnixDatagramSocket, None] = {}
        self._queue: deque[Letter] = deque()
        self._pending = 0

    # ---- the interface of a socket ----------------------------------------------------------------------------

    def getsockopt(self, level: int, option: int, size: int = 0, /) -> Any:
        """Ask for an option; also for SO_MEMINFO, which tells what its datagrams take."""
        if (level, option) == MEMINFO:
            self._check_open()
            numbers = [0] * MEMINFO_NUMBERS
            numbers[2], numbers[3] = self._pending, self._capacity
            return struct.pack(f"={MEMINFO_NUMBERS}I", *numbers)[:size]
        return super().getsockopt(level, option, size)

    def getsockname(self) -> Any:
        """The name of this end."""
        self._check_open()
        return written(self.name)

    def getpeername(self) -> Any:
        """The name of the other end. Raises OSError if it is not connected."""
        self._check_open()
        if self._peer is None:
            raise system_error(errno.ENOTCONN)
        return written(self._peer.name)

    def bind(self, address: Any, /) -> None:
        """Take a name."""
        self._check_open()
        if self.name:
            if address == "":
                return
            raise system_error(errno.EINVAL)
        self.name = self.process.host.unix.bind(self, address)

    def connect_ex(self, address: Any, /) -> int:
        """Send to one address only, and receive from no other: 0, or an error number."""
        if self._fd == -1:
            return errno.EBADF
        try:
            self._connect(self._find(address))
        except OSError as error:
            return error.errno or errno.EINVAL
        return 0

    def recvfrom(self, max_bytes: int, flags: int = 0, /) -> tuple[bytes, Any]:
        """A datagram, cut to `max_bytes`, and its sender, None if that has no name."""
        self._check_open()
        if flags & ~socket.MSG_PEEK:
            raise NotSimulated(f"these flags of recvfrom are not simulated: {flags:#x}")
        self._tell_failure()
        if not self._queue:
            raise system_error(errno.EAGAIN)
        letter = self._queue[0]
        if not flags & socket.MSG_PEEK:
            self._queue.popleft()
            letter.sender._was_received(letter)
            self._has_room()
        return letter.data[:max_bytes], written(letter.sender.name) or None

    def recv(self, max_bytes: int, flags: int = 0, /) -> bytes:
        """As `recvfrom`, without the sender."""
        return self.recvfrom(max_bytes, flags)[0]

    def recv_into(self, buffer: memoryview, /) -> int:
        """As `recv`, into a buffer."""
        data = self.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def sendto(self, data: Buffer, address: Any, /) -> int:
        """Send a datagram. Raises BlockingIOError if there is no room."""
        self._check_open()
        data = self._checked(data)
        return self._deliver(data, self._find(address))

    def send(self, data: Buffer, /) -> int:
        """Send a datagram to where the socket is connected. Raises BlockingIOError if there is no room."""
        self._check_open()
        peer = self._peer
        if peer is None:
            raise system_error(errno.ENOTCONN)
        data = self._checked(data)
        if peer._fd == -1:
            self._disconnect()
            raise system_error(errno.ECONNREFUSED)
        return self._deliver(data, self._admitted(peer))

    def sendmsg(self, buffers: Sequence[memoryview], ancillary: Sequence[Any] = (), /) -> int:
        """Send one datagram of several buffers."""
        if ancillary:
            raise NotSimulated("passing descriptors is not simulated")
        return self.send(b"".join(buffers))

    def listen(self, backlog: int, /) -> None:
        """There are no connections."""
        self._check_open()
        raise system_error(errno.EOPNOTSUPP)

    def accept(self) -> tuple[SimDescriptor, Any]:
        """There are no connections."""
        self._check_open()
        raise system_error(errno.EOPNOTSUPP)

    # ---- for the network --------------------------------------------------------------------------------------

    @property
    def state(self) -> str:
        """As netstat calls it."""
        return "UNCONNECTED" if self._peer is None else "CONNECTED"

    @property
    def local(self) -> str:
        """Its own name."""
        return shown(self.name)

    @property
    def remote(self) -> str | None:
        """The name of the other end."""
        return None if self._peer is None else shown(self._peer.name)

    def flags(self) -> int:
        """What it is ready for, as a poller says it."""
        peer = self._peer
        flags = READ if self._queue or self._failure else 0
        if self._pending * 4 <= self._capacity and not (peer is not None and peer._is_full_for(self)):
            flags |= WRITE
        return flags | (HUP if self._failure else 0)

    # ---- behind the interface ---------------------------------------------------------------------------------

    @property
    def _capacity(self) -> int:
        return self._option(SEND_BUFFER, BUFFER)

    def _checked(self, data: Buffer) -> bytes:
        """What is to be sent. Raises OSError if it is too long, or the own buffer is full."""
        checked = bytes(memoryview(data))
        if len(checked) > self._capacity - 32:
            raise system_error(errno.EMSGSIZE)
        if self._pending >= self._capacity:
            raise system_error(errno.EAGAIN)
        return checked

    def _find(self, address: Any) -> SimUnixDatagramSocket:
        """Whom an address belongs to, if this socket may send there."""
        found = self.process.host.unix.find(address)
        if not isinstance(found, SimUnixDatagramSocket):
            raise system_error(errno.EPROTOTYPE)
        return self._admitted(found)

    def _admitted(self, receiver: SimUnixDatagramSocket) -> SimUnixDatagramSocket:
        """`receiver`, if it is not connected to another socket."""
        if receiver._peer not in (None, self):
            raise system_error(errno.EPERM)
        return receiver

    def _is_full_for(self, sender: SimUnixDatagramSocket) -> bool:
        """Whether its queue has no room; for the one that it is connected to it always has."""
        return len(self._queue) > QUEUE_AT_MOST and self._peer is not sender

    def _deliver(self, data: bytes, receiver: SimUnixDatagramSocket) -> int:
        if receiver._is_full_for(self):
            raise system_error(errno.EAGAIN)
        letter = Letter(data, self)
        self._pending += letter.cost
        receiver._queue.append(letter)
        receiver.edge()
        return len(data)

    def _was_received(self, letter: Letter) -> None:
        """Or dropped."""
        self._pending -= letter.cost
        self.edge()

    def _has_room(self) -> None:
        """Who is connected to this socket may send again."""
        for caller in self._callers:
            caller.edge()

    def _connect(self, peer: SimUnixDatagramSocket) -> None:
        if self._peer is not peer:
            self._disconnect()
            self._peer = peer
            peer._callers[self] = None

    def _disconnect(self) -> None:
        """Leave the other side. What came from it and was not received is dropped."""
        peer, self._peer = self._peer, None
        if peer is None:
            return
        peer._callers.pop(self, None)
        if self._queue:
            self._drop_queue()
            if peer._fd != -1 and peer._peer is self:
                peer._failure = errno.ECONNRESET
                peer.edge()

    def _drop_queue(self) -> None:
        while self._queue:
            letter = self._queue.popleft()
            letter.sender._was_received(letter)
        self._has_room()

    def _let_go(self) -> None:
        self.process.host.unix.release(self)
        self._drop_queue()
        if self._peer is not None:
            self._peer._callers.pop(self, None)
            self._peer = None


def connected_sockets(network: Books, process: Process) -> tuple[SimUnixDatagramSocket, SimUnixDatagramSocket]:
    """Two sockets that are connected with each other."""
    make = partial(SimUnixDatagramSocket, network, process)
    one, other = network.enter(make), network.enter(make)
    one._connect(other)
    other._connect(one)
    return one, other
