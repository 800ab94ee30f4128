"""Speaking TLS: over a stream that is there, or to a server."""

from __future__ import annotations

import math
import ssl
from contextlib import suppress
from typing import Final

from conc._kernel.cancel import CancelScope, check_time
from conc._os.sync import Lock
from conc.errors import BrokenResource
from conc.io.stream import Stream
from conc.net.connecting import connect_tcp
from conc.net.tls_errors import handshake_error
from conc.net.tls_machine import TlsMachine
from conc.net.tls_stream import TlsStream
from conc.net.tls_wire import CIPHERTEXT, send_soon
from conc.threads import to_thread
from conc.time import move_on_after

HANDSHAKE_TIMEOUT_S: Final = 30.0
FIRST_BYTES: Final = 24  # of what the other side says, for an error


async def wrap_tls(
    stream: Stream,
    *,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    server_side: bool = False,
    handshake_timeout: float | None = HANDSHAKE_TIMEOUT_S,
    session: ssl.SSLSession | None = None,
    require_close_notify: bool = True,
) -> TlsStream:
    """Speak TLS over a stream that is there: shake hands, and return the stream to use from now on.

    It closes `stream` when it is closed itself, and if the handshake fails.

    Args:
        stream: any stream, also another TlsStream. Nothing may have been read from it that belongs to TLS.
        ssl_context: what is allowed, which certificates are trusted and which shown, which protocols are offered
            (ALPN). None, for a client: `ssl.create_default_context`, made once. A server must have one.
        server_hostname: for a client, the name that the server's certificate must be for; also told to the server.
        server_side: whether the other side begins.
        handshake_timeout: how many seconds the handshake may take. None: for ever.
        session: for a client, the `TlsStream.session` of an earlier connection with the same context, to resume.
        require_close_notify: whether an end that the other side has not announced is an error. Say False only for a
            protocol that tells where its messages end, as HTTP with a Content-Length.

    Raises:
        ssl.SSLCertVerificationError: the certificate of the other side is not to be trusted; the text says why.
        ssl.SSLError: the other side speaks no TLS, or there is nothing that both would agree on.
        BrokenResource: the other side closed, or the connection broke, in the middle of the handshake.
        TimeoutError: it took longer than `handshake_timeout`.
        ValueError, TypeError: a bad argument, which is named. The stream is still open then.

    Checkpoint: always, and it waits.
    If cancelled: the stream is closed.
    """
    check_timeout(handshake_timeout)
    if ssl_context is None:
        if server_side:
            raise ValueError("ssl_context must be given for a server: it needs a certificate to show")
        if server_hostname is None:
            raise ValueError("server_hostname must be given: the name that the server's certificate is for")
    else:
        check_context(ssl_context, server_side=server_side)
        if ssl_context.check_hostname and not server_side and server_hostname is None:
            raise ValueError("server_hostname must be given, or ssl_context.check_hostname be False")
    check_hostname(server_hostname, server_side=server_side)
    machine = await _make_machine(stream, ssl_context, server_side, server_hostname, session)
    whom = repr(server_hostname) if server_hostname is not None else repr(stream)
    try:
        with move_on_after(math.inf if handshake_timeout is None else handshake_timeout) as scope:
            await _shake_hands(machine, stream, whom)
        if scope.cancelled_caught:
            raise TimeoutError(
                f"the TLS handshake with {whom} took longer than handshake_timeout={handshake_timeout} s"
            )
    except BaseException:
        await _give_up(stream)
        raise
    wrapped = TlsStream(stream, machine, require_close_notify=require_close_notify)
    wrapped._send_now()
    return wrapped


async def connect_tls(
    host: str,
    port: int,
    *,
    ssl_context: ssl.SSLContext | None = None,
    server_hostname: str | None = None,
    handshake_timeout: float | None = HANDSHAKE_TIMEOUT_S,
    session: ssl.SSLSession | None = None,
    require_close_notify: bool = True,
    local_host: str | None = None,
    happy_eyeballs_delay: float = 0.25,
) -> TlsStream:
    """Connect to a TLS server over TCP: `connect_tcp`, then `wrap_tls`.

    Args:
        host: an address, or a name.
        port: 1 to 65535.
        ssl_context: as for `wrap_tls`.
        server_hostname: the name that the server's certificate must be for. None: `host`.
        handshake_timeout: how many seconds the handshake may take. None: for ever.
        session: that of an earlier connection with the same context, to resume.
        require_close_notify: as for `wrap_tls`.
        local_host: the address to connect from, as for `connect_tcp`.
        happy_eyeballs_delay: after how many seconds the next address is tried, as for `connect_tcp`.

    Raises:
        OSError: nobody answers, or there is no such name, as for `connect_tcp`.
        ssl.SSLCertVerificationError, ssl.SSLError, BrokenResource, TimeoutError: the handshake failed, see `wrap_tls`.
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: always, and it waits.
    If cancelled: there is no connection, or no longer.
    """
    check_timeout(handshake_timeout)
    check_hostname(server_hostname, server_side=False)
    if ssl_context is not None:
        check_context(ssl_context, server_side=False)
    stream = await connect_tcp(host, port, local_host=local_host, happy_eyeballs_delay=happy_eyeballs_delay)
    try:
        return await wrap_tls(
            stream,
            ssl_context=ssl_context,
            # The scope of an address, and the dot behind a full name, are not in certificates.
            server_hostname=host.partition("%")[0].rstrip(".") if server_hostname is None else server_hostname,
            handshake_timeout=handshake_timeout,
            session=session,
            require_close_notify=require_close_notify,
        )
    except BaseException:
        stream._close()  # which wrap_tls leaves open when an argument is bad
        raise


async def _make_machine(
    stream: Stream,
    context: ssl.SSLContext | None,
    server_side: bool,
    server_hostname: str | None,
    session: ssl.SSLSession | None,
) -> TlsMachine:
    if context is None:
        try:
            context = await to_thread(default_context)  # it reads files
        except BaseException:
            await _give_up(stream)
            raise
    return TlsMachine(context, server_side, server_hostname, session)


async def _shake_hands(machine: TlsMachine, stream: Stream, whom: str) -> None:
    """Shake hands, or say why not."""
    flush = getattr(stream, "flush", None)
    first_bytes = b""
    try:
        while True:
            done = machine.shake_hands()
            if done and machine.ssl.server_side and machine.ssl.version() == "TLSv1.3":
                return  # the client waits for nothing more; sessions for later go out with the rest
            if ciphertext := machine.drain():
                await stream.write_all(ciphertext)
                if flush is not None:
                    await flush()
            if done:
                return
            received = await stream.read(CIPHERTEXT)
            if not received:
                raise BrokenResource(f"{whom} closed the connection in the middle of the TLS handshake")
            first_bytes = first_bytes or received[:FIRST_BYTES]
            machine.feed(received)
    except ssl.SSLError as error:
        await send_soon(stream, machine.drain())  # which tells the other side
        raise handshake_error(error, whom, first_bytes) from error


async def _give_up(stream: Stream) -> None:
    """Close it, cancelled or not."""
    with CancelScope(shield=True), suppress(Exception):
        await stream.aclose()


class _Default:
    """The context of clients that bring none. One for all: to make it takes long, and sessions belong to a context."""

    lock: Final = Lock()
    context: ssl.SSLContext | None = None


def default_context() -> ssl.SSLContext:
    """The context of clients that bring none."""
    with _Default.lock:
        if _Default.context is None:
            _Default.context = ssl.create_default_context()
        return _Default.context


def check_context(context: object, *, server_side: bool) -> None:
    """Raise an error that names the argument unless it is an SSL context, and one for this side."""
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {context!r}")
    if server_side and context.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError(
            "ssl_context is one for clients; make one for servers: ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"
        )
    if not server_side and context.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise ValueError("ssl_context is one for servers; make one for clients: ssl.create_default_context()")


def check_hostname(name: object, *, server_side: bool) -> None:
    """Raise an error that names the argument unless it is None or may be the name of a server."""
    if name is None:
        return
    if server_side:
        raise ValueError("server_hostname is for clients, not for a server")
    if not isinstance(name, str):
        raise TypeError(f"server_hostname must be a str, not {name!r}")
    try:
        name.encode("idna")
    except UnicodeError as error:
        raise ValueError(f"server_hostname must be the name of a server, not {name!r}: {error}") from None
    if not name or "\0" in name or name.startswith("."):
        raise ValueError(f"server_hostname must be the name of a server, not {name!r}")


def check_timeout(seconds: float | None) -> None:
    """Raise an error that names the argument unless it is None or a number of seconds."""
    if seconds is not None and check_time(seconds, "handshake_timeout") <= 0:
        raise ValueError(f"handshake_timeout must be more than 0, or None, not {seconds}")
