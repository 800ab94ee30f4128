"""million_coroutines: a million tasks; each gives way once, then returns a number."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import conc, tonio, trio
from benchmarks.scenario import Scenario, contestants


async def conc_task() -> int:
    await conc.checkpoint()
    return 3**2


async def conc_main(size: int) -> None:
    async with conc.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(conc_task)


async def asyncio_task() -> int:
    await asyncio.sleep(0)
    return 3**2


async def asyncio_main(size: int) -> None:
    create_task = asyncio.get_running_loop().create_task
    for task in [create_task(asyncio_task()) for _ in range(size)]:
        await task


async def trio_task() -> int:
    await trio.lowlevel.checkpoint()
    return 3**2


async def trio_main(size: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(trio_task)


def tinyio_task() -> Generator[None, None, int]:
    yield
    return 3**2


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    yield [tinyio_task() for _ in range(size)]


async def tonio_task() -> int:
    await tonio.colored.yield_now()
    return 3**2


async def tonio_main(size: int) -> None:
    await tonio.colored.spawn.without_results(*[tonio_task() for _ in range(size)])


SCENARIOS = (
    Scenario(
        name="million_coroutines",
        family="million_coroutines",
        title="1,000,000 tasks, each gives way once and returns 3**2",
        unit="task",
        size=1_000_000,
        quick_size=100_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_main,
                "asyncio": asyncio_main,
                "trio": trio_main,
                "tinyio": tinyio_main,
                "tonio": tonio_main,
            }
        ),
        excused={"anyio": "a million of its tasks take minutes and 4 GB; spawn_join has it"},
        notes="asyncio: a list of tasks, each awaited: no slower than `gather`, faster than TaskGroup. Every task"
        " really gives way once.",
    ),
)
