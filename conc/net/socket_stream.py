"""A connected socket as a stream: the common part of TCP and Unix connections."""

from __future__ import annotations

import socket
from typing import Any, ClassVar, Self

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os import inherited
from conc.io.descriptor_stream import READ_AT_MOST, SYSTEM_CALL, DescriptorReader, DescriptorWriter
from conc.net.addresses import show
from conc.net.network import Socket
from conc.net.options import SocketOptions


class SocketStream(DescriptorReader, DescriptorWriter, SocketOptions):
    """A connection over a socket: the common part of all kinds.

    Attributes:
        bytes_written: how many bytes the system has taken from `write_all` since the connection was made.
        peer_address: the address of the other end.
    """

    __slots__ = ("_socket", "peer_address")

    _families: ClassVar[tuple[int, ...]] = ()

    def __init__(self, sock: Socket, peer_address: Any) -> None:
        super().__init__(sock)
        self._socket: Socket = sock
        self.peer_address = peer_address

    @classmethod
    def from_socket(cls, sock: socket.socket) -> Self:
        """Take a connected socket over that was made elsewhere: inherited, passed by another process, or of a library.

        From now on the stream owns it: `sock` is as if closed, and the descriptor does not block, also for others who
        have it.

        Args:
            sock: a plain socket of the standard library, connected, of the right family. If this raises, it is as it
                was.

        Raises:
            OSError: it is not connected.
            ValueError, TypeError: it is of another kind.

        Checkpoint: never.
        """
        taken = inherited.take_over(sock, cls._families, socket.SOCK_STREAM, listens=False)
        try:
            return cls(taken, taken.getpeername())
        except OSError:
            taken.close()
            raise

    def detach(self) -> socket.socket:
        """Give the connection away, as a plain socket of the standard library that blocks. The stream is closed then.

        Raises:
            ClosedResource: the stream is closed already.
            BusyResource: a task is reading or writing.
            TypeError: there is no real socket, on a simulated network for one.

        Checkpoint: never.
        """
        sock = self._open_socket()
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        for direction in (self._reading, self._writing):
            if direction is not None and direction.task is not None:
                direction.refuse()
        plain = inherited.check_plain(sock)
        self._deregister()
        return inherited.release(plain)

    @property
    def local_address(self) -> Any:
        """The address of this end.

        Raises:
            ClosedResource: the stream is closed.
        """
        return self._open_socket().getsockname()

    async def peek(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there, as `read` does; but they stay, and will be read again.

        Args:
            max_bytes: at least 1. More than 64 KiB are never returned at a time.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: nothing happened.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        task = charge() or await toll()
        while True:
            reading = self._reading_now(task)
            if reading.ready:
                try:
                    data = self._socket.recv(min(max_bytes, READ_AT_MOST), socket.MSG_PEEK)
                except BlockingIOError:
                    reading.ready = reading.descriptor.hup = False
                except OSError as error:
                    raise self._failed(error) from error
                else:
                    reading.descriptor.worker.budget -= SYSTEM_CALL
                    return data
            await self._wait(task, reading)

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

    def _open_socket(self) -> Socket:
        if self._closed:
            self._refuse_closed()
        return self._socket

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ", nothing more to write" if self._write_closed else ""
        return f"<{type(self).__name__} to {show(self.peer_address)}{state}>"
