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
    Suspend,
    Undecided,
    assert_linearizable,
    models,
)
from tests.testing.history.written import Written


def refused(history: Written, model: Model) -> NotLinearizable:
    """What is said of a history that its model does not allow."""
    with pytest.raises(NotLinearizable) as caught:
        assert_linearizable(history.operations, model)
    return caught.value


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


def test_a_bound_of_no_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="max_steps must be at least 1, not 0"):
        assert_linearizable([], models.Register(), max_steps=0)


# ---- operations that wait --------------------------------------------------------------------------------------------


def test_who_waits_goes_on_when_it_is_resumed() -> None:
    history = Written()
    history.returned("A", 1, 5, "acquire", waits=2)
    history.returned("B", 3, 4, "release")

    assert_linearizable(history.operations, models.Semaphore(0))


def test_who_goes_on_without_having_been_resumed_has_no_place() -> None:
    history = Written()
    history.returned("A", 1, 3, "acquire", waits=2)

    assert "it has to wait, and nothing has resumed it" in str(refused(history, models.Semaphore(0)))


def test_one_that_was_seen_to_wait_is_in_line_before_one_that_is_called_later() -> None:
    history = Written()
    history.waiting("A", 1, "acquire", waits=2)
    history.returned("B", 3, 7, "acquire", waits=4)
    history.returned("C", 5, 6, "release")

    assert "it would have resumed acquire of A, which still waits" in str(refused(history, models.Semaphore(0)))


def test_of_two_that_were_not_seen_to_wait_either_may_be_first() -> None:
    history = Written()
    history.waiting("A", 1, "acquire")
    history.returned("B", 3, 7, "acquire")
    history.returned("C", 5, 6, "release")

    assert_linearizable(history.operations, models.Semaphore(0))


def test_a_lost_wake_up_is_found() -> None:
    history = Written()
    history.waiting("A", 1, "acquire", waits=2)
    release = history.returned("B", 3, 4, "release")

    error = refused(history, models.Semaphore(0))

    assert error.operation is release
    assert "With the state (0, ((0, 1),)), it would have resumed acquire of A, which still waits." in str(error)


def test_one_that_waits_although_it_need_not_is_found() -> None:
    history = Written()
    history.waiting("A", 1, "acquire", waits=2)

    assert "it would have been done at once with None" in str(refused(history, models.Semaphore(1)))


def test_nothing_is_granted_to_a_waiter_that_was_cancelled() -> None:
    lost = Written()
    lost.cancelled("A", 1, 5, "acquire", waits=2)
    lost.returned("B", 3, 4, "release")
    lost.returned("B", 6, 7, "try_acquire", value=False)
    passed_on = Written()
    passed_on.cancelled("A", 1, 5, "acquire", waits=2)
    passed_on.returned("B", 3, 4, "release")
    passed_on.returned("B", 6, 7, "try_acquire", value=True)

    assert "has no place" in str(refused(lost, models.Semaphore(0)))
    assert_linearizable(passed_on.operations, models.Semaphore(0))


class Patient(Model):
    """Who waits for an item cannot give up."""

    def init(self) -> tuple[int, ...]:
        return ()

    def request(self, state: Any, op: Operation) -> Any:
        if op.name == "get":
            return (*state, op.ticket), Suspend
        return state[1:], Done().resumes(state[0], value=op.args[0])


def test_what_was_granted_to_one_that_was_cancelled_is_named() -> None:
    history = Written()
    history.cancelled("A", 1, 5, "get", waits=2)
    history.returned("B", 3, 4, "put", "x")

    assert "it would have granted 'x' to get of A, which was cancelled and got nothing" in str(
        refused(history, Patient())
    )


def test_what_was_granted_to_one_that_returned_something_else_is_named() -> None:
    history = Written()
    history.returned("A", 1, 5, "get", value="y", waits=2)
    history.returned("B", 3, 4, "put", "x")

    assert "it would have ended get of A with 'x'" in str(refused(history, models.Queue()))


def test_those_behind_a_cancelled_waiter_are_served() -> None:
    history = Written()
    history.cancelled("A", 1, 5, "acquire", 3, waits=2)
    history.returned("B", 3, 6, "acquire", 1, waits=4)
    assert_linearizable(history.operations, models.Semaphore(2))

    history.waiting("C", 7, "acquire", 1, waits=8)
    assert "done at once" in str(refused(history, models.Semaphore(2)))


def test_a_cancelled_waiter_may_have_stood_in_line_although_nobody_saw_it() -> None:
    history = Written()
    history.cancelled("A", 1, 6, "acquire", 3)
    history.returned("B", 2, 3, "try_acquire", 1, value=False)
    history.returned("B", 4, 5, "try_acquire", 1, value=True)

    assert_linearizable(history.operations, models.Semaphore(2))


def test_one_that_is_open_may_wait_go_on_or_give_up() -> None:
    for left in (True, False):
        history = Written()
        history.open("A", 1, "acquire")
        history.returned("B", 2, 3, "release")
        history.returned("B", 4, 5, "try_acquire", value=left)
        assert_linearizable(history.operations, models.Semaphore(0))


class Gate(Model):
    """Whoever waits goes on by himself when his turn has come, also one that was cancelled; or when somebody opens."""

    def init(self) -> tuple[int, ...]:
        return ()

    def request(self, state: Any, op: Operation) -> Any:
        if op.name == "open":
            return (), Done().resumes(*state)
        return (*state, op.ticket), Suspend

    def followup(self, state: Any, ticket: int) -> Any:
        if ticket == state[0]:
            return state[1:], Done("by itself")
        return []

    def cancelled(self, state: Any, ticket: int) -> Any:
        return state, Suspend


def test_a_model_may_let_who_waits_go_on_by_itself() -> None:
    history = Written()
    history.returned("A", 1, 5, "pass", value="by itself", waits=2)
    history.returned("B", 3, 6, "pass", value="by itself", waits=4)
    assert_linearizable(history.operations, Gate())

    history.returned("C", 7, 9, "pass", value="otherwise", waits=8)
    assert "nothing has resumed it" in str(refused(history, Gate()))


def test_one_that_waits_although_it_could_go_on_by_itself_is_found() -> None:
    history = Written()
    history.waiting("A", 1, "pass", waits=2)

    error = refused(history, Gate())

    assert error.operation is history.operations[0]
    assert "With the state (0,), it could go on, and still waits." in str(error)


class Closed(Gate):
    """Lets nobody through by itself."""

    def followup(self, state: Any, ticket: int) -> Any:
        return []


def test_a_model_may_let_the_cancelled_wait_on() -> None:
    history = Written()
    history.cancelled("A", 1, 5, "pass", waits=2)
    assert "nothing has resumed it" in str(refused(history, Closed()))
    assert_linearizable(history.operations, Gate())

    history.returned("B", 3, 4, "open")
    assert_linearizable(history.operations, Closed())


class Wrong(Gate):
    """Resumes nobody in particular."""

    def request(self, state: Any, op: Operation) -> Any:
        return state, Done().resumes(99)


def test_a_model_that_resumes_nobody_is_wrong_itself() -> None:
    history = Written()
    history.returned("A", 1, 2, "pass")

    with pytest.raises(ValueError, match=r"Wrong resumes ticket 99 at pass\(\) -> None, but nobody waits with it"):
        assert_linearizable(history.operations, Wrong())


class Empty(Model):
    """No model at all."""


def test_a_model_without_a_meaning_says_what_is_missing() -> None:
    history = Written()
    history.returned("A", 1, 2, "pass")

    with pytest.raises(NotImplementedError, match=r"Empty.init: return the first state"):
        assert_linearizable(history.operations, Empty())
    with pytest.raises(NotImplementedError, match=r"Empty: define step\(state, op, result\), or request\(state, op\)"):
        Empty().request(None, history.operations[0])
