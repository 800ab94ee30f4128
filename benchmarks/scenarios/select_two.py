"""select_two: one task receives from two channels of capacity 1, from whichever has something; each has a producer."""

import asyncio
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Contestant, Scenario, contestants, on_every_asyncio_loop


async def producer(send: Any, messages: int) -> None:
    """For all libraries."""
    for message in range(messages):
        await send(message)


async def forwarder(branch: int, receive: Any, send: Any, messages: int) -> None:
    """For libraries without a select: brings what one channel has to the one that is received from."""
    for _ in range(messages):
        await send((branch, await receive()))


async def conc_main(size: int) -> None:
    (left, from_left), (right, from_right) = conc.channels.mpsc[int](1), conc.channels.mpsc[int](1)
    select, left_receiving, right_receiving = conc.select, from_left.receiving, from_right.receiving
    with left, from_left, right, from_right:
        async with conc.open_nursery() as nursery:
            for sender in (left, right):
                nursery.start_soon(producer, sender.send, size // 2)
            for _ in range(size // 2 * 2):
                await select(left_receiving(), right_receiving())


async def asyncio_wait(size: int) -> None:
    start, wait, first = asyncio.create_task, asyncio.wait, asyncio.FIRST_COMPLETED
    queues = [asyncio.Queue[int](1) for _ in range(2)]
    producers = [start(producer(queue.put, size // 2)) for queue in queues]
    getters = {start(queue.get()): queue for queue in queues}
    received = 0
    while received < size // 2 * 2:
        done, _ = await wait(getters, return_when=first)
        for getter in done:
            queue = getters.pop(getter)
            getter.result()
            received += 1
            getters[start(queue.get())] = queue
    for task in getters:
        task.cancel()
    await asyncio.wait([*getters, *producers])


async def asyncio_forwarders(size: int) -> None:
    left, right = asyncio.Queue[int](1), asyncio.Queue[int](1)
    both = asyncio.Queue[tuple[int, int]](1)
    tasks = [asyncio.create_task(producer(queue.put, size // 2)) for queue in (left, right)]
    for branch, queue in enumerate((left, right)):
        tasks.append(asyncio.create_task(forwarder(branch, queue.get, both.put, size // 2)))
    for _ in range(size // 2 * 2):
        await both.get()
    for task in tasks:
        await task


async def trio_main(size: int) -> None:
    (left, from_left), (right, from_right) = trio.open_memory_channel[int](1), trio.open_memory_channel[int](1)
    sender, receiver = trio.open_memory_channel[tuple[int, int]](0)
    async with trio.open_nursery() as nursery:
        for end in (left, right):
            nursery.start_soon(producer, end.send, size // 2)
        for branch, source in enumerate((from_left, from_right)):
            nursery.start_soon(forwarder, branch, source.receive, sender.send, size // 2)
        for _ in range(size // 2 * 2):
            await receiver.receive()


async def anyio_main(size: int) -> None:
    left, from_left = anyio.create_memory_object_stream[int](1)
    right, from_right = anyio.create_memory_object_stream[int](1)
    sender, receiver = anyio.create_memory_object_stream[tuple[int, int]](0)
    with left, from_left, right, from_right, sender, receiver:
        async with anyio.create_task_group() as group:
            for end in (left, right):
                group.start_soon(producer, end.send, size // 2)
            for branch, source in enumerate((from_left, from_right)):
                group.start_soon(forwarder, branch, source.receive, sender.send, size // 2)
            for _ in range(size // 2 * 2):
                await receiver.receive()


async def tonio_main(size: int) -> None:
    channel = tonio.colored.sync.channel.channel
    (left, from_left), (right, from_right), (sender, receiver) = channel(1), channel(1), channel(1)
    others = [producer(end.send, size // 2) for end in (left, right)]
    for branch, source in enumerate((from_left, from_right)):
        others.append(forwarder(branch, source.receive, sender.send, size // 2))
    done = tonio.colored.spawn.without_results(*others)
    for _ in range(size // 2 * 2):
        await receiver.receive()
    await done


CONTESTANTS: tuple[Contestant, ...] = (
    *contestants({"conc": conc_main}),
    *on_every_asyncio_loop("wait", asyncio_wait),
    *on_every_asyncio_loop("forwarders", asyncio_forwarders),
    *contestants({"trio": trio_main, "anyio": anyio_main, "tonio": tonio_main}),
)

SCENARIOS = (
    Scenario(
        name="select_two",
        family="select_two",
        title="A select of two channels, a producer behind each",
        unit="message",
        size=50_000,
        measure=timed,
        contestants=CONTESTANTS,
        excused={"tinyio": "it has no channels"},
        notes="asyncio wait: `asyncio.wait` for a task that gets from each; the one that is left over stays for the"
        " next time. asyncio forwarders, trio, anyio, tonio: a task for each channel brings what comes to a third one,"
        " which is no select: it takes messages before they are asked for. tonio's own `select` loses the messages of"
        " the branch that it drops.",
    ),
)
