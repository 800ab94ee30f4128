"""The decorators of rules: in their right place, and in the wrong one."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

import conc
from conc_testing.hypothesis import AsyncStateMachine, arule, concurrent
from tests.testing.hypothesis.minimal import QUIET, check, smallest

FEW = settings(QUIET, max_examples=30, stateful_step_count=10)


def _of_no_rule() -> None:
    @concurrent()
    async def act(self: Any) -> None: ...


def _above_a_precondition() -> None:
    @concurrent()
    @precondition(lambda self: True)
    @arule()
    async def act(self: Any) -> None: ...


def _below_the_rule() -> None:
    @arule()
    @concurrent()
    async def act(self: Any) -> None: ...


def _argument_taken() -> None:
    @concurrent()
    @arule(with_=st.none())
    async def act(self: Any, with_: None) -> None: ...


@pytest.mark.parametrize(
    ("define", "error", "words"),
    [
        (_of_no_rule, TypeError, "it stands directly on top of @arule"),
        (_above_a_precondition, TypeError, "it stands directly on top of @arule"),
        (_below_the_rule, TypeError, "it stands directly on top of @arule"),
        (_argument_taken, ValueError, "@concurrent on act: the argument 'with_' is taken"),
        (lambda: concurrent(max_tasks=1), ValueError, "max_tasks must be at least 2, not 1"),
        (lambda: concurrent(max_tasks=2.0), TypeError, r"max_tasks must be a whole number, not 2\.0"),  # type: ignore[arg-type]
    ],
)
def test_concurrent_in_the_wrong_place_is_refused(
    define: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        define()


def test_a_concurrent_rule_may_be_called_as_a_method() -> None:
    class Machine(AsyncStateMachine):
        calls = 0

        @concurrent()
        @arule(n=st.integers(0, 1))
        async def count(self, n: int) -> None:
            await conc.checkpoint()
            self.calls += 1

        @arule()
        async def count_twice(self) -> None:
            before = self.calls
            await self.count(1)
            await self.count(n=1)
            assert self.calls == before + 2

    check(Machine, FEW)


def test_rules_may_call_each_other() -> None:
    class Machine(AsyncStateMachine):
        value = 0

        @arule(n=st.integers(1, 3))
        async def add(self, n: int) -> None:
            await conc.sleep(1)
            self.value += n

        @arule()
        async def add_twice(self) -> None:
            before = self.value
            await self.add(1)
            await self.add(n=1)
            assert self.value == before + 2

        @rule()
        def add_from_outside(self) -> None:
            before = self.value
            results: list[object] = [self.add(2)]
            assert results == [None]
            assert self.value == before + 2

    check(Machine, FEW)


def test_the_nursery_is_for_what_runs_inside() -> None:
    class Machine(AsyncStateMachine):
        @rule()
        def outside(self) -> None:
            with pytest.raises(RuntimeError, match=r"self\.nursery is for what runs inside"):
                self.nursery  # noqa: B018

        @arule()
        async def inside(self) -> None:
            assert isinstance(self.nursery, conc.Nursery)

    check(Machine, FEW)


def test_an_async_rule_in_another_machine_is_refused() -> None:
    class Machine(RuleBasedStateMachine):
        @arule()
        async def act(self) -> None: ...

    error, _ = smallest(Machine)

    assert isinstance(error, TypeError) and "act is async, and Machine is no AsyncStateMachine" in str(error)


def test_rules_are_inherited_and_may_be_overridden() -> None:
    called = set()

    class Base(AsyncStateMachine):
        @arule()
        async def kept(self) -> None:
            called.add("kept")

        @arule()
        async def changed(self) -> None:
            called.add("changed")

    class Machine(Base):
        @arule()
        async def changed(self) -> None:
            called.add("overridden")

    check(Machine, FEW)

    assert called == {"kept", "overridden"}
