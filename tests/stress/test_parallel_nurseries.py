"""Parallel nurseries under load: bursts, depth, errors and cancellations while strands are being taken."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial

import pytest

import conc
from conc import Nursery
from tests.stress.churn import Refusal, Run
from tests.stress.load import Dice, load
from tests.stress.ownership import ownership
from tests.stress.watchdog import in_threads


def test_bursts_of_strands_all_run_once(run: Run, dice: Dice) -> None:
    count = load(10_000)
    ran: list[int] = []

    async def strand(number: int) -> None:
        ran.append(number)
        if number % 3 == 0:
            await conc.checkpoint()

    async def main() -> None:
        started = 0
        async with conc.open_nursery(parallel=True) as nursery:
            while started < count:
                burst = min(dice.between(1, 300), count - started)
                for _ in range(burst):
                    nursery.start_soon(strand, started)
                    started += 1
                await conc.sleep(dice.seconds(0, 0.002))

    with ownership():
        run(main, workers=4)

    assert Counter(ran) == Counter(range(count))


def test_nurseries_nested_three_deep_end_from_the_inside(run: Run) -> None:
    width = 3 * load(30)
    ended: list[tuple[int, ...]] = []

    async def grow(place: tuple[int, ...]) -> None:
        if len(place) < 3:
            async with conc.open_nursery(parallel=True) as nursery:
                for number in range(width if len(place) == 2 else 4):
                    nursery.start_soon(grow, (*place, number))
        ended.append(place)

    with ownership():
        run(grow, (), workers=4)

    assert len(ended) == len(set(ended)) == 1 + 4 + 16 + 16 * width
    position = {place: index for index, place in enumerate(ended)}
    assert all(position[place] < position[place[:-1]] for place in ended if place)


def test_errors_in_many_strands_at_once_all_leave_in_the_group(run: Run) -> None:
    rounds, strands = load(300), 40

    async def fail(number: int, ran: list[int]) -> None:
        ran.append(number)
        raise Refusal(number)

    async def main() -> None:
        for _ in range(rounds):
            ran: list[int] = []
            with pytest.raises(ExceptionGroup) as caught:
                async with conc.open_nursery(parallel=True) as nursery:
                    for number in range(strands):
                        nursery.start_soon(fail, number, ran)
            errors = [error.args[0] for error in caught.value.exceptions if isinstance(error, Refusal)]
            assert sorted(errors) == sorted(ran) == list(range(strands))

    with ownership():
        run(main, workers=4)


@pytest.mark.parametrize("by", ["a strand", "the host", "a thread"])
def test_strands_cancelled_while_they_are_taken_run_to_their_first_cancel_point(run: Run, dice: Dice, by: str) -> None:
    rounds, strands = load(300), 50
    began: list[int] = []
    survived: list[int] = []

    async def strand(number: int) -> None:
        began.append(number)
        await conc.sleep(60)
        survived.append(number)

    async def cancel(nursery: Nursery) -> None:
        nursery.cancel_scope.cancel()

    def cancel_soon(nursery: Nursery) -> None:
        time.sleep(dice.seconds(0, 0.001))
        nursery.cancel_scope.cancel()

    async def main() -> None:
        for _ in range(rounds):
            threads = []
            async with conc.open_nursery(parallel=True) as nursery:
                if by == "a thread":
                    threads = in_threads(partial(cancel_soon, nursery))
                for number in range(strands):
                    nursery.start_soon(strand, number)
                    if by == "a strand" and number == strands // 2:
                        nursery.start_soon(cancel, nursery)
                if by == "the host":
                    await conc.sleep(dice.seconds(0, 0.001))
                    nursery.cancel_scope.cancel()
            for thread in threads:
                thread.join()

    with ownership():
        run(main, workers=4)

    assert Counter(began) == Counter(list(range(strands)) * rounds)
    assert survived == []


def test_many_strands_start_children_in_an_outer_nursery_which_waits_for_all(run: Run, dice: Dice) -> None:
    strands, children = load(200), 20
    ran: list[tuple[int, int]] = []

    async def child(strand: int, number: int) -> None:
        await conc.checkpoint()
        ran.append((strand, number))

    async def strand(number: int, family: Nursery, others: Nursery, chance: Dice) -> None:
        async with conc.open_nursery() as own:
            for count in range(children):
                chance.pick([family, others, own]).start_soon(child, number, count)
                if chance.chance() < 0.3:
                    await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as family, conc.open_nursery(parallel=True) as others:
            for number in range(strands):
                others.start_soon(strand, number, family, others, dice.another())

    with ownership():
        run(main, workers=4)

    assert Counter(ran) == Counter((strand, number) for strand in range(strands) for number in range(children))
