"""The search is only worth its green if it can be red: it finds each bug of the zoo, in few runs and with few
deviations, and finds nothing in the programs beside them that do it right."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from conc_testing import Budget, Report, explore, replay
from tests.zoo.case import Case, Scenario

CASES: list[Case] = [
    import_module(f"tests.zoo.{path.stem}").CASE for path in sorted(Path(__file__).parent.glob("n[0-9][0-9]_*.py"))
]
ELSEWHERE = {14, 19, 24}  # need threads or descriptors: tests/stress

every_case = pytest.mark.parametrize("case", CASES, ids=str)


def search(case: Case, scenario: Scenario) -> Report:
    """Look for the bug of a case."""
    return explore(scenario, budget=Budget(runs=case.runs), cancel=case.cancel, time=case.time)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def kinds(error: BaseException) -> set[type[BaseException]]:
    """What kinds of errors there are in one."""
    return {type(leaf) for leaf in leaves(error)}


def test_every_nasty_case_has_its_place_in_the_zoo() -> None:
    assert [case.name for case in CASES] == [f"N{n}" for n in range(1, 24) if n not in ELSEWHERE]


@every_case
def test_the_search_finds_the_broken_variant_within_its_budget(case: Case) -> None:
    failure = search(case, case.broken).failure
    assert failure is not None, f"{case.title}: not found in {case.runs} runs"
    assert failure.found_at <= case.runs
    assert kinds(failure.error) == {case.fails_with}
    assert len(failure.deviations) <= 2, failure


@every_case
def test_the_token_of_a_found_bug_fails_in_the_same_way(case: Case) -> None:
    failure = search(case, case.broken).failure
    assert failure is not None
    again = replay(case.broken, failure.token).failure
    assert again is not None
    assert kinds(again.error) == kinds(failure.error)
    assert again.deviations == failure.deviations


@every_case
def test_the_right_variant_passes_to_the_end_of_a_bounded_search(case: Case) -> None:
    report = search(case, case.right)
    report.assert_ok()
    assert report.verdict == "passed"
    assert report.exhausted is not None
    assert "delay<=2" in report.exhausted


@every_case
@pytest.mark.parametrize("strategy", ["random", "pct:d=3", "pos"])
def test_each_strategy_finds_the_broken_variant_by_itself(case: Case, strategy: str) -> None:
    budget = Budget(runs=1_000)  # what is drawn at random may need some luck
    failure = explore(case.broken, budget=budget, plan=[strategy], cancel=case.cancel, time=case.time).failure
    assert failure is not None
    assert kinds(failure.error) == {case.fails_with}
    assert len(failure.deviations) <= 2, failure


@pytest.mark.parametrize("case", [case for case in CASES if case.cancel or case.time != "calm"], ids=str)
def test_a_case_asks_for_no_more_than_it_needs(case: Case) -> None:
    explore(case.broken, budget=Budget(runs=case.runs)).assert_ok()


@every_case
def test_the_broken_variant_passes_where_nobody_searches(case: Case) -> None:
    calm = explore(case.broken, plan=["delay<=0"], time=case.time)
    assert (calm.runs, calm.failure) == (1, None)
