"""One search: the budget is shared out among the phases of the plan, and each run entered in the books."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conc_testing.sim.crowd import Crowd, Elsewhere
from conc_testing.sim.oracles import Leak
from conc_testing.sim.plan import Draws, Phase, Recipe, Unsteady
from conc_testing.sim.report import Failure, Report
from conc_testing.sim.shrink import kind_of, shrink
from conc_testing.sim.simulation import Conditions, Outcome, simulate
from conc_testing.sim.tape import CANCEL, Tape

COLLECT_EVERY: Final = 64  # runs: where looking for garbage in circles takes longer than a run
SHRINK_SECONDS: Final = 10.0  # for making a failure smaller, or as long as the search may take
SHARE_OF_BOUNDED: Final = 0.6  # of the budget that is left, for a phase that may come to an end, if others follow it

Scenario = Callable[..., Awaitable[object]]


class DivergedRun(AssertionError):
    """A run did not do what it did before: the program has changed, or does not do the same each time."""


@dataclass(frozen=True)
class Budget:
    """How much a search may cost; it ends with what is used up first.

    Attributes:
        runs: how many runs, but for those that make a failure smaller.
        seconds: of real time.
    """

    runs: int = 1_000
    seconds: float = 30.0

    def __post_init__(self) -> None:
        check_whole(self.runs, "runs", 1)
        if not self.seconds > 0:
            raise ValueError(f"seconds must be more than 0, not {self.seconds!r}")


class Search:
    """Looks for a run of `scenario` that fails."""

    def __init__(
        self, scenario: Scenario, conditions: Conditions, budget: Budget, phases: Sequence[Phase], jobs: int
    ) -> None:
        self._scenario = scenario
        self._conditions = conditions
        self._budget = budget
        self._phases = phases
        self._jobs = jobs
        self._addresses: set[tuple[str, str, int]] = set()
        self._entered: set[str] = set()
        self._report = Report(name_of(scenario), seed=conditions.seed)
        self._made = 0
        self._thorough = False  # whether garbage in circles is looked for after each run

    def run(self) -> Report:
        """Search."""
        report = self._report
        began = time.monotonic()
        end = began + self._budget.seconds
        with Crowd(self._simulate, self._jobs) as crowd:
            for number, phase in enumerate(self._phases):
                later = len(self._phases) - number - 1
                found = self._run_phase(phase, self._share_of(phase, later), end, crowd)
                self._note_proved(phase)
                if phase.proved and not self._addresses:
                    break  # there is nothing to decide in any run
                if found is not None:
                    report.failure = self._failure_of(found)
                    break
        report.seconds = time.monotonic() - began
        report.contested = len(self._addresses)
        report.entered = frozenset(self._entered)
        return report

    def _share_of(self, phase: Phase, later: int) -> int:
        """How many runs a phase gets, if `later` phases follow it."""
        left = self._budget.runs - self._report.runs
        if not later:
            return left
        return left // (later + 1) if isinstance(phase, Draws) else math.ceil(left * SHARE_OF_BOUNDED)

    def _run_phase(self, phase: Phase, runs: int, end: float, crowd: Crowd) -> Outcome[Any] | None:
        """Run a phase until it ends, or its share is used up. Returns the first run that failed."""
        left = runs
        for batch in phase.batches():
            for start in range(0, len(batch), crowd.width):
                part = batch[start : start + crowd.width]
                if left <= 0 or time.monotonic() >= end:
                    return None
                results = []
                for recipe, outcome in zip(part, crowd.run(part[:left]), strict=False):
                    self._enter(phase, outcome)
                    self._addresses.update((CANCEL, path, step) for path, step, _ in recipe.cancels)
                    left -= 1
                    if outcome.failed:
                        return self._again(recipe, outcome)
                    results.append((recipe, outcome))
                    if time.monotonic() >= end:
                        break
                self._learn(phase, results)
                if len(results) < len(part):
                    return None
        return None

    def _learn(self, phase: Phase, results: list[tuple[Recipe, Outcome[Any]]]) -> None:
        try:
            phase.learn(results)
        except Unsteady as error:
            raise self._diverged(str(error)) from None

    def _enter(self, phase: Phase, outcome: Outcome[Any]) -> None:
        report = self._report
        report.runs += 1
        report.steps += outcome.steps
        report.phases[phase.name] = report.phases.get(phase.name, 0) + 1
        self._addresses.update(outcome.addresses)
        self._entered.update(outcome.steps_of)

    def _note_proved(self, phase: Phase) -> None:
        """What a phase has covered to the end."""
        if phase.proved:
            name = f"delay<={phase.proved}" if phase.name.startswith("delay") else phase.name
            done = self._report.exhausted
            self._report.exhausted = name if done is None else f"{done}, {name}"

    # ---- runs -----------------------------------------------------------------------------------------------------

    def _simulate(self, recipe: Recipe, trace: bool = False) -> Outcome[Any]:
        self._made += 1
        collect = self._thorough or self._made % COLLECT_EVERY == 1
        return simulate(self._scenario, recipe.strategy(), self._conditions, trace=trace, collect=collect)

    def _again(self, recipe: Recipe, outcome: Outcome[Any]) -> Outcome[Any]:
        """A failing run of another process, made here, where its error can be had."""
        if not isinstance(outcome.error, Elsewhere):
            return outcome
        again = self._simulate(recipe)
        if not again.failed:
            raise self._diverged(f"a run failed in one process, with {outcome.error}, and passed in another")
        return again

    def _failure_of(self, failing: Outcome[Any]) -> Failure:
        """The failure that a run has found, made as small as it can be."""
        found_at = self._report.runs
        self._thorough = isinstance(failing.error, Leak)
        try:
            small, shrunk_in = shrink(failing, self._simulate, max(SHRINK_SECONDS, self._budget.seconds))
        except Unsteady as error:
            raise self._diverged(str(error)) from failing.error
        shown = self._simulate(Recipe("tape", tape=tuple(small.deviations)), trace=True)
        if kind_of(shown.error) != kind_of(failing.error):
            raise self._diverged(
                f"a run failed with {failing.error!r}, and when it was made again it "
                + (f"failed with {shown.error!r}" if shown.failed else "passed")
            ) from failing.error
        conditions = self._conditions
        tape = Tape(tuple(shown.deviations), self._report.scenario, conditions.seed, conditions.time, conditions.faults)
        assert shown.error is not None, "a failing run without an error"
        return Failure(shown.error, tape, found_at, shrunk_in, shown.trace, options=conditions.arguments)

    def _diverged(self, what: str) -> DivergedRun:
        return DivergedRun(
            f"{self._report.scenario}: {what}. It does not do the same each time: does it ask the real clock, a random "
            "generator of its own, or the order of a set? Or does a run see what an earlier one left, in a global?"
        )


def name_of(scenario: object) -> str:
    """What a scenario is called."""
    return str(getattr(scenario, "__qualname__", None) or getattr(type(scenario), "__qualname__", "scenario"))


def check_whole(value: object, name: str, least: int) -> None:
    """Raise an error that names the argument unless `value` is a whole number, at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, not {value}")
