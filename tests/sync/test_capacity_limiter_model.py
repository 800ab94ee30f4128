"""A capacity limiter against what it would be if there were no tasks: a number, a line, and who holds a token."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.errors import WouldBlock
from conc.sync import CapacityLimiter
from tests.kernel.support import Driven

BORROWERS = ("ada", "ben", "cyd", "dot", "eve")


class Model:
    """A limiter, sequentially. Requests are named by number; `ends` tells what became of each."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.held: list[str] = []
        self.line: list[tuple[int, str]] = []
        self.ends: dict[int, Literal["lent", "refused", "cancelled"]] = {}

    def ask(self, name: int, borrower: str) -> None:
        if borrower in self.held:
            self.ends[name] = "refused"
        else:
            self.line.append((name, borrower))
            self.serve()

    def serve(self) -> None:
        while self.line and len(self.held) < self.total:
            name, borrower = self.line.pop(0)
            self.ends[name] = "refused" if borrower in self.held else "lent"
            if borrower not in self.held:
                self.held.append(borrower)

    def give_back(self, borrower: str) -> None:
        self.held.remove(borrower)
        self.serve()

    def resize(self, total: int) -> None:
        self.total = total
        self.serve()

    def cancel(self, name: int) -> None:
        if name not in self.ends:
            self.line = [entry for entry in self.line if entry[0] != name]
            self.ends[name] = "cancelled"
            self.serve()


class LimiterMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[bool]] = []
        self.limiter = CapacityLimiter(1)
        self.model = Model(1)

    async def _acquire(self, borrower: str) -> bool:
        try:
            await self.limiter.acquire_on_behalf_of(borrower)
        except RuntimeError:
            return False
        return True

    @rule(borrower=st.sampled_from(BORROWERS))
    def acquire(self, borrower: str) -> None:
        self.model.ask(len(self.tasks), borrower)
        self.tasks.append(self.driven.start(self._acquire, borrower))

    @rule(borrower=st.sampled_from(BORROWERS))
    def acquire_nowait(self, borrower: str) -> None:
        if borrower in self.model.held:
            with pytest.raises(RuntimeError, match="already"):
                self.limiter.acquire_on_behalf_of_nowait(borrower)
        elif len(self.model.held) < self.model.total:
            self.limiter.acquire_on_behalf_of_nowait(borrower)
            self.model.held.append(borrower)
        else:
            with pytest.raises(WouldBlock):
                self.limiter.acquire_on_behalf_of_nowait(borrower)

    @rule(borrower=st.sampled_from(BORROWERS))
    def release(self, borrower: str) -> None:
        if borrower in self.model.held:
            self.limiter.release_on_behalf_of(borrower)
            self.model.give_back(borrower)
        else:
            with pytest.raises(RuntimeError, match="holds none"):
                self.limiter.release_on_behalf_of(borrower)

    @rule(total=st.integers(0, 4))
    def resize(self, total: int) -> None:
        self.limiter.total_tokens = total
        self.model.resize(total)

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.model.cancel(name)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.tasks):
            end = self.model.ends.get(name)
            if end is None:
                assert task.outcome is None
            elif end == "cancelled":
                with pytest.raises(conc.TaskCancelled):
                    task.join_nowait()
            else:
                assert task.join_nowait() == (end == "lent")

    @invariant()
    def the_numbers_agree(self) -> None:
        self.limiter._check()
        held = tuple(self.model.held)
        assert self.limiter.statistics() == (len(held), self.model.total, held, len(self.model.line))

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestLimiter = LimiterMachine.TestCase
TestLimiter.settings = settings(stateful_step_count=40)
