"""A connected socket as a stream: the common part of TCP and Unix connections."""

from __future__ import annotations

import socket

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.io.descriptor_stream import DescriptorReader, DescriptorWriter
from conc.net.addresses import Address, show
from conc.net.network import Socket


class SocketStream(DescriptorReader, DescriptorWriter):
    """A connection over a socket: the common part of all kinds.

    Attributes:
        bytes_written: how many bytes the system has taken from `write_all` since the connection was made.
        peer_address: the address of the other end.
    """

    __slots__ = ("_socket", "peer_address")

    def __init__(self, sock: Socket, peer_address: Address) -> None:
        super().__init__(sock)
        self._socket = sock
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

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ", nothing more to write" if self._write_closed else ""
        return f"<{type(self).__name__} to {show(self.peer_address)}{state}>"
