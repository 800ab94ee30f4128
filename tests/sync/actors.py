"""Tasks that do what a test tells them, one thing after the other, each of which can be cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import conc
from conc.sync import Event
from tests.kernel.support import Driven


class Actor:
    """A task that lives as long as the test, so that it can hold things.

    Attributes:
        busy: whether it has not finished what it was told, as far as it has run.
        result: what came out of that: a value, an error, or "cancelled"; None while it is busy.
    """

    def __init__(self, driven: Driven) -> None:
        self._driven = driven
        self._called = Event()
        self._order: Callable[[], Awaitable[object]] | None = None
        self._scope = conc.CancelScope()
        self._began = self._ends = False
        self.busy = False
        self.result: object = None
        self.task = driven.start(self._live)

    async def _live(self) -> None:
        while True:
            await self._called.wait()
            self._called = Event()
            if self._ends:
                return
            assert self._order is not None
            result: object = "cancelled"
            with conc.CancelScope() as self._scope:
                self._began = True
                try:
                    result = await self._order()
                except Exception as error:
                    result = error
            self.result, self.busy = result, False

    def tell(self, async_fn: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Let it begin something. What else is ready then may run too, or not."""
        assert not self.busy
        self.busy, self._began, self.result = True, False, None
        self._order = lambda: async_fn(*args)
        self._call(lambda: self._began)

    def do(self, function: Callable[..., object], *args: Any) -> object:
        """Let it call something that does not wait, and return what came out."""

        async def call() -> object:
            return function(*args)

        self.tell(call)
        assert not self.busy
        return self.result

    def cancel(self) -> None:
        """Cancel what it is about, before anything else runs."""
        self._driven.do(self._scope.cancel)

    def end(self) -> None:
        """Let its task end, with all that it holds."""
        assert not self.busy
        self._ends = True
        self._call(lambda: self.task.outcome is not None)

    def _call(self, done: Callable[[], bool]) -> None:
        self._driven.do(self._called.set)
        assert self._driven.runtime.run_until(done)


def kind(result: object) -> object:
    """What came out, comparable: of an error only its class."""
    return type(result) if isinstance(result, Exception) else result
