"""Schedules: what they decide, and that they can be written down."""

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conc_testing import Schedule


def test_a_schedule_deviates_where_it_says_so_and_nowhere_else() -> None:
    schedule = Schedule(((1, 2), (4, 1)))

    assert [schedule.decide(index, 3) for index in range(6)] == [0, 2, 0, 0, 1, 0]


def test_the_empty_schedule_is_calm() -> None:
    assert [Schedule().decide(index, 5) for index in range(100)] == [0] * 100


@given(choice=st.integers(1, 1000), n=st.integers(1, 50))
def test_a_choice_that_is_too_great_is_counted_round_and_still_deviates(choice: int, n: int) -> None:
    decided = Schedule(((0, choice),)).decide(0, n)

    assert 0 <= decided < n
    assert decided == choice or choice >= n
    assert decided > 0 or n == 1


@pytest.mark.parametrize("schedule", [Schedule(), Schedule(((0, 1),)), Schedule(((2, 1), (7, 3)))])
def test_what_a_schedule_shows_makes_it_again(schedule: Schedule) -> None:
    assert eval(repr(schedule)) == schedule
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert hash(eval(repr(schedule))) == hash(schedule)


def test_a_schedule_shows_itself_in_one_line() -> None:
    assert repr(Schedule()) == "Schedule()"
    assert repr(Schedule([(4, 1)])) == "Schedule(((4, 1),))"  # type: ignore[arg-type]  # a list will do


@pytest.mark.parametrize(
    ("deviations", "error", "words"),
    [
        (3, TypeError, "pairs of a decision and a choice, not 3"),
        (((1,),), TypeError, "pairs of a decision and a choice"),
        (((1, 2, 3),), TypeError, "pairs of a decision and a choice"),
        (((1.0, 1),), TypeError, r"whole numbers, not \(1.0, 1\)"),
        (((1, True),), TypeError, "whole numbers"),
        (((-1, 1),), ValueError, "in the order of their decisions, from 0: -1"),
        (((2, 1), (2, 1)), ValueError, "in the order of their decisions, from 0: 2 after 2"),
        (((3, 1), (2, 1)), ValueError, "in the order of their decisions, from 0: 2 after 3"),
        (((3, 0),), ValueError, "the choice at decision 3 must be at least 1, not 0"),
    ],
)
def test_a_bad_schedule_is_refused_and_says_why(deviations: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Schedule(deviations)
