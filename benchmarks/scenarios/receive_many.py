"""receive_many: 5,000 messages from five producers, which the consumer takes as many at a time as there are."""

import asyncio
import math
from functools import partial
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import aiochannel, anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants

MESSAGES = 5_000
PRODUCERS = 5
UNBOUNDED = 0


def channels(size: int) -> range:
    """Enough channels for `size` messages."""
    return range(max(1, size // MESSAGES))


async def producer(send: Any) -> None:
    """For all libraries."""
    for message in range(MESSAGES // PRODUCERS):
        await send(message)


async def eager_producer(send: Any) -> None:
    """For all libraries: the channel has no limit, nothing has to wait."""
    for message in range(MESSAGES // PRODUCERS):
        send(message)


async def conc_main(size: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = conc.channels.mpsc[int](capacity) if capacity else conc.channels.mpsc_unbounded[int]()
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for _ in range(PRODUCERS):
                    if capacity:
                        nursery.start_soon(producer, sender.send)
                    else:
                        nursery.start_soon(eager_producer, sender.send_nowait)
                taken = 0
                while taken < MESSAGES:
                    taken += len(await receiver.receive_many(MESSAGES))


async def asyncio_main(size: int, capacity: int) -> None:
    for _ in channels(size):
        await asyncio_batches(asyncio.Queue[int](capacity), capacity)


async def aiochannel_main(size: int, capacity: int) -> None:
    for _ in channels(size):
        await asyncio_batches(aiochannel.Channel[int](capacity), capacity)


async def asyncio_batches(queue: Any, capacity: int) -> None:
    start = asyncio.create_task
    if capacity:
        tasks = [start(producer(queue.put)) for _ in range(PRODUCERS)]
    else:
        tasks = [start(eager_producer(queue.put_nowait)) for _ in range(PRODUCERS)]
    taken, get_nowait = 0, queue.get_nowait
    while taken < MESSAGES:
        batch = [await queue.get()]
        for _ in range(queue.qsize()):
            batch.append(get_nowait())  # noqa: PERF401  # as a comprehension it is a function call more in Python 3.11
        taken += len(batch)
    for task in tasks:
        await task


async def trio_main(size: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = trio.open_memory_channel[int](capacity or math.inf)
        async with trio.open_nursery() as nursery:
            for _ in range(PRODUCERS):
                if capacity:
                    nursery.start_soon(producer, sender.send)
                else:
                    nursery.start_soon(eager_producer, sender.send_nowait)
            taken, receive_nowait = 0, receiver.receive_nowait
            while taken < MESSAGES:
                batch = [await receiver.receive()]
                for _ in range(receiver.statistics().current_buffer_used):
                    batch.append(receive_nowait())  # noqa: PERF401
                taken += len(batch)


async def anyio_main(size: int, capacity: int) -> None:
    for _ in channels(size):
        sender, receiver = anyio.create_memory_object_stream[int](capacity or math.inf)
        with sender, receiver:
            async with anyio.create_task_group() as group:
                for _ in range(PRODUCERS):
                    if capacity:
                        group.start_soon(producer, sender.send)
                    else:
                        group.start_soon(eager_producer, sender.send_nowait)
                taken, receive_nowait = 0, receiver.receive_nowait
                while taken < MESSAGES:
                    batch = [await receiver.receive()]
                    for _ in range(receiver.statistics().current_buffer_used):
                        batch.append(receive_nowait())  # noqa: PERF401
                    taken += len(batch)


async def tonio_main(size: int, capacity: int) -> None:
    channel = tonio.colored.sync.channel
    for _ in channels(size):
        sender, receiver = channel.channel(capacity) if capacity else channel.unbounded()
        produce = producer if capacity else eager_producer
        sent = tonio.colored.spawn.without_results(*[produce(sender.send) for _ in range(PRODUCERS)])
        taken, receive_nowait, empty = 0, receiver.receive_nowait, receiver.Empty
        while taken < MESSAGES:
            batch = [await receiver.receive()]
            while (message := receive_nowait()) is not empty:
                batch.append(message)
            taken += len(batch)
        await sent


SCENARIOS = tuple(
    Scenario(
        name=f"receive_many_{capacity or 'unbounded'}",
        family="receive_many",
        title=f"{title}, five producers, received many at a time",
        unit="message",
        size=100_000,
        measure=partial(timed, arguments=(capacity,)),
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
        notes="conc: `receive_many`. The others wait for one and take the rest of what is there without waiting.",
    )
    for capacity, title in ((100, "Channel of capacity 100"), (UNBOUNDED, "Unbounded channel"))
)
