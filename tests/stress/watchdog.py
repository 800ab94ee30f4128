"""A limit in real time for what may hang: it fails with the stacks of all threads and the trees of all tasks.

The watchdog is an alarm signal, not a thread: a thread could still wake somebody, as far as a runtime knows, and so
change what is tested (when it is a Deadlock; how long a worker sleeps).
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import conc
from conc.lowlevel import task_tree

GRACE = 30.0  # seconds to end in after the alarm, before the process is ended


class Hung(BaseException):
    """The time is over. No `except Exception` stops it."""


class Watchdog:
    """Knows which runtimes run, and barks when the time is over.

    Args:
        seconds: of real time, for all that runs between `watch` and the end of the block.
        last_words: the descriptor of a file that the stacks are written to, if not even an exception ends it.
    """

    def __init__(self, seconds: float, last_words: int) -> None:
        self.seconds = seconds
        self.runtimes: list[conc.Runtime] = []
        self._last_words = last_words

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Limit what is done in the block. On the main thread."""
        before = signal.signal(signal.SIGALRM, self._bark)
        faulthandler.dump_traceback_later(self.seconds + GRACE, exit=True, file=self._last_words)
        left = signal.setitimer(signal.ITIMER_REAL, self.seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, *left)
            faulthandler.cancel_dump_traceback_later()
            signal.signal(signal.SIGALRM, before)

    def _bark(self, number: int, frame: FrameType | None) -> None:
        report = f"still running after {self.seconds:g} s of real time\n\n{stacks()}\n{self.trees()}"
        sys.stderr.write(report)
        raise Hung(report)

    def trees(self) -> str:
        """Who waits for what, in each runtime that runs."""
        trees = [task_tree(runtime) for runtime in self.runtimes]
        return "\n".join(f"{runtime!r}:\n{tree}\n" for runtime, tree in zip(self.runtimes, trees, strict=True))


def stacks() -> str:
    """Where all threads stand."""
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()


def in_threads(*functions: Callable[[], object]) -> list[threading.Thread]:
    """Run each function in a thread of its own, at the same time; the caller joins them."""
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads
