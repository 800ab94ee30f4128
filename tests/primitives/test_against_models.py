"""Every primitive does what its model does, in small programs of three tasks with two steps each, in all their orders.

The programs cancel what others are at, too. CONC_SOAK=1 in the environment: many more programs, and more runs of each.
"""

from __future__ import annotations

import pytest

from conc_testing import Budget
from tests.primitives.cases import CASES, Case
from tests.stress.load import SOAKING, load

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@every_case
def test_no_order_with_two_delays_breaks_it(case: Case) -> None:
    report = case.check(plan=["delay<=2"], most_programs=load(80))

    report.assert_ok()
    assert report.exhausted == "delay<=2"


@every_case
def test_no_random_order_breaks_it(case: Case) -> None:
    case.check(
        plan=["random", "pct:d=3", "pos"], most_programs=load(80), budget=Budget(runs=1000 if SOAKING else 30), seed=1
    ).assert_ok()


@every_case
def test_no_cancellation_of_a_task_breaks_it(case: Case) -> None:
    report = case.check(cancel="sweep", plan=["delay<=0"], most_programs=load(20), seed=2)

    report.assert_ok()
    assert report.exhausted is not None


@every_case
def test_no_timeout_that_races_breaks_it(case: Case) -> None:
    case.check(
        time="racing",
        timeout=1.0,
        cancel=False,
        plan=["random"],
        most_programs=load(40),
        budget=Budget(runs=500 if SOAKING else 30),
        seed=3,
    ).assert_ok()
