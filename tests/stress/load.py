"""How much of a load there is, and where random choices come from."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

SOAKING = bool(os.environ.get("CONC_SOAK"))


def load(full: int) -> int:
    """How many of something a test takes: all of them when soaking, else a tenth."""
    return full if SOAKING else max(1, full // 10)


class Dice:
    """Random choices, all of them from one seed. With threads the seed gives the same choices, not the same run.

    Args:
        seed: whole number.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = random.Random(seed)
        self.chance = self._random.random
        self.between = self._random.randint
        self.seconds = self._random.uniform

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[int(self.chance() * len(choices))]

    def another(self) -> Dice:
        """Dice for another task or thread, whose choices are its own."""
        return Dice(self.between(0, 1 << 62))
