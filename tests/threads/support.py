"""Threads of others, and what to do with them in tests."""

from __future__ import annotations

import gc
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import outcome

import conc

PATIENCE = 10.0  # seconds until something that does not happen is a failure


class Stranger(threading.Thread):
    """A thread that conc did not start. It runs ``fn(*args)`` at once and keeps what comes out."""

    def __init__(self, fn: Callable[..., Any], *args: Any) -> None:
        super().__init__(daemon=True, name=f"stranger {fn!r}")
        self._call = (fn, args)
        self.outcome: outcome.Outcome[Any] | None = None
        self.start()

    def run(self) -> None:
        fn, args = self._call
        try:
            self.outcome = outcome.Value(fn(*args))
        except BaseException as error:
            self.outcome = outcome.Error(error)

    def result(self) -> Any:
        """What it returned or raised. Waits, so it is not for tasks."""
        self.join(PATIENCE)
        assert self.outcome is not None, f"{self!r} hangs"
        return self.outcome.unwrap()

    async def has_ended(self) -> Any:
        """The same for tasks."""
        return await conc.to_thread(self.result)


class Gate:
    """Where a blocking function waits until it is let pass."""

    def __init__(self) -> None:
        self._arrived = threading.Semaphore(0)
        self._open = threading.Event()
        self.passed: list[Any] = []

    def __call__(self, value: Any = None) -> Any:
        """The blocking function: returns `value` when the gate is open."""
        self._arrived.release()
        assert self._open.wait(PATIENCE), "nobody opened the gate"
        self.passed.append(value)
        return value

    def arrive(self, count: int = 1) -> None:
        """Wait until so many more have come."""
        for _ in range(count):
            assert self._arrived.acquire(timeout=PATIENCE), "nobody came to the gate"

    async def arrives(self, count: int = 1) -> None:
        """The same for tasks: without a thread of the pool, which may have none left."""
        for _ in range(count):
            with conc.fail_after(PATIENCE):
                while not self._arrived.acquire(blocking=False):
                    await conc.sleep(0.0005)

    def open(self) -> None:
        """Let all pass, from now on."""
        self._open.set()


async def goes(reference: weakref.ref[Any]) -> None:
    """Wait until an object has died, which on free-threaded builds is seen to by the thread that made it."""
    with conc.fail_after(2):
        while reference() is not None:
            await conc.sleep(0.0005)


@contextmanager
def no_collector() -> Iterator[None]:
    """Circles of garbage stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def hasty_switching() -> Iterator[None]:
    """Threads take turns as often as the interpreter can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)
