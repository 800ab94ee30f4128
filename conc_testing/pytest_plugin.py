"""Async tests in pytest, run by conc, on virtual time unless they ask for the real one.

``@pytest.mark.conc`` makes conc run an ``async def`` test. With ``conc_mode = auto`` in pytest's configuration it runs
all of them, but for those that another library has marked as its own. (pytest-asyncio in its automatic mode marks every
one that it finds: have one of the two strict.) The marker takes options:

- ``clock``: ``"virtual"``, a `VirtualClock` that moves when the test has nothing else to do, or ``"real"``;
- ``workers``: as for `conc.run`;
- ``timeout``: seconds of real time that the test may take, None for no limit; ``conc_timeout`` of the configuration,
  60, unless given. A test that takes longer fails with the tree of its tasks.

Fixtures: ``clock``, the `VirtualClock` of the test, and ``nursery``, an open nursery that is cancelled when the test
has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import iscoroutinefunction
from types import TracebackType
from typing import Any, Literal, NoReturn

import pytest

import conc
from conc.lowlevel import MonotonicClock
from conc_testing.clock import VirtualClock
from conc_testing.timelimit import TimeLimit

MODES = ("strict", "auto")
MARKS_OF_OTHERS = ("anyio", "asyncio", "trio", "tornado", "twisted")
LIMITS = pytest.StashKey[list[TimeLimit]]()

AsyncTest = Callable[..., Awaitable[object]]


@dataclass(frozen=True)
class Options:
    """How one test is run: the arguments of its marker."""

    clock: Literal["virtual", "real"] = "virtual"
    workers: int = 1
    timeout: float | None = None

    @classmethod
    def of(cls, item: pytest.Item) -> Options:
        """The options of a test; the marker closest to it decides."""
        given: dict[str, Any] = {"timeout": float(item.config.getini("conc_timeout"))}
        where = f"{item.nodeid}: pytest.mark.conc"
        for mark in reversed(list(item.iter_markers("conc"))):
            if mark.args:
                raise pytest.UsageError(f"{where}: the arguments have names: clock, workers, timeout")
            given.update(mark.kwargs)
        try:
            options = cls(**given)
        except TypeError as error:
            raise pytest.UsageError(f"{where}: {error}") from None
        if options.clock not in {"virtual", "real"}:
            raise pytest.UsageError(f'{where}: clock is "virtual" or "real", not {options.clock!r}')
        return options


# ---- telling pytest what there is -------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings."""
    parser.addini("conc_mode", "strict: conc runs the async tests that are marked for it; auto: all", default="strict")
    parser.addini("conc_timeout", "real seconds that an async test may take", default="60")


def pytest_configure(config: pytest.Config) -> None:
    """The marker."""
    config.addinivalue_line(
        "markers", "conc(clock='virtual', workers=1, timeout=conc_timeout): run this async test with conc.run"
    )
    mode = config.getini("conc_mode")
    if mode not in MODES:
        raise pytest.UsageError(f"conc_mode is one of {', '.join(MODES)}, not {mode!r}")
    config.stash[LIMITS] = []


def pytest_itemcollected(item: pytest.Item) -> None:
    """In automatic mode: mark the async tests that nobody else has marked."""
    if (
        item.config.getini("conc_mode") == "auto"
        and isinstance(item, pytest.Function)
        and (iscoroutinefunction(item.obj) or _given(item.obj) is not None)
        and not any(item.get_closest_marker(name) for name in MARKS_OF_OTHERS)
    ):
        item.add_marker("conc")


# ---- fixtures ---------------------------------------------------------------------------------------------------


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> VirtualClock:
    """The clock of the test: virtual time, which moves when the test has come to rest."""
    if isinstance(request.node, pytest.Item) and Options.of(request.node).clock == "real":
        raise pytest.UsageError(f"{request.node.nodeid} runs on real time, which has no fixture")
    return VirtualClock()


@pytest.fixture(name="nursery")
def unopened_nursery() -> Any:
    """A nursery that is open while the test runs, and cancelled when the test has ended. Errors of children fail it."""
    return _UnopenedNursery()


class _UnopenedNursery:
    """Stands for the nursery until the test begins."""

    def __getattr__(self, name: str) -> NoReturn:
        raise RuntimeError(
            f"nursery.{name}: the fixture `nursery` is opened when an async test of conc begins; neither a fixture nor "
            "another test can use it"
        )


# ---- running tests ----------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that is marked for conc."""
    __tracebackhide__ = True
    if pyfuncitem.get_closest_marker("conc") is None:
        return None
    options = Options.of(pyfuncitem)
    test = pyfuncitem.obj
    inner = _given(test)
    if inner is not None:  # hypothesis calls what it wraps many times: each time is a run, on a clock of its own

        def run_example(*args: Any, **kwargs: Any) -> None:
            _run(pyfuncitem, inner, args, kwargs, options)

        test.hypothesis.inner_test = run_example
        return None
    if not iscoroutinefunction(test):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    _run(pyfuncitem, test, (), arguments, options)
    return True


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Somebody looks at a test in the debugger, which takes as long as it takes."""
    for limit in config.stash[LIMITS]:
        limit.lift()


def _given(test: Any) -> AsyncTest | None:
    """The async function that hypothesis wraps in a test, if it does."""
    inner = getattr(getattr(test, "hypothesis", None), "inner_test", None)
    return inner if iscoroutinefunction(inner) else None


def _run(
    item: pytest.Function, test: AsyncTest, args: tuple[Any, ...], kwargs: dict[str, Any], options: Options
) -> None:
    """One run of a test, as the main task of a runtime of its own."""
    __tracebackhide__ = True
    clock = item.funcargs.get("clock")
    if options.clock == "real":
        clock = MonotonicClock()
    elif not isinstance(clock, VirtualClock):
        clock = VirtualClock()
    runtime = conc.Runtime(clock=clock, workers=options.workers)

    async def main() -> None:
        with limit.scope:
            if any(isinstance(value, _UnopenedNursery) for value in kwargs.values()):
                await _with_nursery(test, args, kwargs)
            else:
                await test(*args, **kwargs)

    main.__qualname__ = item.name
    error: BaseException | None = None
    with _limited(item.config, TimeLimit(runtime, options.timeout or None)) as limit:
        try:
            runtime.run(main)
        except BaseException as raised:
            if limit.report is None:
                raise raised.with_traceback(_inside(test, raised.__traceback__)) from raised.__cause__
            error = raised
    if limit.report is not None:
        after = "" if error is None else f"\nWhen it was cancelled it raised {error!r}"
        pytest.fail(limit.report + after, pytrace=False)


def _inside(test: AsyncTest, traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that is the test's own: how the kernel came to run it says nothing about the failure."""
    code = getattr(test, "__code__", None)
    while traceback is not None and traceback.tb_frame.f_code is not code:
        traceback = traceback.tb_next
    return traceback


@contextmanager
def _limited(config: pytest.Config, limit: TimeLimit) -> Iterator[TimeLimit]:
    """The limit, where the debugger finds it."""
    config.stash[LIMITS].append(limit)
    try:
        with limit:
            yield limit
    finally:
        config.stash[LIMITS].remove(limit)


async def _with_nursery(test: AsyncTest, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Run a test with an open nursery in place of the fixture. What the test itself raises leaves without a group."""
    failure: BaseException | None = None
    try:
        async with conc.open_nursery() as nursery:
            given = {name: nursery if isinstance(value, _UnopenedNursery) else value for name, value in kwargs.items()}
            try:
                await test(*args, **given)
            except conc.Cancelled:
                raise
            except BaseException as error:
                failure = error
            nursery.cancel_scope.cancel("the test has ended")
    except BaseExceptionGroup as group:
        if failure is not None:
            raise BaseExceptionGroup("errors in a test and in its nursery", [failure, group]) from None
        raise
    if failure is not None:
        raise failure
