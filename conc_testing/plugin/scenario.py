"""A test that runs more than once, explored or with the examples of Hypothesis: each run makes its fixtures anew."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any, NoReturn

import conc
from conc_testing.plugin.fixture import Fixture, Fixtures


class Unmade:
    """Stands for the value of a fixture until a run makes it.

    Args:
        name: of the fixture.
        function: of the fixture: an async function, a generator function, async or not, or a plain function.
        arguments: what it is called with, among them other such stand-ins.
    """

    def __init__(self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
        self._unmade = (name, function, arguments)

    def __getattr__(self, name: str) -> NoReturn:
        fixture = self._unmade[0]
        raise RuntimeError(
            f"{fixture}.{name}: this test runs many times, and each run makes the fixture {fixture!r} anew, so it is "
            "not there before. Name it as an argument: what is made of it, a plain fixture for instance, is then made "
            "anew as well"
        )


async def perform(test: Callable[..., Awaitable[object]], arguments: Mapping[str, Any], world: Any = None) -> None:
    """One run: make what is unmade, run the test, and end the fixtures in the opposite order.

    Args:
        test: an async function.
        arguments: of that.
        world: that the run takes place in, if it does in one.

    Raises:
        BaseException: what the test raised, or a fixture; together, if both did.
    """
    __tracebackhide__ = True
    if not any(isinstance(value, Unmade) for value in arguments.values()):
        await test(**arguments)
        return
    async with conc.open_nursery() as nursery:
        errors = await Run(nursery, world).perform(test, arguments)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("errors in a test and in its fixtures", errors)


class Run:
    """The fixtures of one run.

    Invariant: `_ends` end what has been set up, in that order.
    """

    def __init__(self, nursery: conc.Nursery, world: Any) -> None:
        self._nursery = nursery
        self._world = world
        self._fixtures = Fixtures()
        self._values: dict[Unmade, Any] = {}
        self._ends: list[Callable[[], Awaitable[None]]] = []

    async def perform(
        self, test: Callable[..., Awaitable[object]], arguments: Mapping[str, Any]
    ) -> list[BaseException]:
        """Make, run and end. Returns what went wrong, but raises what cancels the run."""
        __tracebackhide__ = True
        try:
            return await self._perform(test, arguments)
        except conc.Cancelled as cancellation:
            self._fixtures.give_up(str(cancellation))
            raise

    async def _perform(
        self, test: Callable[..., Awaitable[object]], arguments: Mapping[str, Any]
    ) -> list[BaseException]:
        __tracebackhide__ = True
        errors: list[BaseException] = []
        try:
            made = {name: await self._made(value) for name, value in arguments.items()}
            error = await self._fixtures.play(partial(test, **made), conc.CancelScope(), self._fixtures.living)
            if error is not None:
                raise error
        except conc.Cancelled:
            raise
        except BaseException as error:
            errors.append(error)
        errors += [one.error for one in self._fixtures.living if one.error is not None and one.is_broken]
        for end in reversed(self._ends):
            try:
                await end()
            except conc.Cancelled:
                raise
            except BaseException as error:
                errors.append(error)
        return errors

    async def _made(self, value: Any) -> Any:
        """The value of an argument in this run."""
        __tracebackhide__ = True
        while isinstance(value, Unmade):
            if value not in self._values:
                name, function, arguments = value._unmade
                made = {argument: await self._made(one) for argument, one in arguments.items()}
                self._values[value] = await self._make(name, function, made)
            value = self._values[value]
        return value

    async def _make(self, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
        __tracebackhide__ = True
        if getattr(function, "is_world", False):
            return self._world
        if isasyncgenfunction(function) or isgeneratorfunction(function):
            return await self._begin(Fixture(name, function, arguments))
        if iscoroutinefunction(function):
            return await function(**arguments)
        return function(**arguments)

    async def _begin(self, fixture: Fixture) -> Any:
        """Set up a fixture that lasts as long as the run."""
        __tracebackhide__ = True
        self._fixtures.begin(fixture, self._nursery)
        self._ends.append(partial(self._end, fixture))
        await fixture.ready.wait()
        if fixture.error is not None:
            fixture.told = True
            raise fixture.error
        fixture.restore()
        return fixture.value

    async def _end(self, fixture: Fixture) -> None:
        __tracebackhide__ = True
        fixture.told = fixture.told or fixture.is_broken
        self._fixtures.end(fixture)
        await fixture.ended.wait()
        if fixture.error is not None and not fixture.told:
            raise fixture.error
