"""Atomics whose operations are stopped at each of their steps: by other threads, by handlers, by Ctrl-C, for good."""

from __future__ import annotations

import operator
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sync.atomics_support import (
    Call,
    Model,
    Schedule,
    Stage,
    Stepped,
    do,
    explains,
    two_switches,
)

# `_head` is never looked at before it is moved: so it falls behind whenever it can.
HEAD_FALLS_BEHIND = (
    ("if self._head is last:", "if True:"),
    ("if last is not head and self._head is head:", "if True:"),
)

WRONG = {
    "swap believes it was first": ("if last[1] is new:", "if True:"),
    "compare_exchange believes it was first": ("if last[1] is not new:", "if False:"),
    "load believes the head": ("head[0] if len(head) == 1 else self._last()[0]", "head[0]"),
}

ADD: Call = ("fetch_add", (1,))
SUB: Call = ("fetch_sub", (10,))
SWAP: Call = ("swap", (100,))
STORE: Call = ("store", (200,))
EXCHANGE: Call = ("compare_exchange", (0, 1_000))
MAX: Call = ("fetch_max", (3,))
LOAD: Call = ("load", ())

PAIRS = [
    *((ADD, other) for other in (ADD, SUB, SWAP, STORE, EXCHANGE, MAX, LOAD)),
    *((SWAP, other) for other in (SWAP, EXCHANGE, LOAD)),
    *((EXCHANGE, other) for other in (EXCHANGE, ADD, SWAP, LOAD)),
    *((LOAD, other) for other in (ADD, EXCHANGE)),
]

CALLS = st.one_of(
    st.tuples(
        st.sampled_from(["store", "swap", "fetch_add", "fetch_sub", "fetch_max", "fetch_min"]),
        st.tuples(st.integers(-3, 3)),
    ),
    st.tuples(st.just("compare_exchange"), st.tuples(st.integers(-3, 3), st.integers(-3, 3))),
    st.just(LOAD),
)


def holds(stepped: Stepped, programs: list[list[Call]], schedule: Schedule) -> bool:
    """Whether threads that take turns so come to results that they could have come to one after the other."""
    target = stepped.AtomicInt(0)
    played = Stage(stepped, target, programs, schedule).play()
    target._check()
    return explains(played, Model(0, operator.eq), target.load())


def holds_always(stepped: Stepped, first: Call, second: Call) -> bool:
    steps = [stepped.steps_of(stepped.AtomicInt(0), call) for call in (first, second)]
    return all(holds(stepped, [[first], [second, LOAD]], schedule) for schedule in two_switches(*steps))


@pytest.mark.parametrize("edits", [(), HEAD_FALLS_BEHIND], ids=["as it is", "head falls behind"])
@pytest.mark.parametrize(("first", "second"), PAIRS, ids=lambda call: call[0])
def test_two_operations_happen_one_after_the_other(
    first: Call, second: Call, edits: tuple[tuple[str, str], ...]
) -> None:
    assert holds_always(Stepped(*edits), first, second)


@pytest.mark.parametrize("edit", WRONG.values(), ids=WRONG)
def test_a_wrong_atomic_is_found_out(edit: tuple[str, str]) -> None:
    stepped = Stepped(edit)

    assert not all(holds_always(stepped, first, second) for first, second in PAIRS)


@pytest.mark.parametrize("edits", [(), HEAD_FALLS_BEHIND], ids=["as it is", "head falls behind"])
def test_many_operations_happen_one_after_the_other(edits: tuple[tuple[str, str], ...]) -> None:
    stepped = Stepped(*edits)

    @given(
        programs=st.lists(st.lists(CALLS, min_size=1, max_size=3), min_size=2, max_size=3),
        schedule=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 12)), max_size=20),
    )
    def check(programs: list[list[Call]], schedule: list[tuple[int, int]]) -> None:
        players = len(programs)
        assert holds(stepped, programs, [(player % players, steps) for player, steps in schedule])

    check()


@pytest.mark.parametrize("second", [ADD, SWAP, EXCHANGE, LOAD], ids=lambda call: call[0])
@pytest.mark.parametrize("first", [ADD, SWAP, EXCHANGE, LOAD], ids=lambda call: call[0])
def test_a_signal_handler_may_use_the_atomic_that_it_interrupts(first: Call, second: Call) -> None:
    stepped = Stepped()
    orders = [one_after_the_other(first, second), one_after_the_other(second, first)]

    for step in range(1, stepped.steps_of(stepped.AtomicInt(0), first) + 1):
        target = stepped.AtomicInt(0)
        stepped.interrupt(lambda: do(target, first), step, lambda: do(target, second))  # noqa: B023
        target._check()
        assert target.load() in orders


def one_after_the_other(*calls: Call) -> int:
    model = Model(0, operator.eq)
    for call in calls:
        do(model, call)
    value: int = model.value
    return value


@pytest.mark.parametrize("call", [ADD, SWAP, EXCHANGE], ids=lambda call: call[0])
def test_an_interrupted_operation_has_happened_or_has_not_and_keeps_nobody_out(call: Call) -> None:
    stepped = Stepped()
    ends = set()

    def interrupt() -> None:
        raise KeyboardInterrupt

    for step in range(1, stepped.steps_of(stepped.AtomicInt(0), call) + 1):
        target = stepped.AtomicInt(0)
        with pytest.raises(KeyboardInterrupt):
            stepped.interrupt(lambda: do(target, call), step, interrupt)  # noqa: B023
        target._check()
        ends.add(target.load())
        before = target.fetch_add(1)
        assert target.load() == before + 1

    assert ends == {0, one_after_the_other(call)}


@pytest.mark.parametrize("call", [ADD, SWAP, EXCHANGE, LOAD], ids=lambda call: call[0])
def test_a_thread_that_is_stopped_in_an_operation_keeps_nobody_out(call: Call) -> None:
    stepped = Stepped()
    others = [ADD, SWAP, ADD, ("compare_exchange", (101, 5)), ADD]

    for step in range(1, stepped.steps_of(stepped.AtomicInt(0), call) + 1):
        assert holds(stepped, [[call], others], [(0, step), (1, 10_000)])


class Thing:
    """Something whose end can be seen."""


def test_what_is_replaced_while_an_operation_stands_still_is_let_go_of_after_it() -> None:
    stepped = Stepped()
    first = Thing()
    calls: list[Call] = [LOAD, ("store", (None,)), ("swap", (None,)), ("compare_exchange", (first, None))]

    for call in calls:
        for step in range(1, stepped.steps_of(stepped.AtomicRef(first), call) + 1):
            target = stepped.AtomicRef(first)
            ends = []

            def replace_often() -> None:
                for thing in (Thing() for _ in range(5)):
                    target.store(thing)  # noqa: B023
                    ends.append(weakref.ref(thing))  # noqa: B023

            stepped.interrupt(lambda: do(target, call), step, replace_often)  # noqa: B023
            last = target.load()
            assert [end() for end in ends if end() not in {None, last}] == []
            assert len(ends) == 5
