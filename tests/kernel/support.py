"""Running a test's program on virtual time, and waiting until everyone else waits."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple, Unpack

import conc

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualClock:
    """Time that passes only when nobody has anything to do."""

    virtual = True

    def __init__(self) -> None:
        self._now = 0.0

    def now(self) -> float:
        return self._now

    def idle(self, deadline: float) -> float | None:
        return 0.0 if deadline <= self._now else None

    def advance_when_idle(self, deadline: float) -> bool:
        if deadline == math.inf:
            return False
        self._now = max(self._now, deadline)
        return True

    def attach(self, look_again: Callable[[], None] | None) -> None:
        pass


def run(main: Callable[[Unpack[Ts]], Awaitable[T]], *args: Unpack[Ts]) -> T:
    """`conc.run` on virtual time: sleeps cost nothing, and a program that hangs is a Deadlock."""
    return conc.run(main, *args, clock=VirtualClock())


async def settle() -> None:
    """Return when nobody else can go on. On virtual time, which moves only then."""
    await conc.sleep(1e-6)
