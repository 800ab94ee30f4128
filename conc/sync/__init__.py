"""Synchronisation between tasks, strands and threads."""

from conc.sync.atomics import AtomicInt, AtomicRef
from conc.sync.barrier import Barrier, BarrierStatistics
from conc.sync.cancellation_token import CancellationToken, CancellationTokenStatistics
from conc.sync.capacity_limiter import CapacityLimiter, CapacityLimiterStatistics
from conc.sync.condition import Condition, ConditionStatistics
from conc.sync.event import Event, EventStatistics
from conc.sync.mutex import Mutex, MutexStatistics
from conc.sync.notify import Notify, NotifyStatistics
from conc.sync.once_cell import OnceCell, OnceCellStatistics
from conc.sync.rwlock import RwLock, RwLockStatistics
from conc.sync.semaphore import Semaphore, SemaphoreStatistics
from conc.sync.set_once import SetOnce, SetOnceStatistics
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
    "Condition",
    "ConditionStatistics",
    "Event",
    "EventStatistics",
    "Mutex",
    "MutexStatistics",
    "Notify",
    "NotifyStatistics",
    "OnceCell",
    "OnceCellStatistics",
    "RwLock",
    "RwLockStatistics",
    "Semaphore",
    "SemaphoreStatistics",
    "SetOnce",
    "SetOnceStatistics",
    "TaskTracker",
    "TaskTrackerStatistics",
]
