"""Two ends that speak TLS to one another, over whatever streams a test has."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import conc
from conc.io import Stream
from conc.net import TcpStream, TlsStream, connect_tcp, listen_tcp, wrap_tls
from conc_testing import duplex
from tests.net.tls.certificates import HOST, client_context, server_context

VERSIONS = [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2]


async def speak_tls(
    client: Stream,
    server: Stream,
    *,
    client_side: ssl.SSLContext | None = None,
    server_side: ssl.SSLContext | None = None,
    **options: Any,
) -> tuple[TlsStream, TlsStream]:
    """Shake hands on both ends of a connection. The options are those of the client."""
    theirs: list[TlsStream] = []

    async def serve() -> None:
        theirs.append(await wrap_tls(server, ssl_context=server_side or server_context(), server_side=True))

    async with conc.open_nursery() as nursery:
        nursery.start_soon(serve)
        ours = await wrap_tls(
            client, ssl_context=client_side or client_context(), **{"server_hostname": HOST, **options}
        )
    return ours, theirs[0]


@asynccontextmanager
async def tls_pair(
    *, version: ssl.TLSVersion | None = None, capacity: int = 65_536, **options: Any
) -> AsyncIterator[tuple[TlsStream, TlsStream]]:
    """A client and a server over a connection in memory."""
    client, server = await speak_tls(
        *duplex(capacity),
        client_side=client_context(version=version),
        server_side=server_context(version=version),
        **options,
    )
    async with client, server:
        yield client, server


async def tcp_pair() -> tuple[TcpStream, TcpStream]:
    """The two ends of a TCP connection, open: that of the client, and that of the server."""
    async with await listen_tcp("127.0.0.1", 0) as listener:
        return await connect_tcp("127.0.0.1", listener.port), await listener.accept()


async def read_exactly(stream: Stream, n: int) -> bytes:
    """So many bytes, or what there is before the end."""
    got = b""
    while len(got) < n and (part := await stream.read(n - len(got))):
        got += part
    return got


async def read_to_end(stream: Stream) -> bytes:
    """Everything until the end."""
    got = b""
    while part := await stream.read(65_536):
        got += part
    return got
