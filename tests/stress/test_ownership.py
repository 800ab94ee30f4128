"""Invariant: who touches a task, scope or nursery owns its strand; every start runs once; no mail comes too late."""

from __future__ import annotations

import pytest

from tests.stress.churn import Churn, Run
from tests.stress.load import Dice, load
from tests.stress.ownership import ownership


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_only_owners_write_and_every_start_runs_once(run: Run, dice: Dice, workers: int) -> None:
    churn = Churn(dice, load(10_000))

    with ownership():
        run(churn.main, workers=workers)

    churn.check()


@pytest.mark.parametrize("workers", [1, 3])
def test_every_start_runs_once_at_full_speed(run: Run, dice: Dice, workers: int) -> None:
    churn = Churn(dice, load(100_000))

    run(churn.main, workers=workers)

    churn.check()
