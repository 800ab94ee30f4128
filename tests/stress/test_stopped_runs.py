"""A run that is stopped by force loses no error, and lets clean-up code run as far as it can without waiting."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import current_runtime
from tests.stress.churn import Refusal, Run
from tests.stress.interrupted import errors_in
from tests.stress.load import Dice, load


async def die_hard(steps: list[str]) -> None:
    """A child that refuses to die, with clean-up code that wants to wait."""
    with conc.CancelScope(shield=True):
        try:
            await conc.sleep_forever()
        finally:
            steps.append("first")
            try:
                await conc.sleep(60)
            finally:
                steps.append("second")


@pytest.mark.parametrize("workers", [1, 3])
def test_clean_up_code_of_a_stopped_run_goes_to_its_end_though_it_cannot_wait(run: Run, workers: int) -> None:
    steps: list[str] = []

    async def family() -> None:
        try:
            async with conc.open_nursery() as outer, conc.open_nursery() as inner:
                outer.start_soon(die_hard, steps)
                inner.start_soon(die_hard, steps)
        finally:
            steps.append("family")

    async def strands() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(family)
            nursery.start_soon(die_hard, steps)

    async def main() -> None:
        current_runtime().root_nursery.start_soon(strands)
        await conc.sleep(0.01)

    with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout"):
        run(main, workers=workers, shutdown_timeout=0.01)

    assert sorted(steps) == ["family", *["first"] * 3, *["second"] * 3]


@pytest.mark.parametrize("workers", [1, 3])
def test_no_error_of_a_stopped_run_is_lost(run: Run, dice: Dice, workers: int) -> None:
    async def fail(seconds: float, raised: list[Refusal]) -> None:
        await conc.sleep(seconds)
        error = Refusal()
        raised.append(error)
        raise error

    async def strand(raised: list[Refusal]) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(dice.between(0, 3)):
                nursery.start_soon(fail, dice.seconds(0, 0.004), raised)
            if dice.chance() < 0.7:
                nursery.start_soon(die_hard, [])

    async def strands(raised: list[Refusal]) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(die_hard, [])
            for _ in range(6):
                nursery.start_soon(strand, raised)

    async def main(raised: list[Refusal]) -> None:
        current_runtime().root_nursery.start_soon(strands, raised)
        await conc.sleep(dice.seconds(0, 0.003))

    for _ in range(load(200)):
        raised: list[Refusal] = []
        with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout") as caught:
            run(main, raised, workers=workers, shutdown_timeout=dice.seconds(0, 0.002))
        assert set(raised) <= set(errors_in(caught.value))
        del caught
