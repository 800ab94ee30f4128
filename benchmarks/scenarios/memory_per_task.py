"""memory_per_task: 200,000 tasks wait for one event. How much larger does that make the process, for each of them?"""

import asyncio
import gc
import os
import resource
import sys
from collections.abc import Generator
from typing import Any

from benchmarks.libraries import Library
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Contestant, Figures, Scenario, contestants

SPAWNED_AT_ONCE = 1_000
"""Then the spawner waits until they are parked, so that no long queue of unstarted tasks is measured with them."""


class Weighing:
    """How many tasks are parked, and how big the process was before the first and after the last."""

    def __init__(self) -> None:
        self.parked = 0
        self.before_bytes = 0
        self.after_bytes = 0

    def empty(self) -> None:
        """Everything is ready and no task is parked."""
        gc.collect()
        self.parked, self.before_bytes = 0, resident_bytes()

    def full(self) -> None:
        """All tasks are parked."""
        gc.collect()
        self.after_bytes = resident_bytes()


def resident_bytes() -> int:
    """The memory of this process that is in RAM now. Raises: RuntimeError where there is no /proc."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        raise RuntimeError("the resident memory of a process can be read on Linux only") from None


async def conc_waiter(event: Any, weighing: Weighing) -> None:
    weighing.parked += 1
    await event.wait()


async def conc_main(size: int, weighing: Weighing) -> None:
    event = conc.sync.Event()
    async with conc.open_nursery() as nursery:
        weighing.empty()
        for already in range(0, size, SPAWNED_AT_ONCE):
            for _ in range(SPAWNED_AT_ONCE):
                nursery.start_soon(conc_waiter, event, weighing)
            while weighing.parked < already + SPAWNED_AT_ONCE:
                await conc.checkpoint()
        weighing.full()
        event.set()


async def asyncio_waiter(event: "asyncio.Future[None]", weighing: Weighing) -> None:
    weighing.parked += 1
    await event


async def asyncio_main(size: int, weighing: Weighing) -> None:
    loop = asyncio.get_running_loop()
    event: asyncio.Future[None] = loop.create_future()
    tasks: list[asyncio.Task[None]] = []
    weighing.empty()
    for already in range(0, size, SPAWNED_AT_ONCE):
        tasks += [loop.create_task(asyncio_waiter(event, weighing)) for _ in range(SPAWNED_AT_ONCE)]
        while weighing.parked < already + SPAWNED_AT_ONCE:
            await asyncio.sleep(0)
    weighing.full()
    event.set_result(None)
    await asyncio.gather(*tasks)


async def trio_waiter(event: Any, weighing: Weighing) -> None:
    weighing.parked += 1
    await event.wait()


async def trio_main(size: int, weighing: Weighing) -> None:
    event = trio.Event()
    async with trio.open_nursery() as nursery:
        weighing.empty()
        for already in range(0, size, SPAWNED_AT_ONCE):
            for _ in range(SPAWNED_AT_ONCE):
                nursery.start_soon(trio_waiter, event, weighing)
            while weighing.parked < already + SPAWNED_AT_ONCE:
                await trio.lowlevel.checkpoint()
        weighing.full()
        event.set()


async def anyio_waiter(event: Any, weighing: Weighing) -> None:
    weighing.parked += 1
    await event.wait()


async def anyio_main(size: int, weighing: Weighing) -> None:
    event = anyio.Event()
    async with anyio.create_task_group() as group:
        weighing.empty()
        for already in range(0, size, SPAWNED_AT_ONCE):
            for _ in range(SPAWNED_AT_ONCE):
                group.start_soon(anyio_waiter, event, weighing)
            while weighing.parked < already + SPAWNED_AT_ONCE:
                await anyio.lowlevel.checkpoint()
        weighing.full()
        event.set()


def tinyio_waiter(event: Any, weighing: Weighing) -> Generator[Any, Any, None]:
    weighing.parked += 1
    yield from event.wait()


def tinyio_main(size: int, weighing: Weighing) -> Generator[Any, Any, None]:
    event = tinyio.Event()
    weighing.empty()
    for already in range(0, size, SPAWNED_AT_ONCE):
        yield {tinyio_waiter(event, weighing) for _ in range(SPAWNED_AT_ONCE)}
        while weighing.parked < already + SPAWNED_AT_ONCE:
            yield
    weighing.full()
    event.set()


async def tonio_waiter(event: Any, weighing: Weighing) -> None:
    weighing.parked += 1
    await event.wait()


async def tonio_main(size: int, weighing: Weighing) -> None:
    event = tonio.colored.Event()
    joins: list[Any] = []
    weighing.empty()
    for already in range(0, size, SPAWNED_AT_ONCE):
        waiters = [tonio_waiter(event, weighing) for _ in range(SPAWNED_AT_ONCE)]
        joins.append(tonio.colored.spawn.without_results(*waiters))
        while weighing.parked < already + SPAWNED_AT_ONCE:
            await tonio.colored.yield_now()
    weighing.full()
    event.set()
    for join in joins:
        await join


def weigh(scenario: Scenario, contestant: Contestant, library: Library, size: int) -> Figures:
    """Bytes for each parked task, and the size of the whole process: with all of them parked, and at its largest."""
    weighing = Weighing()
    library.run(contestant.main, size, weighing)
    return {
        "task_bytes": (weighing.after_bytes - weighing.before_bytes) / size,
        "process_bytes": weighing.after_bytes,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024),
    }


NOTES = (
    "Resident memory (/proc/self/statm) with all tasks parked, less that before the first, spawned 1,000 at a time."
    " The peak includes waking and ending them. asyncio: a list of tasks that wait for one shared Future, the leanest."
    " The others: one Event, one nursery or group."
)

SCENARIOS = (
    Scenario(
        name="memory_per_task",
        family="memory_per_task",
        title="Memory for each of 200,000 parked tasks",
        unit="task",
        size=200_000,
        figure="task_bytes",
        measure=weigh,
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
        notes=NOTES,
    ),
    Scenario(
        name="memory_million",
        family="memory_per_task",
        title="The whole process with 1,000,000 parked tasks",
        unit="process",
        size=1_000_000,
        quick_size=100_000,
        figure="process_bytes",
        measure=weigh,
        contestants=contestants({"conc": conc_main}),
        notes=NOTES + " conc alone: an absolute figure.",
    ),
)
