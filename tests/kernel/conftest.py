"""Fixtures: what races, again with threads that are switched all the time; and no garbage collector."""

import gc
import sys
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
