"""Sweeps: each task is cancelled at each of its steps, each call that may fail fails once, and nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc import sync
from conc.lowlevel import current_task
from conc_testing import Budget, choose, explore, fault
from conc_testing.sim.plan import CancelSweep, FaultSweep, Recipe, matches, moments_of
from conc_testing.sim.simulation import Conditions, Outcome, simulate
from conc_testing.sim.strategies import Calm, Swept
from conc_testing.sim.tape import CANCEL
from tests.testing.sim import planted

# ---- cancelling ---------------------------------------------------------------------------------------------------


def cancelled_at(step: int, when: int) -> list[str]:
    """What a task does that is cancelled at a step of its own."""
    log: list[str] = []

    async def work() -> None:
        try:
            log.append("begins")
            async with sync.Mutex():  # an operation that need not wait
                log.append("has the lock")
            await conc.checkpoint()
            log.append("passed")
            await conc.sleep(1)
            log.append("slept")
        except conc.Cancelled as error:
            log.append(f"cancelled {error.reason}")
            raise

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(work)

    outcome = simulate(scenario, Swept(Calm(), [("main/0:work", step, when)]), Conditions())
    assert outcome.error is None
    assert [(one.site, one.path, one.nth, one.choice) for one in outcome.deviations] == [
        (CANCEL, "main/0:work", step, when)
    ]
    return log


@pytest.mark.parametrize(
    ("step", "done"),
    [
        (0, ["begins"]),
        (1, ["begins"]),
        (2, ["begins", "has the lock"]),
        (3, ["begins", "has the lock", "passed"]),
        (4, ["begins", "has the lock", "passed"]),
    ],
)
def test_a_task_is_cancelled_at_the_cancel_point_where_its_step_begins(step: int, done: list[str]) -> None:
    if step > 0:
        assert cancelled_at(step, 1) == [*done, "cancelled by the search"]
    if step < 4:
        assert cancelled_at(step, 2) == [*done, "cancelled by the search"]


def test_a_wait_that_has_ended_is_not_undone_by_a_cancellation() -> None:
    assert cancelled_at(4, 2) == ["begins", "has the lock", "passed", "slept"]


def test_every_cancel_point_raises_in_some_run_of_a_sweep() -> None:
    reached: set[str] = set()
    raised: set[str] = set()

    async def step(name: str) -> None:
        reached.add(name)
        try:
            match name:
                case "lock":
                    async with sync.Mutex():
                        pass
                case "sleep":
                    await conc.sleep(1)
                case _:
                    await conc.checkpoint()
        except conc.Cancelled:
            raised.add(name)
            raise

    async def work() -> None:
        for name in ("lock", "checkpoint", "sleep", "again"):
            await step(name)

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(work)
            nursery.start_soon(planted.pass_by)

    report = explore(scenario, cancel="sweep", plan=(), budget=Budget(runs=500))
    assert report.ok
    assert report.exhausted == "cancel sweep"
    assert raised == reached == {"lock", "checkpoint", "sleep", "again"}


def test_each_cancellation_is_made_once_in_each_order() -> None:
    sweep = CancelSweep(0, "*")
    made: list[Recipe] = []
    for batch in sweep.batches():
        made += batch
        sweep.learn([(one, simulate(planted.calm, one.strategy(), Conditions())) for one in batch])

    assert sweep.proved
    assert len(made) == len(set(made))
    orders = {(one.kind, one.seed) for one in made}
    assert len(orders) == 4
    for kind, seed in orders:
        cancels = {one.cancels for one in made if (one.kind, one.seed) == (kind, seed)}
        run = simulate(planted.calm, Recipe(kind, seed).strategy(), Conditions())
        assert cancels == {()} | {
            ((path, step, when),)
            for path, count in run.steps_of.items()
            for step in range(count)
            for when in moments_of(step, run.rests.get((path, step), 0))
        }


def test_the_main_task_is_cancelled_too_and_that_is_no_failure() -> None:
    ends: set[str] = set()

    async def scenario() -> None:
        try:
            await planted.pass_by()
            await conc.sleep(1)
            ends.add("to the end")
        except conc.Cancelled:
            ends.add("cancelled")
            raise

    assert explore(scenario, cancel="sweep").failure is None
    assert ends == {"to the end", "cancelled"}


def test_a_scenario_that_swallows_the_cancellation_goes_on() -> None:
    async def scenario() -> None:
        try:
            await conc.sleep(1)
        except conc.Cancelled:
            pass

    assert explore(scenario, cancel="sweep").failure is None


def test_a_sweep_may_be_of_some_tasks_only() -> None:
    cancelled: set[str] = set()

    async def work() -> None:
        try:
            await conc.sleep(1)
        except conc.Cancelled:
            cancelled.add(current_task().name)
            raise

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            for name in ("reader 1", "reader 2", "writer"):
                nursery.start_soon(work, name=name)

    report = explore(scenario, cancel="sweep", sweep_tasks="reader*", plan=())
    assert report.ok
    assert cancelled == {"reader 1", "reader 2"}


@pytest.mark.parametrize(
    ("wanted", "meant"),
    [
        ("*", True),
        ("worker", True),
        ("work*", True),
        ("main/0:pool/3:worker", True),
        ("main/*", True),
        ("pool", False),
        ("main", False),
        ("3:worker", False),
    ],
)
def test_tasks_are_meant_by_their_path_or_the_last_part_of_it(wanted: str, meant: bool) -> None:
    assert matches("main/0:pool/3:worker", wanted) is meant


def test_a_sweep_of_tasks_that_do_not_exist_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"sweep_tasks: no task is called 'worker'; there are main, main/0:passer"):
        explore(planted.calm, cancel="sweep", sweep_tasks="worker")


def test_a_task_that_is_cancelled_once_more_by_the_program_sees_one_cancellation() -> None:
    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep, 5)
            await planted.pass_by()
            task.cancel()

    assert explore(scenario, cancel="sweep").failure is None


# ---- failing ------------------------------------------------------------------------------------------------------


async def three_calls() -> None:
    """Calls that may fail, of two tasks, and a choice that is no fault."""

    async def call(times: int) -> None:
        for _ in range(times):
            fault("fault.io")
            choose("net.latency", 2)
            await planted.pass_by()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(call, 2)
        nursery.start_soon(call, 1)


def test_each_call_fails_once_in_each_order_and_nothing_else_deviates() -> None:
    sweep = FaultSweep(0)
    failed: list[list[tuple[str, int]]] = []
    base = 0
    for batch in sweep.batches():
        results: list[tuple[Recipe, Outcome[object]]] = [
            (one, simulate(three_calls, one.strategy(), Conditions(faults=True))) for one in batch
        ]
        sweep.learn(results)
        if not base:
            base = len(results)
            continue
        for recipe, outcome in results:
            assert set(recipe.tape) == set(outcome.deviations)
            failed.append([(one.path, one.nth) for one in outcome.deviations if one.site == "fault.io"])
    calls = [("main/0:call", 0), ("main/0:call", 1), ("main/1:call", 0)]
    assert sorted(failed) == sorted([call] for call in calls * base)


def test_without_a_sweep_nothing_fails_whatever_is_drawn() -> None:
    async def scenario() -> None:
        await planted.calm()
        assert not fault("fault.io")

    assert explore(scenario, budget=Budget(runs=200)).failure is None


def test_a_fault_is_calm_outside_of_simulations() -> None:
    assert not fault("fault.io")
    assert choose("net.latency", 5) == 0

    async def main() -> tuple[bool, int]:
        return fault("fault.io"), choose("net.latency", 5)

    assert conc.run(main) == (False, 0)


@pytest.mark.parametrize("site", ["run", "timer", "time", "cancel"])
def test_the_sites_of_a_run_itself_are_not_for_choices_of_a_model(site: str) -> None:
    with pytest.raises(ValueError, match=f"site: '{site}' is what every run decides by itself"):
        choose(site, 2)


def test_a_choice_needs_something_to_choose_from() -> None:
    with pytest.raises(ValueError, match="n must be at least 1, not 0"):
        choose("net.latency", 0)


# ---- what the program could not cancel by itself --------------------------------------------------------------------


async def pause() -> None:
    await conc.sleep(1)


async def joined() -> None:
    await conc.join(pause(), pause())


async def raced() -> None:
    await conc.race(pause(), pause())


async def mapped() -> None:
    async def one(_: int) -> None:
        await pause()

    async with conc.open_map(one, [1, 2, 3], limit=2) as results:
        async for _ in results:
            pass


async def started() -> None:
    async def service(*, task_status: Any) -> None:
        await pause()
        task_status.started()
        await pause()

    async with conc.open_nursery() as nursery:
        await nursery.start(service)


@pytest.mark.parametrize("scenario", [joined, raced, mapped, started])
def test_a_task_that_conc_has_started_is_cancelled_with_who_called_conc(scenario: Callable[[], Any]) -> None:
    report = explore(scenario, cancel="sweep", plan=("delay<=1",), budget=Budget(runs=2_000))
    assert report.ok, report
    assert report.exhausted is not None
    assert report.exhausted.startswith("cancel sweep")


async def head_that_leaves_nobody_in() -> None:
    """A line for two sizes, whose large head lets nobody in when it gives up."""
    free = 1
    line: list[tuple[int, conc.sync.Event]] = []

    async def take(n: int) -> None:
        if not line and n <= free:
            return
        place = (n, conc.sync.Event())
        line.append(place)
        try:
            await place[1].wait()
        finally:
            line.remove(place)  # and whoever stands behind, and could be served now, is not told

    async with conc.open_nursery() as nursery:
        nursery.start_soon(take, 2, name="large")
        await conc.sleep(1)
        nursery.start_soon(take, 1, name="small")
        with conc.move_on_after(10):
            await conc.sleep(5)
            if not any(n == 2 for n, _ in line):
                assert not line, "the large one has left, and the small one waits beside what it could have"
        nursery.cancel_scope.cancel()


def test_a_sweep_cancels_who_has_others_in_line_behind_it() -> None:
    report = explore(head_that_leaves_nobody_in, cancel="sweep", plan=("delay<=1",))
    assert report.failure is not None
    (deviation,) = report.failure.deviations
    assert deviation.path == "main/0:large"
    assert "while everybody waits" in str(deviation)


def test_a_step_has_its_moments_by_how_often_all_rested_before_it() -> None:
    assert list(moments_of(0, 0)) == [2]
    assert list(moments_of(1, 0)) == [1, 2]
    assert list(moments_of(1, 1)) == [1, 2, 3]
    assert list(moments_of(1, 4)) == [1, 2, 3, 6]
