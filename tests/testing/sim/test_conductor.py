"""The conductor puts every decision to the strategy, by its address, and notes those that were not calm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import Task, call_at, current_task
from conc_testing import choose
from conc_testing.sim.choices import Chooser
from conc_testing.sim.conductor import CONTINUED_AT_MOST, Conductor
from conc_testing.sim.plan import Recipe
from conc_testing.sim.simulation import Conditions, Outcome, simulate
from conc_testing.sim.strategies import Calm, Candidates, Key, Naming, Strategy
from conc_testing.sim.tape import RUN, TIMER, Deviation
from tests.testing.sim import planted

Scenario = Callable[[], Awaitable[Any]]


class Noting(Calm):
    """Chooses by a function of the address, and writes down what it was asked."""

    def __init__(self, decide: Callable[[Key, int], int] = lambda key, n: 0) -> None:
        self.asked: list[tuple[int, Key, int]] = []
        self.candidates: list[list[str]] = []
        self._decide = decide

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        self.candidates.append([name(task) for task in tasks])
        return self.choose(index, key, len(tasks))

    def choose(self, index: int, key: Key, n: int) -> int:
        self.asked.append((index, key, n))
        return self._decide(key, n)


def conduct(scenario: Scenario, strategy: Strategy, **conditions: Any) -> Outcome[Any]:
    outcome = simulate(scenario, strategy, Conditions(**conditions))
    assert outcome.error is None, outcome.error
    return outcome


def conductor_here() -> Conductor:
    conductor = conc.lowlevel.current_runtime().extensions[Chooser]
    assert isinstance(conductor, Conductor)
    return conductor


# ---- addresses ----------------------------------------------------------------------------------------------------


async def several_kinds() -> None:
    call_at(1, lambda: None)
    call_at(1, lambda: None)
    for _ in range(2):
        choose("net.latency", 3)
    choose("io.chunk", 2)
    choose("nothing.to.choose", 1)
    await planted.calm()
    await conc.sleep(1)


def test_only_contested_decisions_are_asked_and_they_are_numbered_in_order() -> None:
    noting = Noting()
    outcome = conduct(several_kinds, noting)

    assert [index for index, _, _ in noting.asked] == list(range(len(noting.asked)))
    assert outcome.addresses == [key for _, key, _ in noting.asked]
    assert outcome.sizes == [(key[0], n) for _, key, n in noting.asked]
    assert all(n > 1 for _, _, n in noting.asked)
    assert [key for _, key, _ in noting.asked][:3] == [
        ("net.latency", "main", 0),
        ("net.latency", "main", 1),
        ("io.chunk", "main", 0),
    ]
    assert {key[0] for _, key, _ in noting.asked} == {"net.latency", "io.chunk", RUN, TIMER}


def test_no_two_decisions_have_the_same_address() -> None:
    outcome = conduct(several_kinds, Noting())
    assert len(set(outcome.addresses)) == len(outcome.addresses)


def test_who_would_run_by_itself_stands_first_and_gives_the_address() -> None:
    noting = Noting()
    conduct(planted.calm, noting)
    keys = [key for _, key, _ in noting.asked if key[0] == RUN]
    assert [key[1] for key in keys] == [candidates[0] for candidates in noting.candidates]


def test_deviations_are_exactly_what_was_not_decided_calmly() -> None:
    outcome = conduct(several_kinds, Noting(lambda key, n: 1 if key[0] == "net.latency" and key[2] == 1 else 0))
    assert outcome.deviations == [Deviation("net.latency", "main", 1, 1)]
    assert conduct(several_kinds, Noting()).deviations == []


def test_a_deviation_of_the_order_names_the_task_that_runs_instead() -> None:
    outcome = conduct(planted.calm, Noting(lambda key, n: n - 1))
    first = outcome.deviations[0]
    assert (first.site, first.path, first.nth, first.choice) == (RUN, "main/0:passer", 0, "main/1:passer")


def test_a_tape_of_the_deviations_makes_the_same_run() -> None:
    for seed in range(20):
        drawn = conduct(several_kinds, Recipe("random", seed).strategy())
        again = conduct(several_kinds, Recipe("tape", tape=tuple(drawn.deviations)).strategy())
        assert again.deviations == drawn.deviations
        assert again.addresses == drawn.addresses
        assert again.steps_of == drawn.steps_of
        assert again.missed == []


def test_a_strategy_that_chooses_what_is_not_there_ends_the_run_with_an_error() -> None:
    async def scenario() -> int:
        return choose("net.latency", 3)

    for choice in (3, -1):
        outcome = simulate(scenario, Noting(lambda key, n, choice=choice: choice), Conditions())  # type: ignore[misc]
        assert isinstance(outcome.error, ValueError)
        assert f"chose {choice} of 3 alternatives at 'net.latency'" in str(outcome.error)


def test_steps_are_counted_by_task() -> None:
    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.checkpoint, name="short")
            nursery.start_soon(planted.pass_by, name="long")
            nursery.start_soon(planted.pass_by, name="long")

    outcome = conduct(scenario, Calm())
    assert outcome.steps_of == {"main": 2, "main/0:short": 2, "main/1:long": 2, "main/2:long": 2}
    assert outcome.steps == 8


def test_names_of_tasks_keep_no_sign_that_means_something_in_a_path() -> None:
    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.checkpoint, name="a/b:c d")

    assert set(conduct(scenario, Calm()).steps_of) == {"main", "main/0:a_b_c_d"}


# ---- fairness -----------------------------------------------------------------------------------------------------


def test_a_task_that_never_waits_lets_the_others_run_after_a_while() -> None:
    async def scenario() -> int:
        steps = 0
        done = False

        async def work() -> None:
            nonlocal steps
            while not done:
                await planted.pass_by()
                steps += 1

        async def end() -> None:
            nonlocal done
            done = True

        async with conc.open_nursery() as nursery:
            nursery.start_soon(work)
            nursery.start_soon(end)
        return steps

    outcome = conduct(scenario, Calm())
    assert outcome.value is not None
    assert CONTINUED_AT_MOST <= outcome.value <= CONTINUED_AT_MOST + 2
    assert outcome.deviations == []


# ---- pausing ------------------------------------------------------------------------------------------------------


def test_paused_tasks_do_not_run_until_they_are_resumed() -> None:
    log: list[tuple[str, float]] = []

    async def tick(name: str) -> None:
        for _ in range(2):
            await conc.sleep(1)
            log.append((name, conc.current_time()))

    async def scenario() -> None:
        conductor = conductor_here()

        def is_paused(task: Task[Any]) -> bool:
            return task.name == "paused"

        conductor.pause(is_paused)
        call_at(5, lambda: conductor.resume(is_paused))
        async with conc.open_nursery() as nursery:
            for name in ("paused", "other"):
                nursery.start_soon(tick, name, name=name)

    conduct(scenario, Calm())
    assert log == [("other", 1), ("other", 2), ("paused", 6), ("paused", 7)]


def test_who_is_paused_twice_has_to_be_resumed_twice() -> None:
    log: list[float] = []

    async def note() -> None:
        log.append(conc.current_time())

    async def scenario() -> None:
        conductor = conductor_here()
        first: Callable[[Task[Any]], bool] = lambda task: task.name == "paused"  # noqa: E731
        second: Callable[[Task[Any]], bool] = lambda task: task.name.startswith("p")  # noqa: E731
        for moment, belongs in ((1, first), (2, second)):
            conductor.pause(belongs)
            call_at(moment, lambda belongs=belongs: conductor.resume(belongs))  # type: ignore[misc]
        async with conc.open_nursery() as nursery:
            nursery.start_soon(note, name="paused")

    conduct(scenario, Calm())
    assert log == [2]


def test_who_dies_while_paused_is_not_resumed() -> None:
    async def scenario() -> float:
        conductor = conductor_here()
        belongs: Callable[[Task[Any]], bool] = lambda task: task.name == "paused"  # noqa: E731
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.checkpoint, name="paused")
            conductor.pause(belongs)
            await conc.sleep(1)
            conc.lowlevel.kill(task)
            conductor.resume(belongs)
        return conc.current_time()

    assert conduct(scenario, Calm()).value == 1


# ---- choices of models --------------------------------------------------------------------------------------------


def test_choices_are_counted_for_each_task_and_site() -> None:
    async def ask() -> None:
        for _ in range(2):
            choose("net.latency", 2)
            await planted.pass_by()

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)

    addresses = [key for key in conduct(scenario, Calm()).addresses if key[0] == "net.latency"]
    assert addresses == [("net.latency", f"main/{task}:ask", nth) for task in (0, 1) for nth in (0, 1)]


def test_a_choice_in_a_callback_is_that_of_the_task_that_ran_last() -> None:
    async def scenario() -> None:
        call_at(1, lambda: choose("net.latency", 2))
        await conc.sleep(2)

    assert conduct(scenario, Calm()).addresses == [("net.latency", "main", 0)]


@pytest.mark.parametrize("faults", [False, True])
def test_faults_are_asked_about_only_where_they_are_swept_over(faults: bool) -> None:
    async def scenario() -> int:
        current_task()
        return choose("fault.io", 2)

    outcome = conduct(scenario, Noting(lambda key, n: 1), faults=faults)
    assert outcome.value == int(faults)
    assert len(outcome.addresses) == int(faults)
