"""A task tracker against what it would be if there were no tasks: a number, a flag, and a line."""

from __future__ import annotations

from typing import Literal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.sync import TaskTracker
from tests.kernel.support import Driven


class Model:
    """A tracker, sequentially. Waiters are named by number; `ends` tells what became of each."""

    def __init__(self) -> None:
        self.count, self.closed = 0, False
        self.line: list[int] = []
        self.ends: dict[int, Literal["let go", "cancelled"]] = {}

    def change(self, *, count: int = 0, closed: bool | None = None) -> None:
        self.count += count
        self.closed = self.closed if closed is None else closed
        if self.closed and not self.count:
            self.ends.update(dict.fromkeys(self.line, "let go"))
            self.line = []

    def wait(self, name: int) -> None:
        self.line.append(name)
        self.change()

    def cancel(self, name: int) -> None:
        if name in self.line:
            self.line.remove(name)
            self.ends[name] = "cancelled"


class TrackerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.waiters: list[conc.Task[None]] = []
        self.jobs: list[conc.Task[None]] = []
        self.tracker = TaskTracker()
        self.model = Model()

    async def _start(self) -> None:
        async with conc.open_nursery() as nursery:
            self.jobs.append(self.tracker.start_soon(nursery, conc.sleep_forever))

    @rule()
    def start(self) -> None:
        self.driven.start(self._start)
        self.model.change(count=1)

    @precondition(lambda self: self.jobs)
    @rule(choice=st.integers(0, 1000))
    def end(self, choice: int) -> None:
        task = self.jobs.pop(choice % len(self.jobs))
        self.driven.do(task.cancel)
        self.driven.settle()
        self.model.change(count=-1)

    @rule()
    def enter_and_leave(self) -> None:
        with self.tracker.token():
            self.model.change(count=1)
            self.the_numbers_agree()
        self.model.change(count=-1)

    @rule()
    def close(self) -> None:
        self.tracker.close()
        self.model.change(closed=True)

    @rule()
    def reopen(self) -> None:
        self.tracker.reopen()
        self.model.change(closed=False)

    @rule()
    def wait(self) -> None:
        self.model.wait(len(self.waiters))
        self.waiters.append(self.driven.start(self.tracker.wait))

    @precondition(lambda self: self.waiters)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.waiters)
        self.driven.do(self.waiters[name].cancel)
        self.model.cancel(name)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.waiters):
            if name not in self.model.ends:
                assert task.outcome is None
            elif self.model.ends[name] == "cancelled":
                with pytest.raises(conc.TaskCancelled):
                    task.join_nowait()
            else:
                task.join_nowait()

    @invariant()
    def the_numbers_agree(self) -> None:
        self.tracker._check()
        assert self.tracker.statistics() == (self.model.count, self.model.closed, len(self.model.line))

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestTracker = TrackerMachine.TestCase
TestTracker.settings = settings(stateful_step_count=40)
