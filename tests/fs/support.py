"""What the tests of files share: gates for threads that work on one, and what is open."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conc._os import files
from conc.fs import reading

PATIENCE = 10.0  # seconds until something that does not happen is a failure


def open_descriptors() -> set[str]:
    """Which descriptors are open, by number and by what they lead to."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
        except OSError:
            continue  # that of the list itself
    return found


@contextmanager
def nothing_left_open() -> Iterator[None]:
    """Behind the block the same descriptors are open as before it."""
    before = open_descriptors()
    yield
    left = {one for one in open_descriptors() - before if "eventfd" not in one and "eventpoll" not in one}
    assert left == set()


class Gate:
    """Holds threads up that do something of the system's, until it is opened."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self._fn = fn
        self._open = threading.Event()
        self.arrived = threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.arrived.set()
        assert self._open.wait(PATIENCE), "nobody opened the gate"
        return self._fn(*args)

    def open(self) -> None:
        self._open.set()

    def wait_for_arrival(self) -> None:
        """Wait until a thread stands here. For threads."""
        assert self.arrived.wait(PATIENCE), "nobody came"


@pytest.fixture(name="gated_write")
def _gated_write(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate(files.writev)
    monkeypatch.setattr(files, "writev", gate)
    return gate


class Memory:
    """What stands in for `preadv` with NOWAIT: of a file, only some bytes are in memory.

    Args:
        sizes: how many bytes are there at each call: None for none, ``inf`` for all that were asked for.
    """

    def __init__(self, sizes: Iterator[int | None]) -> None:
        self._sizes = sizes
        self.calls = 0

    def __call__(self, fd: int, buffers: Any, offset: int, flags: int) -> int:
        self.calls += 1
        size = next(self._sizes, None)
        if size is None:
            raise BlockingIOError(11, "not in memory")
        (buffer,) = buffers
        return os.readv(fd, [memoryview(buffer)[:size]])

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """From now on files are read through this."""
        monkeypatch.setattr(reading, "preadv", self)
        monkeypatch.setattr(reading, "NOWAIT", 8)
