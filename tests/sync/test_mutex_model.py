"""A mutex against what it would be if there were no tasks: who has it, who stands in line, and what became of each."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.errors import BrokenResource, WouldBlock
from conc.sync import Mutex
from tests.kernel.support import Driven
from tests.sync.actors import Actor, kind

ACTORS = 4


class Model:
    """A mutex, sequentially. `ends` tells what became of what each one asked for last, None while he waits."""

    def __init__(self) -> None:
        self.owner: int | None = None
        self.lost = False
        self.line: list[int] = []
        self.ends: dict[int, object] = dict.fromkeys(range(ACTORS))

    def acquire(self, who: int, waits: bool) -> None:
        self.ends[who] = None
        if self.owner is None:
            self.owner = who
        elif self.owner == who:
            self.ends[who] = RuntimeError
        elif self.lost:
            self.ends[who] = BrokenResource
        elif waits:
            self.line.append(who)
        else:
            self.ends[who] = WouldBlock

    def release(self, who: int) -> None:
        self.ends[who] = None if self.owner == who else RuntimeError
        if self.owner == who:
            self.owner = self.line.pop(0) if self.line else None

    def cancel(self, who: int) -> None:
        if who in self.line:
            self.line.remove(who)
            self.ends[who] = "cancelled"

    def end(self, who: int) -> None:
        if self.owner == who:
            self.lost = True
            self.ends.update(dict.fromkeys(self.line, BrokenResource))
            self.line = []


class MutexMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.mutex = Mutex()
        self.model = Model()
        self.actors = [Actor(self.driven) for _ in range(ACTORS)]

    def idle(self, choice: int) -> int | None:
        """One of those who may be told something."""
        idle = [who for who, actor in enumerate(self.actors) if not actor.busy and actor.task.outcome is None]
        return idle[choice % len(idle)] if idle else None

    @rule(choice=st.integers(0, 99), form=st.sampled_from(["acquire", "async with", "select", "nowait"]))
    def acquire(self, choice: int, form: str) -> None:
        who = self.idle(choice)
        if who is None:
            return
        self.model.acquire(who, form != "nowait")
        actor = self.actors[who]
        if form == "acquire":
            actor.tell(self.mutex.acquire)
        elif form == "async with":
            actor.tell(self._enter)
        elif form == "select":
            actor.tell(self._select)
        else:
            actor.do(self.mutex.acquire_nowait)

    async def _enter(self) -> None:
        await self.mutex.__aenter__()

    async def _select(self) -> None:
        await conc.select(conc.sync.Event().waiting(), self.mutex.acquiring())

    @rule(choice=st.integers(0, 99), by_owner=st.booleans())
    def release(self, choice: int, by_owner: bool) -> None:
        who = self.idle(choice)
        owner = self.model.owner
        if by_owner and owner is not None and not self.actors[owner].busy and not self.model.lost:
            who = owner
        if who is not None:
            self.model.release(who)
            self.actors[who].do(self.mutex.release)

    @rule(choice=st.integers(0, ACTORS - 1))
    def cancel(self, choice: int) -> None:
        if self.actors[choice].busy:
            self.actors[choice].cancel()
            self.model.cancel(choice)

    @precondition(lambda self: not self.model.lost)
    @rule(choice=st.integers(0, 99), whether=st.integers(0, 5))
    def end(self, choice: int, whether: int) -> None:
        who = self.idle(choice)
        if who is not None and whether == 0:
            self.model.end(who)
            self.actors[who].end()

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for who, actor in enumerate(self.actors):
            assert actor.busy == (who in self.model.line), f"actor {who}"
            assert kind(actor.result) == self.model.ends[who], f"actor {who}"

    @invariant()
    def the_owner_agrees(self) -> None:
        self.mutex._check()
        owner = self.model.owner
        assert self.mutex.owner is (None if owner is None else self.actors[owner].task)
        assert self.mutex.statistics().tasks_waiting == len(self.model.line)

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestMutex = MutexMachine.TestCase
TestMutex.settings = settings(stateful_step_count=40)
