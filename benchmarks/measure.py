"""Timed work: one warm-up, one collection of garbage, then the clock."""

import gc
import time
from collections.abc import Callable, Generator
from typing import Any

from benchmarks.libraries import Library
from benchmarks.scenario import Contestant, Figures, Scenario

WARM_UP_SHARE = 10
"""The warm-up does a tenth of the work: enough for caches, specialised bytecode and first allocations."""


def timed(
    scenario: Scenario, contestant: Contestant, library: Library, size: int, arguments: tuple[Any, ...] = ()
) -> Figures:
    """Run `contestant.main(n, *arguments)` twice in one run of its library, a tenth first, and time the second.

    The clock starts and stops inside the running loop, so what it costs to start and stop one is not in it (`startup`
    measures that). CPU time is that of the whole process, user and system, all threads. The garbage collector stays as
    Python has it, for everybody.
    """
    stopwatch = _generator_stopwatch if library.generators else _stopwatch
    wall_ns, cpu_ns = library.run(stopwatch, contestant.main, size, arguments)
    return {"wall_ns": wall_ns / size, "cpu_ns": cpu_ns / size}


async def _stopwatch(main: Callable[..., Any], size: int, arguments: tuple[Any, ...]) -> tuple[int, int]:
    await main(max(1, size // WARM_UP_SHARE), *arguments)
    gc.collect()
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    await main(size, *arguments)
    return time.perf_counter_ns() - wall, time.process_time_ns() - cpu


def _generator_stopwatch(
    main: Callable[..., Any], size: int, arguments: tuple[Any, ...]
) -> Generator[Any, Any, tuple[int, int]]:
    yield main(max(1, size // WARM_UP_SHARE), *arguments)
    gc.collect()
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    yield main(size, *arguments)
    return time.perf_counter_ns() - wall, time.process_time_ns() - cpu
