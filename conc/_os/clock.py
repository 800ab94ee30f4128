"""What a clock is to the kernel, and the real one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Tells the time of one runtime, and how to wait for a later one.

    Seconds as float, from a beginning of its own, never running backwards. Called by all workers.

    A virtual clock may have two names more. ``stands_still(outsiders, times)`` is called when the program has come to
    rest, but for what was declared and may come from outside, so that time waits for it: `outsiders` is a function that
    names them, `times` how many times in a row, a second of real time apart, it was so while nothing ran. ``held_by``
    names what kept time from moving when it could have, for the text of a `Deadlock`.
    """

    @property
    def virtual(self) -> bool:
        """Whether time passes only when the clock says so: waiting in reality brings no deadline nearer."""

    def now(self) -> float:
        """The time. Hot: called about once for each turn of a worker."""

    def idle(self, deadline: float) -> float | None:
        """How many real seconds to sleep, at most, for this deadline to come.

        Args:
            deadline: on this clock; ``math.inf`` where there is none.

        Returns:
            0 if it has come; None if it never comes by itself.
        """

    def advance_when_idle(self, deadline: float) -> bool:
        """The program has come to rest: nothing is runnable on any worker, and the last of them is falling asleep.

        Args:
            deadline: the earliest of all workers; ``math.inf`` if there is none.

        Returns:
            Whether the clock has moved, or has resumed a task: deadlines and queues have to be looked at again.
        """

    def attach(self, look_again: Callable[[], None] | None) -> None:
        """A run on this clock begins, or has ended.

        Args:
            look_again: to be called, from any thread, when the time was moved by anything but `advance_when_idle`.
                None when the run has ended.
        """


class MonotonicClock:
    """Real time: `time.monotonic`, which no change of the date disturbs."""

    __slots__ = ()

    virtual = False

    now = staticmethod(time.monotonic)

    def idle(self, deadline: float) -> float | None:
        """The seconds left, or None for ``math.inf``."""
        return None if deadline == math.inf else max(0.0, deadline - time.monotonic())

    def advance_when_idle(self, deadline: float) -> bool:
        """Never: real time passes by itself."""
        return False

    def attach(self, look_again: Callable[[], None] | None) -> None:
        """Nothing to do: nobody moves real time."""
