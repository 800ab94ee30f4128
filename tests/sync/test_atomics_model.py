"""AtomicInt and AtomicRef against what they would be if there were one thread: a variable."""

from __future__ import annotations

import operator
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conc.sync import AtomicInt, AtomicRef
from tests.sync.atomics_support import Call, Model, do

NUMBERS = st.integers(-4, 4) | st.integers(2**63 - 2, 2**63 + 2)
NAMES = ("store", "swap", "fetch_add", "fetch_sub", "fetch_max", "fetch_min")
THINGS: list[Any] = [None, 0, False, "", (), [], [[]], object()]
INDEXES = st.integers(0, len(THINGS) - 1)


class AtomicIntMachine(RuleBasedStateMachine):
    @initialize(value=NUMBERS)
    def begin(self, value: int) -> None:
        self.number, self.model = AtomicInt(value), Model(value, operator.eq)

    def both(self, call: Call) -> None:
        assert do(self.number, call) == do(self.model, call)

    @rule(name=st.sampled_from(NAMES), value=NUMBERS)
    def operation(self, name: str, value: int) -> None:
        self.both((name, (value,)))

    @rule(expected=NUMBERS, value=NUMBERS, hit=st.booleans())
    def compare_exchange(self, expected: int, value: int, hit: bool) -> None:
        self.both(("compare_exchange", (self.model.value if hit else expected, value)))

    @rule(factor=st.integers(-2, 2))
    def fetch_update(self, factor: int) -> None:
        self.both(("fetch_update", (lambda old: old * factor,)))

    @invariant()
    def they_agree(self) -> None:
        self.number._check()
        assert self.number.load() == self.model.value


class AtomicRefMachine(RuleBasedStateMachine):
    @initialize(index=INDEXES)
    def begin(self, index: int) -> None:
        self.reference, self.model = AtomicRef(THINGS[index]), Model(THINGS[index], operator.is_)

    def both(self, call: Call) -> None:
        assert do(self.reference, call) is do(self.model, call)

    @rule(name=st.sampled_from(["store", "swap"]), index=INDEXES)
    def operation(self, name: str, index: int) -> None:
        self.both((name, (THINGS[index],)))

    @rule(expected=INDEXES, index=INDEXES, hit=st.booleans())
    def compare_exchange(self, expected: int, index: int, hit: bool) -> None:
        self.both(("compare_exchange", (self.model.value if hit else THINGS[expected], THINGS[index])))

    @rule(index=INDEXES)
    def fetch_update(self, index: int) -> None:
        self.both(("fetch_update", (lambda old: old or THINGS[index],)))

    @invariant()
    def they_agree(self) -> None:
        assert self.reference.load() is self.model.value


TestAtomicInt = AtomicIntMachine.TestCase
TestAtomicInt.settings = settings(stateful_step_count=30)
TestAtomicRef = AtomicRefMachine.TestCase
TestAtomicRef.settings = settings(stateful_step_count=30)
