"""Datagrams between the processes of one machine: Unix sockets, which lose nothing."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from conc._kernel.current import charge, slot
from conc._kernel.suspend import toll
from conc._os import unix_sockets
from conc._os.inherited import take_over
from conc._os.unix_sockets import FDS_AT_MOST
from conc.errors import BrokenResource, ConcError, LimitExceeded
from conc.io.descriptor_stream import SYSTEM_CALL
from conc.io.pollable import Pollable
from conc.io.stream import Buffer
from conc.net.addresses import path_of, show
from conc.net.datagrams import LONGEST, DatagramSocket
from conc.net.network import Socket, current_network
from conc.net.unix_paths import SocketFile, UnixPath, check_path
from conc.sync.semaphore import check_count

if TYPE_CHECKING:
    from collections.abc import Callable

    from conc._kernel.task import Task

PEER_GONE: Final = frozenset((errno.ECONNREFUSED, errno.ENOTCONN, errno.ECONNRESET, errno.EPIPE))

# Linux: what a socket holds of memory, as nine numbers; the third is what its datagrams take that nobody has received
# yet, the fourth how much they may. `socket` has no name for the option.
SO_MEMINFO: Final = 55
MEMINFO: Final = struct.Struct("=9I")


class UnixDatagramSocket(DatagramSocket[str]):
    """A Unix socket for datagrams. Made by `bind_unix_datagram`, `connect_unix_datagram`, `unix_datagram_pair` and
    `from_socket`.

    Here nothing is lost and nothing overtaken: who sends to a receiver that is slow waits until there is room.

    An address is a path, an abstract name (``"\\0name"``, Linux only), or ``""`` for a socket without a name, which
    cannot be answered.

    If the other side of a *connected* socket is closed, sending raises BrokenResource: a new socket may be bound to
    the same path, but this one stays connected to the old one. What had come from there and was not received is dropped
    then. Nothing tells a receiver, which waits on.

    ``async for data, address in socket:`` receives one datagram after the other, until the socket is closed. Each
    direction is used by one task at a time, and may be handed from strand to strand. ``async with socket:`` closes it
    at the end of the block, and removes the file that it was bound to.

    Attributes:
        peer_address: the address that it is connected to; None if it is not.
    """

    __slots__ = ("_door", "_file", "peer_address")

    def __init__(self, sock: Socket, peer_address: str | None = None, file: SocketFile | None = None) -> None:
        super().__init__(sock)
        self._recvfrom = partial(_receive_from, sock.recvfrom)
        self._file = file
        self._door: _Door | None = None
        self.peer_address = peer_address

    @classmethod
    def from_socket(cls, sock: socket.socket) -> UnixDatagramSocket:
        """Take over a socket that was made elsewhere: inherited, or with options of its own.

        Args:
            sock: a Unix socket for datagrams. It is empty afterwards (`detach`), and closing it does nothing. The file
                that it may be bound to is left to whoever made it.

        Raises:
            ValueError: it is no Unix socket for datagrams, or closed.
            TypeError: it is no plain socket.

        Checkpoint: never.
        """
        own = take_over(sock, (socket.AF_UNIX,), socket.SOCK_DGRAM, listens=None)
        try:
            peer = path_of(own.getpeername())
        except OSError:
            peer = None
        return cls(own, peer)

    @property
    def local_address(self) -> str:
        """The address of this end: a path, ``"\\0name"``, or ``""`` if it has no name.

        Raises:
            ClosedResource: the socket is closed.
        """
        return path_of(self._open_socket().getsockname())

    async def send_to(self, data: Buffer, address: UnixPath) -> None:
        """Send a datagram.

        Args:
            data: its bytes; none is a datagram too.
            address: a path or an abstract name, such as `receive_from` returned.

        Raises:
            OSError: it is too long (EMSGSIZE); there is nothing at that path (FileNotFoundError), or only what a closed
                socket has left (ConnectionRefusedError); the receiver is connected to another socket (EPERM). While it
                would wait: there is no descriptor to wait with (EMFILE). It was not sent.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task waits for room to send.
            ValueError, TypeError: `address` is no path, or `data` no bytes.

        Checkpoint: always a cancel point; it waits only if the receiver has no room.
        If cancelled: it was not sent.
        """
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        path = check_path(address, "address")
        if self._sender is not None:
            self._refuse_busy(self._sender, "sending through")
        try:
            self._sendto(data, path)
        except BlockingIOError:
            await self._send_when_there_is_room(task, data, path)
        except OSError as error:
            raise self._failed(error, f"send {memoryview(data).nbytes} bytes", path) from error

    def send_to_nowait(self, data: Buffer, address: UnixPath) -> None:
        """Send a datagram if there is room; otherwise as `send_to`.

        Args:
            data: its bytes; none is a datagram too.
            address: as for `send_to`.

        Raises:
            WouldBlock: there is no room.
            OSError: as for `send_to`.
            ClosedResource: this side closed the socket.
            BusyResource: another task waits for room to send.
            ValueError, TypeError: `address` is no path, or `data` no bytes.

        Checkpoint: never.
        """
        self._send_now(data, check_path(address, "address"))

    async def send_fds(self, data: Buffer, fds: Sequence[int]) -> None:
        """Send a datagram to the address that this socket is connected to, and pass descriptors of open files with it.
        The other side gets copies of these; close yours when you need them no more.

        Args:
            data: its bytes; none is a datagram too.
            fds: 1 to 253 descriptors.

        Raises:
            BrokenResource: the other side is closed.
            OSError: one of `fds` is not open (EBADF), too many are under way (ETOOMANYREFS), or as for `send`. Nothing
                was sent.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task waits for room to send.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: it was not sent, and no descriptor was passed.
        """
        fds = list(fds)
        for fd in fds:
            check_count(fd, "each of fds", 0)
        if not 1 <= len(fds) <= FDS_AT_MOST:
            raise ValueError(f"fds must be 1 to {FDS_AT_MOST} descriptors, not {len(fds)}")
        views = [memoryview(data)]
        task = charge() or await toll()
        if self._sender is not None:
            self._refuse_busy(self._sender, "sending through")
        self._sender = task
        try:
            while True:
                try:
                    unix_sockets.send_with_fds(self._open_socket(), views, fds)
                    return
                except BlockingIOError:
                    await self._wait_for_room(task, None)
                except OSError as error:
                    raise self._failed(error, f"send {len(fds)} descriptors", self._peer()) from error
        finally:
            self._sender = None

    async def receive_fds(self, max_bytes: int = LONGEST, *, max_fds: int) -> tuple[bytes, list[int]]:
        """Wait for a datagram, and take the descriptors that came with it. No child inherits these; whoever calls this
        closes them. All other ways to receive drop them.

        Args:
            max_bytes: how long the datagram may be, at least 1.
            max_fds: how many descriptors are welcome, at least 0.

        Returns:
            Its bytes, and the descriptors, none usually.

        Raises:
            LimitExceeded: it was longer, or had more descriptors, and is dropped.
            ClosedResource: this side closed the socket before or meanwhile.
            BusyResource: another task is receiving.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no datagram was taken, and no descriptor.
        """
        check_count(max_bytes, "max_bytes", 1)
        check_count(max_fds, "max_fds", 0)
        task = charge() or await toll()
        while True:
            reading = self._reading_now(task)
            if reading.ready:
                try:
                    data, fds = unix_sockets.receive_with_fds(self._open_socket(), max_bytes + 1)
                except BlockingIOError:
                    reading.ready = reading.descriptor.hup = False
                except OSError as error:
                    raise self._failed(error, "receive") from error
                else:
                    reading.descriptor.worker.budget -= SYSTEM_CALL
                    if len(fds) > max_fds or len(data) > max_bytes:
                        unix_sockets.close_all(fds)
                        what, limit = ("bytes", max_bytes) if len(data) > max_bytes else ("descriptors", max_fds)
                        raise LimitExceeded(
                            f"a datagram for {self!r} has more than {limit} {what}, and was dropped", limit
                        )
                    return data, fds
            await self._wait(task, reading)

    async def connect(self, path: UnixPath) -> None:
        """Send to one address only from now on, and receive from it only. Again: to another one.

        What had come and was not received is dropped if the socket was connected before.

        Args:
            path: a path, or an abstract name.

        Raises:
            OSError: there is nothing at that path, or only what a closed socket has left.
            ClosedResource: this side closed the socket.
            ValueError, TypeError: `path` is no path.

        Checkpoint: always a cancel point; it does not wait.
        If cancelled: it is connected as it was.
        """
        path = check_path(path)
        charge() or await toll()
        number = self._open_socket().connect_ex(path)
        if number:
            raise OSError(number, f"cannot connect {self!r} to {show(path)}: {os.strerror(number)}")
        self.peer_address = path

    async def _wait_for_room(self, task: Task[Any], address: Any) -> None:
        """Wait until another datagram may find room. The caller found none.

        A socket is told when its own buffer has room again, and when the one that it is connected to has. Nobody tells
        it of others: so another socket is connected there, and told.
        """
        if address is None or self._is_full():
            await super()._wait_for_room(task, address)
            return
        self._door = door = _Door(current_network().socket(socket.AF_UNIX, socket.SOCK_DGRAM), repr(self))
        try:
            await door.wait_to_enter(task, address)
        finally:
            self._door = None
            door.close()

    def _is_full(self) -> bool:
        """Whether the buffer of this socket itself has no room."""
        try:
            numbers = MEMINFO.unpack(self._socket.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, MEMINFO.size))
        except OSError:
            return False
        return bool(numbers[2] >= numbers[3])

    def _close(self) -> None:
        if not self._closed:
            if self._file is not None:
                self._file.remove()
            super()._close()
            if self._door is not None:
                self._door.close()

    def _failed(self, error: OSError, attempt: str, dest: Any = None) -> OSError | ConcError:
        if not self._closed and self.peer_address is not None and error.errno in PEER_GONE and dest is self._peer():
            return BrokenResource(f"{self!r} cannot {attempt}: the other side is closed ({error.strerror})")
        return super()._failed(error, attempt, dest)

    def _explain(self, error: OSError) -> str:
        if error.errno == errno.ECONNREFUSED:
            return f"{error.strerror}; the socket that was there is closed, and has left its file"
        return super()._explain(error)

    def _peer(self) -> str | None:
        return self.peer_address

    def _show(self, address: Any) -> str:
        return show(address)

    def __repr__(self) -> str:
        if self._closed:
            return "<UnixDatagramSocket, closed>"
        peer = "" if self.peer_address is None else f" to {show(self.peer_address)}"
        return f"<UnixDatagramSocket at {show(path_of(self._socket.getsockname()))}{peer}>"


class _Door(Pollable):
    """A socket that is connected to where another one wants to send, and is told when there is room. It waits once."""

    __slots__ = ("_owner", "_socket")

    def __init__(self, sock: Socket, owner: str) -> None:
        super().__init__(sock.fileno())
        self._socket = sock
        self._owner = owner

    async def wait_to_enter(self, task: Task[Any], path: str) -> None:
        """Wait until there is room; if there is nobody any more, it returns at once."""
        if self._socket.connect_ex(path) == 0:
            writing = self._write_in(task.strand)
            writing.ready = False
            await self._wait(task, writing)

    def close(self) -> None:
        """Wait no longer: who does gets ClosedResource. Idempotent."""
        if not self._closed:
            self._deregister()
            self._socket.close()

    def __repr__(self) -> str:
        return self._owner


def _receive_from(
    recvfrom: Callable[[int, int], tuple[bytes, Any]], max_bytes: int, flags: int = 0
) -> tuple[bytes, str]:
    """As the system, with an address that is text."""
    data, address = recvfrom(max_bytes, flags)
    return data, path_of(address)
