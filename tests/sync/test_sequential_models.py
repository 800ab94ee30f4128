"""Semaphore and Event against what they would be if there were no tasks: a number, a line, and who got what."""

from __future__ import annotations

from typing import Literal

import outcome
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.errors import ClosedResource, WouldBlock
from conc.sync import Event, Semaphore
from tests.kernel.support import Driven

End = Literal["granted", "cancelled", "closed"]


class Model:
    """A semaphore, sequentially. Requests are named by number; `ends` tells what became of each."""

    def __init__(self, free: int, most: int | None) -> None:
        self.free, self.most, self.closed = free, most, False
        self.line: list[tuple[int, int]] = []
        self.ends: dict[int, End] = {}

    def acquire(self, name: int, n: int) -> None:
        if self.closed:
            self.ends[name] = "closed"
        else:
            self.line.append((name, n))
            self.serve()

    def can_take(self, n: int) -> bool:
        return not self.line and self.free >= n

    def can_release(self, n: int) -> bool:
        return self.most is None or self.free + n <= self.most

    def release(self, n: int) -> None:
        self.free += n
        self.serve()

    def serve(self) -> None:
        while self.line and self.line[0][1] <= self.free:
            name, n = self.line.pop(0)
            self.free -= n
            self.ends[name] = "granted"

    def leave(self, name: int) -> None:
        if name not in self.ends:
            self.line = [entry for entry in self.line if entry[0] != name]
            self.ends[name] = "cancelled"
            self.serve()

    def close(self) -> None:
        self.closed = True
        self.ends.update(dict.fromkeys((name for name, _ in self.line), "closed"))
        self.line = []


def end_of(task: conc.Task[None]) -> End | None:
    ended = task.outcome
    if ended is None:
        return None
    if isinstance(ended, outcome.Value):
        return "granted"
    assert isinstance(ended, outcome.Error)
    assert isinstance(ended.error, conc.Cancelled)
    return "cancelled"


class SemaphoreMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[None]] = []
        self.refused: list[int] = []
        self.semaphore = Semaphore(0)
        self.model = Model(0, None)

    @precondition(lambda self: not self.tasks and self.model.most is None)
    @rule(free=st.integers(0, 4), room=st.none() | st.integers(1, 8))
    def begin(self, free: int, room: int | None) -> None:
        most = None if room is None else free + room
        self.semaphore, self.model = Semaphore(free, max_value=most), Model(free, most)

    async def _acquire(self, name: int, n: int) -> None:
        try:
            await self.semaphore.acquire(n)
        except ClosedResource:
            self.refused.append(name)

    @rule(n=st.integers(1, 5))
    def acquire(self, n: int) -> None:
        if self.model.most is None or n <= self.model.most:
            self.model.acquire(len(self.tasks), n)
            self.tasks.append(self.driven.start(self._acquire, len(self.tasks), n))

    @rule(n=st.integers(1, 5))
    def acquire_nowait(self, n: int) -> None:
        if self.model.most is not None and n > self.model.most:
            with pytest.raises(ValueError, match="max_value"):
                self.semaphore.acquire_nowait(n)
        elif self.model.closed:
            with pytest.raises(ClosedResource):
                self.semaphore.acquire_nowait(n)
        elif self.model.can_take(n):
            self.semaphore.acquire_nowait(n)
            self.model.free -= n
        else:
            with pytest.raises(WouldBlock):
                self.semaphore.acquire_nowait(n)

    @rule(n=st.integers(1, 5))
    def release(self, n: int) -> None:
        if self.model.can_release(n):
            self.semaphore.release(n)
            self.model.release(n)
        else:
            with pytest.raises(ValueError, match="released"):
                self.semaphore.release(n)

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.model.leave(name)

    @rule(n=st.integers(0, 3))
    def forget(self, n: int) -> None:
        gone = self.semaphore.forget(n)
        assert gone == min(n, self.model.free)
        self.model.free -= gone

    @rule(whether=st.integers(0, 9))
    def close(self, whether: int) -> None:
        if whether == 0:
            self.semaphore.close()
            self.model.close()

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.tasks):
            end = "closed" if name in self.refused else end_of(task)
            assert end == self.model.ends.get(name), f"request {name}"

    @invariant()
    def the_numbers_agree(self) -> None:
        self.semaphore._check()
        assert self.semaphore.value == self.model.free

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


class EventMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.event = Event()
        self.set = False
        self.tasks: list[conc.Task[None]] = []
        self.ends: dict[int, End] = {}

    @rule()
    def wait(self) -> None:
        if self.set:
            self.ends[len(self.tasks)] = "granted"
        self.tasks.append(self.driven.start(self.event.wait))

    @precondition(lambda self: len(self.tasks) > 2)
    @rule()
    def set_event(self) -> None:
        self.event.set()
        self.set = True
        for name in range(len(self.tasks)):
            self.ends.setdefault(name, "granted")

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.ends.setdefault(name, "cancelled")

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        assert [end_of(task) for task in self.tasks] == [self.ends.get(name) for name in range(len(self.tasks))]

    @invariant()
    def the_flag_agrees(self) -> None:
        self.event._check()
        assert self.event.is_set() == self.set

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestSemaphore = SemaphoreMachine.TestCase
TestSemaphore.settings = settings(stateful_step_count=40)
TestEvent = EventMachine.TestCase
TestEvent.settings = settings(stateful_step_count=25, max_examples=settings().max_examples // 2)
