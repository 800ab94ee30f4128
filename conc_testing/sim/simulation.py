"""One simulated run: a runtime of its own, on virtual time, in which somebody decides all that is left open."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from conc import Cancelled, Runtime
from conc.lowlevel import Task
from conc_testing.net.network import SimNetwork
from conc_testing.sim.choices import Chooser
from conc_testing.sim.clock import SimulatedClock
from conc_testing.sim.conductor import Conductor
from conc_testing.sim.created import Books, place_of_caller, watching
from conc_testing.sim.entropy import ChosenRandom
from conc_testing.sim.oracles import LEAVINGS, Leak, Oracles
from conc_testing.sim.paths import Paths
from conc_testing.sim.strategies import Strategy
from conc_testing.sim.tape import Deviation
from conc_testing.sim.trace import Digest, Step, Trace

T = TypeVar("T")

TIMES = ("calm", "racing")


@dataclass(frozen=True)
class Conditions:
    """What is the same in all runs of a search.

    Attributes:
        seed: of what is drawn at random within the run.
        time: ``"calm"``: time passes when nobody can run. ``"racing"``: whenever the strategy says so.
        faults: whether the strategy decides about faults.
        leaks: ``"error"``: what is left at the end fails the run. ``"ignore"``: it does not.
        world: makes the world that the scenario gets as its argument; None if it gets none.
    """

    seed: int = 0
    time: str = "calm"
    faults: bool = False
    leaks: str = "error"
    world: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        if self.time not in TIMES:
            raise ValueError(f"time must be one of {', '.join(map(repr, TIMES))}, not {self.time!r}")
        if self.leaks not in LEAVINGS:
            raise ValueError(f"leaks must be one of {', '.join(map(repr, LEAVINGS))}, not {self.leaks!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed must be a whole number, not {self.seed!r}")


@dataclass
class Outcome(Generic[T]):
    """What a run came to.

    Attributes:
        value: what the scenario returned.
        error: why the run failed; None if it did not.
        deviations: where it left the calm course.
        sizes: the site and the number of alternatives of each contested decision.
        addresses: of these decisions.
        steps_of: how many steps each task made, by path.
        trace: its steps, if they were asked for.
        digest: of its events, if it was asked for.
        missed: deviations that were to be made, and could not.
    """

    value: T | None = None
    error: BaseException | None = None
    deviations: list[Deviation] = field(default_factory=list)
    sizes: list[tuple[str, int]] = field(default_factory=list)
    addresses: list[tuple[str, str, int]] = field(default_factory=list)
    steps_of: dict[str, int] = field(default_factory=dict)
    trace: list[Step] = field(default_factory=list)
    digest: str = ""
    missed: list[Deviation] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether the run failed."""
        return self.error is not None

    @property
    def steps(self) -> int:
        """How many steps were made."""
        return sum(self.steps_of.values())


class Births(Paths):
    """Paths, and the line that started each task."""

    def __init__(self, births: dict[int, str]) -> None:
        super().__init__()
        self._lines = births

    def task_spawned(self, task: Task[Any]) -> None:
        """A task was started."""
        super().task_spawned(task)
        self._lines[task.id] = place_of_caller()


def simulate(
    scenario: Callable[..., Awaitable[T]],
    strategy: Strategy,
    conditions: Conditions,
    *,
    trace: bool = False,
    digest: bool = False,
    collect: bool = False,
) -> Outcome[T]:
    """Run a scenario once, and return what it came to, whatever that is.

    Args:
        scenario: an async function, of the world if there is one, else without arguments.
        strategy: decides what is left open.
        conditions: the circumstances.
        trace: whether to write its steps down.
        digest: whether to sum its events up.
        collect: whether to let the garbage collector find what was left behind in circles.

    Raises:
        KeyboardInterrupt, SystemExit: as it is.
    """
    clock = SimulatedClock()
    births: dict[int, str] = {}
    paths = Births(births)
    conductor = Conductor(strategy, paths, clock, racing=conditions.time == "racing", faults=conditions.faults)
    oracles = Oracles(paths, births)

    def at_rest() -> bool:
        if conductor.cancel_who_arrived():
            return True
        oracles.look()
        return False

    clock.at_rest = at_rest
    steps = Trace(paths, clock, conductor.deviations) if trace else None
    events = Digest(paths, clock) if digest else None
    world = None if conditions.world is None else conditions.world()
    runtime = Runtime(
        clock=clock,
        seed=conditions.seed,
        policy=conductor,
        network=SimNetwork() if world is None else world.net,
        instruments=[one for one in (paths, steps, events) if one is not None],
    )
    runtime.random = ChosenRandom(conditions.seed, conductor)
    runtime.extensions[Chooser] = conductor
    runtime.extensions[Books] = oracles
    outcome: Outcome[T] = Outcome(
        deviations=conductor.deviations,
        sizes=conductor.sizes,
        addresses=conductor.addresses,
        steps_of=conductor.steps_of,
        trace=[] if steps is None else steps.steps,
    )
    left: list[str] = []

    async def main() -> None:
        try:
            if world is None:
                outcome.value = await scenario()
            else:
                async with world.running():
                    outcome.value = await scenario(world)
        except Cancelled:
            left.extend(oracles.leaks(runtime.timers, runtime.network))
            raise
        left.extend(oracles.leaks(runtime.timers, runtime.network))

    main.__qualname__ = getattr(scenario, "__qualname__", "scenario")
    with watching(), _warnings_in(left), _collector(collect):
        try:
            runtime.run(main)
            oracles.look()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if not (isinstance(error, Cancelled) and conductor.was_cancelled):
                outcome.error = error
    if outcome.error is None and left and conditions.leaks == "error":
        outcome.error = Leak("left at the end of the run:\n" + "\n".join(f"- {one}" for one in left))
    outcome.missed = list(getattr(strategy, "missed", ()))
    outcome.digest = "" if events is None else events.value
    return outcome


@contextmanager
def _collector(collect: bool) -> Iterator[None]:
    """No garbage collection meanwhile: finalizers would run in some step or other. Afterwards, if it is wanted."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
        if collect:
            gc.collect()
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _warnings_in(left: list[str]) -> Iterator[None]:
    """What Python warns of that was dropped without being closed or awaited is left behind."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for one in caught:
        if issubclass(one.category, ResourceWarning) or "was never awaited" in str(one.message):
            left.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, source=one.source)
