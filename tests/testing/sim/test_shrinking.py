"""What is reported is the shortest way to a failure of the same kind, and it really fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import conc
from conc import sync
from conc_testing import choose
from conc_testing.sim.plan import Recipe
from conc_testing.sim.shrink import kind_of, shrink
from conc_testing.sim.simulation import Conditions, Outcome, simulate
from tests.testing.sim import planted
from tests.testing.sim.test_search import PLANTED

Scenario = Callable[[], Awaitable[object]]


def noisy(scenario: Scenario) -> Scenario:
    """The scenario, and much beside it that may go this way or that."""

    async def noise() -> None:
        for _ in range(6):
            await planted.pass_by()
            choose("net.latency", 4)

    async def both() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(noise, name=f"noise {number}")
            await scenario()

    return both


def fails_at_random(scenario: Scenario, conditions: Conditions, cancels: bool = False) -> Outcome[Any]:
    """The first failing run of many that are drawn."""
    steps = simulate(scenario, Recipe().strategy(), conditions).steps_of["main/0:use"] if cancels else 1
    for seed in range(500):
        cancel = (("main/0:use", seed % steps, 2),) if cancels else ()
        outcome = simulate(scenario, Recipe("random", seed, cancels=cancel).strategy(), conditions)
        if outcome.failed:
            return outcome
    raise AssertionError("nothing fails")


def shrunk(scenario: Scenario, conditions: Conditions, failing: Outcome[Any]) -> Outcome[Any]:
    small, runs = shrink(failing, lambda recipe: simulate(scenario, recipe.strategy(), conditions))
    assert runs <= 900
    again = simulate(scenario, Recipe("tape", tape=tuple(small.deviations)).strategy(), conditions)
    assert kind_of(again.error) == kind_of(small.error) == kind_of(failing.error)
    assert again.deviations == small.deviations
    return small


@pytest.mark.parametrize("name", [name for name in PLANTED if name != "cancellation"])
def test_of_many_deviations_one_is_left(name: str) -> None:
    scenario, options, site = PLANTED[name]
    conditions = Conditions(time=options.get("time", "calm"), faults="faults" in options)
    loud = noisy(scenario)
    failing = fails_at_random(loud, conditions)
    assert len(failing.deviations) > 2

    small = shrunk(loud, conditions, failing)
    assert [one.site for one in small.deviations] == [site]


def test_a_cancellation_that_matters_stays_and_the_rest_goes() -> None:
    failing = fails_at_random(planted.permit_of_a_cancelled, Conditions(leaks="ignore"), cancels=True)
    small = shrunk(planted.permit_of_a_cancelled, Conditions(leaks="ignore"), failing)
    assert [one.site for one in small.deviations] == ["cancel"]


def test_where_two_deviations_are_needed_two_are_left() -> None:
    failing = fails_at_random(planted.two_lost_updates, Conditions())
    assert len(shrunk(planted.two_lost_updates, Conditions(), failing).deviations) == 2


def test_beside_much_noise_nothing_is_left_that_could_be_taken_away_by_itself() -> None:
    loud = noisy(planted.two_lost_updates)
    failing = fails_at_random(loud, Conditions())
    assert len(failing.deviations) > 10

    small = shrunk(loud, Conditions(), failing)
    assert 2 <= len(small.deviations) <= 5
    for one in small.deviations:
        rest = tuple(other for other in small.deviations if other != one)
        assert not simulate(loud, Recipe("tape", tape=rest).strategy(), Conditions()).failed


def test_a_failure_of_another_kind_is_no_shorter_way_to_this_one() -> None:
    async def scenario() -> None:
        order: list[str] = []

        async def note(name: str) -> None:
            await planted.pass_by()
            order.append(name)

        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(note, name)
        if order == ["c", "b", "a"]:
            raise LookupError("the rare one")
        if order[0] != "a":
            raise ArithmeticError("the frequent one")

    def failing() -> Outcome[Any]:
        for seed in range(500):
            outcome = simulate(scenario, Recipe("random", seed).strategy(), Conditions())
            if isinstance(outcome.error, LookupError):
                return outcome
        raise AssertionError("it is too rare")

    small = shrunk(scenario, Conditions(), failing())
    assert isinstance(small.error, LookupError)
    assert 1 <= len(small.deviations) <= 2


def test_a_run_that_fails_on_the_calm_course_has_no_deviations_left() -> None:
    async def fail() -> None:
        await planted.calm()
        raise ArithmeticError("always")

    small = shrunk(fail, Conditions(), simulate(fail, Recipe("random", 3).strategy(), Conditions()))
    assert small.deviations == []


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_whatever_run_fails_what_is_left_fails_in_the_same_way(seed: int) -> None:
    outcome = simulate(planted.lost_update, Recipe("random", seed).strategy(), Conditions())
    if outcome.failed:
        assert len(shrunk(planted.lost_update, Conditions(), outcome).deviations) == 1


def test_the_kind_of_a_failure_is_the_classes_of_its_errors() -> None:
    group = ExceptionGroup("a", [ValueError(1), ExceptionGroup("b", [ValueError(2), LookupError(3)])])
    assert kind_of(group) == {"builtins.ValueError", "builtins.LookupError"}
    assert kind_of(ValueError(4)) == kind_of(ExceptionGroup("c", [ValueError(5)]))
    assert kind_of(None) == frozenset()


def test_of_a_program_of_many_steps_the_two_switches_that_matter_are_left() -> None:
    async def scenario() -> None:
        semaphore = sync.Semaphore(2)

        async def use(rounds: int) -> None:
            for _ in range(rounds):
                await semaphore.acquire()
                value = semaphore.value
                await planted.pass_by()
                assert semaphore.value >= value, "somebody came between"
                semaphore.release()

        async with conc.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(use, 4)

    failing = fails_at_random(scenario, Conditions())
    assert len(failing.deviations) > 2
    assert len(shrunk(scenario, Conditions(), failing).deviations) == 2
