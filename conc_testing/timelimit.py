"""A limit in real time for one run: what does not end within it is cancelled, and a report says who waited for what."""

from __future__ import annotations

import signal
import sys
import threading
import traceback
from itertools import takewhile
from types import TracebackType

import conc
from conc.lowlevel import task_tree

GRACE = 2.0  # seconds for clean-up code after the cancellation, before the main thread is interrupted
INSIST = 1.0  # seconds between two interrupts


class TimeLimit:
    """``with TimeLimit(runtime, seconds) as limit:`` around a run whose main task is inside ``with limit.scope:``.

    A thread watches. When the time is over it writes the report and cancels the scope. If that does not end the run (a
    blocking call, a task that refuses to die), it interrupts the main thread as a user does who presses Ctrl-C twice:
    the run has to be on the main thread for that, and the handler of SIGINT Python's own.

    Args:
        runtime: what runs inside the block, once.
        seconds: of real time; None for no limit.

    Attributes:
        scope: to be entered by the main task.
        report: None, or why the run was ended: what all tasks did when the time was over.
    """

    def __init__(self, runtime: conc.Runtime, seconds: float | None) -> None:
        self.scope = conc.CancelScope()
        self.report: str | None = None
        self._runtime = runtime
        self._seconds = seconds
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._runner = threading.get_ident()
        self._interruptible = (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
            and hasattr(signal, "pthread_kill")
        )

    def lift(self) -> None:
        """Do not limit this run any more: somebody looks at it with a debugger."""
        self._over.set()

    def __enter__(self) -> TimeLimit:
        if self._seconds is not None:
            self._thread = threading.Thread(target=self._watch, name="conc-testing-time-limit", daemon=True)
            self._thread.start()
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
        if self._over.wait(self._seconds):
            return
        tree = task_tree(self._runtime)
        if tree is None:
            return  # it is ending at this moment
        report = f"the test did not end within {self._seconds:g} s of real time. Who waits for what:\n{tree}"
        standing = self._standing()
        if standing:
            report += f"\nThe thread of the run is busy here:\n{standing}"
        self.report = report
        self.scope.cancel("the time limit of the test")
        if self._interruptible and not self._over.wait(GRACE):
            while not self._over.wait(INSIST):
                signal.pthread_kill(self._runner, signal.SIGINT)

    def _standing(self) -> str:
        """What the thread of the run is doing: the frames inside the step of its task."""
        innermost = sys._current_frames().get(self._runner)
        frames = list(
            takewhile(
                lambda frame: not frame[0].f_globals.get("__name__", "").startswith("conc._kernel."),
                traceback.walk_stack(innermost),
            )
        )
        return "".join(traceback.StackSummary.extract(reversed(frames)).format()).rstrip()
