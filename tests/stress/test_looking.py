"""Looking at a program from outside, at any moment, disturbs nothing: trees, names, outcomes, texts."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import pytest

import conc
from conc.lowlevel import current_runtime, task_tree
from tests.stress.churn import Churn, Run
from tests.stress.load import Dice, load
from tests.stress.watchdog import in_threads


class Onlookers:
    """Threads that look at a runtime and at its tasks all the time."""

    def __init__(self, runtime: conc.Runtime, churn: Churn, dice: Dice) -> None:
        self.seen: set[str] = set()
        self._over = threading.Event()
        self._errors: list[BaseException] = []
        looks = (partial(self._look_at_all, runtime), partial(self._look_at_one, churn, dice))
        self._threads = in_threads(*(partial(self._again_and_again, look) for look in looks))

    def end(self) -> None:
        """Look no longer."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        assert self._errors == []

    def _again_and_again(self, look: Any) -> None:
        try:
            while not self._over.is_set():
                look()
        except BaseException as error:
            self._errors.append(error)

    def _look_at_all(self, runtime: conc.Runtime) -> None:
        tree = task_tree(runtime, timeout=0.05)
        if tree is not None:
            assert str(tree)
            self.seen.update(node.state for node in tree.walk())

    def _look_at_one(self, churn: Churn, dice: Dice) -> None:
        task = churn.any_task(dice)
        if task is not None:
            assert repr(task)
            assert "task" in task.name
            assert task.outcome is None or task.ended


@pytest.mark.parametrize("workers", [1, 3])
def test_onlookers_disturb_nothing(run: Run, dice: Dice, workers: int) -> None:
    churn = Churn(dice, load(30_000))
    onlookers: list[Onlookers] = []

    async def main() -> None:
        onlookers.append(Onlookers(current_runtime(), churn, dice.another()))
        await churn.main()

    run(main, workers=workers)
    onlookers[0].end()

    churn.check()
    assert {"parked", "ready"} <= onlookers[0].seen
