"""Sleeping, deadlines and timeouts, on the clock of the runtime."""

from conc._kernel.present import current_effective_deadline, current_time
from conc.time.alarms import after, at
from conc.time.delay_heap import DelayKey
from conc.time.delay_queue import DelayQueue, DelayQueueStatistics
from conc.time.intervals import Interval, interval
from conc.time.sleeping import sleep, sleep_forever, sleep_until
from conc.time.timeouts import fail_after, fail_at, move_on_after, move_on_at

__all__ = [
    "DelayKey",
    "DelayQueue",
    "DelayQueueStatistics",
    "Interval",
    "after",
    "at",
    "current_effective_deadline",
    "current_time",
    "fail_after",
    "fail_at",
    "interval",
    "move_on_after",
    "move_on_at",
    "sleep",
    "sleep_forever",
    "sleep_until",
]
