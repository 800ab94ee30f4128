"""A loop of selects beside plain waiters gets its turn: after as many grants, at most, as others stand in its lines."""

from __future__ import annotations

import random

import pytest

import conc
from conc.sync import Semaphore
from conc_testing import settle
from tests.kernel.support import run

PLAIN = 5  # tasks that take again and again, in each line


class Turns:
    """Who was granted a permit, in order, while permits are released one by one."""

    def __init__(self, *lines: Semaphore) -> None:
        self.lines = lines
        self.order: list[str] = []

    async def take(self, name: str, line: Semaphore) -> None:
        while True:
            await line.acquire()
            self.order.append(name)

    async def select(self, name: str, biased: bool) -> None:
        while True:
            index, _ = await conc.select(*(line.acquiring() for line in self.lines), biased=biased)
            self.order.append(f"{name} {index}")

    def longest_wait(self, name: str) -> int:
        """The most grants to others between two to `name`, or before the first."""
        longest = waited = 0
        for other in self.order:
            waited = 0 if other.startswith(name) else waited + 1
            longest = max(longest, waited)
        return longest


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("rhythm", ["in turn", "by chance", "one line only", "in bursts"])
def test_a_loop_of_selects_beside_plain_waiters_gets_its_turn(rhythm: str, biased: bool) -> None:
    async def main() -> None:
        lines = [Semaphore(0) for _ in range(3)]
        turns = Turns(*lines)
        dice = random.Random(5)
        async with conc.open_nursery() as nursery:
            for line in lines:
                for number in range(PLAIN):
                    nursery.start_soon(turns.take, f"plain {number}", line)
            for name in ("select one", "select two"):
                nursery.start_soon(turns.select, name, biased)
            for number in range(600):
                await settle()
                match rhythm:
                    case "in turn":
                        lines[number % 3].release()
                    case "by chance":
                        dice.choice(lines).release()
                    case "one line only":
                        lines[1].release()
                    case "in bursts":
                        for line in dice.choices(lines, k=3):
                            line.release()
            await settle()
            nursery.cancel_scope.cancel()
        # In each line at most all others are served before it.
        bound = len(lines) * (PLAIN + 1)
        for name in ("select one", "select two"):
            assert turns.longest_wait(name) <= bound
        for line in lines:
            assert line.value == 0
            line._check()

    run(main)


def test_plain_waiters_get_their_turn_beside_loops_of_selects() -> None:
    async def main() -> None:
        lines = [Semaphore(0), Semaphore(0)]
        turns = Turns(*lines)
        async with conc.open_nursery() as nursery:
            for number in range(PLAIN):
                nursery.start_soon(turns.select, f"select {number}", False)
            nursery.start_soon(turns.take, "plain", lines[0])
            for _ in range(300):
                await settle()
                for line in lines:
                    line.release()
            await settle()
            nursery.cancel_scope.cancel()
        assert turns.longest_wait("plain") <= 2 * (PLAIN + 1)

    run(main)


def test_a_select_never_overtakes_who_waits_already() -> None:
    async def main() -> None:
        line = Semaphore(1)
        async with conc.open_nursery() as nursery:
            large = nursery.start_soon(line.acquire, 2)
            await settle()
            small = nursery.start_soon(conc.select, line.acquiring(), conc.after(1))
            await settle()
            assert small.outcome is None  # a permit is free, but the large request was first
            line.release()
            await large.join()
            assert await small.join() == (1, None)

    run(main)
