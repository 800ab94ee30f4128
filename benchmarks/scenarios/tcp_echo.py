"""tcp_echo: messages of 1 and 64 KiB go there and back on 1 and 50 connections; a server sends back what it reads."""

import asyncio
from functools import partial
from typing import Any, cast

from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.served import READ_BYTES, Announce, Load, c_server, measure_server


async def conc_echo(stream: Any) -> None:
    while data := await stream.read(READ_BYTES):
        await stream.write_all(data)


async def conc_server(announce: Announce) -> None:
    listener = await conc.net.listen_tcp("127.0.0.1", 0)
    announce(listener.port)
    await listener.serve(conc_echo)


async def asyncio_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    writer.close()


async def for_ever() -> None:
    # Not serve_forever: rloop's stops a server that serves already.
    await asyncio.get_running_loop().create_future()


async def asyncio_streams_server(announce: Announce) -> None:
    server = await asyncio.start_server(asyncio_echo, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await for_ever()


class AsyncioEcho(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = cast(asyncio.Transport, transport).write

    def data_received(self, data: bytes) -> None:
        self.write(data)


async def asyncio_protocol_server(announce: Announce) -> None:
    server = await asyncio.get_running_loop().create_server(AsyncioEcho, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await for_ever()


async def trio_echo(stream: Any) -> None:
    while data := await stream.receive_some(READ_BYTES):
        await stream.send_all(data)


async def trio_server(announce: Announce) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    announce(listeners[0].socket.getsockname()[1])
    await trio.serve_listeners(trio_echo, listeners)


async def anyio_echo(stream: Any) -> None:
    async with stream:
        while True:
            try:
                data = await stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                return
            await stream.send(data)


async def anyio_server(announce: Announce) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    announce(listener.extra(anyio.abc.SocketAttribute.local_port))
    await listener.serve(anyio_echo)


async def tonio_echo(sock: Any) -> None:
    with sock:
        while data := await sock.recv(READ_BYTES):
            while data:
                data = data[await sock.send(data) :]


async def tonio_server(announce: Announce) -> None:
    with tonio.colored.net.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen()
        announce(listener.getsockname()[1])
        while True:
            sock, _ = await listener.accept()
            tonio.colored.spawn.without_tracking(tonio_echo(sock))


CONTESTANTS = (
    Contestant("conc", "conc", conc_server),
    *on_every_asyncio_loop("streams", asyncio_streams_server),
    *on_every_asyncio_loop("Protocol", asyncio_protocol_server),
    Contestant("trio", "trio", trio_server),
    Contestant("anyio (asyncio)", "anyio", anyio_server),
    Contestant("tonio", "tonio", tonio_server),
    Contestant("tonio+context", "tonio+context", tonio_server),
    Contestant("C epoll", "C", c_server),
)

SCENARIOS = tuple(
    Scenario(
        name=f"tcp_echo_{kib}k_{connections}",
        family="tcp_echo",
        title=f"TCP echo, {kib} KiB, {connections} connection{'s' if connections > 1 else ''}",
        unit="message",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("echo", connections, kib * 1024)),
        contestants=CONTESTANTS,
        excused={"tinyio": "it has no sockets"},
        notes="Ranked by CPU time of the server for each message. Every server reads up to 64 KiB at a time and sends"
        " back what it read. conc: `read`, `write_all`. asyncio streams: `read`, `write`, `drain`. C epoll: the limit.",
    )
    for kib in (1, 64)
    for connections in (1, 50)
)
