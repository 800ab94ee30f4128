"""The delay-bounded search makes each schedule within the bound once, and says that it is through only if it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import pytest

import conc
from conc_testing import Budget, choose, explore
from conc_testing.sim.plan import Delays, Recipe
from conc_testing.sim.simulation import Conditions, Outcome, simulate
from conc_testing.sim.strategies import Calm, Candidates, Key, Naming, Positions, alternatives_cost
from tests.testing.sim.planted import pass_by

Scenario = Callable[[], Awaitable[object]]
Choices = tuple[tuple[int, int], ...]  # the decisions that were not calm, by number


def program(tasks: int, steps: int) -> Scenario:
    """Tasks that make steps."""

    async def scenario() -> None:
        async def work() -> None:
            for _ in range(steps - 1):
                await pass_by()

        async with conc.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(work)

    return scenario


async def mixed() -> None:
    """Decisions of all kinds: who runs, which timer, what the world does."""

    async def sleep() -> None:
        await conc.sleep(1)
        choose("net.latency", 3)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(sleep)
        nursery.start_soon(sleep)


PROGRAMS: dict[str, Scenario] = {
    "2 tasks, 2 steps": program(2, 2),
    "2 tasks, 3 steps": program(2, 3),
    "3 tasks, 1 step": program(3, 1),
    "3 tasks, 2 steps": program(3, 2),
    "of all kinds": mixed,
}
EACH = pytest.mark.parametrize("scenario", PROGRAMS.values(), ids=PROGRAMS)


class Odometer(Calm):
    """Chooses as a list says, and the first alternative behind its end."""

    def __init__(self, choices: Sequence[int]) -> None:
        self._choices = choices

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        return self.choose(index, key, len(tasks))

    def choose(self, index: int, key: Key, n: int) -> int:
        return self._choices[index] if index < len(self._choices) else 0


def run(scenario: Scenario, strategy: Calm) -> Outcome[object]:
    outcome = simulate(scenario, strategy, Conditions())
    assert outcome.error is None
    return outcome


def all_schedules(scenario: Scenario) -> Iterator[tuple[Choices, int]]:
    """Each schedule there is, and how many delays it takes: all combinations are counted through, as on an odometer."""
    wheels: list[int] | None = []
    while wheels is not None:
        outcome = run(scenario, Odometer(wheels))
        counts = outcome.sizes
        wheels += [0] * (len(counts) - len(wheels))
        yield (
            tuple((place, choice) for place, choice in enumerate(wheels) if choice),
            sum(alternatives_cost(counts[place][0], choice) for place, choice in enumerate(wheels) if choice),
        )
        while wheels and wheels[-1] + 1 == counts[len(wheels) - 1][1]:
            wheels.pop()
        if wheels:
            wheels[-1] += 1
        else:
            wheels = None


def searched(scenario: Scenario, bound: int) -> list[Choices]:
    """The schedules that the search makes, in order."""
    made: list[Choices] = []
    search = Delays(bound)
    for batch in search.batches():
        results: list[tuple[Recipe, Outcome[Any]]] = []
        for recipe in batch:
            results.append((recipe, run(scenario, Positions(dict(recipe.choices)))))
            made.append(recipe.choices)
        search.learn(results)
    assert search.proved == bound
    return made


@EACH
@pytest.mark.parametrize("bound", [0, 1, 2, 3])
def test_each_schedule_within_the_bound_is_made_once_and_no_other(scenario: Scenario, bound: int) -> None:
    made = searched(scenario, bound)
    assert len(set(made)) == len(made)
    assert set(made) == {choices for choices, cost in all_schedules(scenario) if cost <= bound}


def test_with_a_bound_that_is_large_enough_these_are_all_schedules_there_are() -> None:
    scenario = program(2, 3)
    assert len(searched(scenario, 99)) == len(list(all_schedules(scenario)))


def test_no_two_schedules_run_the_tasks_in_the_same_order() -> None:
    orders: list[str] = []

    async def scenario() -> None:
        order: list[str] = []

        async def work(name: str) -> None:
            for _ in range(3):
                order.append(name)
                await pass_by()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(work, "a")
            nursery.start_soon(work, "b")
        orders.append("".join(order))

    made = searched(scenario, 99)
    assert len(orders) == len(made)
    assert len(set(orders)) == 20  # all ways to lay three steps of one between three of the other


@EACH
def test_fewer_delays_come_first(scenario: Scenario) -> None:
    costs = dict(all_schedules(scenario))
    made = [costs[choices] for choices in searched(scenario, 3)]
    assert made == sorted(made)


@EACH
def test_exhausted_is_told_exactly_when_all_schedules_of_the_bound_were_made(scenario: Scenario) -> None:
    costs = [cost for _, cost in all_schedules(scenario)]
    through = {bound: sum(cost <= bound for cost in costs) for bound in (1, 2)}

    for runs in range(1, through[2] + 3):
        report = explore(scenario, plan=("delay<=2",), budget=Budget(runs=runs))
        proved = max((bound for bound, count in through.items() if count <= runs), default=0)
        assert report.exhausted == (f"delay<={proved}" if proved else None), f"with {runs} runs"
        assert report.runs == min(runs, through[2])


def test_two_processes_make_the_same_schedules_and_come_as_far() -> None:
    scenario = program(3, 2)
    for runs in (1, 5, 20, 33, 500):
        one, two = (explore(scenario, plan=("delay<=2",), budget=Budget(runs=runs), jobs=jobs) for jobs in (1, 2))
        assert (one.runs, one.exhausted, one.contested) == (two.runs, two.exhausted, two.contested)
