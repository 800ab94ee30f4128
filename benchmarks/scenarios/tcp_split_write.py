"""tcp_split_write: an answer in two parts, a head and a body, as servers of HTTP send it."""

import asyncio
from functools import partial
from typing import Any

from benchmarks.peers import anyio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop
from benchmarks.scenarios.tcp_bulk import anyio_server, asyncio_server, conc_server, trio_server
from benchmarks.served import READ_BYTES, Load, measure_server

CONNECTIONS = 50
REQUEST_BYTES = 64
HEAD = bytes(160)
BODY = bytes(8192)


async def conc_answer(stream: Any) -> None:
    while await stream.read(READ_BYTES):
        await stream.write_all(HEAD, BODY)


async def asyncio_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(READ_BYTES):
        writer.writelines((HEAD, BODY))
        await writer.drain()
    writer.close()


async def trio_answer(stream: Any) -> None:
    while await stream.receive_some(READ_BYTES):
        await stream.send_all(HEAD + BODY)


async def anyio_answer(stream: Any) -> None:
    async with stream:
        while True:
            try:
                await stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                return
            await stream.send(HEAD + BODY)


SCENARIOS = (
    Scenario(
        name="tcp_split_write",
        family="tcp_split_write",
        title=f"TCP, an answer of a head and a body of 8 KiB, {CONNECTIONS} connections",
        unit="answer",
        size=2_000,
        quick_size=500,
        figure="cpu_ns",
        uses_network=True,
        measure=partial(measure_server, load=Load("exchange", CONNECTIONS, REQUEST_BYTES, len(HEAD) + len(BODY))),
        contestants=(
            Contestant("conc", "conc", partial(conc_server, conc_answer)),
            *on_every_asyncio_loop("streams", partial(asyncio_server, asyncio_answer)),
            Contestant("trio", "trio", partial(trio_server, trio_answer)),
            Contestant("anyio (asyncio)", "anyio", partial(anyio_server, anyio_answer)),
        ),
        excused={
            "tinyio": "it has no sockets",
            "tonio": "not measured here",
        },
        notes="Ranked by CPU time of the server for each answer. conc: `write_all(head, body)`. asyncio:"
        " `writelines`, `drain`. The others join the two first, as they take one buffer.",
    ),
)
