"""Selects, plain waiters and events against what they would be if there were no tasks: numbers, and lines of names."""

from __future__ import annotations

from typing import Any

import outcome
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.errors import WouldBlock
from conc.lowlevel import Operation
from conc.sync import Event, Semaphore
from tests.kernel.support import Driven

LINES = 3  # semaphores; behind them stands an event, which is one with more permits than anybody takes
WANTS = st.lists(st.tuples(st.integers(0, LINES), st.integers(1, 4)), min_size=1, max_size=4)


class Model:
    """Lines of (name, branch, number of permits). Who was granted stays in its other lines until its task has run."""

    def __init__(self, free: list[int]) -> None:
        self.free = free
        self.lines: list[list[tuple[int, int, int]]] = [[] for _ in free]
        self.ends: dict[int, int | None] = {}  # which branch; None: cancelled

    def head(self, line: int) -> tuple[int, int, int] | None:
        entries = self.lines[line]
        while entries and entries[0][0] in self.ends:
            entries.pop(0)
        return entries[0] if entries else None

    def take(self, line: int, n: int) -> bool:
        done = self.head(line) is None and n <= self.free[line]
        self.free[line] -= n * done
        return done

    def select(self, name: int, wants: list[tuple[int, int]]) -> None:
        for branch, (line, n) in enumerate(wants):
            if self.take(line, n):
                self.ends[name] = branch
                return
        for branch, (line, n) in enumerate(wants):
            self.lines[line].append((name, branch, n))

    def release(self, line: int, n: int) -> None:
        self.free[line] += n
        while (first := self.head(line)) is not None and first[2] <= self.free[line]:
            self.free[line] -= first[2]
            self.ends[first[0]] = first[1]

    def settle(self) -> None:
        for line in range(len(self.lines)):
            self.release(line, 0)


class SelectMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.semaphores = [Semaphore(0) for _ in range(LINES)]
        self.event = Event()
        self.model = Model([0] * (LINES + 1))
        self.tasks: list[conc.Task[Any]] = []

    def operation(self, line: int, n: int) -> Operation[None]:
        return self.semaphores[line].acquiring(n) if line < LINES else self.event.waiting()

    def start(self, wants: list[tuple[int, int]], async_fn: Any, *args: Any) -> None:
        self.model.settle()  # those who are ready run before a new task
        self.model.select(len(self.tasks), wants)
        self.tasks.append(self.driven.start(async_fn, *args))
        self.model.settle()

    @rule(wants=WANTS)
    def select(self, wants: list[tuple[int, int]]) -> None:
        operations = [self.operation(line, n) for line, n in wants]

        async def select() -> int:
            return (await conc.select(*operations, biased=True))[0]

        self.start(wants, select)

    @rule(line=st.integers(0, LINES - 1), n=st.integers(1, 4))
    def acquire(self, line: int, n: int) -> None:
        async def acquire() -> int:
            await self.semaphores[line].acquire(n)
            return 0

        self.start([(line, n)], acquire)

    @rule(line=st.integers(0, LINES - 1), n=st.integers(1, 3))
    def acquire_nowait(self, line: int, n: int) -> None:
        if self.model.take(line, n):
            self.semaphores[line].acquire_nowait(n)
        else:
            with pytest.raises(WouldBlock):
                self.semaphores[line].acquire_nowait(n)

    @rule(line=st.integers(0, LINES - 1), n=st.integers(1, 4))
    def release(self, line: int, n: int) -> None:
        self.semaphores[line].release(n)
        self.model.release(line, n)

    @precondition(lambda self: len(self.tasks) > 4)
    @rule(whether=st.integers(0, 9))
    def set_event(self, whether: int) -> None:
        if whether == 0:
            self.event.set()
            self.model.release(LINES, 1_000_000)

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        if name not in self.model.ends:
            self.model.ends[name] = None
            self.let_them_run()

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        self.model.settle()
        ends = [task.outcome for task in self.tasks]
        found = {name: end.value if isinstance(end, outcome.Value) else None for name, end in enumerate(ends) if end}
        assert found == self.model.ends

    @invariant()
    def the_numbers_agree(self) -> None:
        assert [semaphore.value for semaphore in self.semaphores] == self.model.free[:LINES]
        for semaphore in self.semaphores:
            semaphore._waiters._check()

    def teardown(self) -> None:
        self.let_them_run()
        for semaphore in self.semaphores:
            semaphore._check()
        self.driven.close()


TestSelect = SelectMachine.TestCase
TestSelect.settings = settings(stateful_step_count=40)
