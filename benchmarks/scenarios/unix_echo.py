"""unix_echo: messages of 1 KiB go there and back on 50 connections of a Unix socket."""

import asyncio
import os
import tempfile
from functools import partial

from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.scenarios.tcp_echo import AsyncioEcho, anyio_echo, asyncio_echo, conc_echo, trio_echo
from benchmarks.served import Announce, Load, measure_server

CONNECTIONS = 50
MESSAGE_BYTES = 1024


def somewhere() -> str:
    """A path that nobody uses."""
    return os.path.join(tempfile.gettempdir(), f"conc-bench-{os.getpid()}.sock")


async def conc_server(announce: Announce) -> None:
    path = somewhere()
    listener = await conc.net.listen_unix(path)
    announce(path)
    await listener.serve(conc_echo)


async def asyncio_streams_server(announce: Announce) -> None:
    path = somewhere()
    await asyncio.start_unix_server(asyncio_echo, path)
    announce(path)
    await asyncio.get_running_loop().create_future()  # not serve_forever: rloop's stops a server that serves already


async def asyncio_protocol_server(announce: Announce) -> None:
    path = somewhere()
    await asyncio.get_running_loop().create_unix_server(AsyncioEcho, path)
    announce(path)
    await asyncio.get_running_loop().create_future()


async def trio_server(announce: Announce) -> None:
    path = somewhere()
    with trio.socket.socket(trio.socket.AF_UNIX) as sock:
        await sock.bind(path)
        sock.listen(1024)
        announce(path)
        await trio.serve_listeners(trio_echo, [trio.SocketListener(sock)])


async def anyio_server(announce: Announce) -> None:
    path = somewhere()
    listener = await anyio.create_unix_listener(path)
    announce(path)
    await listener.serve(anyio_echo)


SCENARIOS = (
    Scenario(
        name="unix_echo",
        family="unix_echo",
        title=f"Unix socket echo, 1 KiB, {CONNECTIONS} connections",
        unit="message",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("echo", CONNECTIONS, MESSAGE_BYTES, transport="unix")),
        contestants=(
            Contestant("conc", "conc", conc_server),
            *on_every_asyncio_loop("streams", asyncio_streams_server),
            *on_every_asyncio_loop("Protocol", asyncio_protocol_server),
            Contestant("trio", "trio", trio_server),
            Contestant("anyio (asyncio)", "anyio", anyio_server),
        ),
        excused={"tinyio": "it has no sockets", "tonio": "not measured here"},
        notes="Ranked by CPU time of the server for each message. As `tcp_echo`.",
    ),
)
