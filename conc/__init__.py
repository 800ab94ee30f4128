"""conc: structured concurrency for Python, on one core or on all of them."""

from conc import channels, errors, lowlevel, sync, task, threads, time
from conc._kernel.cancel import CancelScope
from conc._kernel.nursery import Nursery, open_nursery
from conc._kernel.runtime import Runtime, run
from conc._kernel.starting import TASK_STATUS_IGNORED, TaskStatus
from conc._kernel.suspend import checkpoint
from conc._kernel.task import Task
from conc.errors import Cancelled, Deadlock, TaskCancelled, TaskFailed
from conc.task import first_ok, join, open_join_set, open_map, race, select
from conc.threads import from_thread, open_portal
from conc.threads.to_thread import to_thread
from conc.time import (
    after,
    at,
    current_effective_deadline,
    current_time,
    fail_after,
    fail_at,
    interval,
    move_on_after,
    move_on_at,
    sleep,
    sleep_forever,
    sleep_until,
)

__all__ = [
    "TASK_STATUS_IGNORED",
    "CancelScope",
    "Cancelled",
    "Deadlock",
    "Nursery",
    "Runtime",
    "Task",
    "TaskCancelled",
    "TaskFailed",
    "TaskStatus",
    "after",
    "at",
    "channels",
    "checkpoint",
    "current_effective_deadline",
    "current_time",
    "errors",
    "fail_after",
    "fail_at",
    "first_ok",
    "from_thread",
    "interval",
    "join",
    "lowlevel",
    "move_on_after",
    "move_on_at",
    "open_join_set",
    "open_map",
    "open_nursery",
    "open_portal",
    "race",
    "run",
    "select",
    "sleep",
    "sleep_forever",
    "sleep_until",
    "sync",
    "task",
    "threads",
    "time",
    "to_thread",
]
