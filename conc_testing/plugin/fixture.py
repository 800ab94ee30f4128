"""Fixtures that run in a runtime: each is a task of its own in the runtime of the tests that use it.

So its set-up and its tear-down run in one task: its context variables and cancel scopes are there again, and what it
opened stays open in between, a nursery for instance. What it cancels is itself and not the test, which is another task.
But a fixture that fails while a test uses it cancels that test: nothing good can come of it any more.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Mapping
from contextvars import Context, ContextVar, copy_context
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

import conc
from conc.lowlevel import drives_generators
from conc.sync import Event

MISSING = object()


class Fixture:
    """One fixture, from its set-up until it has ended.

    Args:
        name: for people.
        function: a function, async or not, or a generator function, async or not, that yields once.
        arguments: what it is called with.

    Attributes:
        name: as the argument.
        value: what the tests get, once `ready` is set, if there is no error.
        error: what it raised, in its set-up, in its tear-down or in between.
        in_use: from the end of its set-up to the beginning of its tear-down. False for one that only returns a value.
        told: whether its error was reported.
        belongs_to_test: whether its errors are those of the test, and not of a fixture.
        scope: around all of it: what it has not opened itself cancels it only in this way.
        ready: set when its set-up is over.
        ended: set when it is over.

    Invariant: what has ended is ready.
    """

    def __init__(self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        self.name = name
        self.value: Any = None
        self.error: BaseException | None = None
        self.in_use = False
        self.told = False
        self.belongs_to_test = False
        self.scope = conc.CancelScope(shield=True)
        self.ready = Event()
        self.ended = Event()
        self._function = function
        self._arguments = arguments
        self._release = Event()
        self._variables: dict[ContextVar[Any], Any] = {}

    @property
    def is_broken(self) -> bool:
        """Whether it failed while it was in use. Not if all of its runtime was cancelled."""
        return self.in_use and self.error is not None and not isinstance(self.error, conc.Cancelled)

    def release(self) -> None:
        """Let the tear-down begin. From any thread."""
        self.in_use = False
        self._release.set()

    def restore(self) -> None:
        """Set the context variables that its set-up has set, in the running context."""
        for variable, value in self._variables.items():
            variable.set(value)

    async def live(self, alarm: Callable[[Fixture], None]) -> None:
        """The task: set up, wait for the release, tear down. What it raises is kept.

        Args:
            alarm: called if it breaks.
        """
        __tracebackhide__ = True
        before = copy_context()
        try:
            with self.scope:
                function, arguments = self._function, self._arguments
                if isasyncgenfunction(function):
                    await self._drive(function(**arguments), before)
                elif isgeneratorfunction(function):
                    await self._drive_plain(function(**arguments), before)
                else:
                    self.value = await function(**arguments) if iscoroutinefunction(function) else function(**arguments)
                    self._is_set_up(before)
        except BaseException as error:
            self.error = error
            self._note_on(error)
        self.ready.set()
        self.ended.set()
        if self.is_broken:
            alarm(self)

    @drives_generators
    async def _drive(self, generator: AsyncGenerator[Any, None], before: Context) -> None:
        __tracebackhide__ = True
        try:
            self.value = await anext(generator)
        except StopAsyncIteration:
            raise ValueError("a fixture has to yield a value, once") from None
        self.in_use = True
        self._is_set_up(before)
        try:
            try:
                await self._release.wait()
            except conc.Cancelled as cancellation:  # of a scope or a nursery that it holds open
                await generator.athrow(cancellation)
            else:
                await anext(generator)
        except StopAsyncIteration:
            return
        await generator.aclose()
        raise ValueError("a fixture has to yield a value once, not a second time")

    async def _drive_plain(self, generator: Iterator[Any], before: Context) -> None:
        __tracebackhide__ = True
        try:
            self.value = next(generator)
        except StopIteration:
            raise ValueError("a fixture has to yield a value, once") from None
        self.in_use = True
        self._is_set_up(before)
        await self._release.wait()
        try:
            next(generator)
        except StopIteration:
            return
        raise ValueError("a fixture has to yield a value once, not a second time")

    def _is_set_up(self, before: Context) -> None:
        after = copy_context()
        self._variables = {one: after[one] for one in after if before.get(one, MISSING) is not after[one]}
        self.ready.set()

    def _note_on(self, error: BaseException) -> None:
        when = "while it was in use" if self.in_use else "in its tear-down" if self.ready.is_set() else "in its set-up"
        error.add_note(f"raised by the fixture {self.name!r} {when}")

    def __repr__(self) -> str:
        state = "ended" if self.ended.is_set() else "in use" if self.in_use else "at work"
        return f"<Fixture {self.name!r} {state}>"


class Fixtures:
    """The fixtures that live in one runtime, and what is cancelled if one of them breaks.

    Invariant: a scope in `_watches` surrounds code that runs at the moment and uses these fixtures.
    """

    def __init__(self) -> None:
        self.living: dict[Fixture, None] = {}
        self._watches: dict[conc.CancelScope, Collection[Fixture]] = {}

    def begin(self, fixture: Fixture, nursery: conc.Nursery) -> None:
        """Start the task of a fixture. In a task of the runtime, whose context it gets, and what others have set."""
        context = self.context()
        self.living[fixture] = None
        context.run(self._start, fixture, nursery)

    def give_up(self, reason: str) -> None:
        """All has to end: cancel them, whatever they do. From any thread."""
        for fixture in self.living:
            fixture.scope.cancel(reason)

    def end(self, fixture: Fixture) -> None:
        """Let a fixture tear down."""
        self.living.pop(fixture, None)
        fixture.release()

    def context(self) -> Context:
        """A copy of the running context, with the variables that the living fixtures have set."""
        context = copy_context()
        for fixture in self.living:
            context.run(fixture.restore)
        return context

    async def play(
        self, test: Callable[[], Awaitable[object]], scope: conc.CancelScope, used: Collection[Fixture]
    ) -> BaseException | None:
        """Run a test in `scope`, which is cancelled if a fixture that it uses breaks. Returns what the test raises."""
        self.watch(scope, used)
        try:
            with scope:
                await test()
        except BaseException as error:
            return error
        finally:
            self.unwatch(scope)
        return None

    def watch(self, scope: conc.CancelScope, used: Collection[Fixture]) -> None:
        """From now on, `scope` is cancelled if one of the fixtures breaks."""
        self._watches[scope] = used

    def unwatch(self, scope: conc.CancelScope) -> None:
        """No longer."""
        self._watches.pop(scope, None)

    def alarm(self, broken: Fixture) -> None:
        """A fixture broke."""
        for scope, used in self._watches.items():
            if broken in used:
                scope.cancel(f"the fixture {broken.name!r} raised {type(broken.error).__name__}")

    def _start(self, fixture: Fixture, nursery: conc.Nursery) -> None:
        nursery.start_soon(fixture.live, self.alarm, name=f"fixture {fixture.name}")
