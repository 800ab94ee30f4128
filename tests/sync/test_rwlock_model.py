"""A lock for readers and writers against what it would be if there were no tasks."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import conc
from conc.errors import WouldBlock
from conc.sync import Event, RwLock
from tests.kernel.support import Driven
from tests.sync.actors import Actor, kind

ACTORS = 5


class Model:
    """A lock, sequentially. `ends` tells what became of what each one asked for last, None while he waits."""

    def __init__(self) -> None:
        self.readers: list[int] = []
        self.writer: int | None = None
        self.line: list[tuple[int, bool]] = []
        self.ends: dict[int, object] = dict.fromkeys(range(ACTORS))

    def acquire(self, who: int, writes: bool, waits: bool) -> None:
        own = self.writer == who or (who in self.readers and (writes or self.line))
        self.ends[who] = RuntimeError if own else None
        if not own:
            self.line.append((who, writes))
            self.serve()
        if (who, writes) in self.line and not waits:
            self.line.pop()
            self.ends[who] = WouldBlock

    def serve(self) -> None:
        while self.line and self.writer is None and not (self.line[0][1] and self.readers):
            who, writes = self.line.pop(0)
            self.writer = who if writes else None
            self.readers += [] if writes else [who]

    def release(self, who: int, reads_on: bool = False) -> None:
        able = self.writer == who or (who in self.readers and not reads_on)
        self.ends[who] = None if able else RuntimeError
        if able:
            if self.writer == who:
                self.writer = None
            else:
                self.readers.remove(who)
            self.readers += [who] if reads_on else []
            self.serve()

    def cancel(self, who: int) -> None:
        if who in dict(self.line):
            self.line = [entry for entry in self.line if entry[0] != who]
            self.ends[who] = "cancelled"
            self.serve()


class RwLockMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.lock = RwLock()
        self.model = Model()
        self.actors = [Actor(self.driven) for _ in range(ACTORS)]

    def idle(self, choice: int) -> int | None:
        idle = [who for who, actor in enumerate(self.actors) if not actor.busy]
        return idle[choice % len(idle)] if idle else None

    @rule(choice=st.integers(0, 99), writes=st.booleans(), form=st.sampled_from(["await", "select", "nowait"]))
    def acquire(self, choice: int, writes: bool, form: str) -> None:
        who = self.idle(choice)
        if who is None:
            return
        lock = self.lock
        self.model.acquire(who, writes, form != "nowait")
        if form == "await":
            self.actors[who].tell(lock.acquire_write if writes else lock.acquire_read)
        elif form == "select":
            self.actors[who].tell(self._select, writes)
        else:
            self.actors[who].do(lock.acquire_write_nowait if writes else lock.acquire_read_nowait)

    async def _select(self, writes: bool) -> None:
        lock = self.lock
        await conc.select(lock.acquiring_write() if writes else lock.acquiring_read(), Event().waiting())

    def pick(self, choice: int, holds: bool) -> int | None:
        """One of the idle; if possible, one that holds the lock."""
        inside = [*self.model.readers, *([] if self.model.writer is None else [self.model.writer])]
        able = [who for who in inside if not self.actors[who].busy]
        return able[choice % len(able)] if holds and able else self.idle(choice)

    @rule(choice=st.integers(0, 99), holds=st.booleans())
    def release(self, choice: int, holds: bool) -> None:
        who = self.pick(choice, holds)
        if who is not None:
            self.model.release(who)
            self.actors[who].do(self.lock.release)

    @rule(choice=st.integers(0, 99), holds=st.booleans())
    def downgrade(self, choice: int, holds: bool) -> None:
        who = self.pick(choice, holds)
        if who is not None:
            self.model.release(who, reads_on=True)
            self.actors[who].do(self.lock.downgrade)

    @rule(choice=st.integers(0, ACTORS - 1))
    def cancel(self, choice: int) -> None:
        if self.actors[choice].busy:
            self.actors[choice].cancel()
            self.model.cancel(choice)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        waiting = dict(self.model.line)
        for who, actor in enumerate(self.actors):
            assert actor.busy == (who in waiting), f"actor {who}"
            assert kind(actor.result) == self.model.ends[who], f"actor {who}"

    @invariant()
    def who_is_inside_agrees(self) -> None:
        self.lock._check()
        writer = self.model.writer
        statistics = self.lock.statistics()
        assert statistics.readers == len(set(self.model.readers))
        assert statistics.writer is (None if writer is None else self.actors[writer].task)
        assert statistics.tasks_waiting == len(self.model.line)

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestRwLock = RwLockMachine.TestCase
TestRwLock.settings = settings(stateful_step_count=40)
