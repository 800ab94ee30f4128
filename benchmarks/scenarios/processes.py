"""processes: programs that end at once are run, one after another and 10 at a time."""

import asyncio
import subprocess
from functools import partial

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Contestant, Scenario, on_every_asyncio_loop

TASKS = 10
PROGRAM = "/bin/true"


async def conc_alone(runs: int) -> None:
    for _ in range(runs):
        assert (await conc.process.run([PROGRAM])).returncode == 0


async def conc_many(runs: int) -> None:
    async with conc.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(conc_alone, -(-runs // TASKS))


async def asyncio_alone(runs: int) -> None:
    for _ in range(runs):
        process = await asyncio.create_subprocess_exec(PROGRAM)
        assert await process.wait() == 0


async def asyncio_many(runs: int) -> None:
    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(asyncio_alone(-(-runs // TASKS)))


async def trio_alone(runs: int) -> None:
    for _ in range(runs):
        assert (await trio.run_process([PROGRAM])).returncode == 0


async def trio_many(runs: int) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(trio_alone, -(-runs // TASKS))


async def anyio_alone(runs: int) -> None:
    for _ in range(runs):
        done = await anyio.run_process([PROGRAM], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert done.returncode == 0


async def anyio_many(runs: int) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(TASKS):
            group.start_soon(anyio_alone, -(-runs // TASKS))


SCENARIOS = tuple(
    Scenario(
        name=name,
        family="processes",
        title=f"Processes run to their end, {title}",
        unit="process",
        size=1_000,
        uses_network=True,
        measure=partial(timed),
        contestants=(
            Contestant("conc", "conc", on_conc),
            *on_every_asyncio_loop("create_subprocess_exec", on_asyncio),
            Contestant("trio", "trio", on_trio),
            Contestant("anyio (asyncio)", "anyio", on_anyio),
        ),
        excused={
            "tinyio": "it has no processes",
            "tonio": "it has no processes",
        },
        notes=f"{PROGRAM}, without pipes. Most of the time is the system's: making a process and loading a program.",
    )
    for name, title, on_conc, on_asyncio, on_trio, on_anyio in (
        ("processes", "one at a time", conc_alone, asyncio_alone, trio_alone, anyio_alone),
        ("processes_10", f"{TASKS} at a time", conc_many, asyncio_many, trio_many, anyio_many),
    )
)
