"""Scopes cancelled by real threads, at any time; and cancellation of very many, very deep, very stubborn things."""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable

import pytest

import conc
from conc import lowlevel
from conc.sync import Event, Semaphore
from tests.kernel.support import run, settle


@pytest.fixture
def jumpy() -> Callable[[], None]:
    """Threads take turns as often as they can, until the test is over."""
    raise NotImplementedError


def test_a_thread_may_cancel_a_scope_whose_block_waits() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            thread = threading.Timer(0.01, scope.cancel, ("from a thread",))
            thread.start()
            try:
                await conc.sleep(60)
            except conc.Cancelled as cancelled:
                assert str(cancelled) == "cancelled (explicit): from a thread"
                raise
        assert scope.cancelled_caught
        thread.join()

    conc.run(main)
