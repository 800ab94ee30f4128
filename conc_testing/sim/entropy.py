"""Chance in a simulated run: what the runtime draws is a decision like any other."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from conc_testing.sim.choices import Chooser

SITE = "entropy"


class ChosenRandom(Random):
    """In place of the generator of a runtime: an order by chance is chosen; in a calm run it is the given one.

    All other numbers come from the seed of the run.
    """

    def __init__(self, seed: int, chooser: Chooser) -> None:
        super().__init__(seed)
        self._chooser = chooser

    def random(self) -> float:
        """One of two numbers: small in a calm run, large otherwise."""
        return 0.75 * self._chooser.choose(SITE, 2)

    def sample(self, population: Sequence[Any], k: int, **options: Any) -> list[Any]:
        """An order."""
        left = list(population)
        return [left.pop(self._chooser.choose(SITE, len(left)) if len(left) > 1 else 0) for _ in range(k)]
