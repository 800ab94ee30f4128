"""Atomics whose threads are stopped at every step of an operation, in the middle of it and under its lock too."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.atomics_support import Call, Model, Schedule, Stage, Stepped, explains, two_switches

FIRST, SECOND, THIRD = "first", "second", "third"
LOAD: Call = ("load", ())


@dataclass(frozen=True)
class Kind:
    """One of the two atomics: what it is at first, and operations that fall out differently when they come first."""

    name: str
    value: Any
    calls: tuple[Call, ...]
    any_call: st.SearchStrategy[Call]

    def holds(self, stepped: Stepped, programs: list[list[Call]], schedule: Schedule) -> bool:
        """Whether threads that take turns so come to results that they could have come to one after the other."""
        target = stepped.atomics[self.name](self.value)
        played = Stage(stepped, target, programs, schedule).play()
        same = operator.eq if self.name == "int" else operator.is_
        return explains(played, Model(self.value, same), target.load())

    def holds_always(self, stepped: Stepped, first: Call, second: Call) -> bool:
        """Whether that is so wherever one thread, and then the other, is stopped in its operation."""
        steps = [stepped.steps_of(stepped.atomics[self.name](self.value), call) for call in (first, second)]
        return all(self.holds(stepped, [[first], [second, LOAD]], schedule) for schedule in two_switches(*steps))


def calls_of(names: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    plain = st.tuples(st.sampled_from(names), st.tuples(values))
    return plain | st.tuples(st.just("compare_exchange"), st.tuples(values, values)) | st.just(LOAD)


INT = Kind(
    "int",
    0,
    (
        *(("fetch_add", (1,)), ("fetch_sub", (10,)), ("fetch_max", (3,)), ("fetch_min", (-3,))),
        *(("store", (200,)), ("swap", (100,)), ("compare_exchange", (0, 1_000)), LOAD),
        ("fetch_update", (lambda old: old * 7 + 5,)),
    ),
    calls_of(["store", "swap", "fetch_add", "fetch_sub", "fetch_max", "fetch_min"], st.integers(-3, 3)),
)
REF = Kind(
    "ref",
    FIRST,
    (
        *(("store", (SECOND,)), ("swap", (THIRD,)), ("compare_exchange", (FIRST, SECOND)), LOAD),
        ("fetch_update", (lambda old: SECOND if old is FIRST else THIRD,)),
    ),
    calls_of(["store", "swap"], st.sampled_from([FIRST, SECOND, THIRD])),
)
CASES = [(kind, call) for kind in (INT, REF) for call in kind.calls]
LOCKED = ["swap", "compare_exchange", "fetch_add", "fetch_sub", "fetch_max", "fetch_min"]


@pytest.mark.parametrize(("kind", "first"), CASES, ids=lambda case: case.name if isinstance(case, Kind) else case[0])
def test_two_operations_happen_one_after_the_other(kind: Kind, first: Call) -> None:
    stepped = Stepped()

    assert [second for second in kind.calls if not kind.holds_always(stepped, first, second)] == []


@pytest.mark.parametrize("kind", [INT, REF], ids=["int", "ref"])
def test_many_operations_happen_one_after_the_other(kind: Kind) -> None:
    stepped = Stepped()

    @given(
        programs=st.lists(st.lists(kind.any_call, min_size=1, max_size=3), min_size=2, max_size=3),
        schedule=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12)), max_size=20),
    )
    def check(programs: list[list[Call]], schedule: list[tuple[int, int]]) -> None:
        players = len(programs)
        assert kind.holds(stepped, programs, [(player % players, steps) for player, steps in schedule])

    check()


@pytest.mark.parametrize(
    ("kind", "unlocked"),
    [*((INT, name) for name in LOCKED), *((REF, name) for name in LOCKED[:2])],
    ids=lambda case: case.name if isinstance(case, Kind) else case,
)
def test_an_operation_without_its_lock_is_found_out(kind: Kind, unlocked: str) -> None:
    stepped = Stepped(unlocked)
    (call,) = (call for call in kind.calls if call[0] == unlocked)

    assert not all(kind.holds_always(stepped, call, other) for other in kind.calls)
