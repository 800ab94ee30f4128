"""Fixtures: what races, again with threads that are switched all the time; no garbage collector; no other threads."""

import gc
import sys
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(params=[None, 1e-6], ids=["usual switches", "switches all the time"])
def switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """How often the interpreter switches between threads: as usual, and as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(request.param or usual)
    yield
    sys.setswitchinterval(usual)


@pytest.fixture
def without_the_collector() -> Iterator[None]:
    """What is freed in the test is freed by reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def no_threads_of_others() -> None:
    """On real time a thread that conc does not know might still wake somebody: for tests that need there to be none."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread():
            thread.join(15.0)
            assert not thread.is_alive(), f"{thread} was left by an earlier test"
