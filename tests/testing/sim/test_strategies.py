"""Each strategy decides as it says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc_testing import Budget, Deviation, Schedule, explore, run
from conc_testing.sim.plan import Draws
from conc_testing.sim.simulation import Conditions, Outcome, simulate
from conc_testing.sim.strategies import (
    FAIR,
    AtRandom,
    Calm,
    InTurns,
    PartialOrder,
    Positions,
    Priorities,
    Replay,
    Scheduled,
    Swept,
    alternatives_cost,
)
from conc_testing.sim.tape import CANCEL, RUN, TIMER
from tests.testing.sim import planted

KEY = (RUN, "main", 0)


class Stub:
    """Stands for a task: strategies look at its number only."""

    def __init__(self, number: int) -> None:
        self.id = number


def stubs(count: int) -> Any:
    return [Stub(number) for number in range(count)]


def name(task: Any) -> str:
    return f"main/{task.id}"


def order_under(strategy: Any, tasks: int = 2, steps: int = 3) -> str:
    """In which order the tasks make their steps."""
    log: list[str] = []

    async def work(name: str) -> None:
        for _ in range(steps):
            log.append(name)
            await planted.pass_by()

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(tasks):
                nursery.start_soon(work, "abcdef"[number])

    outcome: Outcome[None] = simulate(scenario, strategy, Conditions())
    assert outcome.error is None
    return "".join(log)


def test_the_calm_course_runs_each_task_until_it_has_to_wait() -> None:
    assert order_under(Calm(), tasks=3) == "aaabbbccc"


def test_in_turns_every_operation_is_a_switch() -> None:
    assert order_under(InTurns()) == "ababab"
    assert order_under(InTurns(), tasks=3) == "abcabcabc"


def test_positions_deviate_where_they_are_told_and_nowhere_else() -> None:
    assert order_under(Positions({})) == "aaabbb"
    assert order_under(Positions({0: 1})) == "bbbaaa"
    assert order_under(Positions({1: 1})) == "abbbaa"


def test_a_schedule_deviates_at_its_decisions() -> None:
    assert order_under(Scheduled(Schedule(((1, 1),)).decide)) == "abbbaa"
    run(planted.lost_update)
    with pytest.raises(AssertionError, match="an update was lost"):
        run(planted.lost_update, schedule=Schedule(((1, 1),)))


# ---- tapes --------------------------------------------------------------------------------------------------------


def test_a_replay_picks_by_name_and_notes_what_it_could_not_do() -> None:
    replay = Replay([Deviation(RUN, "main", 0, "main/2"), Deviation(RUN, "main", 1, "main/9")])
    assert replay.pick(0, (RUN, "main", 0), stubs(3), name) == 2
    assert replay.pick(1, (RUN, "main", 1), stubs(3), name) == 0
    assert replay.pick(2, (RUN, "main", 2), stubs(3), name) == 0
    assert replay.missed == [Deviation(RUN, "main", 1, "main/9")]


def test_a_replay_chooses_what_is_there_and_notes_what_is_not() -> None:
    replay = Replay([Deviation("x", "main", 0, 2), Deviation("x", "main", 1, 5), Deviation("x", "main", 2, "text")])
    assert [replay.choose(0, ("x", "main", nth), 3) for nth in range(4)] == [2, 0, 0, 0]
    assert [one.nth for one in replay.missed] == [1, 2]


def test_cancellations_of_a_tape_are_for_the_conductor() -> None:
    assert Replay([Deviation(CANCEL, "main/0", 3, 1)]).cancels == {("main/0", 3): 1}


# ---- by chance ----------------------------------------------------------------------------------------------------


def test_at_random_each_task_is_as_likely_as_the_others() -> None:
    strategy = AtRandom(5)
    counts = Counter(strategy.pick(0, KEY, stubs(4), name) for _ in range(4_000))
    assert set(counts) == {0, 1, 2, 3}
    assert min(counts.values()) > 850


def test_at_random_what_is_no_order_is_mostly_calm_and_sometimes_anything() -> None:
    strategy = AtRandom(5)
    counts = Counter(strategy.choose(0, ("x", "", 0), 3) for _ in range(4_000))
    assert set(counts) == {0, 1, 2}
    assert counts[0] > 3_500


@pytest.mark.parametrize(
    "make", [AtRandom, lambda seed: Priorities(seed, 3, 20), lambda seed: PartialOrder(seed, lambda task: None)]
)
def test_one_seed_draws_one_order_and_others_draw_others(make: Any) -> None:
    orders = {seed: order_under(make(seed), tasks=4, steps=4) for seed in range(12)}
    assert orders == {seed: order_under(make(seed), tasks=4, steps=4) for seed in range(12)}
    assert len(set(orders.values())) > 6


@given(seed=st.integers(), depth=st.integers(1, 5), horizon=st.integers(0, 30))
def test_priorities_change_at_no_more_than_depth_minus_one_moments(seed: int, depth: int, horizon: int) -> None:
    strategy = Priorities(seed, depth, horizon)
    tasks = stubs(4)
    picks = [strategy.pick(index, KEY, tasks, name) for index in range(40)]
    switches = sum(one != other for one, other in pairwise(picks))
    assert switches <= depth - 1


def test_of_priorities_the_highest_of_those_who_are_ready_runs() -> None:
    strategy = Priorities(3, 1, 10)
    tasks = stubs(5)
    ranking: list[int] = []
    while tasks:
        place = strategy.pick(len(ranking), KEY, tasks, name)
        ranking.append(tasks.pop(place).id)
    again = Priorities(3, 1, 10)
    everybody = stubs(5)
    assert everybody[again.pick(0, KEY, everybody, name)].id == ranking[0]
    assert sorted(ranking) == [0, 1, 2, 3, 4]


def test_a_task_of_high_priority_that_never_waits_does_not_keep_the_others_out() -> None:
    strategy = Priorities(3, 1, 10)
    tasks = stubs(3)
    picks = [strategy.pick(index, KEY, tasks, name) for index in range(3 * FAIR)]
    assert max(Counter(picks).values()) <= FAIR
    assert set(picks) == {0, 1, 2}


def test_the_horizon_of_priorities_is_measured_before_they_are_drawn() -> None:
    phase = Draws("pct", 0, 3)
    batches = phase.batches()
    (probe,) = next(batches)
    assert probe.kind == "calm"
    outcome: Outcome[object] = simulate(planted.two_lost_updates, probe.strategy(), Conditions())
    phase.learn([(probe, outcome)])
    assert {one.horizon for one in next(batches)} == {len(outcome.sizes)}


def test_priorities_find_a_bug_of_two_orderings_as_often_as_is_promised() -> None:
    horizon = len(simulate(planted.lost_update, Calm(), Conditions()).sizes)
    found = sum(simulate(planted.lost_update, Priorities(seed, 2, horizon), Conditions()).failed for seed in range(300))
    assert found >= 300 / (3 * horizon)


def test_in_a_partial_order_what_touches_another_object_keeps_its_priority() -> None:
    strategy = PartialOrder(1, lambda task: task.id)
    tasks = stubs(4)
    strategy.pick(0, KEY, tasks, name)
    before = dict(strategy._priorities)
    assert len(before) == 3  # that of the one who ran is drawn anew
    strategy.pick(1, KEY, tasks, name)
    kept = set(before.items()) & set(strategy._priorities.items())
    assert len(kept) >= 2


def test_in_a_partial_order_what_touches_the_same_object_draws_anew() -> None:
    strategy = PartialOrder(1, lambda task: "the same")
    strategy.pick(0, KEY, stubs(4), name)
    assert strategy._priorities == {}


def test_a_swept_strategy_decides_as_its_base() -> None:
    base = Positions({0: 1})
    swept = Swept(base, [("main/0:a", 2, 1)])
    assert order_under(swept) == order_under(base)
    assert swept.cancels == {("main/0:a", 2): 1}


@pytest.mark.parametrize(("site", "cost"), [(RUN, 3), (TIMER, 1), ("net.latency", 1)])
def test_to_run_the_third_costs_as_many_delays_as_stand_before_it(site: str, cost: int) -> None:
    assert alternatives_cost(site, 3) == cost


@pytest.mark.parametrize("plan", ["random", "pct:d=2", "pos"])
def test_a_part_of_the_plan_that_draws_has_no_end_of_its_own(plan: str) -> None:
    report = explore(planted.calm, plan=(plan,), budget=Budget(runs=123))
    assert report.runs == 123
    assert report.exhausted is None
