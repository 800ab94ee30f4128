"""Scenarios that do not do the same each time are found out, and nothing wrong is reported of them."""

from __future__ import annotations

import gc
import itertools
import os
import random

import pytest

import conc
from conc_testing import DivergedRun, explore
from tests.testing.sim import planted

WORDS = r"does not do the same each time: does it ask the real clock, .* left, in a global\?"


def test_a_scenario_that_sees_what_an_earlier_run_left_is_found_out_though_it_passes() -> None:
    runs: list[int] = []

    async def scenario() -> None:
        runs.append(len(runs))
        async with conc.open_nursery() as nursery:
            for _ in range(2 + len(runs) % 3):
                nursery.start_soon(planted.pass_by)

    with pytest.raises(DivergedRun, match=WORDS):
        explore(scenario)


def test_a_failure_that_does_not_come_again_is_no_report() -> None:
    runs = itertools.count(1)

    async def scenario() -> None:
        await planted.calm()
        assert next(runs) != 3

    with pytest.raises(DivergedRun, match=WORDS) as caught:
        explore(scenario)
    assert "when it was made again it passed" in str(caught.value)
    assert isinstance(caught.value.__cause__, AssertionError)


def test_a_failure_that_comes_again_as_another_one_is_no_report() -> None:
    runs = itertools.count()

    async def scenario() -> None:
        await planted.calm()
        raise (ArithmeticError, LookupError)[next(runs) % 2]("of some kind")

    with pytest.raises(DivergedRun, match=r"failed with ArithmeticError.* failed with LookupError"):
        explore(scenario)


def test_chance_of_its_own_is_found_out() -> None:
    chance = random.Random(7)

    async def scenario() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(chance.randrange(2, 5)):
                nursery.start_soon(planted.pass_by)

    with pytest.raises(DivergedRun, match=WORDS):
        explore(scenario)


def test_a_failure_in_another_process_that_does_not_come_here_is_no_report() -> None:
    here = os.getpid()

    async def scenario() -> None:
        await planted.calm()
        assert os.getpid() == here, "only elsewhere"

    with pytest.raises(DivergedRun, match=r"a run failed in one process, .* and passed in another"):
        explore(scenario, jobs=2)


def test_what_was_left_in_circles_before_the_search_is_not_told_of_its_runs() -> None:
    async def never_awaited() -> None:
        raise AssertionError

    circle: list[object] = [never_awaited()]
    circle.append(circle)
    gc.disable()
    try:
        del circle
        with pytest.warns(RuntimeWarning, match="never awaited"):
            report = explore(planted.calm)
    finally:
        gc.enable()
    assert report.ok
