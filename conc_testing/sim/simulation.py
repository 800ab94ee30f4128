"""One simulated run: a runtime of its own, on virtual time, in which somebody decides all that is left open."""

from __future__ import annotations

import gc
import sys
import sysconfig
import warnings
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from conc import Cancelled, Runtime
from conc.lowlevel import Instrument, Task
from conc_testing.net.network import SimNetwork
from conc_testing.sim import offload
from conc_testing.sim.choices import Chooser
from conc_testing.sim.clock import SimulatedClock
from conc_testing.sim.conductor import LIVELOCK, Conductor
from conc_testing.sim.created import Books, is_started_by_conc, place_of_caller, watching
from conc_testing.sim.entropy import ChosenRandom
from conc_testing.sim.oracles import LEAVINGS, Leak, Oracles
from conc_testing.sim.paths import Paths
from conc_testing.sim.strategies import Strategy
from conc_testing.sim.tape import Deviation
from conc_testing.sim.trace import Digest, Step, Trace

T = TypeVar("T")

HAS_GENERATIONS: Final = not sysconfig.get_config_var("Py_GIL_DISABLED")  # where it has not, a look takes long
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
        livelock: how many steps may be made without time passing.
    """

    seed: int = 0
    time: str = "calm"
    faults: bool = False
    leaks: str = "error"
    world: Callable[[], Any] | None = None
    livelock: int = LIVELOCK

    def __post_init__(self) -> None:
        if self.time not in TIMES:
            raise ValueError(f"time must be one of {', '.join(map(repr, TIMES))}, not {self.time!r}")
        if self.leaks not in LEAVINGS:
            raise ValueError(f"leaks must be one of {', '.join(map(repr, LEAVINGS))}, not {self.leaks!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed must be a whole number, not {self.seed!r}")
        if isinstance(self.livelock, bool) or not isinstance(self.livelock, int) or self.livelock < 1:
            raise ValueError(f"livelock must be a number of steps, at least 1, not {self.livelock!r}")

    @property
    def arguments(self) -> str:
        """What a call of `replay` has to say of them, for the tape does not."""
        words = []
        if self.leaks != "error":
            words.append(f"leaks={self.leaks!r}")
        if self.world is not None:
            words.append(f"world={getattr(self.world, '__qualname__', repr(self.world))}")
        if self.livelock != LIVELOCK:
            words.append(f"livelock={self.livelock}")
        return "".join(f", {one}" for one in words)


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
        rests: how many times the program came to rest before a step of a task, by path and step.
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
    rests: dict[tuple[str, int], int] = field(default_factory=dict)
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
        if is_started_by_conc():
            self._helpers.add(task.id)


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
    simulation = Simulation(strategy, conditions)
    events = Digest(simulation.paths, simulation.clock) if digest else None
    steps = Trace(simulation.paths, simulation.clock, simulation.conductor.deviations) if trace else None
    instruments = [one for one in (steps, events) if one is not None]
    outcome: Outcome[T] = simulation.run(scenario, instruments, collect)
    outcome.missed = list(getattr(strategy, "missed", ()))
    outcome.trace = [] if steps is None else steps.steps
    outcome.digest = "" if events is None else events.value
    return outcome


class Simulation:
    """One run: its time, who decides in it, and who looks for trouble."""

    def __init__(self, strategy: Strategy, conditions: Conditions) -> None:
        births: dict[int, str] = {}
        self.clock = SimulatedClock()
        self.paths = Births(births)
        self.conductor = Conductor(
            strategy,
            self.paths,
            self.clock,
            racing=conditions.time == "racing",
            faults=conditions.faults,
            livelock=conditions.livelock,
        )
        self._oracles = Oracles(self.paths, births)
        self._conditions = conditions
        self._left: list[str] = []
        self.clock.at_rest = self._at_rest

    def run(
        self, scenario: Callable[..., Awaitable[T]], instruments: Iterable[Instrument], collect: bool = False
    ) -> Outcome[T]:
        """Run the scenario."""
        conductor = self.conductor
        outcome: Outcome[T] = Outcome(
            deviations=conductor.deviations,
            sizes=conductor.sizes,
            addresses=conductor.addresses,
            steps_of=conductor.steps_of,
            rests=conductor.rests,
        )
        with watching(), _no_garbage_of_others(collect), _warnings_in(self._left), _collector(collect):
            try:
                outcome.value = self._run(scenario, instruments)
                self._oracles.look()
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:
                if not (isinstance(error, Cancelled) and conductor.was_cancelled):
                    outcome.error = error
        if outcome.error is None and self._left and self._conditions.leaks == "error":
            outcome.error = Leak("left at the end of the run:\n" + "\n".join(f"- {one}" for one in self._left))
        return outcome

    def _run(self, scenario: Callable[..., Awaitable[T]], instruments: Iterable[Instrument]) -> T:
        conditions = self._conditions
        world = None if conditions.world is None else conditions.world()
        runtime = Runtime(
            clock=self.clock,
            seed=conditions.seed,
            policy=self.conductor,
            network=SimNetwork() if world is None else world.net,
            instruments=[self.paths, *instruments],
        )
        runtime.random = ChosenRandom(conditions.seed, self.conductor)
        runtime.extensions[Chooser] = self.conductor
        runtime.extensions[Books] = self._oracles
        offload.install(runtime)

        async def main() -> T:
            try:
                if world is None:
                    value = await scenario()
                else:
                    async with world.running():
                        value = await scenario(world)
            except Cancelled:
                self._look_for_leaks(runtime)
                raise
            self._look_for_leaks(runtime)
            return value

        main.__qualname__ = getattr(scenario, "__qualname__", "scenario")
        return runtime.run(main)

    def _look_for_leaks(self, runtime: Runtime) -> None:
        """The scenario is over: what has it left?"""
        self._left.extend(self._oracles.leaks(runtime.timers, runtime.network))

    def _at_rest(self) -> bool:
        """Nobody is ready, and nothing is due."""
        if self.conductor.cancel_who_arrived() or self.conductor.cancel_who_rests():
            return True
        self._oracles.look()
        return False


@contextmanager
def _no_garbage_of_others(collect: bool) -> Iterator[None]:
    """What was left in circles before is not found in this run. No automatic collection meanwhile: finalizers would run
    in some step or other."""
    was_on = gc.isenabled()
    gc.disable()
    _collect(collect)
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _collector(collect: bool) -> Iterator[None]:
    """What the run has left in circles is found at its end."""
    yield
    _collect(collect)


def _collect(thoroughly: bool) -> None:
    """Look for garbage in circles. What is young is looked through in no time, where that is told from the old; what a
    run leaves was not young any more when it ended, so it takes the thorough look to give that back."""
    if HAS_GENERATIONS:
        gc.collect(1 if thoroughly else 0)
    elif thoroughly:
        gc.collect()


@contextmanager
def _warnings_in(left: list[str]) -> Iterator[None]:
    """What Python warns of that was dropped without being closed or awaited is left behind."""
    depth = sys.get_coroutine_origin_tracking_depth()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sys.set_coroutine_origin_tracking_depth(max(depth, 1))  # so that the warning knows the line
        try:
            yield
        finally:
            sys.set_coroutine_origin_tracking_depth(depth)
    for one in caught:
        if issubclass(one.category, ResourceWarning) or "was never awaited" in str(one.message):
            left.append(str(one.message))
        else:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno, source=one.source)
