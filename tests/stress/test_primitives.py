"""Invariant: whatever strands, threads and cancellations do to all primitives at once, nothing is lost or had twice,
one at a time is inside of what is for one, and nobody gets past those who stand in line."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.stress.arena import COUNTED, Arena, Outsiders
from tests.stress.churn import Run
from tests.stress.load import Dice, load
from tests.stress.ownership import ownership


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("threads", [0, 3])
def test_all_primitives_at_once_lose_nothing_and_let_nobody_past(
    run: Run, dice: Dice, workers: int, threads: int
) -> None:
    happened: Counter[str] = Counter()
    for _ in range(load(150)):
        arena = Arena(dice.another())

        with ownership(), Outsiders(arena, threads):
            run(arena.main, 5, 6, 40, workers=workers)

        arena.check()
        happened.update({name: count.load() for name, count in arena.counts.items()})
        assert not arena.orders["semaphore"].overtaken
        assert not arena.orders["lock"].overtaken
        # One exception: who gets in line in the very moment in which another thread gives a mutex back.
        assert set(arena.orders["mutex"].overtaken.values()) <= ({1} if threads or workers > 1 else set())
    assert all(happened[name] > 0 for name in COUNTED), happened
