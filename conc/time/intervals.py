"""Ticks at a steady pace."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from conc._kernel.cancel import check_time
from conc._kernel.current import charge, current_worker, slot
from conc._kernel.operation import LATER, Operation
from conc._kernel.suspend import GRANTED, Marker, suspend, toll
from conc.errors import BusyResource

if TYPE_CHECKING:
    from conc._kernel.choosing import Branch
    from conc._kernel.task import Task
    from conc._kernel.timers import TimerQueue
    from conc._kernel.waitqueue import Waiter

Missed = Literal["burst", "delay", "skip"]

GRACE: Final = 0.005  # seconds that a tick may be taken late without having been missed
BUSY: Final = Marker("BUSY")


def interval(period: float, missed: Missed = "burst") -> Interval:
    """Ticks at a steady pace: ``async for tick in conc.interval(1.0):``, for ever.

    The first tick comes at once, and with it the time begins to count. Each tick is the time at which it was scheduled,
    on the runtime's clock. They do not drift: the n-th is at ``start + n * period``, until one is missed because it is
    taken more than 5 ms late. Then `missed` says what comes next:

    - ``"burst"``: all that were missed, one after the other without waiting, until they have caught up.
    - ``"delay"``: the next one a whole period from now, and the pace goes on from there.
    - ``"skip"``: the next one that is still to come; those between are left out.

    Args:
        period: seconds from tick to tick, more than 0; inf is for a first tick without a second.
        missed: what to do when a tick was missed.

    Raises:
        ValueError: `period` is not more than 0, or `missed` is none of the three.
        TypeError: `period` is not a number.

    Checkpoint: never; see `Interval.tick`.
    """
    period = check_time(period, "period")
    if not period > 0:
        raise ValueError(f"period must be more than 0 seconds, not {period}")
    if missed not in get_args(Missed):
        raise ValueError(f"missed must be 'burst', 'delay' or 'skip', not {missed!r}")
    return Interval(period, missed)


class Interval:
    """What `interval` returns: an endless asynchronous iterator over ticks. For one task at a time.

    Invariant: `_next` is when the next tick is due, and None until the time has begun to count; it is
    ``_origin + _ticks * period``.
    Invariant: if somebody waits it is `_waiter`, and this stands in `_timers`, those of its worker, at `_next`, unless
    that is inf.
    """

    __slots__ = ("_missed", "_next", "_origin", "_period", "_ticks", "_timers", "_waiter")

    def __init__(self, period: float, missed: Missed) -> None:
        self._period = period
        self._missed = missed
        self._origin = 0.0
        self._ticks = 0
        self._next: float | None = None
        self._waiter: Waiter | None = None
        self._timers: TimerQueue | None = None

    @property
    def period(self) -> float:
        """Seconds from tick to tick."""
        return self._period

    async def tick(self) -> float:
        """Wait for the next tick, and return the time it was scheduled for.

        Raises:
            BusyResource: another task waits for it already.

        Checkpoint: always a cancel point; it waits only if the tick is still to come.
        If cancelled: no tick is used up.
        """
        task = charge() or await toll()
        tick = self._take_if_due()
        if tick is LATER:
            task.wait = self
            self._wait_for(task)
            tick = await suspend(task)
        del task  # what is raised holds this frame, and may become the error of that task
        return _told(tick)

    def ticking(self) -> Operation[float]:
        """`tick`, for `conc.select`."""
        return _Tick(self)

    def reset(self) -> None:
        """Let the next tick come a period from now, and count from there.

        Raises:
            RuntimeError: called outside of a running program.
            BusyResource: a task of another worker waits for a tick.

        Checkpoint: never.
        """
        self.reset_after(self._period)

    def reset_after(self, seconds: float) -> None:
        """Let the next tick come in `seconds`, and count from there.

        Args:
            seconds: from now, at least 0; inf is never.

        Raises:
            ValueError: negative, or NaN.
            TypeError: not a number.
            RuntimeError, BusyResource: as `reset`.

        Checkpoint: never.
        """
        seconds = check_time(seconds, "seconds")
        if not seconds >= 0:
            raise ValueError(f"seconds must be at least 0, not {seconds}")
        self.reset_at(current_worker().now() + seconds)

    def reset_at(self, deadline: float) -> None:
        """Let the next tick come at `deadline`, and count from there. If that has passed, ticks have been missed.

        Whoever waits for a tick waits for this one.

        Args:
            deadline: on the runtime's clock; inf is never.

        Raises:
            ValueError: NaN, or -inf, from which nothing could catch up.
            TypeError: not a number.
            RuntimeError, BusyResource: as `reset`.

        Checkpoint: never.
        """
        deadline = check_time(deadline, "deadline")
        if deadline == -math.inf:
            raise ValueError("deadline must be a moment, or inf, not -inf")
        waiter = self._waiter
        if waiter is not None:
            if current_worker().timers is not self._timers:
                raise BusyResource(f"a task of another worker waits for {self!r}, and only there it can be reset")
            self._leave(waiter)
        self._begin(deadline)
        if waiter is not None:
            self._wait_for(waiter)

    def __aiter__(self) -> Interval:
        return self

    __anext__ = tick

    # ---- as what a task waits for, and as a timer -----------------------------------------------------------------

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        return f"Interval.tick, every {self._period:g} s"

    def withdraw(self, task: Task[Any]) -> bool:
        """The task that waits was cancelled; False if its tick is due, and comes next."""
        return self._leave(task)

    def expire(self) -> None:
        """The next tick is due: it goes to whoever waits."""
        waiter = self._waiter
        assert waiter is not None, "a timer without a waiter"
        self._waiter = None
        if not waiter.is_branch or waiter.claim():
            worker = current_worker()
            waiter.value = self._take(worker.now())
            waiter.wait = GRANTED
            worker.inbox.append(waiter.party)  # type: ignore[arg-type]  # with all that is due, before who yields

    # ---- the state ------------------------------------------------------------------------------------------------

    def _take_if_due(self) -> Any:
        """The next tick if its time has come, else LATER; or BUSY."""
        if self._waiter is not None:
            return BUSY
        now = slot.worker.now()  # type: ignore[union-attr]
        if self._next is None:
            self._begin(now)
        return self._take(now) if self._next <= now else LATER  # type: ignore[operator]

    def _take(self, now: float) -> float:
        """Use up the next tick, and schedule the one after it."""
        scheduled = self._next
        assert scheduled is not None, "no tick is scheduled"
        self._ticks += 1
        if now <= scheduled + GRACE or self._missed == "burst":
            self._next = self._origin + self._ticks * self._period
        elif self._missed == "delay":
            self._begin(now + self._period)
        else:
            self._begin(now + self._period - math.fmod(now - scheduled, self._period))
        return scheduled

    def _begin(self, at: float) -> None:
        """Count from `at`, when the next tick is due."""
        self._origin = self._next = at
        self._ticks = 0

    def _wait_for(self, waiter: Waiter) -> None:
        """Let `waiter`, whose worker this is, have the next tick."""
        assert self._next is not None, "no tick is scheduled"
        self._waiter = waiter
        self._timers = current_worker().timers
        if self._next < math.inf:
            self._timers.add(self._next, self)

    def _leave(self, waiter: Waiter) -> bool:
        """`waiter` does not wait any more. False if it is too late for that: what is due is taken out together, and a
        deadline of the same moment may have come before the tick, which then comes all the same."""
        if self._waiter is not waiter:
            return False
        if self._next < math.inf and not self._timers.remove(self._next, self):  # type: ignore[operator, union-attr, arg-type]
            return False
        self._waiter = None
        return True

    def __repr__(self) -> str:
        following = "not begun" if self._next is None else f"next at {self._next:.6g} s"
        return f"<Interval every {self._period:g} s, {following}>"


class _Tick(Operation[float]):
    __slots__ = ("_interval",)

    def __init__(self, interval: Interval) -> None:
        self._interval = interval

    @property
    def reason(self) -> str:
        return self._interval.reason

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return self._interval._take_if_due()

    def enter(self, branch: Branch) -> None:
        self._interval._wait_for(branch)

    def leave(self, branch: Branch) -> None:
        self._interval._leave(branch)

    def finish(self, granted: Any) -> float:
        return _told(granted)


def _told(tick: Any) -> float:
    """What the task hears that asked for a tick."""
    if tick is BUSY:
        raise BusyResource("another task waits for the next tick of this interval; make an interval for each")
    return tick  # type: ignore[no-any-return]
