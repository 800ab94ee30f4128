"""tcp_lines: lines of 1 KiB go there and back on 50 connections; a server reads line by line."""

import asyncio
from functools import partial
from typing import Any

from benchmarks.peers import anyio, conc
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.served import Announce, Load, measure_server

LINE_BYTES = 1024
CONNECTIONS = 50


async def conc_echo(stream: Any) -> None:
    reader = conc.io.BufReader(stream)
    while line := await reader.read_line():
        await stream.write_all(line)


async def conc_server(announce: Announce) -> None:
    listener = await conc.net.listen_tcp("127.0.0.1", 0)
    announce(listener.port)
    await listener.serve(conc_echo)


async def asyncio_echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        writer.write(line)
        await writer.drain()
    writer.close()


async def asyncio_server(announce: Announce) -> None:
    server = await asyncio.start_server(asyncio_echo, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await asyncio.get_running_loop().create_future()  # not serve_forever: rloop's stops a server that serves already


async def anyio_echo(stream: Any) -> None:
    async with stream:
        reader = anyio.streams.buffered.BufferedByteReceiveStream(stream)
        while True:
            try:
                line = await reader.receive_until(b"\n", 65_536)
            except anyio.EndOfStream:
                return
            await stream.send(line + b"\n")


async def anyio_server(announce: Announce) -> None:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    announce(listener.extra(anyio.abc.SocketAttribute.local_port))
    await listener.serve(anyio_echo)


SCENARIOS = (
    Scenario(
        name="tcp_lines",
        family="tcp_lines",
        title=f"TCP echo by lines of 1 KiB, {CONNECTIONS} connections",
        unit="line",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("echo", CONNECTIONS, LINE_BYTES)),
        contestants=(
            Contestant("conc", "conc", conc_server),
            *on_every_asyncio_loop("streams", asyncio_server),
            Contestant("anyio (asyncio)", "anyio", anyio_server),
        ),
        excused=dict.fromkeys(("trio", "tinyio", "tonio"), "it has no reader of lines"),
        notes="Ranked by CPU time of the server for each line. conc: `BufReader.read_line`, `write_all`. asyncio:"
        " `readline`, `write`, `drain`. anyio: `receive_until`, `send`.",
    ),
)
