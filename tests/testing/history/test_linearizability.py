"""Which histories have an order that their model allows, and what is said of those that have none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from conc_testing import (
    Done,
    Model,
    NotLinearizable,
    Operation,
    Raised,
    Undecided,
    assert_linearizable,
    models,
)
from tests.testing.history.written import Written, refused

# ---- plain operations ------------------------------------------------------------------------------------------------


def test_nothing_at_all_is_allowed() -> None:
    assert_linearizable([], models.Register())


def test_operations_one_after_the_other_are_taken_in_that_order() -> None:
    history = Written()
    history.returned("A", 1, 2, "write", 1)
    history.returned("A", 3, 4, "write", 2)
    history.returned("B", 5, 6, "read", value=2)

    assert_linearizable(history.operations, models.Register())


@pytest.mark.parametrize("value", [0, 1])
def test_a_read_during_a_write_may_see_either_value(value: int) -> None:
    history = Written()
    history.returned("A", 1, 4, "write", 1)
    history.returned("B", 2, 3, "read", value=value)

    assert_linearizable(history.operations, models.Register(0))


def test_a_stale_read_is_found_and_explained() -> None:
    history = Written()
    history.returned("A", 1, 2, "write", 1)
    history.returned("A", 3, 6, "write", 2)
    history.returned("B", 4, 5, "read", value=2)
    stale = history.returned("C", 7, 8, "read", value=1)

    error = refused(history, models.Register())

    assert error.operation is stale
    assert list(error.prefix) == history.operations[:3]
    assert str(error) == (
        "read() -> 1 by C has no place in any order that Register allows.\n"
        "These fit, in this order: write(1) -> None by A; write(2) -> None by A; read() -> 2 by B.\n"
        "With the state 2, it would have answered 2.\n"
        "\n"
        "  A  write(1) -> None  |-|\n"
        "  A  write(2) -> None      |-----|\n"
        "  B  read() -> 2             |-|\n"
        "  C  read() -> 1                   |-|   <-- has no place"
    )


def test_two_reads_that_saw_two_writes_in_different_orders_are_refused() -> None:
    history = Written()
    history.returned("A", 1, 10, "write", 1)
    history.returned("B", 2, 9, "write", 2)
    history.returned("C", 3, 4, "read", value=1)
    history.returned("C", 5, 6, "read", value=2)
    history.returned("D", 7, 8, "read", value=1)

    assert "has no place" in str(refused(history, models.Register()))


def test_the_first_operation_can_be_the_wrong_one() -> None:
    history = Written()
    history.returned("A", 1, 2, "read", value=7)

    assert "It is the first that must have happened.\nWith the state 0, it would have answered 0" in str(
        refused(history, models.Register(0))
    )


def test_what_happened_in_the_order_of_the_calls_is_not_needed_of_those_that_overlap() -> None:
    history = Written()
    history.returned("A", 1, 6, "cas", 2, 3, value=True)
    history.returned("B", 2, 5, "cas", 1, 2, value=True)
    history.returned("C", 3, 4, "write", 1)

    assert_linearizable(history.operations, models.Register())


def test_an_error_is_a_result_like_any_other() -> None:
    history = Written()
    history.returned("A", 1, 2, "release", value=Raised(RuntimeError("not held")))
    assert_linearizable(history.operations, models.Lock())

    history.returned("A", 3, 4, "release", value=None)
    assert "it would have answered Raised(RuntimeError)" in str(refused(history, models.Lock()))


# ---- open operations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [(0, 0), (0, 1), (1, 1)])
def test_an_open_write_may_have_happened_at_any_time_or_never(values: tuple[int, int]) -> None:
    history = Written()
    history.open("A", 1, "write", 1)
    history.returned("B", 2, 3, "read", value=values[0])
    history.returned("B", 4, 5, "read", value=values[1])

    assert_linearizable(history.operations, models.Register(0))


def test_an_open_write_happens_at_most_once_and_not_before_it_was_called() -> None:
    twice = Written()
    twice.open("A", 1, "write", 1)
    for moment, value in ((2, 1), (4, 0), (6, 1)):
        if not value:
            twice.returned("B", moment, moment + 1, "write", 0)
        else:
            twice.returned("B", moment, moment + 1, "read", value=value)
    early = Written()
    early.returned("B", 1, 2, "read", value=1)
    early.open("A", 3, "write", 1)

    assert "answered 0" in str(refused(twice, models.Register(0)))
    assert "answered 0" in str(refused(early, models.Register(0)))


def test_a_cancelled_write_has_never_happened() -> None:
    history = Written()
    history.cancelled("A", 1, 2, "write", 1)
    history.returned("B", 3, 4, "read", value=1)

    assert "answered 0" in str(refused(history, models.Register(0)))


def test_open_operations_that_change_nothing_cost_next_to_nothing() -> None:
    history = Written()
    for number in range(200):
        history.open(f"reader {number}", 2 * number + 1, "read")
        history.returned("A", 2 * number + 2, 2 * number + 3, "write", number)

    assert_linearizable(history.operations, models.Register(), max_steps=1000)


# ---- parts, models, bounds -------------------------------------------------------------------------------------------


def test_parts_are_checked_one_by_one_and_named() -> None:
    history = Written()
    history.returned("A", 1, 2, "put", "x", 1)
    history.returned("A", 3, 4, "put", "y", 2)
    history.returned("B", 5, 6, "get", "x", value=1)
    history.returned("B", 7, 8, "get", "y", value=1)

    error = refused(history, models.KV())

    assert "as to 'y'" in str(error)
    assert "put('x'" not in str(error)


class Bag(Model):
    """What was put in comes out in any order."""

    def init(self) -> frozenset[int]:
        return frozenset()

    def step(self, state: Any, op: Operation, result: Any) -> Iterable[frozenset[int]]:
        if op.name == "put":
            return [state | {op.args[0]}]
        return [state - {item} for item in sorted(state) if result == item]


def test_a_model_with_steps_may_leave_it_open_what_comes_next() -> None:
    history = Written()
    history.returned("A", 1, 2, "put", 1)
    history.returned("A", 3, 4, "put", 2)
    history.open("C", 5, "take")
    history.returned("B", 6, 7, "take", value=2)
    assert_linearizable(history.operations, Bag())

    history.returned("B", 8, 9, "take", value=2)
    assert "With the state frozenset({1}), that cannot happen." in str(refused(history, Bag()))


class Dice(Model):
    """A throw may come to anything."""

    def init(self) -> int:
        return 0

    def request(self, state: Any, op: Operation) -> list[tuple[int, Done]]:
        if op.name == "throw":
            return [(number, Done(number)) for number in range(1, 7)]
        return [(state, Done(state))]


def test_a_model_may_give_several_answers() -> None:
    history = Written()
    history.open("A", 1, "throw")
    history.returned("B", 2, 3, "look", value=0)
    history.returned("B", 4, 5, "look", value=4)
    assert_linearizable(history.operations, Dice())

    history.returned("B", 6, 7, "look", value=5)
    assert "With the state 4, it would have answered 4." in str(refused(history, Dice()))


def test_states_that_are_many_are_counted_and_not_all_shown() -> None:
    history = Written()
    history.open("A", 1, "throw")
    history.returned("B", 2, 3, "look", value=7)

    assert "So it is with 3 other(s) that are possible here." in str(refused(history, Dice()))


def test_a_search_that_is_too_long_is_neither_a_pass_nor_a_failure() -> None:
    history = Written()
    for number in range(10):
        history.open(f"writer {number}", number + 1, "write", number)
    history.returned("B", 20, 21, "read", value=77)

    with pytest.raises(
        Undecided, match=r"undecided after 100 steps whether 11 operations .* 10 of them are open"
    ) as caught:
        assert_linearizable(history.operations, models.Register(), max_steps=100)
    assert caught.value.steps == 100
    assert not isinstance(caught.value, AssertionError)


def test_a_part_that_fails_is_told_although_another_is_undecided() -> None:
    history = Written()
    for number in range(10):
        history.open(f"writer {number}", number + 1, "put", "x", number)
    history.returned("B", 20, 21, "get", "x", value=77)
    history.returned("B", 22, 23, "get", "y", value=77)

    with pytest.raises(NotLinearizable, match="as to 'y'"):
        assert_linearizable(history.operations, models.KV(), max_steps=100)
    with pytest.raises(Undecided, match="as to 'x'"):
        assert_linearizable(history.operations[:-1], models.KV(), max_steps=100)


def test_a_bound_of_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="max_steps must be at least 1, not 0"):
        assert_linearizable([], models.Register(), max_steps=0)
