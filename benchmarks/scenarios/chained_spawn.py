"""chained_spawn: a task spawns the next, 1,000 deep; the chain again and again. Latency of a spawn, not throughput."""

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Scenario, contestants

DEPTH = 1_000


async def conc_link(nursery: Any, left: int) -> None:
    if left:
        nursery.start_soon(conc_link, nursery, left - 1)


async def conc_main(size: int) -> None:
    for _ in range(size // DEPTH):
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc_link, nursery, DEPTH - 1)


async def asyncio_link(create_task: Callable[..., Any], done: "asyncio.Future[None]", left: int) -> None:
    if left:
        create_task(asyncio_link(create_task, done, left - 1))
    else:
        done.set_result(None)


async def asyncio_main(size: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(size // DEPTH):
        done: asyncio.Future[None] = loop.create_future()
        first = loop.create_task(asyncio_link(loop.create_task, done, DEPTH - 1))
        await done
        await first


async def trio_link(nursery: Any, left: int) -> None:
    if left:
        nursery.start_soon(trio_link, nursery, left - 1)


async def trio_main(size: int) -> None:
    for _ in range(size // DEPTH):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio_link, nursery, DEPTH - 1)


async def anyio_link(group: Any, left: int) -> None:
    if left:
        group.start_soon(anyio_link, group, left - 1)


async def anyio_main(size: int) -> None:
    for _ in range(size // DEPTH):
        async with anyio.create_task_group() as group:
            group.start_soon(anyio_link, group, DEPTH - 1)


def tinyio_link(done: Any, left: int) -> Generator[Any, Any, None]:
    if left:
        yield {tinyio_link(done, left - 1)}
    else:
        done.set()


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    for _ in range(size // DEPTH):
        done = tinyio.Event()
        yield {tinyio_link(done, DEPTH - 1)}
        yield from done.wait()


async def tonio_link(done: Any, left: int) -> None:
    if left:
        tonio.colored.spawn.without_tracking(tonio_link(done, left - 1))
    else:
        done.set()


async def tonio_main(size: int) -> None:
    for _ in range(size // DEPTH):
        done = tonio.colored.Event()
        tonio.colored.spawn.without_tracking(tonio_link(done, DEPTH - 1))
        await done.wait()


SCENARIOS = (
    Scenario(
        name="chained_spawn",
        family="chained_spawn",
        title="A chain of 1,000 tasks, each spawns the next",
        unit="spawn",
        size=100_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_main,
                "asyncio": asyncio_main,
                "trio": trio_main,
                "anyio": anyio_main,
                "tinyio": tinyio_main,
                "tonio": tonio_main,
            }
        ),
        notes="conc, trio, anyio: a nursery or group for each chain. asyncio: bare tasks, and a Future that the last"
        " link sets; faster than a TaskGroup for each chain, which would also join them. tinyio, tonio: an Event.",
    ),
)
