"""JoinSet and open_map against what they would be if there were no tasks: numbers in lists, and who was given what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Literal

import outcome
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import conc
from conc.sync import Event
from conc.task import JoinSet, Map
from tests.kernel.support import Driven

Given = int | Literal["none left", "cancelled"]


class Takers:
    """Who takes, in line; and what each was given. Takers are named by number."""

    def __init__(self) -> None:
        self.ready: list[int] = []  # what has ended and was not taken
        self.line: list[int] = []
        self.given: dict[int, Given] = {}

    def take(self, taker: int, none_left: bool) -> None:
        self.line.append(taker)
        self.serve(none_left)

    def serve(self, none_left: bool) -> None:
        while self.line and (self.ready or none_left):
            self.given[self.line.pop(0)] = self.ready.pop(0) if self.ready else "none left"

    def leave(self, taker: int) -> None:
        if taker in self.line:
            self.line.remove(taker)
            self.given[taker] = "cancelled"


class SetModel(Takers):
    """A JoinSet, sequentially. Its tasks are named by number, in the order in which they were started."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self.limit = limit
        self.running: list[int] = []
        self.waiting: list[int] = []
        self.ends: dict[int, str] = {}

    def start(self, name: int) -> None:
        self.waiting.append(name)
        self.begin()

    def begin(self) -> None:
        while self.waiting and (self.limit is None or len(self.running) < self.limit):
            self.running.append(self.waiting.pop(0))

    def end(self, name: int, how: str) -> None:
        (self.running if name in self.running else self.waiting).remove(name)
        self.ends[name] = how
        self.ready.append(name)
        self.serve(self.none_left)
        self.begin()

    def cancel_all(self) -> None:
        for name in self.running + self.waiting:
            self.end(name, "cancelled")

    @property
    def none_left(self) -> bool:
        return not (self.running or self.waiting)


class MapModel(Takers):
    """open_map, sequentially. Calls are named by the position of their item."""

    def __init__(self, count: int, limit: int, ordered: bool) -> None:
        super().__init__()
        self.count, self.limit, self.ordered = count, limit, ordered
        self.done: list[int] = []
        self.out = 0  # how many values are ready, or were given

    @property
    def read(self) -> int:
        taken = sum(isinstance(value, int) for value in self.given.values())
        return min(self.count, taken + self.limit)

    @property
    def running(self) -> list[int]:
        return [number for number in range(self.read) if number not in self.done]

    @property
    def none_left(self) -> bool:
        return self.out == self.count

    def end(self, number: int) -> None:
        self.done.append(number)
        while self.out < len(self.done) if not self.ordered else self.out in self.done:
            self.ready.append(self.out if self.ordered else self.done[self.out])
            self.out += 1
        self.serve(self.none_left)


class Machine(RuleBasedStateMachine):
    """What both machines have: a block that stays open, events that let its tasks end, and takers."""

    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.takers: list[conc.Task[Any]] = []
        self.events: dict[int, Event] = {}

    async def _wait(self, name: int) -> int:
        await self.events.setdefault(name, Event()).wait()
        return name

    def begin_block(self, block: Any) -> Any:
        """The inside of an async context manager that nobody leaves."""
        inside: list[Any] = []

        async def hold() -> None:
            async with block as entered:
                inside.append(entered)
                await conc.sleep_forever()

        self.driven.start(hold)
        return inside[0]

    def let_end(self, name: int, then: Callable[[], object] | None = None) -> None:
        """Let a running task end; then do something before whoever takes it runs."""
        self.driven.do(self.events.setdefault(name, Event()).set)
        if then is not None:
            self.driven.runtime.step(1)
            self.driven.do(then)
        self.driven.settle()

    def compare_takers(self, given: dict[int, Given]) -> None:
        """What each taker has must be what the model says."""
        for number, taker in enumerate(self.takers):
            ended = taker.outcome
            if ended is None:
                assert number not in given
            elif isinstance(ended, outcome.Value):
                assert ended.value == given.get(number), f"taker {number}"
            else:
                assert given.get(number) == "cancelled", f"taker {number}"

    def teardown(self) -> None:
        self.driven.close()


class JoinSetMachine(Machine):
    tasks: JoinSet
    model: SetModel

    @initialize(limit=st.none() | st.integers(1, 3))
    def begin(self, limit: int | None) -> None:
        self.started: list[conc.Task[int]] = []
        self.tasks = self.begin_block(conc.open_join_set(limit=limit))
        self.model = SetModel(limit)

    async def _take(self) -> Given:
        task = await self.tasks.join_next()
        return "none left" if task is None else self.started.index(task)

    def _start(self, name: int) -> None:
        self.started.append(self.tasks.start_soon(self._wait, name))

    @rule(how_many=st.integers(1, 3))
    def start(self, how_many: int) -> None:
        for _ in range(how_many):
            name = len(self.started)
            self.driven.do(partial(self._start, name))
            self.model.start(name)
        self.driven.settle()

    @precondition(lambda self: self.model.running)
    @rule(choice=st.integers(0, 1000))
    def a_task_returns(self, choice: int) -> None:
        name = self.model.running[choice % len(self.model.running)]
        self.let_end(name)
        self.model.end(name, "returned")

    @precondition(lambda self: self.model.running and self.model.line)
    @rule(choice=st.integers(0, 1000))
    def a_task_returns_and_its_taker_is_cancelled_before_it_runs(self, choice: int) -> None:
        name = self.model.running[choice % len(self.model.running)]
        self.let_end(name, self.takers[self.model.line[0]].cancel)
        self.model.end(name, "returned")

    @precondition(lambda self: not self.model.none_left)
    @rule(choice=st.integers(0, 1000))
    def a_task_is_cancelled(self, choice: int) -> None:
        names = self.model.running + self.model.waiting
        name = names[choice % len(names)]
        self.driven.do(self.started[name].cancel)
        self.driven.settle()
        self.model.end(name, "cancelled")

    @rule()
    def all_are_cancelled(self) -> None:
        self.driven.do(self.tasks.cancel_all)
        self.driven.settle()
        self.model.cancel_all()

    @rule()
    def somebody_takes(self) -> None:
        self.model.take(len(self.takers), self.model.none_left)
        self.takers.append(self.driven.start(self._take))

    @precondition(lambda self: self.takers)
    @rule(choice=st.integers(0, 1000))
    def a_taker_is_cancelled(self, choice: int) -> None:
        number = choice % len(self.takers)
        self.driven.do(self.takers[number].cancel)
        self.driven.settle()
        self.model.leave(number)

    @invariant()
    def the_two_agree(self) -> None:
        self.tasks._check()
        self.compare_takers(self.model.given)
        assert len(self.tasks) == len(self.model.running) + len(self.model.waiting) + len(self.model.ready)
        begun = set(self.model.running) | {name for name, how in self.model.ends.items() if how == "returned"}
        assert begun <= set(self.events)
        assert not set(self.model.waiting) & set(self.events)
        for name, task in enumerate(self.started):
            assert (task.outcome is None) == (name not in self.model.ends)


class MapMachine(Machine):
    results: Map[int]
    model: MapModel

    @initialize(count=st.integers(0, 8), limit=st.integers(1, 4), ordered=st.booleans())
    def begin(self, count: int, limit: int, ordered: bool) -> None:
        self.read = 0
        self.model = MapModel(count, limit, ordered)
        self.results = self.begin_block(conc.open_map(self._wait, self._items(count), limit=limit, ordered=ordered))

    def _items(self, count: int) -> Iterator[int]:
        for self.read in range(1, count + 1):
            yield self.read - 1

    async def _take(self) -> Given:
        return await anext(self.results, "none left")

    @precondition(lambda self: self.model.running)
    @rule(choice=st.integers(0, 1000))
    def a_call_returns(self, choice: int) -> None:
        number = self.model.running[choice % len(self.model.running)]
        self.let_end(number)
        self.model.end(number)

    @precondition(lambda self: self.model.running and self.model.line)
    @rule(choice=st.integers(0, 1000))
    def a_call_returns_and_the_first_taker_is_cancelled_before_it_runs(self, choice: int) -> None:
        number = self.model.running[choice % len(self.model.running)]
        first = self.model.line[0]
        self.let_end(number, self.takers[first].cancel)
        self.model.end(number)
        self.model.leave(first)

    @rule()
    def somebody_takes(self) -> None:
        self.model.take(len(self.takers), self.model.none_left)
        self.takers.append(self.driven.start(self._take))

    @precondition(lambda self: self.takers)
    @rule(choice=st.integers(0, 1000))
    def a_taker_is_cancelled(self, choice: int) -> None:
        number = choice % len(self.takers)
        self.driven.do(self.takers[number].cancel)
        self.driven.settle()
        self.model.leave(number)

    @invariant()
    def the_two_agree(self) -> None:
        self.driven.settle()
        self.compare_takers(self.model.given)
        assert self.read == self.model.read
        assert set(self.events) >= set(self.model.running)
        assert len(self.events) == self.model.read


TestJoinSet = JoinSetMachine.TestCase
TestJoinSet.settings = settings(stateful_step_count=25)
TestMap = MapMachine.TestCase
TestMap.settings = settings(stateful_step_count=25)
