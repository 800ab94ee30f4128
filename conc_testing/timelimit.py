"""A limit in real time for one run: what does not end within it is cancelled, and a report says who waited for what."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from itertools import takewhile
from types import FrameType, TracebackType

import conc
from conc.lowlevel import task_tree

GRACE = 2.0  # seconds for clean-up code after the cancellation, before the main thread is interrupted
INSIST = 1.0  # seconds between two interrupts


class TimeLimit:
    """``with TimeLimit(seconds) as limit:`` around runs whose main tasks are inside ``with limit.begin(runtime):``.

    A thread watches. When the time of a run is over it writes the report and cancels the scope. If that does not end
    the run (a blocking call, a task that refuses to die), it interrupts the main thread as a user does who presses
    Ctrl-C twice: the run has to be on the main thread for that, and the handler of SIGINT Python's own.

    Args:
        seconds: of real time, for each run; None for no limit.
        what: what is limited, for the report.

    Attributes:
        report: None, or why the last run was ended: what all tasks did when the time was over.

    Invariant: `_until` and `_scope` belong to the last run that has begun.
    """

    def __init__(self, seconds: float | None, what: str = "the test") -> None:
        self.report: str | None = None
        self._what = what
        self._seconds = seconds
        self._until = 0.0
        self._scope: conc.CancelScope | None = None
        self._runtime: conc.Runtime | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._runner = threading.get_ident()
        self._interruptible = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and hasattr(signal, "pthread_kill")
        )

    def begin(self, runtime: conc.Runtime, scope: conc.CancelScope | None = None) -> conc.CancelScope:
        """A run begins, and has all the time. Returns the scope that is cancelled when the time is over.

        Args:
            runtime: what runs.
            scope: to be cancelled; a new one, which the main task has to enter, unless given.
        """
        self._scope = scope = conc.CancelScope() if scope is None else scope
        self._runtime = runtime
        if self._seconds is not None:
            self._until = time.monotonic() + self._seconds
            if self._thread is None or not self._thread.is_alive():  # a forked process has not inherited it
                self._thread = threading.Thread(target=self._watch, name="conc-testing-time-limit", daemon=True)
                self._thread.start()
        return scope

    def lift(self) -> None:
        """Do not limit this run any more: somebody looks at it with a debugger."""
        self._over.set()

    def __enter__(self) -> TimeLimit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        while self._thread is not None:
            try:
                self._over.set()
                self._thread.join()
                self._thread = None
            except KeyboardInterrupt:  # sent before the watcher saw that it need not
                if self.report is None:
                    raise

    def _watch(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        runtime, scope = self._runtime, self._scope
        tree = None if runtime is None else task_tree(runtime)
        if runtime is None or tree is None or scope is None:
            return  # it is ending at this moment
        report = f"{self._what} did not end within {self._seconds:g} s of real time. Who waits for what:\n{tree}"
        held_by = ", ".join(getattr(runtime.clock, "held_by", ()))
        if held_by:
            report += f"\nVirtual time stood still for {held_by}."
        standing = _standing(self._runner)
        if standing:
            report += f"\nThe thread of the run is busy here:\n{standing}"
        for thread in threading.enumerate():
            if thread.name.startswith("conc-thread-") and (standing := _standing(thread.ident)):
                report += f"\n{thread.name}, which runs a function for to_thread, is busy here:\n{standing}"
        self.report = report
        scope.cancel(f"the time limit of {self._what}")
        if self._interruptible and not self._over.wait(GRACE):
            while not self._over.wait(INSIST):
                signal.pthread_kill(self._runner, signal.SIGINT)


def _standing(ident: int | None) -> str:
    """What a thread is doing: the frames inside the step of its task, or the function of its job."""
    innermost = sys._current_frames().get(ident or 0)
    frames = list(takewhile(lambda frame: not _is_machinery(frame[0]), traceback.walk_stack(innermost)))
    return "".join(traceback.StackSummary.extract(reversed(frames)).format()).rstrip()


def _is_machinery(frame: FrameType) -> bool:
    """Whether it is what runs tasks and jobs."""
    module: str = frame.f_globals.get("__name__", "")
    return module.startswith(("conc._kernel.", "conc.threads."))
