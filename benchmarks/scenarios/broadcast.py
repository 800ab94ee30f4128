"""broadcast: each message goes to 10, 100 and 1,000 receivers; the next one is sent when all have received it."""

import asyncio
import math
from functools import partial
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants
from benchmarks.tally import AnyioTally, AsyncioTally, ConcTally, Tally, TonioTally, TrioTally

CAPACITY = 1_000


async def receiver(receive: Any, tally: Tally, sends: int) -> None:
    """For all libraries: receives all, and is counted each time."""
    for _ in range(sends):
        await receive()
        tally.left -= 1
        if not tally.left:
            tally.complete()


async def broadcaster(queues: list[Any], tally: Any, sends: int) -> None:
    """For libraries that have no broadcast channel: sends to the channel of each receiver."""
    for message in range(sends):
        for send in queues:
            send(message)
        await tally.wait()


async def conc_main(size: int, receivers: int) -> None:
    sends, tally = max(1, size // receivers), ConcTally(receivers)
    sender, first = conc.channels.broadcast[int](CAPACITY)
    ends = [first, *[sender.subscribe() for _ in range(receivers - 1)]]
    async with conc.open_nursery() as nursery:
        for end in ends:
            nursery.start_soon(receiver, end.receive, tally, sends)
        for message in range(sends):
            sender.send_nowait(message)
            await tally.wait()
    for each in (sender, *ends):
        each.close()


async def asyncio_main(size: int, receivers: int) -> None:
    sends, tally = max(1, size // receivers), AsyncioTally(receivers)
    queues = [asyncio.Queue[int]() for _ in range(receivers)]
    tasks = [asyncio.create_task(receiver(queue.get, tally, sends)) for queue in queues]
    await broadcaster([queue.put_nowait for queue in queues], tally, sends)
    for task in tasks:
        await task


async def trio_main(size: int, receivers: int) -> None:
    sends, tally = max(1, size // receivers), TrioTally(receivers)
    channels = [trio.open_memory_channel[int](math.inf) for _ in range(receivers)]
    async with trio.open_nursery() as nursery:
        for _, end in channels:
            nursery.start_soon(receiver, end.receive, tally, sends)
        await broadcaster([sender.send_nowait for sender, _ in channels], tally, sends)


async def anyio_main(size: int, receivers: int) -> None:
    sends, tally = max(1, size // receivers), AnyioTally(receivers)
    channels = [anyio.create_memory_object_stream[int](math.inf) for _ in range(receivers)]
    async with anyio.create_task_group() as group:
        for _, end in channels:
            group.start_soon(receiver, end.receive, tally, sends)
        await broadcaster([sender.send_nowait for sender, _ in channels], tally, sends)
    for sender, end in channels:
        sender.close()
        end.close()


async def tonio_main(size: int, receivers: int) -> None:
    sends, tally = max(1, size // receivers), TonioTally(receivers)
    channels = [tonio.colored.sync.channel.unbounded() for _ in range(receivers)]
    received = tonio.colored.spawn.without_results(*[receiver(end.receive, tally, sends) for _, end in channels])
    await broadcaster([sender.send for sender, _ in channels], tally, sends)
    await received


SCENARIOS = tuple(
    Scenario(
        name=f"broadcast_{receivers}",
        family="broadcast",
        title=f"Broadcast to {receivers:,} receivers",
        unit="delivery",
        size=100_000,
        measure=partial(timed, arguments=(receivers,)),
        contestants=contestants(
            {
                "conc": conc_main,
                "asyncio": asyncio_main,
                "trio": trio_main,
                "anyio": anyio_main,
                "tonio": tonio_main,
            }
        ),
        excused={"tinyio": "it has no channels"},
        notes="The next message follows when all have received this one. Nobody but conc has a broadcast channel:"
        " the others have an unbounded queue for each receiver.",
    )
    for receivers in (10, 100, 1_000)
)
