"""Serving TLS: a listener whose connections shake hands before they are handled."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from conc.net.listener import Listener
from conc.net.listening import listen_tcp
from conc.net.serving import Service
from conc.net.tls import HANDSHAKE_TIMEOUT_S, check_context, check_timeout, wrap_tls
from conc.net.tls_stream import TlsStream


async def listen_tls(
    host: str | None,
    port: int,
    ssl_context: ssl.SSLContext,
    *,
    backlog: int = 4096,
    handshake_timeout: float | None = HANDSHAKE_TIMEOUT_S,
    require_close_notify: bool = True,
) -> TlsListener:
    """Listen for TLS connections over TCP.

    Args:
        host: as for `listen_tcp`.
        port: as for `listen_tcp`.
        ssl_context: one for servers, with a certificate: ``ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)``, then
            ``context.load_cert_chain("certificate.pem", "key.pem")``.
        backlog: how many connections may wait to be accepted, as for `listen_tcp`.
        handshake_timeout: how many seconds a handshake may take. None: for ever.
        require_close_notify: as for `wrap_tls`.

    Raises:
        OSError: as for `listen_tcp`.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always a cancel point; it waits only for the look-up of a name.
    If cancelled: nothing is listened on.
    """
    check_context(ssl_context, server_side=True)
    check_timeout(handshake_timeout)
    listener = await listen_tcp(host, port, backlog=backlog)
    return TlsListener(
        listener, ssl_context, handshake_timeout=handshake_timeout, require_close_notify=require_close_notify
    )


class TlsListener:
    """Accepts connections of another listener, and speaks TLS over them. Made by `listen_tls`.

    ``async with listener:`` closes it, and the listener below, at the end of the block.

    Args:
        listener: accepts the raw connections, over TCP or another kind of socket. It belongs to this one now.
        ssl_context: one for servers, with a certificate.
        handshake_timeout: how many seconds a handshake may take. None: for ever, which lets a client hold a connection
            that it never uses.
        require_close_notify: as for `wrap_tls`.

    Raises:
        ValueError, TypeError: a bad argument, which is named.
    """

    __slots__ = ("_handshake_timeout", "_listener", "_require_close_notify", "_ssl_context")

    def __init__(
        self,
        listener: Listener[Any],
        ssl_context: ssl.SSLContext,
        *,
        handshake_timeout: float | None = HANDSHAKE_TIMEOUT_S,
        require_close_notify: bool = True,
    ) -> None:
        check_context(ssl_context, server_side=True)
        check_timeout(handshake_timeout)
        self._listener = listener
        self._ssl_context = ssl_context
        self._handshake_timeout = handshake_timeout
        self._require_close_notify = require_close_notify

    @property
    def addresses(self) -> tuple[Any, ...]:
        """What it listens on."""
        return self._listener.addresses

    @property
    def address(self) -> Any:
        """What it listens on; the first of several."""
        return self._listener.address

    @property
    def port(self) -> int:
        """The port it listens on, the same for all addresses, if the listener below has one; else AttributeError."""
        port: int = self._listener.port  # type: ignore[attr-defined]
        return port

    async def accept(self) -> TlsStream:
        """Wait for a connection and shake hands with it.

        One after the other: while a slow client takes its time, nobody else is accepted. `serve` has no such trouble.

        Raises:
            ClosedResource, BusyResource, OSError: as for the listener below.
            ssl.SSLError, BrokenResource, TimeoutError: this one's handshake failed, see `wrap_tls`; it is closed, the
                next one may be well.

        Checkpoint: always a cancel point; it waits for the handshake, and if no connection is there.
        If cancelled: no connection was accepted, or one that is closed.
        """
        return await self._shake_hands(await self._listener.accept())

    async def serve(
        self,
        handler: Callable[[TlsStream], Awaitable[object]],
        *,
        parallel: bool = False,
        limit: int | None = None,
        on_error: Callable[[Exception, Any], object] | None = None,
        drain_timeout: float | None = None,
    ) -> None:
        """Accept connections, and for each, in a child, shake hands and run ``handler(stream)``; until it is closed.

        Nobody waits for the handshake of another. One that fails goes to `on_error`; else it is logged to ``conc.net``.
        It never ends serve. A stream is closed when its handler ends. All else is as for `TcpListener.serve`.

        Args:
            handler: an async function of one stream.
            parallel: whether each connection is a strand of its own, which may run on another core.
            limit: how many connections are handled at a time, those included that are shaking hands. None: no limit.
            on_error: called with an error that left a handler, and its stream; or with the error of a handshake, and
                the raw stream. It does not wait; what it raises ends serve. None: an error of a handler ends serve.
            drain_timeout: for how many seconds after `aclose` the handlers may go on; then they are cancelled. None: as
                long as they take.

        Raises:
            ExceptionGroup: a handler failed, or `on_error` did. The other handlers were cancelled.
            ClosedResource: the listener was closed before.
            BusyResource: another task is accepting.
            ValueError, TypeError: a bad argument, which is named.

        Checkpoint: always, and it waits.
        If cancelled: the handlers are cancelled and have ended, and their streams are closed. The listener is not.
        """
        service: Service[Any, TlsStream] = Service(handler, self._shake_hands, limit=limit, on_error=on_error)
        await self._listener._serve(service, parallel=parallel, drain_timeout=drain_timeout)

    async def _shake_hands(self, stream: Any) -> TlsStream:
        return await wrap_tls(
            stream,
            ssl_context=self._ssl_context,
            server_side=True,
            handshake_timeout=self._handshake_timeout,
            require_close_notify=self._require_close_notify,
        )

    async def aclose(self) -> None:
        """Stop listening, at once. Connections that nobody accepted are reset. Idempotent.

        A task in `accept` gets ClosedResource; `serve` accepts no more, waits for its handlers and returns.

        Checkpoint: a cancel point, after the listener was closed.
        If cancelled: the listener is closed all the same.
        """
        await self._listener.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._listener.__aexit__(kind, error, traceback)

    def __repr__(self) -> str:
        return f"<TlsListener over {self._listener!r}>"
