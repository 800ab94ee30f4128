"""check_stream: a TLS stream keeps every claim of streams, on either side, over whatever carries it."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.io import BufStream
from conc.net import TlsStream, unix_pair
from conc_testing import SimNetwork, VirtualClock, check_stream, duplex
from tests.net.support import run
from tests.net.tls.certificates import client_context, server_context
from tests.net.tls.support import VERSIONS, speak_tls, tcp_pair

Pair = Callable[[], Any]


def in_memory(version: ssl.TLSVersion, *, swapped: bool = False, **options: Any) -> Pair:
    """Makes pairs over a duplex: the client first, or the server."""
    ours, theirs = client_context(version=version), server_context(version=version)

    async def make() -> tuple[TlsStream, TlsStream]:
        client, server = await speak_tls(*duplex(**options), client_side=ours, server_side=theirs)
        return (server, client) if swapped else (client, server)

    return make


@pytest.mark.parametrize("swapped", [False, True], ids=["client first", "server first"])
@pytest.mark.parametrize("version", VERSIONS, ids=["1.3", "1.2"])
async def test_tls_in_memory_keeps_the_protocol(version: ssl.TLSVersion, swapped: bool) -> None:
    await check_stream(in_memory(version, swapped=swapped))


@pytest.mark.parametrize(
    "options", [{"capacity": 3_000}, {"chunk": 777}, {"latency": 0.01}], ids=["little room", "in pieces", "slow"]
)
async def test_tls_over_difficult_streams_keeps_the_protocol(options: dict[str, Any]) -> None:
    await check_stream(in_memory(ssl.TLSVersion.TLSv1_3, **options))


async def test_tls_over_buffered_streams_keeps_the_protocol() -> None:
    async def make() -> tuple[TlsStream, TlsStream]:
        client, server = duplex(3_000)
        return await speak_tls(BufStream(client), BufStream(server, 100))

    await check_stream(make)


async def test_tls_within_tls_keeps_the_protocol() -> None:
    async def make() -> tuple[TlsStream, TlsStream]:
        return await speak_tls(*await speak_tls(*duplex()))

    await check_stream(make)


@pytest.mark.parametrize("swapped", [False, True], ids=["client first", "server first"])
def test_tls_over_tcp_keeps_the_protocol(swapped: bool) -> None:
    async def make() -> tuple[TlsStream, TlsStream]:
        client, server = await speak_tls(*await tcp_pair())
        return (server, client) if swapped else (client, server)

    run(check_stream, make, seconds=60)


def test_tls_over_a_unix_socket_keeps_the_protocol() -> None:
    async def make() -> tuple[TlsStream, TlsStream]:
        return await speak_tls(*unix_pair())

    run(check_stream, make, seconds=60)


def test_tls_over_the_simulated_network_keeps_the_protocol() -> None:
    async def make() -> tuple[TlsStream, TlsStream]:
        return await speak_tls(*await tcp_pair())

    conc.run(check_stream, make, clock=VirtualClock(), network=SimNetwork())
