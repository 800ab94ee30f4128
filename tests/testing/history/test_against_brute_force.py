"""The search for an order gives the same verdict as trying everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from conc.errors import ChannelEmpty
from conc_testing import Model, NotLinearizable, Operation, Raised, assert_linearizable, models
from conc_testing.history.operation import UNKNOWN
from tests.primitives.channel_specs import WatchSpec
from tests.primitives.sync_specs import ConditionSpec
from tests.testing.history.brute_force import is_linearizable

Call = tuple[str, tuple[Any, ...], tuple[Any, ...]]  # a name, arguments, and results that it may have

REGISTER: list[Call] = [
    ("read", (), (0, 1, 2)),
    *(("write", (value,), (None,)) for value in (1, 2)),
    *(("cas", (old, new), (True, False)) for old, new in ((0, 1), (1, 2), (2, 0))),
]
SEMAPHORE: list[Call] = [
    *(("acquire", (n,), (None,)) for n in (1, 2)),
    ("try_acquire", (1,), (True, False)),
    ("release", (1,), (None,)),
]
LOCK: list[Call] = [
    ("acquire", (), (None,)),
    ("try_acquire", (), (True, False)),
    ("release", (), (None, Raised(RuntimeError))),
]
QUEUE: list[Call] = [
    *(("put", (item,), (None,)) for item in (1, 2)),
    ("try_put", (3,), (True, False)),
    ("get", (), (1, 2, 3)),
    ("try_get", (), (None, 1, 2)),
]
CONDITION: list[Call] = [
    ("acquire", (), (None,)),
    ("release", (), (None, Raised(RuntimeError))),
    ("wait", (), (None, Raised(RuntimeError))),
    ("notify", (1,), (None, Raised(RuntimeError))),
]
WATCH: list[Call] = [
    *(("send_nowait", (value,), (None,)) for value in (1, 2)),
    ("changed", (0,), (1, 2)),
    ("changed_nowait", (0,), (1, Raised(ChannelEmpty))),
]
WAITING = {"acquire", "put", "get", "wait", "changed"}


@st.composite
def histories(draw: st.DrawFn, calls: Sequence[Call], most: int) -> list[Operation]:
    """Operations at random, by two processes or three, with results that may be so or not."""
    operations: list[Operation] = []
    moments = iter(range(1, 1000))
    busy: dict[str, Operation] = {}
    for _ in range(draw(st.integers(1, 3 * most))):
        by = draw(st.sampled_from("ABC"))
        one = busy.get(by)
        if one is None:
            if len(operations) == most:
                break
            name, args, results = draw(st.sampled_from(calls))
            one = Operation(len(operations), name, args, by, next(moments), result=draw(st.sampled_from(results)))
            one.fate = draw(st.sampled_from(["returned"] * 4 + ["cancelled", "open"]))
            operations.append(one)
            busy[by] = one
        elif one.name in WAITING and one.suspended is None and draw(st.booleans()):
            one.suspended = next(moments)
        else:
            one.ended = next(moments)
            del busy[by]
    for one in busy.values():
        one.fate = draw(st.sampled_from(["open", "waiting"])) if one.name in WAITING else "open"
    for one in operations:
        if one.fate != "returned":
            one.result = UNKNOWN
    return operations


def verdict(operations: Iterable[Operation], model: Model) -> bool:
    """That of the search."""
    try:
        assert_linearizable(operations, model)
    except NotLinearizable:
        return False
    return True


@pytest.mark.parametrize(
    ("make", "calls"),
    [
        (lambda: models.Register(0), REGISTER),
        (lambda: models.Semaphore(0), SEMAPHORE),
        (lambda: models.Semaphore(2), SEMAPHORE),
        (models.Lock, LOCK),
        (models.Queue, QUEUE),
        (lambda: models.Queue(1), QUEUE),
        (lambda: models.Queue(0), QUEUE),
        (ConditionSpec, CONDITION),
        (lambda: WatchSpec(1), WATCH),
    ],
    ids=[
        "register",
        "semaphore of 0",
        "semaphore of 2",
        "lock",
        "queue",
        "queue of 1",
        "rendezvous",
        "condition",
        "watch",
    ],
)
def test_the_search_agrees_with_trying_everything(make: Callable[[], Model], calls: list[Call]) -> None:
    seen = {True: 0, False: 0}

    @settings(max_examples=3 * settings().max_examples, deadline=None)
    @given(histories(calls, 5))
    def compare(operations: list[Operation]) -> None:
        expected = is_linearizable(operations, make())
        event(f"linearizable: {expected}")
        seen[expected] += 1
        assert verdict(operations, make()) == expected

    compare()
    assert min(seen.values()) > 20, "one of the verdicts hardly occurs, so the comparison shows little"
