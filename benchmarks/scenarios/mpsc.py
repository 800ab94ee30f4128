"""mpsc: 5,000 messages from one producer or five to one consumer, through channels of capacity 1, 100 and unbounded."""

import asyncio
import math
from functools import partial
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import aiochannel, anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants

MESSAGES = 5_000
"""Through one channel; then comes the next one, as in the benchmarks of Tokio."""


def channels(size: int) -> range:
    """Enough channels for `size` messages."""
    return range(max(1, size // MESSAGES))


async def waiting_producer(send: Any, messages: int) -> None:
    """For all libraries: sends, waiting for a place where there is none."""
    for message in range(messages):
        await send(message)


async def producer(send: Any, messages: int) -> None:
    """For all libraries: sends to a channel that has always a place."""
    for message in range(messages):
        send(message)


async def conc_bounded(size: int, producers: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = conc.channels.mpsc[int](capacity)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for _ in range(producers):
                    nursery.start_soon(waiting_producer, sender.send, MESSAGES // producers)
                receive = receiver.receive
                for _ in range(MESSAGES):
                    await receive()


async def conc_unbounded(size: int, producers: int) -> None:
    for _ in channels(size):
        sender, receiver = conc.channels.mpsc_unbounded[int]()
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for _ in range(producers):
                    nursery.start_soon(producer, sender.send_nowait, MESSAGES // producers)
                receive = receiver.receive
                for _ in range(MESSAGES):
                    await receive()


async def asyncio_bounded(size: int, producers: int, capacity: int) -> None:
    for _ in channels(size):
        queue = asyncio.Queue[int](capacity)
        await asyncio_exchange(producers, waiting_producer, queue.put, queue.get)


async def asyncio_unbounded(size: int, producers: int) -> None:
    for _ in channels(size):
        queue = asyncio.Queue[int]()
        await asyncio_exchange(producers, producer, queue.put_nowait, queue.get)


async def aiochannel_bounded(size: int, producers: int, capacity: int) -> None:
    for _ in channels(size):
        queue = aiochannel.Channel[int](capacity)
        await asyncio_exchange(producers, waiting_producer, queue.put, queue.get)


async def aiochannel_unbounded(size: int, producers: int) -> None:
    for _ in channels(size):
        queue = aiochannel.Channel[int]()
        await asyncio_exchange(producers, producer, queue.put_nowait, queue.get)


async def asyncio_exchange(producers: int, produce: Any, send: Any, get: Any) -> None:
    tasks = [asyncio.create_task(produce(send, MESSAGES // producers)) for _ in range(producers)]
    for _ in range(MESSAGES):
        await get()
    for task in tasks:
        await task


async def trio_bounded(size: int, producers: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = trio.open_memory_channel[int](capacity)
        async with trio.open_nursery() as nursery:
            for _ in range(producers):
                nursery.start_soon(waiting_producer, sender.send, MESSAGES // producers)
            receive = receiver.receive
            for _ in range(MESSAGES):
                await receive()


async def trio_unbounded(size: int, producers: int) -> None:
    for _ in channels(size):
        sender, receiver = trio.open_memory_channel[int](math.inf)
        async with trio.open_nursery() as nursery:
            for _ in range(producers):
                nursery.start_soon(producer, sender.send_nowait, MESSAGES // producers)
            receive = receiver.receive
            for _ in range(MESSAGES):
                await receive()


async def anyio_bounded(size: int, producers: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = anyio.create_memory_object_stream[int](capacity)
        with sender, receiver:
            async with anyio.create_task_group() as group:
                for _ in range(producers):
                    group.start_soon(waiting_producer, sender.send, MESSAGES // producers)
                receive = receiver.receive
                for _ in range(MESSAGES):
                    await receive()


async def anyio_unbounded(size: int, producers: int) -> None:
    for _ in channels(size):
        sender, receiver = anyio.create_memory_object_stream[int](math.inf)
        with sender, receiver:
            async with anyio.create_task_group() as group:
                for _ in range(producers):
                    group.start_soon(producer, sender.send_nowait, MESSAGES // producers)
                receive = receiver.receive
                for _ in range(MESSAGES):
                    await receive()


async def tonio_bounded(size: int, producers: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = tonio.colored.sync.channel.channel(capacity)
        await tonio_exchange(producers, waiting_producer, sender.send, receiver.receive)


async def tonio_unbounded(size: int, producers: int) -> None:
    for _ in channels(size):
        sender, receiver = tonio.colored.sync.channel.unbounded()
        await tonio_exchange(producers, producer, sender.send, receiver.receive)


async def tonio_exchange(producers: int, produce: Any, send: Any, receive: Any) -> None:
    coroutines = [produce(send, MESSAGES // producers) for _ in range(producers)]
    sent = tonio.colored.spawn.without_results(*coroutines)
    for _ in range(MESSAGES):
        await receive()
    await sent


BOUNDED = contestants(
    {
        "conc": conc_bounded,
        "asyncio": asyncio_bounded,
        "aiochannel": aiochannel_bounded,
        "trio": trio_bounded,
        "anyio": anyio_bounded,
        "tonio": tonio_bounded,
    }
)
UNBOUNDED = contestants(
    {
        "conc": conc_unbounded,
        "asyncio": asyncio_unbounded,
        "aiochannel": aiochannel_unbounded,
        "trio": trio_unbounded,
        "anyio": anyio_unbounded,
        "tonio": tonio_unbounded,
    }
)
EXCUSED = {"tinyio": "it has no channels"}
FROM = {1: "one producer", 5: "five producers"}

SCENARIOS = (
    *(
        Scenario(
            name=f"mpsc_{capacity}_from_{producers}",
            family="mpsc",
            title=f"Channel of capacity {capacity}, {FROM[producers]}, one consumer",
            unit="message",
            size=100_000,
            measure=partial(timed, arguments=(producers, capacity)),
            contestants=BOUNDED,
            excused=EXCUSED,
            notes="A new channel every 5,000 messages. asyncio: `Queue`. trio, anyio: memory channels.",
        )
        for capacity in (1, 100)
        for producers in FROM
    ),
    *(
        Scenario(
            name=f"mpsc_unbounded_from_{producers}",
            family="mpsc",
            title=f"Unbounded channel, {FROM[producers]}, one consumer",
            unit="message",
            size=100_000,
            measure=partial(timed, arguments=(producers,)),
            contestants=UNBOUNDED,
            excused=EXCUSED,
            notes="A new channel every 5,000 messages. Sent without waiting: `send_nowait`, `put_nowait`.",
        )
        for producers in FROM
    ),
)
