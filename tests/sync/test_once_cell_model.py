"""A value that is made once against what it would be if there were no tasks."""

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from conc.sync import Event, OnceCell
from tests.kernel.support import Driven
from tests.sync.actors import Actor, kind

ACTORS = 4


class Model:
    """A cell, sequentially. `ends` tells what became of what each one asked for last, None while he waits or makes."""

    def __init__(self) -> None:
        self.value: int | None = None
        self.maker: int | None = None
        self.line: list[int] = []
        self.ends: dict[int, object] = dict.fromkeys(range(ACTORS))

    def get(self, who: int) -> None:
        self.ends[who] = self.value
        if self.value is None:
            self.line.append(who)
            if self.maker is None:
                self.maker = self.line.pop(0)

    def end(self, result: object) -> None:
        assert self.maker is not None
        self.ends[self.maker] = result
        if result == self.maker:
            self.value = self.maker
            self.ends.update(dict.fromkeys(self.line, result))
            self.line = []
        self.maker = self.line.pop(0) if self.line else None

    def cancel(self, who: int) -> None:
        if who == self.maker:
            self.end("cancelled")
        elif who in self.line:
            self.line.remove(who)
            self.ends[who] = "cancelled"


class OnceCellMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.cell: OnceCell[int] = OnceCell()
        self.model = Model()
        self.actors = [Actor(self.driven) for _ in range(ACTORS)]
        self.go_on = [Event() for _ in range(ACTORS)]
        self.fails = False

    async def _make(self, who: int) -> int:
        self.go_on[who] = Event()
        await self.go_on[who].wait()
        if self.fails:
            raise ValueError
        return who

    @rule(who=st.integers(0, ACTORS - 1))
    def get(self, who: int) -> None:
        if not self.actors[who].busy:
            self.model.get(who)
            self.actors[who].tell(self.cell.get_or_init, partial(self._make, who))
            self.driven.settle()

    @precondition(lambda self: self.model.maker is not None)
    @rule(fails=st.booleans(), victim=st.none() | st.integers(0, ACTORS - 1))
    def end(self, fails: bool, victim: int | None) -> None:
        """The maker ends; and another one may be cancelled before he learns of it."""
        maker = self.model.maker
        assert maker is not None
        self.fails = fails
        self.model.end(ValueError if fails else maker)
        self.driven.do(self.go_on[maker].set)
        self.driven.runtime.run_until(lambda: not self.actors[maker].busy)
        if victim is not None and self.actors[victim].busy:
            self.actors[victim].cancel()
            self.model.cancel(victim)
        self.driven.settle()

    @rule(who=st.integers(0, ACTORS - 1))
    def cancel(self, who: int) -> None:
        if self.actors[who].busy:
            self.actors[who].cancel()
            self.model.cancel(who)
            self.driven.settle()

    @precondition(lambda self: self.model.value is not None or self.model.maker is not None)
    @rule()
    def set_in_vain(self) -> None:
        with pytest.raises(RuntimeError, match="cannot be set"):
            self.cell.set(99)

    @invariant()
    def all_agrees(self) -> None:
        self.cell._check()
        model = self.model
        maker = None if model.maker is None else self.actors[model.maker].task
        assert self.cell.statistics() == (model.value is not None, maker, len(model.line))
        for who, actor in enumerate(self.actors):
            assert actor.busy == (who in model.line or who == model.maker), f"actor {who}"
            assert actor.busy or kind(actor.result) == model.ends[who], f"actor {who}"

    def teardown(self) -> None:
        self.driven.close()


TestOnceCell = OnceCellMachine.TestCase
TestOnceCell.settings = settings(stateful_step_count=30)
