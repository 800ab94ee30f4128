"""request_reply: requests go to one task through a channel of capacity 10, each with a way back for its answer."""

import asyncio
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants

CAPACITY = 10


async def conc_actor(requests: Any, size: int) -> None:
    for _ in range(size):
        (await requests.receive()).send_nowait(7)


async def conc_main(size: int) -> None:
    reply: conc.channels.OneshotSender[int]
    answer: conc.channels.OneshotReceiver[int]
    oneshot = conc.channels.oneshot
    sender, requests = conc.channels.mpsc[Any](CAPACITY)
    with sender, requests:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc_actor, requests, size)
            for _ in range(size):
                reply, answer = oneshot()  # with a type, oneshot[int](), it is a call more
                await sender.send(reply)
                await answer.receive()


async def asyncio_actor(requests: "asyncio.Queue[asyncio.Future[int]]", size: int) -> None:
    for _ in range(size):
        (await requests.get()).set_result(7)


async def asyncio_main(size: int) -> None:
    create_future = asyncio.get_running_loop().create_future
    requests = asyncio.Queue[asyncio.Future[int]](CAPACITY)
    actor = asyncio.create_task(asyncio_actor(requests, size))
    for _ in range(size):
        answer = create_future()
        await requests.put(answer)
        await answer
    await actor


class Reply:
    """An answer, and the event that tells that it is there; for libraries that have nothing of the kind."""

    __slots__ = ("event", "value")

    def __init__(self, event: Any) -> None:
        self.event = event
        self.value = 0


async def actor_with_events(receive: Any, size: int) -> None:
    for _ in range(size):
        reply = await receive()
        reply.value = 7
        reply.event.set()


async def trio_main(size: int) -> None:
    sender, requests = trio.open_memory_channel[Reply](CAPACITY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(actor_with_events, requests.receive, size)
        for _ in range(size):
            reply = Reply(trio.Event())
            await sender.send(reply)
            await reply.event.wait()


async def anyio_main(size: int) -> None:
    sender, requests = anyio.create_memory_object_stream[Reply](CAPACITY)
    with sender, requests:
        async with anyio.create_task_group() as group:
            group.start_soon(actor_with_events, requests.receive, size)
            for _ in range(size):
                reply = Reply(anyio.Event())
                await sender.send(reply)
                await reply.event.wait()


async def tonio_main(size: int) -> None:
    sender, requests = tonio.colored.sync.channel.channel(CAPACITY)
    actor = tonio.colored.spawn.without_results(actor_with_events(requests.receive, size))
    for _ in range(size):
        reply = Reply(tonio.colored.Event())
        await sender.send(reply)
        await reply.event.wait()
    await actor


SCENARIOS = (
    Scenario(
        name="request_reply",
        family="request_reply",
        title="A request through a channel, its answer through a oneshot",
        unit="request",
        size=50_000,
        measure=timed,
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
        notes="asyncio: a Future for each answer. trio, anyio, tonio: an Event beside the answer.",
    ),
)
