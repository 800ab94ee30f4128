"""Random programs in which random tasks are killed: the dead do nothing any more, and all others end as they should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc import sync
from conc.lowlevel import Director, Task, current_runtime, kill
from conc_testing import VirtualClock

Tree = tuple[str, list["Tree"]]  # what a task does, and its children

LEAF: Tree = ("sleep", [])  # the first task, which others join
DEEDS = ["sleep", "semaphore", "event", "select", "checkpoint", "deadline", "join"]
TREES: st.SearchStrategy[Tree] = st.recursive(
    st.sampled_from(DEEDS).map(lambda deed: (deed, [])),
    lambda children: st.tuples(st.sampled_from(DEEDS), st.lists(children, max_size=3)),
    max_leaves=8,
)


class Forest:
    """Trees of tasks that do something, and what became of them."""

    def __init__(self, parallel: bool) -> None:
        self.tasks: list[Task[Any]] = []
        self.ended: set[int] = set()
        self.ran_on: list[int] = []
        self.dead: set[int] = set()
        self.semaphore = sync.Semaphore(1)
        self.event = sync.Event()
        self._parallel = parallel

    async def grow(self, number: int, tree: Tree) -> None:
        deed, children = tree
        async with conc.open_nursery(parallel=self._parallel) as nursery:
            for child in children:
                self.plant(nursery, child)
            await self._do(deed)
            if number in self.dead:
                self.ran_on.append(number)
        self.ended.add(number)

    def plant(self, nursery: conc.Nursery, tree: Tree) -> None:
        self.tasks.append(nursery.start_soon(self.grow, len(self.tasks), tree))

    async def _do(self, deed: str) -> None:
        match deed:
            case "sleep":
                await conc.sleep(2)
            case "semaphore":
                await self.semaphore.acquire()
                self.semaphore.release()
            case "event":
                await self.event.wait()
            case "select":
                index, _ = await conc.select(self.event.waiting(), self.semaphore.acquiring(2), conc.after(3))
                if index == 1:
                    self.semaphore.release(2)
            case "deadline":
                with conc.move_on_after(2.5):
                    await conc.sleep_forever()
            case "join":
                try:
                    await self.tasks[0].join()
                except (conc.TaskCancelled, RuntimeError):
                    pass
            case _:
                await conc.checkpoint()


class Drawn(Director):
    """Picks as it was drawn."""

    def __init__(self, picks: list[int]) -> None:
        self._picks = picks

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        return (self._picks.pop() if self._picks else 0) % len(candidates)


@pytest.mark.parametrize("parallel", [False, True])
@given(
    trees=st.lists(TREES, min_size=1, max_size=4),
    victims=st.lists(st.tuples(st.sampled_from([0, 0, 0.5, 1, 2]), st.integers(0, 30)), max_size=5),
    picks=st.lists(st.integers(0, 5), max_size=40),
)
def test_the_others_complete_and_the_dead_stay_where_they_were(
    parallel: bool, trees: list[Tree], victims: list[tuple[float, int]], picks: list[int]
) -> None:
    forest = Forest(parallel)

    async def main() -> None:
        async with conc.open_nursery(parallel=parallel) as nursery:
            for tree in [LEAF, *trees[1:]]:
                forest.plant(nursery, tree)
            await conc.checkpoint()
            for pause, number in victims:
                await conc.sleep(pause)
                if forest.tasks:
                    victim = forest.tasks[number % len(forest.tasks)]
                    killed = kill(victim)
                    forest.dead |= {forest.tasks.index(task) for task in killed}
                    forest.semaphore.release(2 * len(killed) + 1)  # permits that they may have held died with them
            forest.plant(nursery, trees[0])
            await conc.sleep(4)
            forest.event.set()
        assert current_runtime().timers == []

    conc.run(main, clock=VirtualClock(), policy=Drawn(picks))
    assert forest.ran_on == []
    assert forest.dead.isdisjoint(forest.ended)
    unborn = {number for number, task in enumerate(forest.tasks) if number not in forest.dead | forest.ended}
    assert not unborn, "tasks neither ended nor died"
    assert all(task.ended for task in forest.tasks)
