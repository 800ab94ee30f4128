"""Async generators that are dropped unfinished, by whatever thread and in whatever way, are each closed once."""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import AsyncGenerator
from typing import Any

import pytest

import conc
from tests.stress.churn import Run
from tests.stress.load import Dice, load

Generator = AsyncGenerator[int, None]


@pytest.mark.filterwarnings("ignore:the async generator:ResourceWarning")
@pytest.mark.parametrize("workers", [1, 3])
def test_every_dropped_generator_is_closed_once(run: Run, dice: Dice, workers: int) -> None:
    opened: list[int] = []
    closed: list[int] = []
    shared: deque[Generator] = deque(maxlen=20)  # where the generators of one strand are dropped by another

    async def generate(number: int) -> Generator:
        opened.append(number)
        try:
            yield 1
            yield 2
        finally:
            closed.append(number)
            if number % 2:
                await conc.checkpoint()

    async def drop(generator: Generator, chance: float) -> None:
        if chance < 0.4:
            shared.append(generator)
        elif chance < 0.6:
            circle: list[Any] = [generator]
            circle.append(circle)  # the garbage collector finds it, in some other moment, on some other thread
        elif chance < 0.7:
            await generator.aclose()
        elif chance < 0.8:
            async for _ in generator:
                pass

    async def strand(base: int, chance: Dice) -> None:
        for number in range(base, base + load(5_000)):
            generator = generate(number)
            async for _ in generator:
                break
            await drop(generator, chance.chance())
            if number % 10 == 0:
                await conc.checkpoint()
            if number % 100 == 0:
                gc.collect()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(6):
                nursery.start_soon(strand, number * 1_000_000, dice.another())

    run(main, workers=workers)
    assert len(opened) == 6 * load(5_000)
    assert Counter(closed) == Counter(opened)
