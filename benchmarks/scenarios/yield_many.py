"""yield_many: 200 tasks that give way 1,000 times each. Nothing but the scheduler's shortest path."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants

TASKS = 200


async def conc_worker(yields: int) -> None:
    checkpoint = conc.checkpoint
    for _ in range(yields):
        await checkpoint()


async def conc_main(size: int) -> None:
    async with conc.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(conc_worker, size // TASKS)


async def asyncio_worker(yields: int) -> None:
    sleep = asyncio.sleep
    for _ in range(yields):
        await sleep(0)


async def asyncio_main(size: int) -> None:
    await asyncio.gather(*[asyncio_worker(size // TASKS) for _ in range(TASKS)])


async def trio_worker(yields: int) -> None:
    checkpoint = trio.lowlevel.checkpoint
    for _ in range(yields):
        await checkpoint()


async def trio_main(size: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(trio_worker, size // TASKS)


async def anyio_worker(yields: int) -> None:
    checkpoint = anyio.lowlevel.checkpoint
    for _ in range(yields):
        await checkpoint()


async def anyio_main(size: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(anyio_worker, size // TASKS)


def tinyio_worker(yields: int) -> Generator[None, None, None]:
    for _ in range(yields):
        yield


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    yield [tinyio_worker(size // TASKS) for _ in range(TASKS)]


async def tonio_worker(yields: int) -> None:
    yield_now = tonio.colored.yield_now
    for _ in range(yields):
        await yield_now()


async def tonio_main(size: int) -> None:
    await tonio.colored.spawn.without_results(*[tonio_worker(size // TASKS) for _ in range(TASKS)])


SCENARIOS = (
    Scenario(
        name="yield_many",
        family="yield_many",
        title="200 tasks give way 1,000 times each",
        unit="yield",
        size=200_000,
        quick_size=50_000,
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
        notes="asyncio: `sleep(0)`. trio, anyio, conc: their `checkpoint`. tinyio: a bare `yield`.",
    ),
)
