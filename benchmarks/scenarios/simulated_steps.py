"""simulated_steps: what a step costs in a run of `conc_testing`, where each is a decision; the calm order is taken."""

import time

from benchmarks.libraries import Library
from benchmarks.peers import conc
from benchmarks.scenario import Contestant, Figures, Scenario

TASKS = 20


async def worker(locks: int) -> None:
    """Two steps each time: an operation that need not wait, and a checkpoint."""
    mutex = conc.sync.Mutex()
    for _ in range(locks):
        async with mutex:
            pass
        await conc.checkpoint()


async def main(size: int) -> None:
    """About `size` steps."""
    async with conc.open_nursery() as nursery:
        for _ in range(TASKS):
            nursery.start_soon(worker, size // TASKS // 2)


def timed_simulation(scenario: Scenario, contestant: Contestant, library: Library, size: int) -> Figures:
    """Time for each step of one simulated run; time passes in it now and then, as in any test."""
    from conc_testing.sim.simulation import Conditions, simulate  # noqa: PLC0415  # of this contestant only
    from conc_testing.sim.strategies import Calm  # noqa: PLC0415

    async def several() -> None:
        for _ in range(max(1, size // STEPS_OF_A_RUN)):
            await main(STEPS_OF_A_RUN)
            await conc.sleep(1)

    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    outcome = simulate(several, Calm(), Conditions())
    wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
    if outcome.error is not None:
        raise outcome.error
    return {"wall_ns": wall / outcome.steps, "cpu_ns": cpu / outcome.steps}


STEPS_OF_A_RUN = 10_000

SCENARIOS = (
    Scenario(
        name="simulated_steps",
        family="simulated_steps",
        title="a simulated run, 20 tasks, first in first out",
        unit="step",
        size=200_000,
        quick_size=50_000,
        measure=timed_simulation,
        contestants=(Contestant("conc", "conc", main),),
        notes="Every operation is a decision, which is noted; the oracles look whenever nobody is ready.",
    ),
)
