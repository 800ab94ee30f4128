"""mpsc_ping_pong: a message goes there and back between two tasks, through two channels of capacity 1."""

import asyncio
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import aiochannel, anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants


async def echo(receive: Any, send: Any, messages: int) -> None:
    """For all libraries: sends back what comes."""
    for _ in range(messages):
        await send(await receive())


async def serve(send: Any, receive: Any, messages: int) -> None:
    """For all libraries: sends, and waits for the answer."""
    for message in range(messages):
        await send(message)
        await receive()


async def conc_main(size: int) -> None:
    (there, arriving), (back, returning) = conc.channels.mpsc[int](1), conc.channels.mpsc[int](1)
    with there, arriving, back, returning:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(echo, arriving.receive, back.send, size)
            await serve(there.send, returning.receive, size)


async def asyncio_main(size: int) -> None:
    there, back = asyncio.Queue[int](1), asyncio.Queue[int](1)
    other = asyncio.create_task(echo(there.get, back.put, size))
    await serve(there.put, back.get, size)
    await other


async def aiochannel_main(size: int) -> None:
    there, back = aiochannel.Channel[int](1), aiochannel.Channel[int](1)
    other = asyncio.create_task(echo(there.get, back.put, size))
    await serve(there.put, back.get, size)
    await other


async def trio_main(size: int) -> None:
    (there, arriving), (back, returning) = trio.open_memory_channel[int](1), trio.open_memory_channel[int](1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(echo, arriving.receive, back.send, size)
        await serve(there.send, returning.receive, size)


async def anyio_main(size: int) -> None:
    there, arriving = anyio.create_memory_object_stream[int](1)
    back, returning = anyio.create_memory_object_stream[int](1)
    with there, arriving, back, returning:
        async with anyio.create_task_group() as group:
            group.start_soon(echo, arriving.receive, back.send, size)
            await serve(there.send, returning.receive, size)


async def tonio_main(size: int) -> None:
    there, arriving = tonio.colored.sync.channel.channel(1)
    back, returning = tonio.colored.sync.channel.channel(1)
    other = tonio.colored.spawn.without_results(echo(arriving.receive, back.send, size))
    await serve(there.send, returning.receive, size)
    await other


SCENARIOS = (
    Scenario(
        name="mpsc_ping_pong",
        family="mpsc_ping_pong",
        title="A message there and back through two channels of capacity 1",
        unit="round trip",
        size=50_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_main,
                "asyncio": asyncio_main,
                "aiochannel": aiochannel_main,
                "trio": trio_main,
                "anyio": anyio_main,
                "tonio": tonio_main,
            }
        ),
        excused={"tinyio": "it has no channels"},
        notes="asyncio: `Queue(1)`. trio, anyio: memory channels.",
    ),
)
