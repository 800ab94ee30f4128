"""Synchronisation between tasks, strands and threads."""

from conc.sync.atomics import AtomicInt, AtomicRef
from conc.sync.barrier import Barrier, BarrierStatistics
from conc.sync.cancellation_token import CancellationToken, CancellationTokenStatistics
from conc.sync.capacity_limiter import CapacityLimiter, CapacityLimiterStatistics
from conc.sync.event import Event, EventStatistics
from conc.sync.notify import Notify, NotifyStatistics
from conc.sync.semaphore import Semaphore, SemaphoreStatistics
from conc.sync.task_tracker import TaskTracker, TaskTrackerStatistics

__all__ = [
    "AtomicInt",
    "AtomicRef",
    "Barrier",
    "BarrierStatistics",
    "CancellationToken",
    "CancellationTokenStatistics",
    "CapacityLimiter",
    "CapacityLimiterStatistics",
    "Event",
    "EventStatistics",
    "Notify",
    "NotifyStatistics",
    "Semaphore",
    "SemaphoreStatistics",
    "TaskTracker",
    "TaskTrackerStatistics",
]
