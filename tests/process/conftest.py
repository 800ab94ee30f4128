"""Every test here leaves no process and no descriptor behind; and the ways to hear of the end of a process."""

from collections.abc import Iterator

import pytest

from conc._os import children
from tests.process.support import nothing_left

MEANS = ["pidfd", "older kernel", "thread", "naps"]


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    with nothing_left():
        yield


@pytest.fixture(params=MEANS)
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With process descriptors; with those of a Linux before 6.9; with a thread that waits; with one that looks."""
    means: str = request.param
    if means == "older kernel":
        monkeypatch.setattr(children, "TO_GROUP", 1 << 20)  # a flag that no kernel knows
    elif means != "pidfd":
        monkeypatch.setattr(children, "pidfd_open", None)
    if means == "naps":
        monkeypatch.setattr(children, "waitid", None)
    return means
