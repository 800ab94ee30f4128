"""join_100: a hundred coroutines at once, each gives way once and returns a value; then the next hundred."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tonio, trio
from benchmarks.scenario import Scenario, contestants

CHILDREN = 100


def rounds(size: int) -> range:
    """Enough of them for `size` children."""
    return range(max(1, size // CHILDREN))


async def conc_child(value: int) -> int:
    await conc.checkpoint()
    return value


async def conc_main(size: int) -> None:
    for _ in rounds(size):
        await conc.join(*[conc_child(value) for value in range(CHILDREN)])


async def asyncio_child(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def asyncio_main(size: int) -> None:
    for _ in rounds(size):
        await asyncio.gather(*[asyncio_child(value) for value in range(CHILDREN)])


async def trio_child(value: int, results: list[int]) -> None:
    await trio.lowlevel.checkpoint()
    results[value] = value


async def trio_main(size: int) -> None:
    for _ in rounds(size):
        results = [0] * CHILDREN
        async with trio.open_nursery() as nursery:
            for value in range(CHILDREN):
                nursery.start_soon(trio_child, value, results)


async def anyio_child(value: int, results: list[int]) -> None:
    await anyio.lowlevel.checkpoint()
    results[value] = value


async def anyio_main(size: int) -> None:
    for _ in rounds(size):
        results = [0] * CHILDREN
        async with anyio.create_task_group() as group:
            for value in range(CHILDREN):
                group.start_soon(anyio_child, value, results)


def tinyio_child(value: int) -> Generator[None, None, int]:
    yield
    return value


def tinyio_main(size: int) -> Generator[Any, Any, None]:
    for _ in rounds(size):
        yield [tinyio_child(value) for value in range(CHILDREN)]


async def tonio_child(value: int) -> int:
    await tonio.colored.yield_now()
    return value


async def tonio_main(size: int) -> None:
    for _ in rounds(size):
        await tonio.colored.spawn(*[tonio_child(value) for value in range(CHILDREN)])


SCENARIOS = (
    Scenario(
        name="join_100",
        family="join_100",
        title="A hundred coroutines joined, each gives way once and returns a value",
        unit="coroutine",
        size=50_000,
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
        notes="conc: `join`. asyncio: `gather`. trio, anyio: a nursery or group, each child puts its value into a list."
        " tinyio: `yield` of a list. tonio: `spawn`.",
    ),
)
