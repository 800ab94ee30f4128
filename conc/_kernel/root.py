"""The nursery at the top of a program, and the limit of its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from conc._kernel.nursery import Nursery
from conc._kernel.strand import Strand
from conc._kernel.task import Task
from conc.errors import Cancelled

if TYPE_CHECKING:
    from conc._kernel.runtime import Runtime
    from conc._kernel.worker import Worker


class RootNursery(Nursery):
    """The nursery of the main task, and of what comes from outside: it ends when the main task has."""

    __slots__ = ("_main_ended", "main", "shut_down", "worker")

    def __init__(self, worker: Worker, strand: Strand, shut_down: Callable[[str, str], None]) -> None:
        super().__init__(None, strand, strand.scope, parallel=False)
        self._home = None
        self.worker = worker
        self.shut_down = shut_down
        self.main: Task[Any] | None = None
        self._main_ended = False

    def child_ended(self, task: Task[Any], error: BaseException | None) -> None:
        """The main task's end ends the others; when all have ended, the run is over."""
        del self.children[task]
        if task is self.main:
            self._main_ended = True  # or callers without end, each a new child, would keep the run from ending
            self.shut_down("shutdown", "the main task has ended")
        elif error is not None and not isinstance(error, Cancelled):
            self._errors.append(error)
            self.cancel_scope._cancel("nursery", f"{task!r} raised {type(error).__name__}")
        self.all_ended()

    @property
    def refuses_guests(self) -> bool:
        """Whether the main task has ended, and nothing new is let in."""
        return self._closed or self._main_ended

    def all_ended(self) -> None:
        """The run is over when there are no children any more."""
        if not self.children:
            self._closed = True
            self.worker.running = False

    def forget_main(self) -> None:
        """The run is over. What it leaves behind refers to itself and stays for a while; the main task and its error,
        or value, shall not stay with it."""
        self._closed = True
        self.main = self.strand.root = self.cancel_scope._task = None
        self.worker.roots.clear()

    def __repr__(self) -> str:
        return "<Nursery of the runtime>"


class ShutdownLimit:
    """The timer of a shutdown that has a limit."""

    def __init__(self, runtime: Runtime, seconds: float) -> None:
        self._runtime = runtime
        self._seconds = seconds

    def expire(self) -> None:
        """The time is over: stop."""
        self._runtime._stop(f"shutdown_timeout: {self._seconds:g} s were over")
