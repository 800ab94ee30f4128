"""tcp_proxy: a proxy stands between the load and an echo server, and copies both ways."""

import asyncio
import subprocess
from functools import partial
from typing import Any

from benchmarks import native
from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.scenarios.tcp_bulk import anyio_server, asyncio_server, conc_server, trio_server
from benchmarks.served import READ_BYTES, Announce, Load, measure_server

CONNECTIONS = 4
MESSAGE_BYTES = 1024 * 1024


def upstream() -> int:
    """Start the echo server behind the proxy, in the same group of processes, which ends with it; its port."""
    # It must not hold the pipes of this process: whoever reads them waits for their end.
    server = subprocess.Popen(
        [native.build("echo"), "echo"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    return int(server.stdout.readline())


async def conc_proxy(port: int, stream: Any) -> None:
    async with await conc.net.connect_tcp("127.0.0.1", port) as other:
        await conc.io.copy_bidirectional(stream, other)


async def conc_main(announce: Announce) -> None:
    await conc_server(partial(conc_proxy, upstream()), announce)


async def asyncio_copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def asyncio_proxy(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio_copy(reader, other_writer))
        group.create_task(asyncio_copy(other_reader, writer))


async def asyncio_main(announce: Announce) -> None:
    await asyncio_server(partial(asyncio_proxy, upstream()), announce)


async def trio_copy(source: Any, sink: Any) -> None:
    while data := await source.receive_some(READ_BYTES):
        await sink.send_all(data)
    await sink.send_eof()


async def trio_proxy(port: int, stream: Any) -> None:
    async with await trio.open_tcp_stream("127.0.0.1", port) as other, trio.open_nursery() as nursery:
        nursery.start_soon(trio_copy, stream, other)
        nursery.start_soon(trio_copy, other, stream)


async def trio_main(announce: Announce) -> None:
    await trio_server(partial(trio_proxy, upstream()), announce)


async def anyio_copy(source: Any, sink: Any) -> None:
    try:
        while True:
            await sink.send(await source.receive(READ_BYTES))
    except anyio.EndOfStream:
        await sink.send_eof()


async def anyio_proxy(port: int, stream: Any) -> None:
    async with stream, await anyio.connect_tcp("127.0.0.1", port) as other, anyio.create_task_group() as group:
        group.start_soon(anyio_copy, stream, other)
        group.start_soon(anyio_copy, other, stream)


async def anyio_main(announce: Announce) -> None:
    await anyio_server(partial(anyio_proxy, upstream()), announce)


SCENARIOS = (
    Scenario(
        name="tcp_proxy",
        family="tcp_proxy",
        title=f"TCP proxy, 1 MiB there and back, {CONNECTIONS} connections",
        unit="message",
        size=4_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("echo", CONNECTIONS, MESSAGE_BYTES)),
        contestants=(
            Contestant("conc", "conc", conc_main),
            *on_every_asyncio_loop("streams", asyncio_main),
            Contestant("trio", "trio", trio_main),
            Contestant("anyio (asyncio)", "anyio", anyio_main),
        ),
        excused={"tinyio": "it has no sockets", "tonio": "not measured here"},
        notes="Ranked by CPU time of the proxy for each MiB that goes there and back; some 512 MiB go through in a"
        " second. conc: `copy_bidirectional`. The others: two tasks that read up to 64 KiB and write it.",
    ),
)
