"""TCP: a connection, and what accepts them."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from conc._kernel.asyncfn import function_name, is_coroutine
from conc._kernel.current import charge
from conc._kernel.nursery import open_nursery
from conc._kernel.present import current_time
from conc._kernel.suspend import toll
from conc.errors import BusyResource, ClosedResource, ConcError
from conc.io.descriptor_stream import SYSTEM_CALL
from conc.io.pollable import Pollable
from conc.net.addresses import Address, show
from conc.net.network import Socket
from conc.net.socket_stream import SocketStream
from conc.sync import Semaphore
from conc.sync.semaphore import check_count
from conc.time import sleep

if TYPE_CHECKING:
    from conc._kernel.task import Task

Handler = Callable[["TcpStream"], Awaitable[object]]
OnError = Callable[[Exception, "TcpStream"], object]

log = logging.getLogger("conc.net")

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
BACK_OFF_S: Final = 0.1


class TcpStream(SocketStream):
    """A TCP connection: a `conc.io.Stream`. Made by `connect_tcp` and by `TcpListener.accept`.

    Small writes are sent at once (TCP_NODELAY). Each direction is used by one task at a time, and may be handed from
    strand to strand. ``async with stream:`` closes it at the end of the block.
    """

    __slots__ = ()


class TcpListener:
    """Accepts TCP connections, on one address or on several. Made by `listen_tcp`.

    Attributes:
        addresses: what it listens on.

    One task at a time accepts. ``async with listener:`` closes it at the end of the block.
    """

    __slots__ = ("_closed", "_next", "_queues", "addresses")

    def __init__(self, sockets: Sequence[Socket]) -> None:
        self._queues = [_Queue(sock) for sock in sockets]
        self._next = 0
        self._closed = False
        self.addresses: tuple[Address, ...] = tuple(sock.getsockname() for sock in sockets)

    @property
    def address(self) -> Address:
        """What it listens on; the first of several."""
        return self.addresses[0]

    @property
    def port(self) -> int:
        """The port it listens on, the same for all addresses."""
        port: int = self.addresses[0][1]
        return port

    async def accept(self) -> TcpStream:
        """Wait for a connection.

        Raises:
            ClosedResource: the listener is closed, or was closed meanwhile.
            BusyResource: another task is accepting.
            OSError: there is no descriptor to be had (EMFILE, ENFILE) or no memory (ENOBUFS, ENOMEM). The connection
                stays in the queue.

        Checkpoint: always a cancel point; it waits only if no connection is there.
        If cancelled: no connection was accepted; those that came stay in the queue.
        """
        queues = self._queues
        while True:
            task = charge() or await toll()
            for offset in range(len(queues)):
                turn = (self._next + offset) % len(queues)
                stream = queues[turn].accept_nowait(task)
                if stream is not None:
                    self._next = turn + 1
                    return stream
            if len(queues) == 1:
                await queues[0].wait(task)
            else:
                await self._wait_for_any()

    async def _wait_for_any(self) -> None:
        """Wait until one of several queues may have something. Nothing is accepted here, so nothing can be lost."""
        errors: list[ConcError] = []

        async def wait(queue: _Queue) -> None:
            task = charge() or await toll()
            try:
                await queue.wait(task)
            except (BusyResource, ClosedResource) as error:
                errors.append(error)
            nursery.cancel_scope.cancel(reason="a connection is there")

        async with open_nursery() as nursery:
            for queue in self._queues:
                nursery.start_soon(wait, queue)
        if errors:
            raise errors[0]

    async def serve(
        self,
        handler: Handler,
        *,
        parallel: bool = False,
        limit: int | None = None,
        on_error: OnError | None = None,
    ) -> None:
        """Accept connections and run ``handler(stream)`` as a child for each, until the listener is closed.

        A stream is closed when its handler ends. After `aclose`, serve waits for the handlers that are running. While
        the system has no descriptor or no memory for a connection, serve waits 100 ms and tries again; it logs that to
        ``conc.net``.

        Args:
            handler: an async function of one stream.
            parallel: whether each handler is a strand of its own, which may run on another core.
            limit: how many connections are handled at a time; more wait in the queue of the system. None: no limit.
            on_error: called with an error that left a handler, and its stream. It does not wait; what it raises ends
                serve. None: an error of a handler ends serve.

        Raises:
            ExceptionGroup: a handler failed, or `on_error` did. The other handlers were cancelled.
            ClosedResource: the listener was closed before.
            BusyResource: another task is accepting.
            ValueError: `limit` is less than 1.
            TypeError: `handler` or `on_error` cannot be called.

        Checkpoint: always, and it waits.
        If cancelled: the handlers are cancelled and have ended, and their streams are closed. The listener is not.
        """
        for name, function in (("handler", handler), ("on_error", on_error)):
            if not callable(function) and not (function is None and name == "on_error"):
                raise TypeError(f"{name} must be a function, not {function!r}")
        if limit is not None:
            check_count(limit, "limit", 1)
        if self._closed:
            self._queues[0].refuse_closed()
        free = Semaphore(limit) if limit is not None else None
        name = function_name(handler)
        async with open_nursery(parallel=parallel) as nursery:
            try:
                while True:
                    if free is not None:
                        await free.acquire()
                    stream = await self._accept_patiently()
                    nursery.start_soon(_handle, handler, stream, free, on_error, name=name)
            except ClosedResource:
                if not self._closed:
                    raise

    async def _accept_patiently(self) -> TcpStream:
        """Accept; while the system is exhausted, wait for better times, and say so."""
        since = None
        while True:
            try:
                stream = await self.accept()
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                if since is None:
                    since = current_time()
                    log.warning("%r cannot accept, trying again every %g s: %s", self, BACK_OFF_S, error)
                await sleep(BACK_OFF_S)
            else:
                if since is not None:
                    log.warning("%r accepts again, after %.1f s", self, current_time() - since)
                return stream

    async def aclose(self) -> None:
        """Stop listening, at once. Connections that nobody accepted are reset. Idempotent.

        A task in `accept` gets ClosedResource; `serve` accepts no more, waits for its handlers and returns.

        Checkpoint: a cancel point, after the listener was closed.
        If cancelled: the listener is closed all the same.
        """
        self._close()
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if error is None:
            charge() or await toll()

    def _close(self) -> None:
        if not self._closed:
            self._closed = True
            for queue in self._queues:
                queue.close()

    def __repr__(self) -> str:
        where = ", ".join(map(show, self.addresses))
        return f"<TcpListener on {where}{', closed' if self._closed else ''}>"


class _Queue(Pollable):
    """A listening socket: the connections that wait to be accepted."""

    __slots__ = ("_address", "_socket")

    def __init__(self, sock: Socket) -> None:
        super().__init__(sock.fileno())
        self._socket = sock
        self._address: Address = sock.getsockname()

    def accept_nowait(self, task: Task[Any]) -> TcpStream | None:
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
                return TcpStream(sock, peer)
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
        self._deregister()
        self._socket.close()

    def __repr__(self) -> str:
        return f"<TcpListener on {show(self._address)}>"


async def _handle(handler: Handler, stream: TcpStream, free: Semaphore | None, on_error: OnError | None) -> None:
    """One connection from its first moment to its last."""
    try:
        await handler(stream)
    except Exception as error:
        if on_error is None:
            raise
        result = on_error(error, stream)
        if is_coroutine(result):
            result.close()  # type: ignore[attr-defined]
            raise TypeError(f"on_error must be a plain function; {function_name(on_error)} is async") from error
    finally:
        stream._close()
        if free is not None:
            free.release()
