"""The line of a shared primitive: order, removal from anywhere, and each wait decided once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conc._kernel import waitqueue
from conc._kernel.suspend import GRANTED
from conc._kernel.waitqueue import WaitQueue


class Waiter(waitqueue.Waiter):
    """Somebody with a name. One who is resumed enters `resumed`."""

    def __init__(self, name: str, resumed: list[Waiter] | None = None) -> None:
        self.name = name
        self.wait: Any = None
        self.value: Any = None
        self._resumed = resumed

    def resume(self) -> None:
        assert self._resumed is not None
        self._resumed.append(self)

    def __repr__(self) -> str:
        return self.name


class Branch(Waiter):
    """One that another line may decide."""

    is_branch = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.decided = False

    def claim(self) -> bool:
        claimed, self.decided = not self.decided, True
        return claimed


def make_line(*names: str) -> tuple[WaitQueue, list[Any]]:
    queue = WaitQueue("a test")
    waiters: list[Any] = [Waiter(name) for name in names]
    for waiter in waiters:
        queue.enlist(waiter)
    return queue, waiters


def names(queue: WaitQueue) -> list[str]:
    """Who stands in line, found out by granting to all."""
    return [str(task) for task in queue.grant_all()]


def test_the_first_in_line_is_served_first() -> None:
    queue, _ = make_line("a", "b", "c")

    assert str(queue.head()) == "a"
    assert names(queue) == ["a", "b", "c"]
    assert queue.head() is None
    assert queue.grant() is None


def test_a_grant_hands_the_value_over_and_decides_the_wait() -> None:
    queue, (waiter,) = make_line("a")

    assert queue.grant("value") == waiter
    assert waiter.value == "value"
    assert waiter.wait is GRANTED
    assert not queue


def test_a_request_stands_in_the_waiter_while_it_waits() -> None:
    queue = WaitQueue("a test")
    waiter: Any = Waiter("a")
    queue.enlist(waiter, 3)

    head = queue.head()
    assert head is waiter
    assert head is not None
    assert head.value == 3


@pytest.mark.parametrize("leaving", ["a", "b", "c", "ab", "ac", "bc", "ba", "cb", "abc", "cba", "bac", "bca"])
def test_who_leaves_is_passed_over_wherever_it_stood(leaving: str) -> None:
    queue, waiters = make_line("a", "b", "c")
    by_name = {waiter.name: waiter for waiter in waiters}

    for name in leaving:
        assert queue.withdraw(by_name[name])
        assert by_name[name].wait is None
        queue._check()

    assert len(queue) == 3 - len(leaving)
    assert names(queue) == [name for name in "abc" if name not in leaving]


def test_who_was_granted_cannot_leave_any_more() -> None:
    queue, (waiter,) = make_line("a")
    queue.grant()

    assert not queue.withdraw(waiter)
    assert waiter.wait is GRANTED


def test_a_waiter_that_queues_again_stands_at_the_end() -> None:
    queue, (_, b, _) = make_line("a", "b", "c")
    assert queue.withdraw(b)

    queue.enlist(b)
    queue._check()

    assert len(queue) == 3
    assert names(queue) == ["a", "c", "b"]


def test_a_waiter_may_leave_and_queue_again_many_times_before_anyone_is_served() -> None:
    queue, (_, b, c) = make_line("a", "b", "c")
    for _ in range(5):
        assert queue.withdraw(b)
        queue.enlist(b)
        assert queue.withdraw(c)
        queue.enlist(c)
        queue._check()

    assert names(queue) == ["a", "b", "c"]
    queue._check()


def test_a_waiter_that_queued_again_may_leave_again_from_the_middle() -> None:
    queue, (_, b, c) = make_line("a", "b", "c")
    assert queue.withdraw(b)
    queue.enlist(b)
    queue.enlist(d := Waiter("d"))
    assert queue.withdraw(b)
    queue._check()
    assert queue.withdraw(c)
    assert queue.withdraw(d)
    queue._check()

    assert names(queue) == ["a"]


def test_those_who_left_do_not_pile_up() -> None:
    queue, waiters = make_line(*(str(number) for number in range(1000)))
    for waiter in waiters[1:-1]:
        assert queue.withdraw(waiter)
        queue._check()

    assert len(queue.line) < 50
    assert names(queue) == ["0", "999"]


def test_who_leaves_lets_those_be_served_who_are_now_able_to() -> None:
    resumed: list[Waiter] = []
    served: list[Any] = []

    def serve() -> list[Any]:
        head = queue.head()
        assert head is not None
        queue.grant("served")
        served.append(head)
        return [head]

    queue = WaitQueue("a test", serve)
    first: Any = Waiter("first", resumed)
    second: Any = Waiter("second", resumed)
    queue.enlist(first)
    queue.enlist(second)
    assert queue.withdraw(first)

    assert served == [second]
    assert resumed == [second]
    assert second.wait is GRANTED


def test_a_withdrawal_that_came_too_late_serves_nobody() -> None:
    calls: list[None] = []

    def serve() -> list[Any]:
        calls.append(None)
        return []

    queue = WaitQueue("a test", serve)
    waiter: Any = Waiter("a")
    queue.enlist(waiter)
    queue.grant()

    assert not queue.withdraw(waiter)
    assert calls == []


def test_who_came_last_can_be_served_first() -> None:
    queue, (a, b, c) = make_line("a", "b", "c")
    assert queue.withdraw(b)

    assert queue.grant_last("value") == c
    assert c.value == "value"
    assert c.wait is GRANTED
    assert queue.grant_last() is a
    assert queue.grant_last() is None
    queue._check()


def test_who_came_last_is_found_behind_those_who_left_from_the_middle() -> None:
    queue, (a, b, c) = make_line("a", "b", "c")
    assert queue.withdraw(b)
    queue.enlist(b)
    assert queue.withdraw(c)
    queue._check()

    assert queue.grant_last() is b
    assert queue.grant_last() is a
    assert queue.grant_last() is None
    queue._check()


def test_a_branch_that_was_decided_elsewhere_is_passed_over() -> None:
    queue, (a,) = make_line("a")
    branch = Branch("branch")
    queue.enlist_branch(branch, "request")
    queue.enlist(b := Waiter("b"))
    branch.decided = True
    queue._check()

    assert queue.grant() is a
    assert queue.head() is b
    assert branch.value == "request"
    assert queue.withdraw(branch)
    assert not queue.withdraw(branch)
    assert queue.grant() is b
    queue._check()


def test_a_branch_that_was_passed_over_serves_whom_it_held_up_when_it_leaves() -> None:
    resumed: list[Waiter] = []

    def serve() -> list[Any]:
        head = queue.head()
        return [queue.grant("served")] if head is b else []

    queue = WaitQueue("a test", serve)
    branch = Branch("branch")
    queue.enlist_branch(branch)
    queue.enlist(b := Waiter("b", resumed))
    branch.decided = True
    assert queue.head() is b  # somebody looks in, in passing
    queue._check()

    assert queue.withdraw(branch)
    assert resumed == [b]
    assert branch.wait is None
    queue._check()


def test_one_who_stands_in_the_middle_can_be_picked() -> None:
    queue, (a, b, c) = make_line("a", "b", "c")

    assert queue.pick(b, "value")
    assert (b.wait, b.value) == (GRANTED, "value")
    queue._check()
    assert [queue.grant(), queue.grant(), queue.grant()] == [a, c, None]


def test_a_branch_in_the_middle_that_was_decided_elsewhere_is_not_picked() -> None:
    queue, (a,) = make_line("a")
    branch = Branch("branch")
    queue.enlist_branch(branch, "request")
    queue.enlist(b := Waiter("b"))
    branch.decided = True

    assert not queue.pick(branch, "value")
    assert branch.value == "request"
    assert queue.withdraw(branch)
    queue._check()
    assert [queue.grant(), queue.grant(), queue.grant()] == [a, b, None]


def test_the_dead_do_not_pile_up_behind_branches_that_are_passed_over() -> None:
    queue = WaitQueue("a test")
    branches = [Branch(str(number)) for number in range(100)]
    for branch in branches:
        queue.enlist_branch(branch)
    waiters = [Waiter(str(number)) for number in range(120)]
    for waiter in waiters:
        queue.enlist(waiter)
    for waiter in waiters[1:-1]:
        assert queue.withdraw(waiter)
    queue._check()
    for branch in branches:
        branch.decided = True

    assert queue.head() is waiters[0]
    queue._check()


def test_a_branch_that_is_decided_between_looking_and_taking_is_not_taken() -> None:
    queue, _ = make_line()
    branch = Branch("branch")
    queue.enlist_branch(branch, "request")
    assert queue.head() is branch
    branch.decided = True

    assert not queue.take(branch, "value")
    assert branch.value == "request"
    assert queue.head() is None
    queue._check()


def test_the_queues_of_one_primitive_share_a_lock_and_a_number() -> None:
    first, other = WaitQueue("a test"), WaitQueue("a test")
    second = WaitQueue("a test", beside=first)

    assert second.lock is first.lock
    assert second.number == first.number < other.number


class LineMachine(RuleBasedStateMachine):
    """A line of waiters, a third of them branches of selects, against a list."""

    def __init__(self) -> None:
        super().__init__()
        self.served: list[None] = []
        self.queue = WaitQueue("a test", self._serve)
        self.tasks: list[Any] = [Waiter(str(number)) for number in range(20)]
        self.model: list[Any] = []
        self.decided: list[Any] = []

    def _serve(self) -> list[Any]:
        self.served.append(None)
        return []

    @rule(index=st.integers(0, 19))
    def enlist_one(self, index: int) -> None:
        task = self.tasks[index]
        if task not in self.model:
            self.queue.enlist(task, index)
            self.model.append(task)

    @rule(number=st.integers(0, 99))
    def enlist_branch(self, number: int) -> None:
        branch = Branch(str(number))
        self.queue.enlist_branch(branch, number)
        self.model.append(branch)

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 999))
    def withdraw_one(self, place: int) -> None:
        waiter = self.model.pop(place % len(self.model))
        assert self.queue.withdraw(waiter)
        assert not self.queue.withdraw(waiter)

    @precondition(lambda self: any(waiter.is_branch for waiter in self.model))
    @rule(place=st.integers(0, 999))
    def decide_elsewhere(self, place: int) -> None:
        branches = [waiter for waiter in self.model if waiter.is_branch]
        branch = branches[place % len(branches)]
        branch.decided = True
        self.model.remove(branch)
        self.decided.append(branch)

    @precondition(lambda self: self.decided)
    @rule(place=st.integers(0, 999))
    def leave_after_a_decision_elsewhere(self, place: int) -> None:
        branch = self.decided.pop(place % len(self.decided))
        served = len(self.served)
        assert self.queue.withdraw(branch)
        assert branch.wait is None
        assert len(self.served) == served + 1  # also if it had been passed over before

    @rule()
    def grant_first(self) -> None:
        expected = self.model.pop(0) if self.model else None
        assert self.queue.grant("value") is expected
        assert expected is None or expected.value == "value"

    @rule()
    def take_head(self) -> None:
        head = self.queue.head()
        assert head is (self.model.pop(0) if self.model else None)
        if head is not None:
            assert self.queue.take(head, "value")
            assert head.wait is GRANTED

    @precondition(lambda self: self.model)
    @rule(place=st.integers(0, 999))
    def pick_one(self, place: int) -> None:
        waiter = self.model.pop(place % len(self.model))
        assert self.queue.pick(waiter, "value")
        assert waiter.wait is GRANTED

    @rule()
    def grant_last(self) -> None:
        expected = self.model.pop() if self.model else None
        assert self.queue.grant_last("value") is expected

    @precondition(lambda self: len(self.model) > 3)
    @rule()
    def withdraw_all_but_the_ends(self) -> None:
        for waiter in self.model[1:-1]:
            assert self.queue.withdraw(waiter)
        del self.model[1:-1]

    @rule()
    def grant_to_all(self) -> None:
        assert self.queue.grant_all() == self.model
        self.model.clear()

    @invariant()
    def the_line_is_the_list(self) -> None:
        self.queue._check()
        assert len(self.queue) >= len(self.model)
        assert self.queue.head() is (self.model[0] if self.model else None)
        for waiter in self.model:
            assert waiter.wait is self.queue


TestLine = LineMachine.TestCase
