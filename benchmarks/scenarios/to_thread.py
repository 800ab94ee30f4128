"""to_thread: functions that do nothing are called in threads of a pool, one after another and 100 at a time."""

import asyncio
from functools import partial

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop

TASKS = 100


def nothing() -> None:
    """What the threads do."""


async def conc_alone(calls: int) -> None:
    for _ in range(calls):
        await conc.to_thread(nothing)


async def conc_many(calls: int) -> None:
    async with conc.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(conc_alone, -(-calls // TASKS))


async def asyncio_alone(calls: int) -> None:
    for _ in range(calls):
        await asyncio.to_thread(nothing)


async def asyncio_many(calls: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(asyncio_alone(-(-calls // TASKS)))


async def executor_alone(calls: int) -> None:
    loop = asyncio.get_running_loop()
    for _ in range(calls):
        await loop.run_in_executor(None, nothing)


async def executor_many(calls: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(executor_alone(-(-calls // TASKS)))


async def trio_alone(calls: int) -> None:
    for _ in range(calls):
        await trio.to_thread.run_sync(nothing)


async def trio_many(calls: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(trio_alone, -(-calls // TASKS))


async def anyio_alone(calls: int) -> None:
    for _ in range(calls):
        await anyio.to_thread.run_sync(nothing)


async def anyio_many(calls: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(anyio_alone, -(-calls // TASKS))


SCENARIOS = tuple(
    Scenario(
        name=name,
        family="to_thread",
        title=f"Calls in threads, {title}",
        unit="call",
        size=25_000,
        measure=partial(timed),
        contestants=(
            Contestant("conc", "conc", on_conc),
            *on_every_asyncio_loop("to_thread", on_asyncio),
            *on_every_asyncio_loop("run_in_executor", on_executor),
            Contestant("trio", "trio", on_trio),
            Contestant("anyio (asyncio)", "anyio", on_anyio),
        ),
        excused={
            "tinyio": "its threads are started anew for each call",
            "tonio": "not measured here",
        },
        notes="The threads of every pool are there after the warm-up. Each library has its own limit of threads:"
        " asyncio the number of cores and 4, at most 32; trio and anyio 40; conc 512.",
    )
    for name, title, on_conc, on_asyncio, on_executor, on_trio, on_anyio in (
        ("to_thread", "one at a time", conc_alone, asyncio_alone, executor_alone, trio_alone, anyio_alone),
        ("to_thread_100", f"{TASKS} at a time", conc_many, asyncio_many, executor_many, trio_many, anyio_many),
    )
)
