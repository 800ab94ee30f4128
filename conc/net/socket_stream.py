"""A connected socket as a stream. The reads and writes of a server are here, so this is where time goes."""

from __future__ import annotations

import errno
import socket
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from conc._kernel.current import charge, slot
from conc._kernel.suspend import PARK, toll
from conc.errors import BrokenResource, ClosedResource, ConcError
from conc.io.pollable import Pollable
from conc.io.stream import Buffer
from conc.net.network import Address, Socket

if TYPE_CHECKING:
    from conc._kernel.descriptors import Direction
    from conc._kernel.task import Task

# More than this at a time is slow: from 128 KiB on, malloc maps and unmaps memory for each read.
READ_AT_MOST: Final = 65_536
# IOV_MAX is 1,024 on most systems and 16 on some.
BUFFERS_AT_MOST: Final = 16
# A system call costs about as much as so many operations without one, and one more for each 4 KiB.
SYSTEM_CALL: Final = 4
LARGE_SHIFT: Final = 12
LARGE: Final = 1 << LARGE_SHIFT


class SocketStream(Pollable):
    """A connection over a socket: the common part of all kinds.

    Reading tries the system call first, unless the last one said that nothing more was there; writing tries first,
    always. Only what has to wait is registered with a poller.

    Attributes:
        bytes_written: how many bytes the system has taken from `write_all` since the connection was made.
        peer_address: the address of the other end.

    Invariant: `_sender` is the task that is in the middle of a `write_all`, between two writes; else None.
    """

    __slots__ = ("_recv", "_sender", "_socket", "_write_closed", "bytes_written", "peer_address")

    def __init__(self, sock: Socket, peer_address: Address) -> None:
        super().__init__(sock.fileno())
        self._socket = sock
        self._recv = sock.recv
        self._sender: Task[Any] | None = None
        self._write_closed = False
        self.bytes_written = 0
        self.peer_address = peer_address

    @property
    def local_address(self) -> Address:
        """The address of this end.

        Raises:
            ClosedResource: the stream is closed.
        """
        if self._closed:
            self._refuse_closed()
        address: Address = self._socket.getsockname()
        return address

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        Args:
            max_bytes: at least 1. More than 64 KiB are never returned at a time.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes > READ_AT_MOST:
            max_bytes = READ_AT_MOST
        elif max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        reading: Direction = self._reading  # type: ignore[assignment]  # there is one if there is a reader
        if task.strand is not self._reader:
            reading = self._read_in(task.strand)
        while True:
            if reading.ready:
                try:
                    data = self._recv(max_bytes)
                except BlockingIOError:
                    reading.ready = reading.descriptor.hup = False
                except OSError as error:
                    raise self._failed(error) from error
                else:
                    got = len(data)
                    # Less than asked for is all there was, so the next read need not ask in vain. But the end of the
                    # stream may have come together with these bytes, and then nothing will tell of it again.
                    if 0 < got < max_bytes and not reading.descriptor.hup:
                        reading.ready = False
                    if got >= LARGE:
                        worker.budget -= got >> LARGE_SHIFT
                    return data
            # From here on as Pollable._wait, without a coroutine of its own; and with the wish to be read for.
            if reading.task is not None:
                reading.refuse()
            if reading.unarmed:
                self._arm(reading)
            reading.task = task
            reading.asked = max_bytes
            task.wait = reading
            task.value = self._recv
            await PARK
            task.wait = None
            read_ahead = task.value
            if read_ahead is not None:
                task.value = None
                if type(read_ahead) is not bytes:
                    self._refuse_to_read(read_ahead)
                return read_ahead

    async def write_all(self, data: Buffer = b"", /, *more: Buffer) -> None:
        """Write all bytes of all buffers, in order, waiting for room where there is none.

        Several buffers go out together: ``write_all(head, body)`` needs no joining.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream, or its writing direction, before or meanwhile.
            BusyResource: another task is writing.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written, see `conc.io.AsyncWrite`; no more of it will be.
        """
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        if more or type(data) is not bytes:
            await self._write_views(task, views_of((data, *more)))
            return
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise self._failed(error) from error
        self.bytes_written += sent
        if sent >= LARGE:
            worker.budget -= sent >> LARGE_SHIFT
        if sent != len(data):
            await self._write_views(task, [memoryview(data)[sent:]], has_room=False)

    async def _write_views(self, task: Task[Any], views: list[memoryview], *, has_room: bool = True) -> None:
        """Write what is in `views`, which is used up. `has_room` is False if a write has just said so."""
        self._sender = task
        try:
            while views:
                if has_room:
                    try:
                        sent = self._socket.sendmsg(views[:BUFFERS_AT_MOST])
                    except BlockingIOError:
                        sent = 0
                    except OSError as error:
                        raise self._failed(error) from error
                    self.bytes_written += sent
                    task.strand.worker.budget -= SYSTEM_CALL + (sent >> LARGE_SHIFT)  # type: ignore[union-attr]
                    has_room = advance(views, sent)
                else:
                    writing = self._writing
                    if writing is None or task.strand is not self._writer:
                        writing = self._write_in(task.strand)
                    writing.ready = False
                    await self._wait(task, writing)
                    has_room = True
        finally:
            self._sender = None

    async def close_write(self) -> None:
        """Say that nothing more will be written: the other side reads the rest, then the end. Reading goes on.

        Idempotent.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        charge() or await toll()
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        if self._closed:
            self._refuse_closed()
        if not self._write_closed:
            try:
                self._socket.shutdown(socket.SHUT_WR)
            except OSError as error:
                raise self._failed(error) from error
            self._write_closed = True

    async def aclose(self) -> None:
        """Close the connection, at once and whatever the other side does. Idempotent.

        What was written is still delivered; but if bytes have come that nobody read, most systems reset the connection,
        and the other side may lose what it has not read. A task that waits in another operation gets ClosedResource.

        Checkpoint: a cancel point, after the stream was closed.
        If cancelled: the stream is closed all the same.
        """
        self._close()
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if error is None:  # else that is what has to be known, more than a cancellation
            charge() or await toll()

    def _close(self) -> None:
        """Close at once."""
        if not self._closed:
            self._deregister()
            self._socket.close()

    def _refuse_to_read(self, why: object) -> NoReturn:
        """Raise what woke a reader in place of bytes."""
        if isinstance(why, OSError):
            raise self._failed(why) from why
        self._refuse_closed()

    def _failed(self, error: OSError) -> ConcError:
        """What an error of the system means."""
        if self._closed:
            return ClosedResource(f"{self!r} was closed on this side")
        if self._write_closed and error.errno == errno.EPIPE:
            return ClosedResource(f"close_write was called on {self!r}")
        return BrokenResource(f"{self!r}: {error.strerror or error}")

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ", nothing more to write" if self._write_closed else ""
        return f"<{type(self).__name__} to {show(self.peer_address)}{state}>"


def views_of(buffers: tuple[Buffer, ...]) -> list[memoryview]:
    """Byte by byte views of what is to be written, without empty ones."""
    views = []
    for buffer in buffers:
        try:
            view = memoryview(buffer).cast("B")
        except TypeError:
            raise TypeError(f"what is written must be contiguous bytes, not {buffer!r:.100}") from None
        if view:
            views.append(view)
    return views


def advance(views: list[memoryview], sent: int) -> bool:
    """Take `sent` bytes off the front. Whether the last write took all it was given, so that there may be more room."""
    given = sum(map(len, views[:BUFFERS_AT_MOST]))
    used = 0
    left = sent
    while used < len(views) and left >= len(views[used]):
        left -= len(views[used])
        used += 1
    del views[:used]
    if left:
        views[0] = views[0][left:]
    return sent == given


def show(address: Address) -> str:
    """An address for people: ``127.0.0.1:80`` or ``[::1]:80``."""
    if len(address) < 2:
        return repr(address)
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
