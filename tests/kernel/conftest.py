"""A fixture for what races: the same again with threads that are switched all the time."""

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
