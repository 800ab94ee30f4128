"""Notify against what it would be if there were no tasks: a permit, an epoch, a line, and who was woken."""

from __future__ import annotations

from typing import Literal

import outcome
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.errors import WouldBlock
from conc.sync import Notify
from tests.kernel.support import Driven


class Model:
    """A notify, sequentially. Waiters are named by number; `ends` tells what became of each."""

    def __init__(self) -> None:
        self.stored, self.epoch = False, 0
        self.line: list[int] = []
        self.ends: dict[int, Literal["woken", "cancelled"]] = {}

    def passes(self, since: int | None) -> bool:
        if since is not None and since < self.epoch:
            return True
        taken, self.stored = self.stored, False
        return taken

    def wait(self, name: int, since: int | None) -> None:
        if self.passes(since):
            self.ends[name] = "woken"
        else:
            self.line.append(name)

    def notify(self, position: Literal[0, -1]) -> None:
        if self.line:
            self.ends[self.line.pop(position)] = "woken"
        else:
            self.stored = True

    def notify_all(self) -> None:
        self.epoch += 1
        while self.line:
            self.ends[self.line.pop()] = "woken"

    def cancel(self, name: int) -> None:
        if name in self.line:
            self.line.remove(name)
            self.ends[name] = "cancelled"


class NotifyMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[None]] = []
        self.notify = Notify()
        self.model = Model()

    def _epoch(self, before: int | None) -> int | None:
        return None if before is None else max(0, self.model.epoch - before)

    async def _wait(self, since: int | None) -> None:
        await self.notify.notified(since=since)

    @rule(before=st.none() | st.integers(0, 2))
    def wait(self, before: int | None) -> None:
        since = self._epoch(before)
        self.model.wait(len(self.tasks), since)
        self.tasks.append(self.driven.start(self._wait, since))

    @rule(before=st.none() | st.integers(0, 2))
    def take_nowait(self, before: int | None) -> None:
        since = self._epoch(before)
        if self.model.passes(since):
            self.notify.notified_nowait(since=since)
        else:
            with pytest.raises(WouldBlock):
                self.notify.notified_nowait(since=since)

    @rule()
    def notify_one(self) -> None:
        self.notify.notify_one()
        self.model.notify(0)

    @rule()
    def notify_last(self) -> None:
        self.notify.notify_last()
        self.model.notify(-1)

    @rule()
    def notify_waiters(self) -> None:
        self.notify.notify_waiters()
        self.model.notify_all()

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
            ended = task.outcome
            end = None if ended is None else "woken" if isinstance(ended, outcome.Value) else "cancelled"
            assert end == self.model.ends.get(name), f"waiter {name}"

    @invariant()
    def the_numbers_agree(self) -> None:
        self.notify._check()
        assert self.notify.statistics() == (len(self.model.line), self.model.stored, self.model.epoch)

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestNotify = NotifyMachine.TestCase
TestNotify.settings = settings(stateful_step_count=40)
