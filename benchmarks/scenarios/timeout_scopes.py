"""timeout_scopes: a time limit of 10 s set and lifted 200,000 times, around nothing and around one checkpoint."""

import asyncio

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, trio
from benchmarks.scenario import Scenario, contestants

LIMIT = 10


async def conc_empty(size: int) -> None:
    move_on_after = conc.move_on_after
    for _ in range(size):
        with move_on_after(LIMIT):
            pass


async def conc_checkpoint(size: int) -> None:
    move_on_after, checkpoint = conc.move_on_after, conc.checkpoint
    for _ in range(size):
        with move_on_after(LIMIT):
            await checkpoint()


async def asyncio_empty(size: int) -> None:
    timeout = asyncio.timeout
    for _ in range(size):
        async with timeout(LIMIT):
            pass


async def asyncio_checkpoint(size: int) -> None:
    timeout, sleep = asyncio.timeout, asyncio.sleep
    for _ in range(size):
        async with timeout(LIMIT):
            await sleep(0)


async def trio_empty(size: int) -> None:
    move_on_after = trio.move_on_after
    for _ in range(size):
        with move_on_after(LIMIT):
            pass


async def trio_checkpoint(size: int) -> None:
    move_on_after, checkpoint = trio.move_on_after, trio.lowlevel.checkpoint
    for _ in range(size):
        with move_on_after(LIMIT):
            await checkpoint()


async def anyio_empty(size: int) -> None:
    move_on_after = anyio.move_on_after
    for _ in range(size):
        with move_on_after(LIMIT):
            pass


async def anyio_checkpoint(size: int) -> None:
    move_on_after, checkpoint = anyio.move_on_after, anyio.lowlevel.checkpoint
    for _ in range(size):
        with move_on_after(LIMIT):
            await checkpoint()


EXCUSED = {
    "tinyio": "it limits a coroutine, it has no scope with a time limit",
    "tonio": "it limits a coroutine, it has no scope with a time limit",
}
NOTES = "asyncio: `async with asyncio.timeout(10)`. trio, anyio, conc: `with move_on_after(10)`."

SCENARIOS = (
    Scenario(
        name="timeout_scopes_empty",
        family="timeout_scopes",
        title="A time limit entered and left, nothing inside",
        unit="scope",
        size=200_000,
        quick_size=50_000,
        measure=timed,
        contestants=contestants(
            {"conc": conc_empty, "asyncio": asyncio_empty, "trio": trio_empty, "anyio": anyio_empty}
        ),
        excused=EXCUSED,
        notes=NOTES,
    ),
    Scenario(
        name="timeout_scopes_checkpoint",
        family="timeout_scopes",
        title="A time limit entered and left, one checkpoint inside",
        unit="scope",
        size=200_000,
        quick_size=50_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_checkpoint,
                "asyncio": asyncio_checkpoint,
                "trio": trio_checkpoint,
                "anyio": anyio_checkpoint,
            }
        ),
        excused=EXCUSED,
        notes=NOTES,
    ),
)
