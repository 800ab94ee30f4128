"""Running a test of conc: in the home of its fixtures, or in a run of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, NoReturn

import pytest

import conc
from conc_testing.clock import VirtualClock
from conc_testing.plugin.home import Home
from conc_testing.plugin.leaks import LeakCheck
from conc_testing.plugin.options import Options, runs_often, seed_of
from conc_testing.plugin.places import limited_in, place_of, world_factory
from conc_testing.plugin.runlog import LOG
from conc_testing.plugin.scenario import perform
from conc_testing.timelimit import TimeLimit

Test = Callable[..., Awaitable[object]]


def run_alone(item: pytest.Function, test: Test, arguments: Mapping[str, Any], *first: Any) -> None:
    """One run of a test, as the main task of a runtime of its own.

    Args:
        item: the test.
        test: its async function.
        arguments: of that; what is unmade is made in this run.
        first: more arguments, before those.
    """
    __tracebackhide__ = True
    options = Options.of(item)
    place = place_of(item)
    often = runs_often(item)
    make_world = world_factory(item) if often else None
    world = None if make_world is None else make_world()
    clock = VirtualClock() if often and options.clock == "virtual" else place.run_clock
    log = item.config.stash[LOG]
    logged = None if log is None else log.watch(item.nodeid, clock, options.workers)
    runtime = conc.Runtime(
        clock=clock,
        workers=options.workers,
        seed=seed_of(item),
        network=getattr(world, "net", None),
        policy=getattr(world, "policy", None),
        instruments=() if logged is None else logged.instruments,
    )
    if logged is not None:
        logged.begin(runtime)
    error: BaseException | None = None
    leaks = LeakCheck(options.leaks)
    with limited_in(item.config, TimeLimit(options.seconds)) as limit:

        async def main() -> None:
            __tracebackhide__ = True
            with limit.begin(runtime):
                if world is None:
                    await perform(partial(test, *first), arguments)
                else:
                    async with world.running():
                        await perform(partial(test, *first), arguments, world)
            leaks.look(runtime)

        main.__qualname__ = item.name
        try:
            runtime.run(main)
        except BaseException as raised:
            if limit.report is None:
                raise raised.with_traceback(inside(test, raised.__traceback__)) from raised.__cause__
            error = raised
        finally:
            if logged is not None:
                logged.end()
    if limit.report is not None:
        after = "" if error is None else f"\nWhen it was cancelled it raised {error!r}"
        pytest.fail(limit.report + after, pytrace=False)
    leaks.tell()


def run_at_home(item: pytest.Function, home: Home, test: Test, arguments: Mapping[str, Any]) -> None:
    """Run a test where its fixtures live. What breaks in these meanwhile is reported in its tear-down, as an error."""
    __tracebackhide__ = True
    place = place_of(item)
    used = place.used()
    failure: BaseException | None = None
    try:
        home.play(item.name, partial(test, **arguments), used, Options.of(item).seconds)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        failure = error.with_traceback(inside(test, error.__traceback__))
    for fixture in [one for one in used if one.is_broken and not one.told]:
        fixture.told = True
        assert fixture.error is not None, "broken without an error"
        if fixture.belongs_to_test:
            failure = (
                fixture.error
                if failure is None
                else BaseExceptionGroup("errors in a test and in its nursery", [failure, fixture.error])
            )
        else:
            item.addfinalizer(partial(raise_again, fixture.error))
            failure = failure or pytest.fail.Exception(
                f"cancelled: the fixture {fixture.name!r} broke while the test ran; see its own ERROR", pytrace=False
            )
    if failure is not None:
        try:
            raise failure
        finally:
            del failure


def raise_again(error: BaseException) -> NoReturn:
    """Raise it."""
    __tracebackhide__ = True
    raise error


def inside(test: Test, traceback: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that is the test's own: how the kernel came to run it says nothing about the failure."""
    code = getattr(test, "__code__", None)
    found = traceback
    while found is not None and found.tb_frame.f_code is not code:
        found = found.tb_next
    return found


def skip_without_virtual_time(item: pytest.Item, error: BaseException) -> None:
    """Skip a test that failed only because it wants virtual time, and pytest was told to run it on the real one."""
    traceback = error.__traceback__
    if traceback is None or not item.config.getoption("conc_real"):
        return
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback.tb_frame.f_globals.get("__name__") == "conc_testing.clock":
        pytest.skip(f"--conc-real: {error}")
