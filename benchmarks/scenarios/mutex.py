"""mutex: taken and given back by one task alone, and by ten tasks that all want it."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Scenario, contestants

TASKS = 10


async def taker(lock: Any, times: int) -> None:
    """For all libraries: nobody else wants it."""
    for _ in range(times):
        async with lock:
            pass


async def holder(lock: Any, give_way: Any, times: int) -> None:
    """For all libraries: gives way while it holds the lock, so that the others come and find it taken."""
    for _ in range(times):
        async with lock:
            await give_way()


async def conc_alone(size: int) -> None:
    await taker(conc.sync.Mutex(), size)


async def conc_contended(size: int) -> None:
    lock = conc.sync.Mutex()
    async with conc.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(holder, lock, conc.checkpoint, size // TASKS)


async def asyncio_alone(size: int) -> None:
    await taker(asyncio.Lock(), size)


async def asyncio_holder(lock: asyncio.Lock, times: int) -> None:
    sleep = asyncio.sleep
    for _ in range(times):
        async with lock:
            await sleep(0)


async def asyncio_contended(size: int) -> None:
    lock = asyncio.Lock()
    await asyncio.gather(*[asyncio_holder(lock, size // TASKS) for _ in range(TASKS)])


async def trio_alone(size: int) -> None:
    await taker(trio.Lock(), size)


async def trio_contended(size: int) -> None:
    lock = trio.Lock()
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(holder, lock, trio.lowlevel.checkpoint, size // TASKS)


async def anyio_alone(size: int) -> None:
    await taker(anyio.Lock(fast_acquire=True), size)


async def anyio_contended(size: int) -> None:
    lock = anyio.Lock(fast_acquire=True)
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(holder, lock, anyio.lowlevel.checkpoint, size // TASKS)


def tinyio_alone(size: int) -> Generator[Any, Any, None]:
    lock = tinyio.Lock()
    for _ in range(size):
        with (yield from lock()):
            pass


def tinyio_holder(lock: Any, times: int) -> Generator[Any, Any, None]:
    for _ in range(times):
        with (yield lock()):
            yield


def tinyio_contended(size: int) -> Generator[Any, Any, None]:
    lock = tinyio.Lock()
    yield [tinyio_holder(lock, size // TASKS) for _ in range(TASKS)]


async def tonio_alone(size: int) -> None:
    await taker(tonio.colored.sync.Lock(), size)


async def tonio_contended(size: int) -> None:
    lock, yield_now = tonio.colored.sync.Lock(), tonio.colored.yield_now
    await tonio.colored.spawn.without_results(*[holder(lock, yield_now, size // TASKS) for _ in range(TASKS)])


SCENARIOS = (
    Scenario(
        name="mutex_uncontended",
        family="mutex",
        title="A mutex taken and given back, by one task",
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
        notes="`async with`. anyio: `Lock(fast_acquire=True)`, which gives way to nobody.",
    ),
    Scenario(
        name="mutex_contended",
        family="mutex",
        title="A mutex that ten tasks want, each holds it over one checkpoint",
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
        notes="The time of the checkpoint is in it. anyio: `Lock(fast_acquire=True)`.",
    ),
)
