"""No test of threads may leave one behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    left = set(threading.enumerate()) - before
    # Threads that were abandoned on purpose were told to end, and get a moment to do so.
    deadline = time.monotonic() + 5
    while left and time.monotonic() < deadline:
        time.sleep(0.001)
        left = set(threading.enumerate()) - before
    assert not left
