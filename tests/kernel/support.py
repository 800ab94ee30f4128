"""Running a test's program on virtual time, as a whole or step by step."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple

import conc
from conc_testing import VirtualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(main: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """`conc.run` on virtual time: sleeps cost nothing, and a program that hangs is a Deadlock."""
    return conc.run(main, *args, clock=VirtualClock())


async def nothing() -> None:
    """An async function that does nothing."""


async def fail(error: BaseException) -> None:
    """An async function that raises at once."""
    raise error


def messages(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """What the members of a group say."""
    return [str(error) for error in group.exceptions]


def leaves(error: BaseException) -> list[BaseException]:
    """The errors in a group of groups, or the one error there is."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


def all_told(error: BaseException) -> list[str]:
    """What an error says, with its causes, contexts and members."""
    seen = [error]
    for one in seen:
        seen.extend(part for part in (one.__cause__, one.__context__) if part is not None and part not in seen)
        if isinstance(one, BaseExceptionGroup):
            seen.extend(one.exceptions)
    return [str(one) for one in seen]


class Thing:
    """Something that can be watched dying."""


class Failure(Exception):
    """An error that can be watched dying."""


class Watch:
    """Weak references to what should be gone."""

    def __init__(self) -> None:
        self._references: dict[str, weakref.ref[Any]] = {}

    def on(self, name: str, thing: T) -> T:
        self._references[name] = weakref.ref(thing)
        return thing

    def left(self) -> list[str]:
        return [name for name, reference in self._references.items() if reference() is not None]


class Driven:
    """A program that synchronous code drives: it starts tasks, steps them, and looks at them in between."""

    def __init__(self) -> None:
        self.runtime = conc.Runtime(clock=VirtualClock())
        self._nursery: conc.Nursery | None = None
        self.runtime.start(self._main)
        assert self.runtime.run_until(lambda: self._nursery is not None)

    async def _main(self) -> None:
        async with conc.open_nursery() as nursery:
            self._nursery = nursery
            await conc.sleep_forever()

    def do(self, function: Callable[[], object]) -> None:
        """Call a function inside the strand, before any task takes another step."""
        self.runtime.root_strand.post(function)
        self.runtime.step(1)

    def start(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> conc.Task[T]:
        """Start a task, and let everything run that can."""
        tasks: list[conc.Task[T]] = []
        nursery = self._nursery
        assert nursery is not None
        self.do(lambda: tasks.append(nursery.start_soon(async_fn, *args)))
        self.settle()
        return tasks[0]

    def settle(self) -> None:
        """Let everything run that can."""
        assert self.runtime.run_until_idle()

    def close(self) -> None:
        """Cancel what is left, and end."""
        with suppress(conc.Cancelled):
            self.runtime.close()
