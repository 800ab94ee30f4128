"""A socket that listens: the connections that wait to be accepted."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from conc.io.descriptor_stream import SYSTEM_CALL
from conc.io.pollable import Pollable
from conc.net.addresses import show
from conc.net.network import Socket

if TYPE_CHECKING:
    from conc._kernel.task import Task

S_co = TypeVar("S_co", covariant=True)

# The connection broke while it stood in the queue: accept(2) tells its error and drops it; the next one may be well.
CONNECTION_BROKE: Final = frozenset(
    getattr(errno, name)
    for name in (
        *("ECONNABORTED", "EPROTO", "EPERM", "ENETDOWN", "ENETUNREACH"),
        *("EHOSTDOWN", "EHOSTUNREACH", "ENONET", "ENOPROTOOPT"),
    )
    if hasattr(errno, name)
)
# This process, or the machine, has no more to give. The connection stays in the queue.
EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class AcceptQueue(Pollable, Generic[S_co]):
    """A listening socket, whose connections become streams.

    Args:
        sock: a socket that listens; the queue owns it.
        make_stream: what makes a stream of the socket of a connection and the address of its other end.
    """

    __slots__ = ("_make_stream", "_socket", "address")

    def __init__(self, sock: Socket, make_stream: Callable[[Socket, Any], S_co]) -> None:
        super().__init__(sock.fileno())
        self._socket = sock
        self._make_stream = make_stream
        self.address = sock.getsockname()

    def accept_nowait(self, task: Task[Any]) -> S_co | None:
        """The next connection; None if there is none, or if it broke: then `wait` does not wait."""
        reading = self._reading
        if reading is None or task.strand is not self._reader:
            reading = self._read_in(task.strand)
        if reading.ready:
            try:
                sock, peer = self._socket.accept()
            except BlockingIOError:
                reading.ready = reading.descriptor.hup = False
            except OSError as error:
                if self._closed:
                    self._refuse_closed()
                if error.errno not in CONNECTION_BROKE:
                    raise
            else:
                reading.descriptor.worker.budget -= 3 * SYSTEM_CALL
                return self._make_stream(sock, peer)
        return None

    async def wait(self, task: Task[Any]) -> None:
        """Wait until there may be a connection."""
        if self._reading is not None and not self._reading.ready:
            await self._wait(task, self._reading)

    def refuse_closed(self) -> None:
        """Raise ClosedResource."""
        self._refuse_closed()

    def close(self) -> None:
        """Stop listening."""
        if not self._closed:
            self._deregister()
            self._socket.close()

    def __repr__(self) -> str:
        return f"<listener on {show(self.address)}>"
