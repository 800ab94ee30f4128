"""A condition and its mutex against what they would be if there were no tasks."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from conc.sync import Condition
from tests.kernel.support import Driven
from tests.sync.actors import Actor, kind

ACTORS = 5


class Model:
    """A condition, sequentially. `ends` tells what became of what each one asked for last, None while he waits."""

    def __init__(self) -> None:
        self.owner: int | None = None
        self.line: list[int] = []  # before the mutex
        self.waiting: list[int] = []  # to be notified
        self.notified: set[int] = set()
        self.cancelled: set[int] = set()  # and has yet to have the mutex again
        self.ends: dict[int, object] = dict.fromkeys(range(ACTORS))

    def take(self, who: int) -> None:
        self.line.append(who)
        if self.owner is None:
            self.pass_on()

    def pass_on(self) -> None:
        self.owner = owner = self.line.pop(0) if self.line else None
        if owner in self.cancelled:
            self.ends[owner] = "cancelled"
            self.notify(len(self.notified & {owner}))
        self.cancelled.discard(owner)
        self.notified.discard(owner)

    def notify(self, n: int) -> None:
        for who in self.waiting[:n]:
            self.waiting.remove(who)
            self.notified.add(who)
            self.line.append(who)

    def cancel(self, who: int) -> None:
        if who in self.waiting or (who in self.line and who in self.notified - self.cancelled):
            (self.waiting if who in self.waiting else self.line).remove(who)
            self.cancelled.add(who)
            self.take(who)
        elif who in self.line and who not in self.cancelled:
            self.line.remove(who)
            self.ends[who] = "cancelled"


class ConditionMachine(RuleBasedStateMachine):
    """After each rule everything runs that can, but for the one rule that cancels who was just granted the mutex."""

    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.condition = Condition()
        self.model = Model()
        self.actors = [Actor(self.driven) for _ in range(ACTORS)]

    def idle(self, choice: int) -> int | None:
        """One of the idle, or with an even number the owner, if it is idle."""
        owner = self.model.owner
        if owner is not None and choice % 2 == 0:
            return owner
        idle = [who for who, actor in enumerate(self.actors) if not actor.busy]
        return idle[choice // 2 % len(idle)] if idle else None

    @rule(choice=st.integers(0, 99))
    def acquire(self, choice: int) -> None:
        who = self.idle(2 * choice + 1)
        if who is not None:
            self.model.ends[who] = RuntimeError if self.model.owner == who else None
            if self.model.owner != who:
                self.model.take(who)
            self.actors[who].tell(self.condition.mutex.acquire)
            self.driven.settle()

    @rule(choice=st.integers(0, 99), victim=st.none() | st.integers(0, ACTORS - 1))
    def release(self, choice: int, victim: int | None) -> None:
        who = self.idle(choice)
        if who is None:
            return
        cancel = victim is not None and self.actors[victim].busy and not self.model.cancelled
        self.model.ends[who] = None if self.model.owner == who else RuntimeError
        if self.model.owner == who:
            self.model.pass_on()
        self.actors[who].do(self.condition.mutex.release)
        if victim is not None and cancel:
            self.actors[victim].cancel()
            self.model.cancel(victim)
        self.driven.settle()

    @rule(choice=st.integers(0, 99))
    def wait(self, choice: int) -> None:
        who = self.idle(choice)
        if who is not None:
            self.model.ends[who] = None if self.model.owner == who else RuntimeError
            if self.model.owner == who:
                self.model.waiting.append(who)
                self.model.pass_on()
            self.actors[who].tell(self.condition.wait)
            self.driven.settle()

    @rule(choice=st.integers(0, 99), n=st.integers(0, 3))
    def notify(self, choice: int, n: int) -> None:
        who = self.idle(choice)
        if who is not None:
            self.model.ends[who] = None if self.model.owner == who else RuntimeError
            if self.model.owner == who:
                self.model.notify(n)
            self.actors[who].do(self.condition.notify, n)
            self.driven.settle()

    @rule(who=st.integers(0, ACTORS - 1))
    def cancel(self, who: int) -> None:
        if self.actors[who].busy:
            self.actors[who].cancel()
            self.model.cancel(who)
            self.driven.settle()

    @invariant()
    def all_agrees(self) -> None:
        condition, model = self.condition, self.model
        condition._check()
        assert condition.mutex.owner is (None if model.owner is None else self.actors[model.owner].task)
        assert condition.statistics().tasks_waiting == len(model.waiting)
        assert condition.statistics().mutex.tasks_waiting == len(model.line)
        for who, actor in enumerate(self.actors):
            assert actor.busy == (who in model.line + model.waiting), f"actor {who}"
            assert actor.busy or kind(actor.result) == model.ends[who], f"actor {who}"

    def teardown(self) -> None:
        self.driven.close()


TestCondition = ConditionMachine.TestCase
TestCondition.settings = settings(stateful_step_count=40)
