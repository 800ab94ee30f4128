"""sleeps: 50,000 tasks sleep half a second each, all at once. What timers and parked tasks cost."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.libraries import Library
from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Contestant, Figures, Scenario, contestants

SECONDS = 0.5


async def conc_main(size: int) -> None:
    async with conc.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(conc.sleep, SECONDS)


async def asyncio_main(size: int) -> None:
    create_task = asyncio.get_running_loop().create_task
    for task in [create_task(asyncio.sleep(SECONDS)) for _ in range(size)]:
        await task


async def trio_main(size: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(size):
            nursery.start_soon(trio.sleep, SECONDS)


async def anyio_main(size: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(size):
            group.start_soon(anyio.sleep, SECONDS)


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    yield [tinyio.sleep(SECONDS) for _ in range(size)]


async def tonio_main(size: int) -> None:
    await tonio.colored.spawn.without_results(*[tonio.colored.sleep(SECONDS) for _ in range(size)])


def timed_beyond_the_sleep(scenario: Scenario, contestant: Contestant, library: Library, size: int) -> Figures:
    """CPU time for each sleep, and how much longer than one sleep all of them took together."""
    figures = timed(scenario, contestant, library, size)
    whole_ns = figures.pop("wall_ns") * size
    figures["beyond_sleep_ns"] = (whole_ns - SECONDS * 1e9) / size
    return figures


SCENARIOS = (
    Scenario(
        name="sleeps",
        family="sleeps",
        title="50,000 tasks sleep 0.5 s at once",
        unit="sleep",
        size=50_000,
        figure="cpu_ns",
        measure=timed_beyond_the_sleep,
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
        notes="Ranked by CPU time. Beyond the sleep: wall time less the 0.5 s, divided among the sleeps. asyncio: a"
        " list of tasks, each awaited.",
    ),
)
