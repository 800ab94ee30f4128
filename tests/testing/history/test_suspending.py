"""Histories of operations that wait: who goes on when, in which order, and what a cancellation leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from conc_testing import Done, Model, Operation, Suspend, assert_linearizable, models
from tests.testing.history.written import Written, refused


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
