"""Where all randomness of a runtime comes from: one seed."""

from __future__ import annotations

import os
import random


def fresh_seed() -> int:
    """A seed nobody can foresee: 64 bits from the system, never negative."""
    return int.from_bytes(os.urandom(8), "big")


def seeded(seed: int | None) -> random.Random:
    """A generator of its own, which gives the same sequence for the same seed; None takes a fresh one.

    For choices, not for secrets.
    """
    return random.Random(fresh_seed() if seed is None else seed)
