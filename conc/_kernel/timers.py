"""What is to happen at which time: a heap of millisecond ticks, and for each tick the timers that fall into it.

Most timeouts never fire: they are set and soon taken back. So removal is exact and cheap, and what thousands of timers
share is paid once per tick: the heap holds ticks, not timers.
"""

from __future__ import annotations

import math
from heapq import heapify, heappop, heappush, nsmallest
from typing import Any, Protocol

TICKS_PER_SECOND = 1000
LAST_TICK = 1 << 1024  # for the few deadlines that are finite in seconds and infinite in ticks


class Timer(Protocol):
    """What may stand in the queue."""

    def expire(self) -> None:
        """The time has come. The timer is out of the queue already."""


class TimerQueue:
    """Timers in order of (deadline, moment of adding). Reads no clock, fires nothing by itself.

    Invariant: each tick of `_ticks` holds at least one timer, and stands in `_heap`.
    Invariant: `earliest` is not later than any deadline; inf when the queue is empty.
    Invariant: ticks in `_heap` that hold nothing any more are at most `_stale`, and fewer than 64 + the live ones.

    Cost: add O(log ticks) for the first timer of a tick, O(1) for the others; remove O(1) amortised.
    """

    __slots__ = ("_heap", "_is_exact", "_stale", "_ticks", "earliest")

    def __init__(self) -> None:
        self._ticks: dict[int, dict[Timer, float]] = {}
        self._heap: list[int] = []
        self._stale = 0
        self.earliest = math.inf
        self._is_exact = True

    def __len__(self) -> int:
        return sum(map(len, self._ticks.values()))

    def __bool__(self) -> bool:
        return bool(self._ticks)

    def add(self, deadline: float, timer: Timer) -> None:
        """Let `timer` expire at `deadline` (seconds, finite). A timer stands in the queue once."""
        try:
            tick = int(deadline * TICKS_PER_SECOND)
        except OverflowError:
            tick = LAST_TICK
        timers = self._ticks.get(tick)
        if timers is None:
            self._ticks[tick] = {timer: deadline}
            heappush(self._heap, tick)
        else:
            timers[timer] = deadline
        if deadline < self.earliest:
            self.earliest = deadline
            self._is_exact = True

    def remove(self, deadline: float, timer: Timer) -> bool:
        """Take `timer` back; the deadline is the one it was added with. False if it is not there any more."""
        try:
            tick = int(deadline * TICKS_PER_SECOND)
        except OverflowError:
            tick = LAST_TICK
        timers = self._ticks.get(tick)
        if timers is None or timers.pop(timer, None) is None:
            return False
        if deadline <= self.earliest:
            self._is_exact = False  # it was the earliest, or one of them
        if not timers:
            del self._ticks[tick]
            self._stale += 1
            if not self._ticks:
                self._heap.clear()
                self._stale = 0
                self.earliest = math.inf
                self._is_exact = True
            elif self._stale > 64 + len(self._ticks):
                self._heap = list(self._ticks)
                heapify(self._heap)
                self._stale = 0
        return True

    def all(self) -> list[Timer]:
        """All that stand in the queue, for a look."""
        return [timer for timers in self._ticks.values() for timer in timers]

    def next_deadlines(self, count: int) -> list[float]:
        """The earliest different deadlines, in order. Cost: O(timers); for simulations."""
        return nsmallest(count, {deadline for timers in self._ticks.values() for deadline in timers.values()})

    def next_deadline(self) -> float:
        """The exact earliest deadline, inf if there is none.

        Cost: O(timers of the first tick) if the earliest has left since it was last asked, else O(1).
        """
        if not self._is_exact:
            timers = self._first()
            self.earliest = math.inf if timers is None else min(timers.values())
            self._is_exact = True
        return self.earliest

    def due(self, now: float) -> list[Timer]:
        """Take out all timers whose deadline is not later than `now`, in order. Never early."""
        out: list[Timer] = []
        while (timers := self._first()) is not None:
            tick = self._heap[0]
            if tick + 1 <= now * TICKS_PER_SECOND:
                ready = sorted(timers.items(), key=_deadline)
                timers.clear()
            else:
                ready = sorted((item for item in timers.items() if item[1] <= now), key=_deadline)
                for timer, _ in ready:
                    del timers[timer]
            out.extend(timer for timer, _ in ready)
            if timers:
                break
            del self._ticks[tick]
            heappop(self._heap)
        self._is_exact = False
        self.next_deadline()
        return out

    # ---- as what a sleeping task waits for, with its deadline in `value` --------------------------------------------

    reason = "a moment in time (sleep)"

    def withdraw(self, task: Any) -> bool:
        """A sleeping task was cancelled."""
        return self.remove(task.value, task)

    def _first(self) -> dict[Timer, float] | None:
        """The timers of the first tick that has any."""
        while self._heap:
            timers = self._ticks.get(self._heap[0])
            if timers is not None:
                return timers
            heappop(self._heap)
            self._stale -= 1
        return None

    def _check(self) -> None:
        live = set(self._ticks)
        assert all(self._ticks.values()), "a tick without timers"
        assert live <= set(self._heap), "a tick is not in the heap"
        assert len(self._heap) - len(live) <= max(self._stale, 0) <= 64 + len(live), "stale ticks pile up"
        deadlines = [deadline for timers in self._ticks.values() for deadline in timers.values()]
        earliest = min(deadlines, default=math.inf)
        assert self.earliest == earliest if self._is_exact else self.earliest <= earliest, "earliest is wrong"


def _deadline(item: tuple[Timer, float]) -> float:
    return item[1]
