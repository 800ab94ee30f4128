"""The clock of a simulated run: virtual time, and somebody who looks each time the program has come to rest."""

from __future__ import annotations

from collections.abc import Callable

from conc_testing.clock import VirtualClock


class SimulatedClock(VirtualClock):
    """Virtual time, with somebody who looks.

    Attributes:
        at_rest: called each time nothing is ready and nothing is due, before time moves on. Returns whether it has made
            somebody ready. What it raises ends the run.
    """

    def __init__(self, start: float = 0.0) -> None:
        super().__init__(start=start)
        self.at_rest: Callable[[], bool] | None = None

    def advance_when_idle(self, deadline: float) -> bool:
        """The program is at rest."""
        if self.at_rest is not None and self.at_rest():
            return True
        return super().advance_when_idle(deadline)

    def move_to(self, moment: float) -> None:
        """Let time pass until `moment`, although somebody could run."""
        self._now = max(self._now, moment)
