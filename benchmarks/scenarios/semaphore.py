"""semaphore: five permits, for one task alone and for six."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Scenario, contestants

PERMITS = 5
TASKS = 6


async def taker(semaphore: Any, times: int) -> None:
    """For all libraries: there is always a permit."""
    for _ in range(times):
        async with semaphore:
            pass


async def holder(semaphore: Any, give_way: Any, times: int) -> None:
    """For all libraries: gives way while it holds a permit, so that one of the tasks has to wait."""
    for _ in range(times):
        async with semaphore:
            await give_way()


async def conc_alone(size: int) -> None:
    await taker(conc.sync.Semaphore(PERMITS), size)


async def conc_contended(size: int) -> None:
    semaphore = conc.sync.Semaphore(PERMITS)
    async with conc.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(holder, semaphore, conc.checkpoint, size // TASKS)


async def asyncio_alone(size: int) -> None:
    await taker(asyncio.Semaphore(PERMITS), size)


async def asyncio_holder(semaphore: asyncio.Semaphore, times: int) -> None:
    sleep = asyncio.sleep
    for _ in range(times):
        async with semaphore:
            await sleep(0)


async def asyncio_contended(size: int) -> None:
    semaphore = asyncio.Semaphore(PERMITS)
    await asyncio.gather(*[asyncio_holder(semaphore, size // TASKS) for _ in range(TASKS)])


async def trio_alone(size: int) -> None:
    await taker(trio.Semaphore(PERMITS), size)


async def trio_contended(size: int) -> None:
    semaphore = trio.Semaphore(PERMITS)
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(holder, semaphore, trio.lowlevel.checkpoint, size // TASKS)


async def anyio_alone(size: int) -> None:
    await taker(anyio.Semaphore(PERMITS, fast_acquire=True), size)


async def anyio_contended(size: int) -> None:
    semaphore = anyio.Semaphore(PERMITS, fast_acquire=True)
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(holder, semaphore, anyio.lowlevel.checkpoint, size // TASKS)


def tinyio_alone(size: int) -> Generator[Any, Any, None]:
    semaphore = tinyio.Semaphore(PERMITS)
    for _ in range(size):
        with (yield from semaphore()):
            pass


def tinyio_holder(semaphore: Any, times: int) -> Generator[Any, Any, None]:
    for _ in range(times):
        with (yield semaphore()):
            yield


def tinyio_contended(size: int) -> Generator[Any, Any, None]:
    semaphore = tinyio.Semaphore(PERMITS)
    yield [tinyio_holder(semaphore, size // TASKS) for _ in range(TASKS)]


async def tonio_alone(size: int) -> None:
    await taker(tonio.colored.sync.Semaphore(PERMITS), size)


async def tonio_contended(size: int) -> None:
    semaphore, yield_now = tonio.colored.sync.Semaphore(PERMITS), tonio.colored.yield_now
    await tonio.colored.spawn.without_results(*[holder(semaphore, yield_now, size // TASKS) for _ in range(TASKS)])


SCENARIOS = (
    Scenario(
        name="semaphore_uncontended",
        family="semaphore",
        title="A permit taken and given back, by one task",
        unit="turn",
        size=200_000,
        quick_size=50_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_alone,
                "asyncio": asyncio_alone,
                "trio": trio_alone,
                "anyio": anyio_alone,
                "tinyio": tinyio_alone,
                "tonio": tonio_alone,
            }
        ),
        notes="`async with`. anyio: `Semaphore(5, fast_acquire=True)`, which gives way to nobody.",
    ),
    Scenario(
        name="semaphore_contended",
        family="semaphore",
        title="Five permits for six tasks, each holds one over one checkpoint",
        unit="turn",
        size=100_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_contended,
                "asyncio": asyncio_contended,
                "trio": trio_contended,
                "anyio": anyio_contended,
                "tinyio": tinyio_contended,
                "tonio": tonio_contended,
            }
        ),
        notes="The time of the checkpoint is in it. anyio: `Semaphore(5, fast_acquire=True)`.",
    ),
)
