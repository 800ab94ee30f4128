"""Invariant: exactly one branch of a select happens; no permit is lost or taken twice, and nobody waits beside one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import pytest

import conc
from conc import CancelScope
from conc.lowlevel import Operation
from conc.sync import Semaphore
from tests.stress.churn import Run
from tests.stress.load import Dice, load
from tests.stress.ownership import ownership
from tests.stress.watchdog import in_threads

PERMITS = 4  # in each line


class Contest:
    """Tasks of several strands and threads outside that take permits from several lines, one way or another.

    Args:
        dice: their choices.
        threads: how many threads give back what tasks have taken, cancel tasks, and take permits themselves.
    """

    def __init__(self, dice: Dice, threads: int) -> None:
        self.dice = dice
        self.lines = [Semaphore(PERMITS, max_value=PERMITS) for _ in range(3)]
        self.taken = [0] * 4  # by branch of a select; the last: not at all
        self._owed: deque[tuple[Semaphore, int]] = deque()  # taken by tasks, to be released by threads
        self._scopes: deque[CancelScope] = deque(maxlen=20)
        self._over = False
        self._errors: list[BaseException] = []
        self._threads = in_threads(*(self._meddler(dice.another()) for _ in range(threads)))

    async def main(self, strands: int, tasks: int, rounds: int) -> None:
        """The whole contest."""
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(strands):
                nursery.start_soon(self._strand, tasks, rounds)

    def check(self) -> None:
        """Let the threads end; then all permits are there and nobody waits."""
        self._over = True
        for thread in self._threads:
            thread.join()
        assert not self._errors
        while self._owed:
            line, n = self._owed.popleft()
            line.release(n)
        for line in self.lines:
            assert line.statistics() == (PERMITS, PERMITS, 0, False)
            line._check()
            assert line._waiters._passed == 0

    async def _strand(self, tasks: int, rounds: int) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(tasks):
                nursery.start_soon(self._contestant, self.dice.another(), rounds)

    async def _contestant(self, dice: Dice, rounds: int) -> None:
        for _ in range(rounds):
            with CancelScope() as scope:
                if dice.chance() < 0.3:
                    self._scopes.append(scope)
                await self._take(dice)

    async def _take(self, dice: Dice) -> None:
        wants = [(line, dice.between(1, PERMITS)) for line in self.lines]
        if dice.chance() < 0.3:
            line, n = dice.pick(wants)
            await line.acquire(n)
            index = self.lines.index(line)
        else:
            limit = None if dice.chance() < 0.5 else conc.after(dice.seconds(0, 0.001))
            branches: list[Operation[None] | None] = [line.acquiring(n) for line, n in wants]
            index, _ = await conc.select(*branches, limit)
        self.taken[index] += 1
        if index == len(wants):
            return
        try:
            if dice.chance() < 0.3:
                await conc.checkpoint()
        finally:
            line, n = wants[index]
            if self._threads and dice.chance() < 0.5:
                self._owed.append((line, n))
            else:
                line.release(n)

    def _meddler(self, dice: Dice) -> Callable[[], None]:
        def meddle() -> None:
            try:
                while not self._over:
                    self._meddle(dice)
                    time.sleep(dice.seconds(0, 0.0003))
            except BaseException as error:
                self._errors.append(error)

        return meddle

    def _meddle(self, dice: Dice) -> None:
        for _ in range(len(self._owed)):
            try:
                line, n = self._owed.popleft()
            except IndexError:
                break  # another thread was faster
            line.release(n)
        if self._scopes and dice.chance() < 0.5:
            dice.pick(self._scopes.copy()).cancel("a thread")
        line = dice.pick(self.lines)
        n = dice.between(1, PERMITS)
        try:
            if dice.chance() < 0.5:
                line.acquire_nowait(n)
            else:
                line.acquire_blocking(n, timeout=dice.seconds(0, 0.001))
        except (conc.errors.WouldBlock, TimeoutError):
            return
        line.release(n)


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("threads", [0, 3])
def test_permits_are_conserved_by_selects_of_many_strands_beside_threads(
    run: Run, dice: Dice, workers: int, threads: int
) -> None:
    for _ in range(load(60)):
        contest = Contest(dice, threads)

        with ownership():
            run(contest.main, 6, 5, 30, workers=workers)

        contest.check()
        assert min(contest.taken[:3]) > 0


def test_permits_given_one_by_one_by_threads_reach_the_selects_that_wait(run: Run, dice: Dice) -> None:
    """Each permit is worth one turn, so a wake-up that is lost is a run that hangs."""
    turns = load(20_000)

    async def take(lines: list[Semaphore], count: list[int]) -> None:
        while True:
            index, _ = await conc.select(*(line.acquiring() for line in lines))
            count[index] += 1

    async def main() -> None:
        lines = [Semaphore(0), Semaphore(0)]
        counts = [[0, 0] for _ in range(6)]

        def give(line: Semaphore) -> None:
            for _ in range(turns):
                line.release()

        async with conc.open_nursery(parallel=True) as nursery:
            for count in counts:
                nursery.start_soon(take, lines, count)
            threads = in_threads(*(lambda line=line: give(line) for line in lines))
            for position in range(2):
                while sum(count[position] for count in counts) < turns:
                    await conc.sleep(0.001)
            nursery.cancel_scope.cancel()
        for thread in threads:
            thread.join()
        assert [sum(count[position] for count in counts) for position in range(2)] == [turns, turns]
        for line in lines:
            assert line.statistics() == (0, None, 0, False)
            line._check()

    run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_ends_of_strands_decide_selects_once(run: Run, dice: Dice, workers: int) -> None:
    async def child(seconds: float, line: Semaphore) -> int:
        await conc.sleep(seconds)
        line.release()
        return 7

    async def join_all(tasks: list[conc.Task[int]], line: Semaphore, dice: Dice) -> tuple[int, int]:
        joined = taken = 0
        waiting: list[conc.Task[int] | None] = list(tasks)
        while any(waiting):
            operations = [None if task is None else task.joining() for task in waiting]
            index, value = await conc.select(*operations, line.acquiring(), conc.after(dice.seconds(0, 0.0005)))
            if index < len(waiting):
                assert value == 7
                waiting[index] = None
                joined += 1
            taken += index == len(waiting)
        return joined, taken

    async def main() -> None:
        line = Semaphore(0)
        async with conc.open_nursery(parallel=True) as outer:
            async with conc.open_nursery(parallel=True) as nursery:
                tasks = [nursery.start_soon(child, dice.seconds(0, 0.002), line) for _ in range(8)]
                joiners = [outer.start_soon(join_all, tasks, line, dice.another()) for _ in range(3)]
        ends = [joiner.join_nowait() for joiner in joiners]
        assert [joined for joined, _ in ends] == [8, 8, 8]
        assert sum(taken for _, taken in ends) + line.value == 8
        assert not any(task._joiners for task in tasks)

    for _ in range(load(300)):
        run(main, workers=workers)
