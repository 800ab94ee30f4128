"""What pytest calls while tests run.

This module and `provided` are plugins of their own, registered after those of other libraries: so conc sees a test
before another library does that claims all, and a fixture called `nursery` that another one brings too is conc's in the
tests that conc runs, and theirs in all others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction, ismethod
from typing import Any, Final, NoReturn

import pytest

import conc
from conc_testing.plugin.exploring import STORY, Explored
from conc_testing.plugin.fixture import Fixture
from conc_testing.plugin.home import refuse_broken, refuse_reentry
from conc_testing.plugin.options import (
    ORIGINAL,
    Exploration,
    Options,
    belongs_to_conc,
    inner_test,
    is_async,
    is_explored,
    runs_often,
)
from conc_testing.plugin.places import PLACE, PLACES, PROVIDED, Place, Resident, place_of
from conc_testing.plugin.provided import MADE_ANEW, nursery_of_test
from conc_testing.plugin.running import run_alone, run_at_home, skip_without_virtual_time
from conc_testing.plugin.scenario import Unmade

TEST: Final = pytest.StashKey[tuple[Any, Any]]()
OF_THE_TEST: Final[tuple[pytest.StashKey[Any], ...]] = (TEST, PLACE, STORY)
MARKS_OF_FIXTURES: Final = ("_force_asyncio_fixture", "_force_trio_fixture")


# ---- tests ------------------------------------------------------------------------------------------------------


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep the test as it was written, before another library wraps it, and look at what it asks for."""
    __tracebackhide__ = True
    if not isinstance(item, pytest.Function) or not belongs_to_conc(item):
        return
    item.stash[TEST] = (item.obj, inner_test(item.obj))
    item.stash[PLACE] = place = Place(item)  # a new one, if it runs once more
    Options.of(item)
    if Exploration.of(item) is not None and item.stash[TEST][1] is not None:
        raise pytest.UsageError(
            f"{item.nodeid}: pytest.mark.explore is not for tests of Hypothesis, which draws its own runs: let it draw "
            "the order of the tasks too, with conc_testing.hypothesis.schedules"
        )
    if place.world is not None and item.config.getoption("conc_real"):
        pytest.skip("--conc-real: this test takes place in a simulated world")
    if runs_often(item):  # before pytest keeps the refusal as the value of the fixture, for other tests too
        for name in item.fixturenames:
            for definition in item._fixtureinfo.name2fixturedefs.get(name, ())[-1:]:
                if definition.scope != "function" and is_to_run(definition.func):
                    refuse_wide(item, name, definition.scope)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Afterwards, let go what belongs to the test."""
    try:
        return (yield)
    finally:
        for key in OF_THE_TEST:
            if key in item.stash:
                del item.stash[key]


@pytest.hookimpl(specname="pytest_runtest_setup", trylast=True)
def pytest_runtest_setup_done(item: pytest.Item) -> None:
    """Look at the fixtures that a test has got."""
    __tracebackhide__ = True
    if isinstance(item, pytest.Function) and TEST in item.stash:
        place = place_of(item)
        place.home()
        refuse_broken(place.used(), "the test")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test of conc."""
    __tracebackhide__ = True
    test: Any
    test, inner = pyfuncitem.stash.get(TEST, (None, None))
    if inner is not None:  # Hypothesis calls what it wraps many times: each time is a run

        def run_example(*args: Any, **kwargs: Any) -> None:
            __tracebackhide__ = True
            with verdict_of_marks(pyfuncitem):
                run_alone(pyfuncitem, inner, kwargs, *args)

        setattr(run_example, ORIGINAL, inner)
        test.hypothesis.inner_test = run_example
        return None
    if not iscoroutinefunction(test):
        return None
    with verdict_of_marks(pyfuncitem):
        run_async(pyfuncitem, test)
    return True


@contextmanager
def verdict_of_marks(item: pytest.Function) -> Iterator[None]:
    """Let a test pass that may end in a Deadlock, and skip one that cannot be run as it is told to."""
    __tracebackhide__ = True
    try:
        yield
    except conc.Deadlock:
        if item.get_closest_marker("deadlock_ok") is None:
            raise
    except RuntimeError as error:
        skip_without_virtual_time(item, error)
        raise


def run_async(item: pytest.Function, test: Any) -> None:
    """Run a test in the way that suits it."""
    __tracebackhide__ = True
    arguments = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
    home = place_of(item).home()
    if is_explored(item):
        Explored(item, test, arguments).run()
    elif home is not None:
        run_at_home(item, home, test, arguments)
    else:
        run_alone(item, test, arguments)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Below the error of an explored test, tell how it came about. Where all frames are hidden, they are for no one."""
    report = yield
    if TEST in item.stash:
        for traceback, *_ in getattr(report.longrepr, "chain", ()):
            if not any(getattr(entry, "reprfileloc", None) for entry in traceback.reprentries):
                traceback.extraline = None
        if call.when == "call" and report.failed and STORY in item.stash:
            report.longrepr.addsection("explored", item.stash[STORY])
    return report


# ---- fixtures ---------------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[Any]:
    """Let a plain function take the place of an async fixture, if the test is conc's."""
    __tracebackhide__ = True
    original = fixturedef.func
    stand_in = stand_in_for(fixturedef, request, request._pyfuncitem)
    if stand_in is None:
        return (yield)
    fixturedef.func = stand_in
    try:
        return (yield)
    finally:
        fixturedef.func = original


def stand_in_for(definition: Any, request: Any, item: pytest.Item) -> Callable[..., Any] | None:
    """The plain function that pytest calls in place of a fixture; None if it may call that."""
    __tracebackhide__ = True
    name = definition.argname
    test, inner = item.stash.get(TEST, (None, None))
    if definition.func.__module__ == PROVIDED and not (iscoroutinefunction(test) or inner is not None):
        theirs = that_of_others(request, name)
        if theirs is not None:
            return theirs
    if test is None:
        return None
    assert isinstance(item, pytest.Function), "conc runs functions only"
    function = bound(definition.func, request.instance)
    asked = [one for one in definition.argnames if one != "request"]
    if not runs_often(item):
        if is_to_run(function) or any(place_of(item).is_home_of(definition_of(request, one)) for one in asked):
            return lambda **arguments: set_up(definition, request, item, function, arguments)
    elif request.scope != "function":
        if is_to_run(function):
            return lambda **arguments: refuse_wide(item, name, request.scope)
    elif is_to_run(function) or function in MADE_ANEW or any(is_unmade(request, one) for one in asked):
        return lambda **arguments: Unmade(name, function, arguments)
    return None


def definition_of(request: Any, name: str) -> Any:
    """The definition of a fixture that another one asks for."""
    request.getfixturevalue(name)
    return request._fixture_defs[name]


def is_to_run(function: Any) -> bool:
    """Whether a fixture is async, and not one that another library has marked as its own."""
    return is_async(function) and not any(getattr(function, mark, False) for mark in MARKS_OF_FIXTURES)


def that_of_others(request: Any, name: str) -> Callable[..., Any] | None:
    """The fixture of this name that another plugin brings, for a test that is not conc's; None if there is none."""
    try:
        value = request.getfixturevalue(name)
    except pytest.FixtureLookupError:
        return None
    return lambda **arguments: value


def is_unmade(request: Any, name: str) -> bool:
    """Whether each run makes the value of a fixture."""
    return isinstance(request.getfixturevalue(name), Unmade)


def refuse_wide(item: pytest.Function, name: str, scope: str) -> NoReturn:
    """Fail: a test that runs many times wants a fixture that lives for longer than one run."""
    __tracebackhide__ = True
    pytest.fail(
        f"{item.nodeid} runs many times, each time in a new runtime, and the async fixture {name!r} of its {scope} "
        'lives in another one. Give the fixture scope="function", and each run makes it anew',
        pytrace=False,
    )


def bound(function: Any, instance: Any) -> Any:
    """A fixture that is a method, as one of the object that the test is a method of."""
    if ismethod(function) and instance is not None and isinstance(instance, type(function.__self__)):
        return function.__func__.__get__(instance)
    return function


def set_up(
    definition: Any, request: Any, item: pytest.Function, function: Callable[..., Any], arguments: dict[str, Any]
) -> Any:
    """Set an async fixture up in its home, and see to its end."""
    __tracebackhide__ = True
    refuse_reentry(f"the set-up of the fixture {definition.argname!r}")
    fixture = Fixture(definition.argname, function, arguments)
    fixture.belongs_to_test = function is nursery_of_test
    seconds = Options.of(item).seconds
    place = place_of(item)
    if request.scope == "function":
        home = place.home_for_fixture()
        value = home.set_up(fixture, place.used(), seconds)
        place.fixtures[definition] = fixture
        request.addfinalizer(lambda: home.tear_down(fixture, seconds))
        return value
    places = item.config.stash[PLACES]
    home = places.home_for(item)
    used = place.used()
    places.settle_in(definition, Resident(fixture, home, request.scope, item.nodeid))
    try:
        value = home.set_up(fixture, used, seconds)
    except BaseException:
        places.move_out(definition, home)
        raise

    def tear_down() -> None:
        __tracebackhide__ = True
        try:
            home.tear_down(fixture, seconds)
        finally:
            places.move_out(definition, home)

    request.addfinalizer(tear_down)
    return value
