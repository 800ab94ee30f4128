"""What accepts connections, of any kind, and serves them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar

from conc._kernel.current import charge
from conc._kernel.nursery import open_nursery
from conc._kernel.present import current_time
from conc._kernel.suspend import toll
from conc.errors import BusyResource, ClosedResource, ConcError
from conc.net.accepting import EXHAUSTED, AcceptQueue
from conc.net.addresses import show
from conc.net.network import Socket
from conc.net.serving import Service, check_drain_timeout, log
from conc.net.socket_stream import SocketStream
from conc.sync import Event, Semaphore
from conc.task import select
from conc.time import move_on_after

R = TypeVar("R", bound=SocketStream)

BACK_OFF_S: Final = 0.1


class Listener(Generic[R]):
    """Accepts connections on one socket or on several: the common part of all kinds.

    Attributes:
        addresses: what it listens on.

    One task at a time accepts. ``async with listener:`` closes it at the end of the block.

    Invariant: `_closing` is set before the first of the queues is closed, and is never set alone for long.
    """

    __slots__ = ("_closing", "_next", "_queues", "addresses")

    def __init__(self, sockets: Sequence[Socket], make_stream: Callable[[Socket, Any], R]) -> None:
        self._queues = [AcceptQueue(sock, make_stream) for sock in sockets]
        self._next = 0
        self._closing = Event()
        self.addresses: tuple[Any, ...] = tuple(queue.address for queue in self._queues)

    @property
    def address(self) -> Any:
        """What it listens on; the first of several."""
        return self.addresses[0]

    async def accept(self) -> R:
        """Wait for a connection. Several sockets are asked in turn, so that a busy one does not keep out the others.

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

        async def wait(queue: AcceptQueue[R]) -> None:
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
        handler: Callable[[R], Awaitable[object]],
        *,
        parallel: bool = False,
        limit: int | None = None,
        on_error: Callable[[Exception, R], object] | None = None,
        drain_timeout: float | None = None,
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
            drain_timeout: for how many seconds after `aclose` the handlers may go on; then they are cancelled. None: as
                long as they take.

        Raises:
            ExceptionGroup: a handler failed, or `on_error` did. The other handlers were cancelled.
            ClosedResource: the listener was closed before.
            BusyResource: another task is accepting.
            ValueError: `limit` is less than 1, or `drain_timeout` less than 0.
            TypeError: `handler` or `on_error` cannot be called.

        Checkpoint: always, and it waits.
        If cancelled: the handlers are cancelled and have ended, and their streams are closed. The listener is not.
        """
        service: Service[R, R] = Service(handler, limit=limit, on_error=on_error)
        await self._serve(service, parallel=parallel, drain_timeout=drain_timeout)

    async def _serve(self, service: Service[R, Any], *, parallel: bool, drain_timeout: float | None) -> None:
        """As `serve`, with a service that may prepare each connection first."""
        check_drain_timeout(drain_timeout)
        if self._closing.is_set():
            self._queues[0].refuse_closed()
        places = service.places
        async with open_nursery(parallel=parallel) as nursery:
            try:
                while True:
                    if places is not None:
                        await self._wait_for_place(places)
                    stream = await self._accept_patiently()
                    nursery.start_soon(service.handle, stream, name=service.name)
            except ClosedResource:
                if not self._closing.is_set():
                    raise
            if drain_timeout is not None:
                nursery.cancel_scope.deadline = min(nursery.cancel_scope.deadline, current_time() + drain_timeout)

    async def _wait_for_place(self, places: Semaphore) -> None:
        """Take a permit, or hear of the end while there is none."""
        if places.value > 0:
            await places.acquire()  # nobody else takes any
            return
        chosen, _ = await select(places.acquiring(), self._closing.waiting(), biased=True)
        if chosen == 1:
            self._queues[0].refuse_closed()

    async def _accept_patiently(self) -> R:
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
                with move_on_after(BACK_OFF_S):
                    await self._closing.wait()
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
        self._closing.set()  # first: who hears of the closing of a queue knows that it was meant
        for queue in self._queues:
            queue.close()

    def __repr__(self) -> str:
        where = ", ".join(map(show, self.addresses))
        return f"<{type(self).__name__} on {where}{', closed' if self._closing.is_set() else ''}>"
