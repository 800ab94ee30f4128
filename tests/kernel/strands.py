"""What tests of strands on several workers have in common."""

import threading

import pytest

from conc._kernel.current import current_worker

WORKERS = 4
many = pytest.mark.conc(workers=WORKERS)
raced = pytest.mark.usefixtures("switching")


class Meeting:
    """Where strands wait, blocking their threads, until there are as many threads as strands: one on each worker."""

    def __init__(self, strands: int) -> None:
        self._barrier = threading.Barrier(strands)

    def __call__(self) -> int:
        """Meet the others; the index of the worker where this one does."""
        self._barrier.wait(10.0)
        return current_worker().index


class Counter:
    """Counts what several threads do."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        """Count something."""
        with self._lock:
            self.value += number
