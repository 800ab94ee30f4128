"""A random program that does all that may be done within strands and across them, and keeps account of each start."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import conc
from conc import CancelScope, Nursery, Task
from conc.lowlevel import current_task
from conc.sync import Event, Semaphore
from tests.stress.load import Dice


class Refusal(Exception):
    """What its tasks raise on purpose."""


class Churn:
    """A tree of tasks and strands that start, wait for, cancel, join and fail one another.

    Args:
        dice: its choices.
        size: how many tasks there are, about.

    Attributes:
        started: the numbers of the tasks that `start_soon` accepted.
        began: the numbers of those that ran.
        ended: the numbers of those that ran to their end, whatever that was.
    """

    def __init__(self, dice: Dice, size: int) -> None:
        self.started: list[int] = []
        self.began: list[int] = []
        self.ended: list[int] = []
        self._size = size
        self._dice = dice
        self._tasks: list[Task[None]] = []
        self._scopes: list[CancelScope] = []
        self._semaphore = Semaphore(3)
        self._event = Event()
        self._actions: list[Callable[[Dice, list[Nursery]], Awaitable[object]]] = [
            self._rest, self._rest, self._family, self._family, self._strands, self._strands, self._outside,
            self._outside, self._join, self._cancel, self._cancel_task, self._hold, self._listen, self._hurry,
            self._call, self._fail,
        ]  # fmt: skip

    async def main(self) -> None:
        """The whole program: it starts again until enough tasks have run."""
        while len(self.started) < self._size:
            del self._tasks[:], self._scopes[:]
            self._event = Event()
            dice = self._dice.another()
            await self._guarded(dice, [], parallel=True, children=4)

    def check(self) -> None:
        """Every start began once, and what began has ended."""
        started, began, ended = Counter(self.started), Counter(self.began), Counter(self.ended)
        assert max(started.values()) == 1
        assert not started - began, f"never began: {started - began}"
        assert not began - started, f"began more often than they were started: {began - started}"
        assert began == ended
        self._semaphore._check()
        assert self._semaphore.value == 3
        self._event._check()

    def _start(self, nursery: Nursery, dice: Dice, around: list[Nursery]) -> None:
        number = len(self.started) * 1_000_000 + dice.between(0, 999_999)
        self._tasks.append(nursery.start_soon(self._task, number, dice.another(), around))
        self.started.append(number)

    async def _task(self, number: int, dice: Dice, around: list[Nursery]) -> None:
        self.began.append(number)
        try:
            for _ in range(dice.between(0, 4)):
                await dice.pick(self._actions)(dice, around)
        finally:
            self.ended.append(number)

    async def _guarded(self, dice: Dice, around: list[Nursery], parallel: bool, children: int) -> None:
        try:
            async with conc.open_nursery(parallel=parallel) as nursery:
                self._scopes.append(nursery.cancel_scope)
                for _ in range(children):
                    self._start(nursery, dice, [*around, nursery])
                if dice.chance() < 0.3:
                    await conc.checkpoint()
                if dice.chance() < 0.1:
                    nursery.cancel_scope.cancel()
        except* Refusal:
            pass

    async def _family(self, dice: Dice, around: list[Nursery]) -> None:
        if len(around) < 6:
            await self._guarded(dice, around, parallel=False, children=dice.between(0, 3))

    async def _strands(self, dice: Dice, around: list[Nursery]) -> None:
        if len(around) < 6:
            await self._guarded(dice, around, parallel=True, children=dice.between(0, 4))

    async def _outside(self, dice: Dice, around: list[Nursery]) -> None:
        place = dice.between(1, len(around))
        if len(self.started) < 2 * self._size:
            self._start(around[place - 1], dice, around[:place])

    async def _rest(self, dice: Dice, around: list[Nursery]) -> None:
        await (conc.checkpoint() if dice.chance() < 0.7 else conc.sleep(dice.seconds(0, 0.002)))

    def any_task(self, dice: Dice) -> Task[Any] | None:
        """One of its tasks, if there are any."""
        try:
            return dice.pick(self._tasks)
        except IndexError:
            return None  # the first of them are just being started

    async def _join(self, dice: Dice, around: list[Nursery]) -> None:
        with conc.move_on_after(dice.seconds(0, 0.003)):
            try:
                await (self.any_task(dice) or current_task()).join()
            except (conc.TaskFailed, conc.TaskCancelled, RuntimeError):
                pass  # RuntimeError: it was the task itself

    async def _cancel(self, dice: Dice, around: list[Nursery]) -> None:
        if dice.chance() < 0.3:
            dice.pick(self._scopes).cancel("churn")

    async def _cancel_task(self, dice: Dice, around: list[Nursery]) -> None:
        (self.any_task(dice) or current_task()).cancel("churn")

    async def _hold(self, dice: Dice, around: list[Nursery]) -> None:
        async with self._semaphore.permits(dice.between(1, 3)):
            await self._rest(dice, around)

    async def _listen(self, dice: Dice, around: list[Nursery]) -> None:
        with conc.move_on_after(dice.seconds(0, 0.003)):
            await self._event.wait()

    async def _hurry(self, dice: Dice, around: list[Nursery]) -> None:
        """A scope that others may cancel, or whose deadline they may move."""
        other = dice.pick(self._scopes)
        other.deadline = conc.current_time() + dice.seconds(-0.001, 0.01)
        with CancelScope(deadline=conc.current_time() + dice.seconds(0, 0.003)) as scope:
            self._scopes.append(scope)
            await self._rest(dice, around)
            with CancelScope(shield=True):
                await self._rest(dice, around)
            await conc.sleep(dice.seconds(0, 0.002))

    async def _call(self, dice: Dice, around: list[Nursery]) -> None:
        """Into a thread, and back again from there."""
        if dice.chance() < 0.2:
            await conc.to_thread(time.sleep, dice.seconds(0, 0.0005))
        elif dice.chance() < 0.2:
            await conc.to_thread(conc.from_thread.run, self._rest, dice, around)

    async def _fail(self, dice: Dice, around: list[Nursery]) -> None:
        if dice.chance() < 0.3:
            raise Refusal
        self._event.set()


Run = Callable[..., Any]
