"""A run that gets no descriptors begins not at all, and leaves none open."""

from __future__ import annotations

import errno
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import conc
from conc._kernel import worker
from conc._os import bell
from conc.lowlevel import default_poller

DESCRIPTORS = Path("/proc/self/fd")


@pytest.fixture
def without_garbage_collection() -> Iterator[None]:
    """What is closed is closed by somebody, and not by the collector."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


async def nothing() -> str:
    return "ran"


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="this system does not list descriptors so")
@pytest.mark.parametrize("which", ["poller", "bell"])
@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_run_that_gets_too_few_descriptors_leaves_none_open(
    which: str, left: int, monkeypatch: pytest.MonkeyPatch, without_garbage_collection: None
) -> None:
    given = 0

    def scarce(make: Any) -> Any:
        def made(*args: Any) -> Any:
            nonlocal given
            given += 1
            if given > left:
                raise OSError(errno.EMFILE, "Too many open files")
            return make(*args)

        return made

    if which == "bell":
        monkeypatch.setattr(worker, "Bell", scarce(bell.Bell))
    runtime = conc.Runtime(workers=3, poller=scarce(default_poller) if which == "poller" else None)
    before = len(list(DESCRIPTORS.iterdir()))
    with pytest.raises(OSError, match="Too many open files"):
        runtime.run(nothing)
    assert len(list(DESCRIPTORS.iterdir())) == before

    monkeypatch.undo()
    assert conc.run(nothing, workers=3) == "ran"
