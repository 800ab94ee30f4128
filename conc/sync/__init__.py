"""Synchronisation between tasks, strands and threads."""

from conc.sync.event import Event
from conc.sync.semaphore import Semaphore

__all__ = ["Event", "Semaphore"]
