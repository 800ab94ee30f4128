"""Synchronisation between tasks, strands and threads."""

from conc.sync.event import Event, EventStatistics
from conc.sync.semaphore import Semaphore, SemaphoreStatistics

__all__ = ["Event", "EventStatistics", "Semaphore", "SemaphoreStatistics"]
