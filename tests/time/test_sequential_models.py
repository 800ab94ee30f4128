"""DelayQueue and Interval against what they would be if there were no tasks: numbers, lists, and who got what."""

from __future__ import annotations

from typing import Any, Literal

import outcome
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import conc
from conc.errors import ChannelEmpty, ClosedResource, EndOfChannel
from conc.sync import Event
from conc.task.selects import select
from conc.time import DelayKey, DelayQueue
from conc_testing import VirtualClock
from tests.kernel.support import Driven

UNIT = 2**-10  # about a millisecond, and floats add it exactly; the grace of an interval lies between 5 and 6 of them


class TimedMachine(RuleBasedStateMachine):
    """A program that is driven step by step, and its tasks by number."""

    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[Any]] = []

    def wait(self, units: int) -> None:
        """Let time pass, and happen what it brings."""
        clock = self.driven.runtime.clock
        assert isinstance(clock, VirtualClock)
        clock.jump(units * UNIT)
        self.driven.settle()

    def end_of(self, name: int) -> object:
        """What the task returned, and the word for how it ended otherwise; None if it has not."""
        ended = self.tasks[name].outcome
        if ended is None or isinstance(ended, outcome.Value):
            return ended and ended.value
        assert isinstance(ended, outcome.Error)
        assert isinstance(ended.error, conc.Cancelled)
        return "cancelled"

    def teardown(self) -> None:
        self.driven.close()


class DelayModel:
    """A delay queue, sequentially. Items and receivers are named by number; `ends` tells what each receiver got."""

    def __init__(self) -> None:
        self.now = self.number = 0
        self.items: dict[int, tuple[int, int]] = {}
        self.line: list[int] = []
        self.ends: dict[int, object] = {}
        self.closed = False

    def schedule(self, item: int, delay: int) -> None:
        self.number += 1
        self.items[item] = self.now + delay, self.number
        self.serve()

    def first(self) -> int | None:
        return min(self.items, key=self.items.__getitem__, default=None)

    def take(self) -> object:
        """An item, "over", or None for nothing now."""
        first = self.first()
        if first is None:
            return "over" if self.closed else None
        if self.items[first][0] > self.now:
            return None
        del self.items[first]
        return f"item {first}"

    def serve(self) -> None:
        while self.line and (got := self.take()) is not None:
            self.ends[self.line.pop(0)] = got

    def leave(self, name: int) -> None:
        if name in self.line:
            self.line.remove(name)
            self.ends[name] = "cancelled"


class DelayQueueMachine(TimedMachine):
    def __init__(self) -> None:
        super().__init__()
        self.model = DelayModel()
        self.keys: list[DelayKey] = []
        queues: list[DelayQueue[str]] = []
        self.driven.do(lambda: queues.append(DelayQueue()))
        self.queue = queues[0]

    @rule(delay=st.integers(0, 10))
    def insert(self, delay: int) -> None:
        item = f"item {len(self.keys)}"
        if self.model.closed:
            with pytest.raises(ClosedResource):
                self.queue.insert(item, delay * UNIT)
        else:
            self.keys.append(self.queue.insert(item, delay * UNIT))
            self.model.schedule(len(self.keys) - 1, delay)

    @precondition(lambda self: self.keys)
    @rule(choice=st.integers(0, 1000), delay=st.integers(0, 10))
    def reset(self, choice: int, delay: int) -> None:
        item = choice % len(self.keys)
        if item in self.model.items:
            self.queue.reset(self.keys[item], delay * UNIT)
            self.model.schedule(item, delay)
        else:
            with pytest.raises(KeyError):
                self.queue.reset(self.keys[item], delay * UNIT)

    @precondition(lambda self: self.keys)
    @rule(choice=st.integers(0, 1000))
    def remove(self, choice: int) -> None:
        item = choice % len(self.keys)
        if item in self.model.items:
            assert self.queue.remove(self.keys[item]) == f"item {item}"
            del self.model.items[item]
            self.model.serve()
        else:
            with pytest.raises(KeyError):
                self.queue.remove(self.keys[item])

    async def _receive(self, in_select: bool) -> str:
        try:
            if in_select:
                return (await select(self.queue.receiving(), Event().waiting()))[1]  # type: ignore[no-any-return]
            return await self.queue.receive()
        except EndOfChannel:
            return "over"

    @rule(in_select=st.booleans())
    def receive(self, in_select: bool) -> None:
        self.model.line.append(len(self.tasks))
        self.tasks.append(self.driven.start(self._receive, in_select))
        self.model.serve()

    @rule()
    def receive_nowait(self) -> None:
        expected = None if self.model.line else self.model.take()
        try:
            got: object = self.queue.receive_nowait()
        except (ChannelEmpty, EndOfChannel) as error:
            got = "over" if isinstance(error, EndOfChannel) else None
        assert got == expected

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.model.leave(name)

    @rule(units=st.integers(1, 10))
    def let_time_pass(self, units: int) -> None:
        self.driven.settle()
        self.model.now += units
        self.model.serve()
        self.wait(units)

    @rule(whether=st.sampled_from(["neither", "neither", "neither", "clear", "close"]))
    def clear_or_close(self, whether: str) -> None:
        if whether == "clear":
            self.queue.clear()
            self.model.items = {}
        elif whether == "close":
            self.queue.close()
            self.model.closed = True
        self.model.serve()

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        assert [self.end_of(name) for name in range(len(self.tasks))] == [
            self.model.ends.get(name) for name in range(len(self.tasks))
        ]

    @invariant()
    def the_items_agree(self) -> None:
        self.queue._check()
        assert {item for item, key in enumerate(self.keys) if key in self.queue} == set(self.model.items)
        first = self.model.first()
        assert self.queue.peek() is (None if first is None else self.keys[first])

    def teardown(self) -> None:
        self.let_them_run()
        super().teardown()


class IntervalModel:
    """An interval, sequentially, in whole numbers."""

    def __init__(self, period: int, missed: str) -> None:
        self.period, self.missed = period, missed
        self.now = 0
        self.following: int | None = None

    def take(self) -> int | None:
        """The next tick, if its time has come."""
        if self.following is None:
            self.following = self.now
        tick = self.following
        if tick > self.now:
            return None
        if self.now - tick <= 5 or self.missed == "burst":
            self.following = tick + self.period
        elif self.missed == "delay":
            self.following = self.now + self.period
        else:
            self.following = tick + ((self.now - tick) // self.period + 1) * self.period
        return tick


class IntervalMachine(TimedMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ends: list[object] = []

    @initialize(period=st.integers(1, 30), missed=st.sampled_from(["burst", "delay", "skip"]))
    def begin(self, period: int, missed: Literal["burst", "delay", "skip"]) -> None:
        self.interval = conc.interval(period * UNIT, missed)
        self.model = IntervalModel(period, missed)

    def serve(self) -> None:
        """Let the model give a tick to the last task, if that waits."""
        if self.ends and self.ends[-1] is None and (tick := self.model.take()) is not None:
            self.ends[-1] = tick * UNIT

    async def _tick(self, in_select: bool) -> float:
        if in_select:
            return (await select(self.interval.ticking(), Event().waiting()))[1]  # type: ignore[no-any-return]
        return await self.interval.tick()

    @precondition(lambda self: None not in self.ends)
    @rule(in_select=st.booleans())
    def tick(self, in_select: bool) -> None:
        self.driven.settle()
        self.ends.append(None)
        self.serve()
        self.tasks.append(self.driven.start(self._tick, in_select))

    @precondition(lambda self: self.tasks)
    @rule()
    def cancel(self) -> None:
        self.driven.do(self.tasks[-1].cancel)
        if self.ends[-1] is None:
            self.ends[-1] = "cancelled"

    @rule(units=st.integers(1, 80))
    def let_time_pass(self, units: int) -> None:
        self.driven.settle()
        self.model.now += units
        self.serve()
        self.wait(units)

    @rule(units=st.integers(-40, 40))
    def reset(self, units: int) -> None:
        self.model.following = self.model.now + units
        self.driven.do(lambda: self.interval.reset_at((self.model.now + units) * UNIT))
        self.serve()

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        assert [self.end_of(name) for name in range(len(self.tasks))] == self.ends

    def teardown(self) -> None:
        self.let_them_run()
        super().teardown()


TestDelayQueue = DelayQueueMachine.TestCase
TestDelayQueue.settings = settings(stateful_step_count=40)
TestInterval = IntervalMachine.TestCase
TestInterval.settings = settings(stateful_step_count=30)
