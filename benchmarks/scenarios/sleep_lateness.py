"""sleep_lateness: how late `sleep(0.0005)` returns on an idle loop, beside time.sleep in the same process."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any

from benchmarks.libraries import Library
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.results import percentile
from benchmarks.scenario import Contestant, Figures, Scenario, contestants

SECONDS = 0.0005
BLOCKS = 10
"""time.sleep and the library's sleep take turns, a tenth of the sleeps each: what the machine does meets both."""


class Lateness:
    """How far from their due time the sleeps of a process ended, in ns: the library's own, and time.sleep's.

    One that ends early counts as much as one that ends late: a loop that rounds down is not better for it.
    """

    def __init__(self) -> None:
        self.own: list[float] = []
        self.control: list[float] = []

    def blocking_sleeps(self, count: int) -> None:
        """Sleep with time.sleep, as control."""
        for _ in range(count):
            start = time.perf_counter()
            time.sleep(SECONDS)
            self.control.append(abs(time.perf_counter() - start - SECONDS) * 1e9)


async def take_turns(sleep: Callable[[float], Awaitable[Any]], size: int, lateness: Lateness) -> None:
    for _ in range(BLOCKS):
        lateness.blocking_sleeps(size // BLOCKS)
        for _ in range(size // BLOCKS):
            start = time.perf_counter()
            await sleep(SECONDS)
            lateness.own.append(abs(time.perf_counter() - start - SECONDS) * 1e9)


async def conc_main(size: int, lateness: Lateness) -> None:
    await take_turns(conc.sleep, size, lateness)


async def asyncio_main(size: int, lateness: Lateness) -> None:
    await take_turns(asyncio.sleep, size, lateness)


async def trio_main(size: int, lateness: Lateness) -> None:
    await take_turns(trio.sleep, size, lateness)


async def anyio_main(size: int, lateness: Lateness) -> None:
    await take_turns(anyio.sleep, size, lateness)


async def tonio_main(size: int, lateness: Lateness) -> None:
    await take_turns(tonio.colored.sleep, size, lateness)


def tinyio_main(size: int, lateness: Lateness) -> Generator[Any, Any, None]:
    for _ in range(BLOCKS):
        lateness.blocking_sleeps(size // BLOCKS)
        for _ in range(size // BLOCKS):
            start = time.perf_counter()
            yield from tinyio.sleep(SECONDS)
            lateness.own.append(abs(time.perf_counter() - start - SECONDS) * 1e9)


def compare(scenario: Scenario, contestant: Contestant, library: Library, size: int) -> Figures:
    """Percentiles of the lateness of both, and by how much the p99 of the library is above that of time.sleep."""
    lateness = Lateness()
    library.run(contestant.main, size, lateness)
    p99, control_p99 = percentile(lateness.own, 99), percentile(lateness.control, 99)
    return {
        "p99_beyond_ns": p99 - control_p99,
        "p50_ns": percentile(lateness.own, 50),
        "p99_ns": p99,
        "time_sleep_p50_ns": percentile(lateness.control, 50),
        "time_sleep_p99_ns": control_p99,
    }


SCENARIOS = (
    Scenario(
        name="sleep_lateness",
        family="sleep_lateness",
        title="Lateness of sleep(0.0005) on an idle loop, p99 beyond that of time.sleep",
        unit="sleep",
        size=2_000,
        quick_size=500,
        figure="p99_beyond_ns",
        measure=compare,
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
        notes="Ranked by how much later than time.sleep the p99 is; both sleep in the same process, by turns."
        " A sleep that returns early counts as one that is as late.",
    ),
)
