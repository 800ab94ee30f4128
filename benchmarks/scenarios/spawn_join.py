"""spawn_join: 100,000 tasks in one nursery; each returns at once."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants


async def nothing() -> None:
    pass


async def conc_main(size: int) -> None:
    async with conc.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(nothing)


async def asyncio_main(size: int) -> None:
    create_task = asyncio.get_running_loop().create_task
    for task in [create_task(nothing()) for _ in range(size)]:
        await task


async def trio_main(size: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(nothing)


async def anyio_main(size: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(size):
            group.start_soon(nothing)


def tinyio_nothing() -> Generator[None, None, None]:
    return
    yield


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    yield [tinyio_nothing() for _ in range(size)]


async def tonio_main(size: int) -> None:
    await tonio.colored.spawn.without_results(*[nothing() for _ in range(size)])


SCENARIOS = (
    Scenario(
        name="spawn_join",
        family="spawn_join",
        title="100,000 tasks spawned and joined, each returns at once",
        unit="task",
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
        notes="asyncio: a list of tasks, each awaited: faster than `gather` and TaskGroup.",
    ),
)
