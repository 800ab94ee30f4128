"""Threads that stand in line with tasks, and what interrupts them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from conc._kernel.outsider import Outsider
from tests.threads.support import PATIENCE


class HasStatistics(Protocol):
    def statistics(self) -> Any: ...


def until(condition: Callable[[], bool]) -> None:
    """Wait in a thread until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.0002)


def until_waiting(primitive: HasStatistics, count: int = 1) -> None:
    """Wait in a thread until so many stand in line."""
    until(lambda: primitive.statistics().tasks_waiting == count)


def interrupt_after_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on Ctrl-C strikes every thread that waits outside, just when it was granted what it waits for."""
    wait_for_grant = Outsider.wait_for_grant

    def interrupted(self: Outsider, *args: Any) -> None:
        wait_for_grant(self, *args)
        raise KeyboardInterrupt

    monkeypatch.setattr(Outsider, "wait_for_grant", interrupted)
