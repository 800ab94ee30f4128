"""Unix sockets: a connection between processes of one machine, and what accepts them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os import inherited, unix_sockets
from conc._os.sockets import AF_UNIX
from conc._os.unix_sockets import FDS_AT_MOST
from conc.errors import LimitExceeded
from conc.io.descriptor_stream import READ_AT_MOST, SYSTEM_CALL
from conc.io.stream import Buffer
from conc.io.views import views_of
from conc.net.addresses import path_of, show
from conc.net.listener import Listener
from conc.net.network import Network, Socket, current_network, open_socket
from conc.net.socket_stream import SocketStream
from conc.net.unix_paths import SocketFile, UnixPath, bind_to_path, check_mode, check_path
from conc.sync.semaphore import check_count

if TYPE_CHECKING:
    from conc._kernel.task import Task

FAMILIES: Final = (AF_UNIX,)


class PeerCredentials(NamedTuple):
    """Who is at the other end of a Unix socket, as it was when the connection was made. The system vouches for it."""

    pid: int
    """Its process."""
    uid: int
    """Its user."""
    gid: int
    """Its group."""


class UnixStream(SocketStream):
    """A connection over a Unix socket: a `conc.io.Stream`. Made by `connect_unix`, `unix_pair`, `UnixListener.accept`.

    Addresses are paths; ``"\\0name"`` is an abstract one, and ``""`` says that an end has none, which is usual for the
    client. ``async with stream:`` closes it at the end of the block.
    """

    __slots__ = ()

    _families = FAMILIES
    peer_address: str

    def __init__(self, sock: Socket, peer_address: str | bytes) -> None:
        super().__init__(sock, path_of(peer_address))

    @property
    def local_address(self) -> str:
        """The address of this end.

        Raises:
            ClosedResource: the stream is closed.
        """
        return path_of(self._open_socket().getsockname())

    @property
    def peer_credentials(self) -> PeerCredentials:
        """Who is at the other end. Of a socket that was inherited: who made it.

        Raises:
            ClosedResource: the stream is closed.
            OSError: this system does not tell.
        """
        return PeerCredentials(*unix_sockets.peer_credentials(self._open_socket()))

    async def _wait_for_room(self, task: Task[Any]) -> None:
        """Wait until something can be written; the last attempt found that nothing could."""
        writing = self._writing
        if writing is None or task.strand is not self._writer:
            writing = self._write_in(task.strand)
        writing.ready = False
        await self._wait(task, writing)

    async def send_fds(self, data: Buffer, fds: Sequence[int]) -> None:
        """Write bytes, and pass descriptors of open files with the first of them. The other side gets copies of these;
        close yours when you need them no more.

        Args:
            data: at least one byte: descriptors cannot travel alone.
            fds: 1 to 253 descriptors.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream, or its writing direction, before or meanwhile.
            BusyResource: another task is writing.
            OSError: one of `fds` is not open (EBADF), or too many are under way (ETOOMANYREFS). Nothing was sent.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written; if nothing, no descriptor was passed, else all were.
        """
        views = views_of((data,))
        if not views:
            raise ValueError("data must be at least one byte, for descriptors cannot travel alone")
        fds = list(fds)
        for fd in fds:
            check_count(fd, "each of fds", 0)
        if not 1 <= len(fds) <= FDS_AT_MOST:
            raise ValueError(f"fds must be 1 to {FDS_AT_MOST} descriptors, not {len(fds)}")
        task = charge() or await toll()
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        self._sender = task
        try:
            sent = 0
            while not sent:
                try:
                    sent = unix_sockets.send_with_fds(self._open_socket(), views, fds)
                except BlockingIOError:
                    await self._wait_for_room(task)
                except (BrokenPipeError, ConnectionResetError) as error:
                    raise self._failed(error) from error
            self.bytes_written += sent
            task.strand.worker.budget -= SYSTEM_CALL  # type: ignore[union-attr]
            rest = views[0][sent:]
        finally:
            self._sender = None
        if rest:
            await self.write_all(rest)

    async def receive_fds(self, max_bytes: int, max_fds: int) -> tuple[bytes, list[int]]:
        """Wait for bytes, as `read`, and take the descriptors that came with them. No child inherits these; whoever
        calls this closes them.

        Who is sent descriptors should read with this only: `read` drops them, and may then overlook bytes that came
        behind them until more come. What came with descriptors is never returned together with what came before.

        Args:
            max_bytes: at least 1. More than 64 KiB are never returned at a time.
            max_fds: how many descriptors are welcome, at least 0.

        Returns:
            The bytes, ``b""`` at the end; and the descriptors, none usually.

        Raises:
            LimitExceeded: more descriptors came. They are closed, and the bytes that they came with are lost.
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken, and no descriptor.
        """
        check_count(max_bytes, "max_bytes", 1)
        check_count(max_fds, "max_fds", 0)
        task = charge() or await toll()
        while True:
            reading = self._reading_now(task)
            if reading.ready:
                try:
                    data, fds = unix_sockets.receive_with_fds(self._socket, min(max_bytes, READ_AT_MOST))
                except BlockingIOError:
                    reading.ready = reading.descriptor.hup = False
                except OSError as error:
                    raise self._failed(error) from error
                else:
                    # A read that brings descriptors stops behind them, so a short one says nothing: `ready` stays.
                    reading.descriptor.worker.budget -= SYSTEM_CALL
                    if len(fds) > max_fds:
                        unix_sockets.close_all(fds)
                        raise LimitExceeded(
                            f"{len(fds)} descriptors came from {self!r}, where at most {max_fds} were welcome; "
                            "they were closed",
                            max_fds,
                        )
                    return data, fds
            await self._wait(task, reading)


class UnixListener(Listener[UnixStream]):
    """Accepts connections on a Unix socket. Made by `listen_unix`.

    Attributes:
        addresses: what it listens on: one path, or one abstract name, ``"\\0name"``.

    One task at a time accepts. ``async with listener:`` closes it at the end of the block. Closing removes the file of
    the socket, unless another server has put its own in its place.
    """

    __slots__ = ("_file",)

    addresses: tuple[str, ...]

    def __init__(self, sock: Socket, file: SocketFile | None = None) -> None:
        super().__init__([sock], UnixStream)
        self.addresses = (path_of(sock.getsockname()),)
        self._file = file

    @classmethod
    def from_socket(cls, sock: socket.socket) -> Self:
        """Take a socket over that listens: inherited, or passed by another process. Its file stays when it is closed.

        From now on the listener owns it: `sock` is as if closed, and the descriptor does not block, also for others who
        have it. Those may go on accepting; each connection goes to one.

        Args:
            sock: a plain Unix socket of the standard library, that listens. If this raises, it is as it was.

        Raises:
            ValueError, TypeError: it is of another kind.

        Checkpoint: never.
        """
        return cls(inherited.take_over(sock, FAMILIES, socket.SOCK_STREAM, listens=True))

    @property
    def path(self) -> str:
        """What it listens on: a path, or an abstract name, ``"\\0name"``."""
        return self.addresses[0]

    def _close(self) -> None:
        if self._file is not None:
            self._file.remove()  # while the socket is open, see there
        super()._close()


async def listen_unix(path: UnixPath, *, mode: int | None = None, backlog: int = 4096) -> UnixListener:
    """Listen for connections on a Unix socket.

    The file of a server that has died is replaced. To find out whether it has, a connection to it is attempted; a
    server that lives sees that end at once.

    Args:
        path: where; there must not be a file yet, but for a socket that nobody has. ``"\\0name"`` is an abstract name,
            on Linux: it needs no file, anybody on the machine may connect, and it goes with its socket.
        mode: who may connect, as permission bits: 0o600 is only this user. They are set before the first connection
            can come. None: what the umask of the process leaves. Other systems than Linux look at the folder only.
        backlog: how many connections may wait to be accepted, at least 1. The system has a limit of its own.

    Raises:
        OSError: the address is taken, by a server that lives or by another file (EADDRINUSE), or too long
            (ENAMETOOLONG), or the folder does not exist or may not be written to.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it never waits.
    If cancelled: nothing is listened on.
    """
    text = check_path(path)
    check_mode(mode)
    if mode is not None and text[0] == "\0":
        raise ValueError("mode must be None for an abstract name: there is no file that could have one")
    check_count(backlog, "backlog", 1)
    charge() or await toll()
    return _listen(current_network(), text, mode, min(backlog, 0x7FFFFFFF))


def _listen(network: Network, path: str, mode: int | None, backlog: int) -> UnixListener:
    sock = open_socket(network, f"cannot listen on {show(path)}", AF_UNIX, socket.SOCK_STREAM)
    file = None
    try:
        file = bind_to_path(network, sock, path, type=socket.SOCK_STREAM, mode=mode)
        sock.listen(backlog)
        return UnixListener(sock, file)
    except OSError as error:
        if file is not None:
            file.remove()
        sock.close()
        raise OSError(error.errno, f"cannot listen on {show(path)}: {error.strerror}") from error
