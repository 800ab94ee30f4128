"""Ctrl-C while a runtime is stepped: the first one cancels what is being done, the second one ends the runtime.

That is what `conc.run` does by itself; who steps a runtime has to see to it.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType, TracebackType


class Interrupts:
    """Takes the place of Python's handler of SIGINT as long as the block lasts, on the main thread.

    The handler takes no lock and touches no task: it counts, and wakes the runtime, and whoever steps looks at `count`.
    From the second one on it also raises KeyboardInterrupt where the thread stands, unless that is inside conc.

    Args:
        wake: lets a runtime that waits return from its step. Called in the handler of the signal.

    Attributes:
        count: how many there were.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self.count = 0
        self._wake = wake
        self._installed = False

    def __enter__(self) -> Interrupts:
        on_main_thread = threading.current_thread() is threading.main_thread()
        if on_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
        self._wake()
        if self.count > 1 and not _is_in_conc(frame):
            raise KeyboardInterrupt


def _is_in_conc(frame: FrameType | None) -> bool:
    """Whether conc or its companion is at work, perhaps by way of the standard library: something may be half done."""
    while frame is not None:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in sys.stdlib_module_names:
            return package in {"conc", "conc_testing"}
        frame = frame.f_back
    return False
