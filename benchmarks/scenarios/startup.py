"""startup: `run` of a main function that does nothing, where everything has been imported: from nothing to nothing."""

import time
from collections.abc import Generator

from benchmarks.libraries import Library
from benchmarks.scenario import Contestant, Figures, Scenario, contestants


async def nothing() -> None:
    pass


def tinyio_nothing() -> Generator[None, None, None]:
    return
    yield


def timed_runs(scenario: Scenario, contestant: Contestant, library: Library, size: int) -> Figures:
    """Wall and CPU time of one `run`, from `size` of them one after another."""
    run, main = library.run, contestant.main
    run(main)  # the first one imports what is imported late
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(size):
        run(main)
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    return {"wall_ns": wall / size, "cpu_ns": cpu / size}


SCENARIOS = (
    Scenario(
        name="startup",
        family="startup",
        title="run() of a main function that does nothing",
        unit="run",
        size=500,
        quick_size=100,
        measure=timed_runs,
        contestants=contestants(
            {"conc": nothing, "asyncio": nothing, "trio": nothing, "anyio": nothing, "tinyio": tinyio_nothing}
        ),
        excused={"tonio": "it runs once in a process"},
        notes="Without imports. asyncio and its loops: `asyncio.Runner`.",
    ),
)
