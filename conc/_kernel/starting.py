"""The handshake of ``nursery.start``: a child says that it is ready, and moves to its nursery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from conc._kernel.asyncfn import function_name
from conc._kernel.current import slot

if TYPE_CHECKING:
    from conc._kernel.nursery import Nursery
    from conc._kernel.task import Task


class TaskStatus:
    """Through which a child started with ``nursery.start`` says that it is ready."""

    __slots__ = ("_child", "_nursery", "_room", "is_started", "value")

    def __init__(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._room: Nursery | None = None
        self._child: Task[Any] | None = None
        self.is_started = False
        self.value: Any = None

    def started(self, value: Any = None) -> None:
        """Hand `value` to the caller of ``start`` and move to the nursery. Once.

        Raises:
            RuntimeError: called a second time, after the task has ended, or in another strand.

        Checkpoint: never. From the next cancel point on the scopes of the nursery hold, not those of the caller.
        """
        if self.is_started:
            raise RuntimeError("task_status.started() was called before")
        child, room, nursery = self._child, self._room, self._nursery
        if room is None:
            raise RuntimeError("task_status.started() was called before the task was started")
        worker = slot.worker
        if worker is None or worker.task is None or worker.task.strand is not nursery.strand:
            raise RuntimeError(
                "task_status.started() is called in the strand of the nursery; send the news through a channel"
            )
        if child is None or child not in room.children:
            raise RuntimeError("task_status.started() was called after its task had ended")
        self.is_started = True
        self.value = value
        self._child = None
        del room.children[child]
        nursery.children[child] = None
        child.move(nursery)
        room.all_ended()


class _IgnoredStatus(TaskStatus):
    __slots__ = ()

    def started(self, value: Any = None) -> None:
        """Nobody waits."""


TASK_STATUS_IGNORED = _IgnoredStatus.__new__(_IgnoredStatus)
"""The default for ``task_status`` in functions that may also be started with ``start_soon``."""


def with_status(async_fn: Callable[..., Awaitable[object]], status: TaskStatus) -> Callable[..., Awaitable[object]]:
    """`async_fn` with its `task_status` filled in, under its own name."""

    def call(*args: object) -> Awaitable[object]:
        return async_fn(*args, task_status=status)

    call.__qualname__ = function_name(async_fn)
    return call
