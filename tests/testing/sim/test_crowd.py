"""Several processes share the runs of a search; what comes out of it is the same."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc_testing import Budget, Leak, Report, explore
from tests.testing.sim import planted
from tests.testing.sim.test_leaks import coroutine_in_a_circle, permit
from tests.testing.sim.test_search import PLANTED

Scenario = Callable[[], Awaitable[object]]

pytestmark = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="processes are copied")


def search(scenario: Scenario, jobs: int, **options: Any) -> Report:
    return explore(scenario, budget=Budget(runs=90), jobs=jobs, **options)


def summary(report: Report) -> tuple[object, ...]:
    failure = report.failure
    return (
        report.verdict,
        report.runs,
        report.steps,
        report.contested,
        report.phases,
        report.exhausted,
        report.entered,
        failure and (failure.token, type(failure.error), failure.found_at, failure.deviations, failure.table),
    )


@pytest.mark.parametrize("jobs", [2, 3])
@pytest.mark.parametrize("name", ["order of tasks", "cancellation", "deadline", "fault", "deadlock"])
def test_several_processes_find_the_same_failure_after_as_many_runs(name: str, jobs: int) -> None:
    scenario, options, _ = PLANTED[name]
    assert summary(search(scenario, jobs, **options)) == summary(search(scenario, 1, **options))


@pytest.mark.parametrize("scenario", [planted.calm, planted.alone])
def test_several_processes_cover_the_same_where_nothing_fails(scenario: Scenario) -> None:
    assert summary(search(scenario, 2, cancel="sweep")) == summary(search(scenario, 1, cancel="sweep"))


def test_the_error_that_is_shown_is_one_of_this_process() -> None:
    class Unspeakable(Exception):
        def __reduce__(self) -> str:
            raise TypeError("it cannot be sent")

    async def scenario() -> object:
        await planted.calm()
        try:
            await planted.lost_update()
        except AssertionError:
            raise Unspeakable("of this process") from None
        return lambda: "a value that cannot be sent either"

    report = search(scenario, 2)
    assert report.failure is not None
    assert type(report.failure.error) is Unspeakable


def test_the_runs_really_are_made_elsewhere() -> None:
    here = os.getpid()
    seen: list[int] = []

    async def scenario() -> None:
        await planted.calm()
        seen.append(os.getpid())

    search(scenario, 2)
    assert seen == []
    search(scenario, 1)
    assert set(seen) == {here}


@pytest.mark.parametrize("scenario", [permit, coroutine_in_a_circle])
def test_leaks_are_found_elsewhere_as_well(scenario: Scenario) -> None:
    async def leaking() -> None:
        await planted.calm()
        await scenario()

    report = search(leaking, 2)
    assert report.failure is not None
    assert isinstance(report.failure.error, Leak)
    assert report.runs == 1


def test_no_process_is_left_behind() -> None:
    search(planted.calm, 2)
    search(planted.lost_update, 2)
    assert multiprocessing.active_children() == []


def test_an_error_of_the_search_itself_comes_through() -> None:
    with pytest.raises(ValueError, match="sweep_tasks: no task is called 'nobody'"):
        search(planted.calm, 2, cancel="sweep", sweep_tasks="nobody")
    assert multiprocessing.active_children() == []


def test_thread_jobs_run_elsewhere_as_well() -> None:
    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(conc.to_thread, len, "abc")

    assert search(scenario, 2).ok


def test_a_run_that_ends_its_process_is_told_and_hangs_nobody() -> None:
    first = os.getpid()

    async def scenario() -> None:
        await planted.calm()
        if os.getpid() != first:
            os._exit(3)

    with pytest.raises(RuntimeError, match="ended the process that made it"):
        search(scenario, 2)
