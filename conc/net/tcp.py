"""TCP: a connection, and what accepts them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import Final, Self

from conc._os import inherited
from conc.net.addresses import Address
from conc.net.listener import Listener
from conc.net.network import Socket
from conc.net.options import TcpOptions
from conc.net.socket_stream import SocketStream

FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
NO_LINGERING: Final = struct.pack("ii", 1, 0)  # on, for no time


class TcpStream(SocketStream, TcpOptions):
    """A TCP connection: a `conc.io.Stream`. Made by `connect_tcp` and by `TcpListener.accept`.

    Small writes are sent at once (TCP_NODELAY). Each direction is used by one task at a time, and may be handed from
    strand to strand. ``async with stream:`` closes it at the end of the block.
    """

    __slots__ = ()

    _families = FAMILIES
    peer_address: Address

    def abort(self) -> None:
        """Close the connection with a reset, at once. Idempotent.

        What was written and not sent yet is lost, and the other side gets an error where it would get the end. This is
        for peers that misbehave; it also saves the system from remembering the connection (TIME_WAIT).

        Checkpoint: never.
        """
        if not self._closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
            self._close()


class TcpListener(Listener[TcpStream]):
    """Accepts TCP connections, on one address or on several. Made by `listen_tcp`.

    Attributes:
        addresses: what it listens on.

    One task at a time accepts. ``async with listener:`` closes it at the end of the block.
    """

    __slots__ = ()

    addresses: tuple[Address, ...]

    def __init__(self, sockets: Sequence[Socket]) -> None:
        super().__init__(sockets, TcpStream)

    @classmethod
    def from_socket(cls, sock: socket.socket) -> Self:
        """Take a socket over that listens: inherited, or passed by another process.

        From now on the listener owns it: `sock` is as if closed, and the descriptor does not block, also for others who
        have it. Those may go on accepting; each connection goes to one.

        Args:
            sock: a plain TCP socket of the standard library, that listens. If this raises, it is as it was.

        Raises:
            ValueError, TypeError: it is of another kind.

        Checkpoint: never.
        """
        taken = inherited.take_over(sock, FAMILIES, socket.SOCK_STREAM, listens=True)
        taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is accepted inherits it
        return cls([taken])

    @property
    def port(self) -> int:
        """The port it listens on, the same for all addresses."""
        port: int = self.addresses[0][1]
        return port
