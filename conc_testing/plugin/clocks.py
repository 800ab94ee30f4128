"""The clocks of runtimes that are held between tests: they tell when nothing can go on, and can wake who steps."""

from __future__ import annotations

import math
from collections.abc import Callable

from conc.lowlevel import MonotonicClock
from conc_testing.clock import VirtualClock


class HeldClock(VirtualClock):
    """Virtual time. Where a run of its own would end in a `Deadlock`, it asks whoever holds the runtime.

    Attributes:
        at_rest: called when nothing can go on any more. Whether something can now.
    """

    def __init__(self) -> None:
        super().__init__()
        self.at_rest: Callable[[], bool] = lambda: False

    def advance_when_idle(self, deadline: float) -> bool:
        """As `VirtualClock`, and then whoever holds the runtime."""
        return super().advance_when_idle(deadline) or self.at_rest()

    def wake(self) -> None:
        """Let a runtime that waits look again. Also in the handler of a signal."""
        if self._look_again is not None:
            self._look_again()


class HeldRealClock:
    """Real time."""

    virtual = False

    def __init__(self) -> None:
        self._real = MonotonicClock()
        self._look_again: Callable[[], None] | None = None
        self.now = self._real.now

    def idle(self, deadline: float) -> float | None:
        """The seconds left, or None for ``math.inf``."""
        return None if deadline == math.inf else max(0.0, deadline - self.now())

    def advance_when_idle(self, deadline: float) -> bool:
        """Never: real time passes by itself."""
        return False

    def attach(self, look_again: Callable[[], None] | None) -> None:
        """A run begins, or has ended."""
        self._look_again = look_again

    def wake(self) -> None:
        """Let a runtime that waits look again. Also in the handler of a signal."""
        if self._look_again is not None:
            self._look_again()
