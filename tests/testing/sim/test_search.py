"""explore: what it finds, in how many runs, what it says when it has found nothing, and that it counts rightly."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc_testing import (
    Budget,
    ExplorationFailed,
    Inconclusive,
    Report,
    explore,
    replay,
)
from conc_testing.sim.tape import CANCEL, RUN, TIME, TIMER
from tests.kernel.support import Thing, Watch
from tests.testing.sim import planted

Scenario = Callable[[], Awaitable[object]]

PLANTED: dict[str, tuple[Scenario, dict[str, Any], str]] = {
    "order of tasks": (planted.lost_update, {}, RUN),
    "deadlock": (planted.waits_for_ever, {}, RUN),
    "cancellation": (planted.permit_of_a_cancelled, {"cancel": "sweep"}, CANCEL),
    "order of timers": (planted.order_of_timers, {}, TIMER),
    "deadline": (planted.deadline_while_working, {"time": "racing"}, TIME),
    "fault": (planted.fault_in_the_second_call, {"faults": "sweep"}, "fault.io"),
    "branch of a select": (planted.branch_of_a_select, {}, "entropy"),
    "choice": (planted.late_packet, {}, "net.latency"),
}
EACH = pytest.mark.parametrize(("scenario", "options", "site"), PLANTED.values(), ids=PLANTED)


# ---- finding --------------------------------------------------------------------------------------------------------


@EACH
def test_each_kind_of_bug_is_found_and_told_in_one_deviation(
    scenario: Scenario, options: dict[str, Any], site: str
) -> None:
    report = explore(scenario, budget=Budget(runs=200), **options)

    assert report.verdict == "failed"
    assert not report.ok
    failure = report.failure
    assert failure is not None
    assert [one.site for one in failure.deviations] == [site]
    assert 1 < failure.found_at == report.runs <= 50
    again = replay(scenario, failure.token)
    assert again.failure is not None
    assert repr(again.failure.error) == repr(failure.error)


@EACH
def test_the_calm_run_shows_none_of_them(scenario: Scenario, options: dict[str, Any], site: str) -> None:
    report = explore(scenario, budget=Budget(runs=1), plan=("delay<=0",))
    assert report.failure is None
    assert report.runs == 1


@pytest.mark.parametrize("plan", ["delay<=1", "random", "pct:d=3", "pct", "pos"])
def test_each_part_of_the_plan_finds_a_lost_update_by_itself(plan: str) -> None:
    report = explore(planted.lost_update, plan=(plan,), budget=Budget(runs=300))
    assert report.failure is not None
    assert len(report.failure.deviations) == 1
    assert set(report.phases) == {"pct:d=3" if plan == "pct" else plan}


def test_a_bug_that_needs_two_delays_is_found_with_two_and_not_with_one() -> None:
    report = explore(planted.two_lost_updates, plan=("delay<=1",))
    assert report.verdict == "passed"
    assert report.exhausted == "delay<=1"

    report = explore(planted.two_lost_updates, plan=("delay<=2",))
    assert report.failure is not None
    assert len(report.failure.deviations) == 2
    assert report.exhausted == "delay<=1"


def test_a_run_that_fails_calmly_ends_the_search_at_once() -> None:
    async def fail() -> None:
        await planted.calm()
        raise ArithmeticError("always")

    report = explore(fail)
    assert report.runs == 1
    assert report.failure is not None
    assert report.failure.deviations == ()
    assert isinstance(report.failure.error, ArithmeticError)
    assert report.exhausted is None


def test_a_search_that_passes_says_what_it_covered() -> None:
    report = explore(planted.calm, budget=Budget(runs=60))

    assert report.ok
    assert report.verdict == "passed"
    report.assert_ok()
    assert report.runs == 60
    assert sum(report.phases.values()) == 60
    assert list(report.phases) == ["delay<=2", "random", "pct:d=3", "pos"]
    assert report.exhausted == "delay<=2"
    assert report.entered == {"main", "main/0:passer", "main/1:passer"}
    assert report.contested > 0
    assert report.steps >= 60 * 3
    assert "to the end: delay<=2" in str(report)


def test_where_nothing_could_be_otherwise_the_search_is_inconclusive() -> None:
    report = explore(planted.alone)

    assert report.verdict == "inconclusive"
    assert not report.ok
    assert report.runs == 1
    with pytest.raises(Inconclusive, match="no decision had a second alternative"):
        report.assert_ok()


def test_a_failure_is_raised_with_the_error_as_its_cause() -> None:
    report = explore(planted.lost_update)
    assert report.failure is not None
    with pytest.raises(ExplorationFailed, match="an update was lost") as caught:
        report.assert_ok()
    assert caught.value.__cause__ is report.failure.error


# ---- budgets --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runs", [1, 2, 3, 15, 16, 17, 40])
@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_runs_are_made_than_there_are_in_the_budget(runs: int, jobs: int) -> None:
    report = explore(planted.calm, budget=Budget(runs=runs), jobs=jobs)
    assert report.runs == runs == sum(report.phases.values())


def test_a_search_whose_plan_ends_may_leave_runs_over() -> None:
    report = explore(planted.calm, plan=("delay<=1",), budget=Budget(runs=500))
    assert report.runs < 50
    assert report.exhausted == "delay<=1"


@pytest.mark.parametrize("plan", ["delay<=2", "random", "pct", "pos"])
def test_the_seconds_of_the_budget_hold_between_two_runs(plan: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("conc_testing.sim.search.time.monotonic", lambda: clock[0])

    async def slow() -> None:
        await planted.calm()
        clock[0] += 1.0

    report = explore(slow, plan=(plan,), budget=Budget(runs=1_000, seconds=3.5))
    assert report.runs == 4
    assert report.seconds == 4.0
    assert report.exhausted is None or plan == "delay<=2"


@pytest.mark.parametrize(("runs", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError)])
def test_a_budget_without_runs_is_refused(runs: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="runs must be"):
        Budget(runs=runs)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_budget_without_seconds_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be more than 0"):
        Budget(seconds=seconds)


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"plan": ("delay",)}, ValueError, "plan: there is no 'delay'"),
        ({"plan": ("pct:d=x",)}, ValueError, "plan: there is no 'pct:d=x'"),
        ({"plan": ("chaos",)}, ValueError, "plan: there is no 'chaos'"),
        ({"plan": "random"}, TypeError, "plan must be several words"),
        ({"plan": (5,)}, TypeError, "plan must be several words"),
        ({"cancel": "all"}, ValueError, "cancel must be"),
        ({"faults": True}, ValueError, "faults must be"),
        ({"time": "fast"}, ValueError, "time must be one of"),
        ({"leaks": "maybe"}, ValueError, "leaks must be one of"),
        ({"seed": "5"}, TypeError, "seed must be a whole number"),
        ({"jobs": 0}, ValueError, "jobs must be at least 1"),
        ({"jobs": 1.5}, TypeError, "jobs must be a whole number"),
        ({"livelock": 0}, ValueError, "livelock must be"),
    ],
)
def test_a_bad_argument_is_refused_at_the_call_and_named(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        explore(planted.calm, **options)


def test_a_coroutine_in_place_of_its_function_is_refused_and_closed() -> None:
    coroutine: Any = planted.calm()
    with pytest.raises(TypeError, match="called anew for each run; this is a coroutine object"):
        explore(coroutine)
    assert coroutine.cr_frame is None


def test_what_cannot_be_called_is_refused() -> None:
    scenario: Any = 5
    with pytest.raises(TypeError, match="scenario must be an async function, not 5"):
        explore(scenario)


def test_inside_a_running_program_no_other_can_be_searched() -> None:
    ran: list[str] = []

    async def inner() -> None:
        ran.append("ran")

    async def main() -> None:
        for search in (explore, lambda scenario: replay(scenario, "conc1:whatever")):
            with pytest.raises(RuntimeError, match="was called inside a running program"):
                search(inner)

    conc.run(main)
    assert ran == []


def test_in_a_thread_of_a_running_program_another_one_can_be_searched() -> None:
    async def main() -> Report:
        return await conc.to_thread(explore, planted.lost_update)

    assert conc.run(main).verdict == "failed"


# ---- what scenarios do ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_who_wants_to_leave_the_program_leaves_the_search(error: type[BaseException], jobs: int) -> None:
    async def leave() -> None:
        await planted.calm()
        raise error

    with pytest.raises(error):
        explore(leave, jobs=jobs)


def test_errors_in_a_group_are_one_failure_of_their_kinds() -> None:
    async def fail() -> None:
        order: list[int] = []

        async def note(number: int) -> None:
            await planted.pass_by()
            order.append(number)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(note, 0)
            nursery.start_soon(note, 1)
        if order == [1, 0]:
            raise ExceptionGroup("both", [ArithmeticError("one"), LookupError("two")])

    report = explore(fail)
    assert report.failure is not None
    assert isinstance(report.failure.error, ExceptionGroup)
    assert len(report.failure.deviations) == 1
    assert all(word in str(report.failure) for word in ("one", "two"))


def test_a_scenario_that_cancels_itself_has_failed() -> None:
    async def give_up() -> None:
        conc.lowlevel.current_task().cancel("enough")
        await conc.checkpoint()

    report = explore(give_up)
    assert report.failure is not None
    assert isinstance(report.failure.error, conc.Cancelled)


def test_a_scenario_that_raises_a_cancellation_of_its_own_has_failed() -> None:
    async def pretend() -> None:
        raise conc.Cancelled("task", "by the search")

    report = explore(pretend, cancel="sweep")
    assert report.failure is not None
    assert isinstance(report.failure.error, RuntimeError)


def test_a_plain_function_as_a_scenario_fails_at_its_first_run() -> None:
    scenario: Any = list
    report = explore(scenario)
    assert report.runs == 1
    assert report.failure is not None
    assert isinstance(report.failure.error, TypeError)


def test_scenarios_may_be_bound_methods_and_objects_that_are_called() -> None:
    class Suite:
        async def method(self) -> None:
            await planted.lost_update()

        async def __call__(self) -> None:
            await planted.lost_update()

    for scenario in (Suite().method, Suite()):
        report = explore(scenario)
        assert report.verdict == "failed"
        assert "Suite" in report.scenario


def test_nothing_of_the_runs_is_kept_but_the_failure() -> None:
    watch = Watch()
    count = 0

    async def scenario() -> None:
        nonlocal count
        thing = watch.on(f"thing {count}", Thing())
        count += 1
        await planted.calm()
        del thing

    report = explore(scenario, budget=Budget(runs=40))
    assert report.ok
    assert watch.left() == []


def test_the_order_of_tasks_in_two_searches_with_other_seeds_is_drawn_otherwise() -> None:
    orders: dict[int, set[str]] = {}

    async def scenario(seed: int) -> None:
        log: list[str] = []

        async def step(name: str) -> None:
            for _ in range(4):
                log.append(name)
                await planted.pass_by()

        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(step, name)
        orders.setdefault(seed, set()).add("".join(log))

    for seed in (0, 1):
        explore(lambda seed=seed: scenario(seed), plan=("random",), seed=seed, budget=Budget(runs=16))
    assert len(orders[0] & orders[1]) < 8


def test_the_clock_of_the_runs_is_virtual() -> None:
    began = time.monotonic()

    async def sleep() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep, 3_600)
            nursery.start_soon(conc.sleep, 3_600)

    assert explore(sleep, budget=Budget(runs=20)).ok
    assert time.monotonic() - began < 60
