"""For those who build on the kernel: parking, descriptors, clocks and pollers, instruments, the task tree."""

from conc._kernel.asyncgens import drives_generators
from conc._kernel.callbacks import Callback, call_at
from conc._kernel.current import current_task
from conc._kernel.descriptors import notify_closing, wait_readable, wait_writable
from conc._kernel.killing import kill
from conc._kernel.observe import Instrument, Policy
from conc._kernel.operation import Operation
from conc._kernel.present import current_runtime, expect_wakeup
from conc._kernel.steering import Director
from conc._kernel.suspend import (
    Wait,
    cancel_shielded_checkpoint,
    checkpoint_if_cancelled,
    checkpoint_if_due,
    park,
    unpark,
)
from conc._kernel.task import Task
from conc._kernel.tree import Frame, TaskNode, await_stack, task_tree
from conc._kernel.watching import CheckpointWatch
from conc._os.choose import default_poller
from conc._os.clock import Clock, MonotonicClock
from conc._os.poller import Poller

__all__ = [
    "Callback",
    "CheckpointWatch",
    "Clock",
    "Director",
    "Frame",
    "Instrument",
    "MonotonicClock",
    "Operation",
    "Policy",
    "Poller",
    "Task",
    "TaskNode",
    "Wait",
    "await_stack",
    "call_at",
    "cancel_shielded_checkpoint",
    "checkpoint_if_cancelled",
    "checkpoint_if_due",
    "current_runtime",
    "current_task",
    "default_poller",
    "drives_generators",
    "expect_wakeup",
    "kill",
    "notify_closing",
    "park",
    "task_tree",
    "unpark",
    "wait_readable",
    "wait_writable",
]
