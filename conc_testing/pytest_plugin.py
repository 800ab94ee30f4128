"""Async tests in pytest, run by conc, on virtual time unless they ask for the real one.

``@pytest.mark.conc`` makes conc run an ``async def`` test, and the async fixtures that it uses. With ``conc_mode =
auto`` in pytest's configuration it runs all of them, but for those that another library has marked as its own.
(pytest-asyncio in its automatic mode marks every one that it finds: have one of the two strict.)

*Marks.* ``conc(clock=, workers=, timeout=, leaks=)``:

- ``clock``: ``"virtual"``, a `VirtualClock` that moves when the test has nothing else to do, or ``"real"``;
- ``workers``: as for `conc.run`;
- ``timeout``: seconds of real time that the test may take, and each fixture, None for no limit; ``conc_timeout`` of the
  configuration, 60, unless given. What takes longer fails with the tree of all tasks;
- ``leaks``: what of what is left at the end: it is an ``"error"``, or pytest is to ``"warn"`` of it or ``"ignore"`` it;
  ``conc_leaks`` of the configuration, ``"error"``, unless given.

``explore(runs=, seconds=, plan=, cancel=, faults=, time=)``: the test is the scenario of `explore`. ``deadlock_ok``: a
test that ends in a `Deadlock` has passed.

*Fixtures.* ``clock``, the `VirtualClock` of the test; ``nursery``, an open nursery that is cancelled when the test has
ended; ``world`` and ``net``, a simulated world and its network; ``history``, a new `History`; ``tape``, which asks the
search: ``tape.choose(site, n)``, ``tape.fault(site)``; ``free_port``, a TCP port that is free now, and
``free_port_factory``. A fixture of the same name in a conftest or a test module wins.

*Async fixtures* are coroutine functions and async generators, of any scope. Each is a task of its own, so what it has
opened, a nursery or a scope, stays open while the tests run. Those of a function live in the runtime of their test.
Those of a wider scope share a runtime for as long as any of them lives, and each test that uses one of them runs in
that, on its clock. An explored test makes its fixtures anew in each run; it may use no async ones of a wider scope.

*Options.* ``--conc-seed``, ``--conc-runs``, ``--conc-seconds``, ``--conc-plan``, ``--conc-jobs``, ``--conc-replay``,
``--conc-trace``, ``--conc-check-determinism``, ``--conc-log``, ``--conc-real``; see ``pytest --help``.
"""

from __future__ import annotations

import sys
from inspect import iscoroutinefunction
from typing import Any

import pytest

from conc_testing.plugin import hooks, provided
from conc_testing.plugin.exploring import COVERED, TRACED
from conc_testing.plugin.options import (
    MODES,
    belongs_to_conc,
    inner_test,
    is_claimed_by_others,
    is_explored,
    session_seed,
)
from conc_testing.plugin.places import LIMITS, PLACES, Places
from conc_testing.plugin.runlog import open_log

MARKS = (
    "conc(clock='virtual', workers=1, timeout=conc_timeout, leaks='error'): run this async test with conc.run",
    "explore(runs=, seconds=, plan=, cancel=, faults=, time=): look for a run of this async test that fails",
    "deadlock_ok: this async test of conc may end in a Deadlock",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings, and the options of the command line."""
    parser.addini("conc_mode", "strict: conc runs the async tests that are marked for it; auto: all", default="strict")
    parser.addini("conc_timeout", "real seconds that an async test may take", default="60")
    parser.addini("conc_leaks", "what becomes of what a test leaves behind: error, warn, ignore", default="error")
    add = parser.getgroup("conc", "async tests run by conc").addoption
    add("--conc-seed", type=int, metavar="N", help="the seed of all that is drawn at random; a fresh one unless given")
    add("--conc-runs", type=int, metavar="N", help="how many runs of each explored test, whatever its mark says")
    add("--conc-seconds", type=float, metavar="S", help="how many seconds for each explored test")
    add("--conc-plan", metavar="PLAN", help="how to explore, with commas: delay<=2,random,pct:d=3,pos")
    add("--conc-jobs", type=int, default=1, metavar="N", help="how many processes explore one test")
    add("--conc-replay", metavar="TOKEN", help="run one explored test once, exactly as the token of a failure says")
    add("--conc-check-determinism", action="store_true", help="make some runs of each explored test twice")
    add(
        "--conc-trace",
        nargs="?",
        const="text",
        choices=("text", "html"),
        help="write the failing run of each explored test, or the calm one, to a file: --conc-trace, --conc-trace=html",
    )
    add("--conc-log", metavar="FILE", help="write a line for each run on virtual time, with a sum of all that happened")
    add("--conc-real", action="store_true", help="all tests on the real clock and the real network; explored ones once")


def pytest_configure(config: pytest.Config) -> None:
    """The marks; and what runs the tests, behind the plugins of other libraries."""
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    mode = config.getini("conc_mode")
    if mode not in MODES:
        raise pytest.UsageError(f"conc_mode is one of {', '.join(MODES)}, not {mode!r}")
    config.stash[LIMITS] = []
    open_log(config)
    config.stash[PLACES] = Places(config)
    config.pluginmanager.register(provided, "conc_testing.provided")
    config.pluginmanager.register(hooks, "conc_testing.hooks")


def pytest_report_header(config: pytest.Config) -> str:
    """The seed."""
    seed = session_seed(config)
    line = f"conc: mode={config.getini('conc_mode')}, seed={seed} (--conc-seed={seed} repeats it)"
    if config.getoption("conc_check_determinism") and sys.flags.hash_randomization:
        line += "; PYTHONHASHSEED is random: with PYTHONHASHSEED=0 the order of sets is the same each time"
    return line


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """What the searches have covered, if more words are wanted; and where traces are."""
    told = {TRACED: "trace"} if config.get_verbosity() < 1 else {COVERED: "explored", TRACED: "trace"}
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    lines = [
        f"{report.nodeid}: {told[name]}: {words}"
        for report in reports
        if report.when == "call"
        for name, words in report.user_properties
        if name in told
    ]
    if lines:
        terminalreporter.section("conc")
        for line in lines:
            terminalreporter.line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """A process of pytest-xdist is about to start: it has the same seed."""
    node.workerinput["conc_seed"] = session_seed(node.config)


def pytest_itemcollected(item: pytest.Item) -> None:
    """In automatic mode: mark the async tests that nobody else has marked."""
    if (
        isinstance(item, pytest.Function)
        and belongs_to_conc(item)
        and not is_claimed_by_others(item)
        and (iscoroutinefunction(item.obj) or inner_test(item.obj) is not None)
    ):
        item.add_marker("conc")


def pytest_collection_finish(session: pytest.Session) -> None:
    """A token is of one test."""
    explored = [item for item in session.items if is_explored(item)]
    if session.config.getoption("conc_replay") and len(explored) != 1:
        raise pytest.UsageError(
            f"--conc-replay runs one explored test, and here are {len(explored)}: name the one that the token is of"
        )


def pytest_enter_pdb(config: pytest.Config) -> None:
    """Somebody looks at a test in the debugger, which takes as long as it takes."""
    for limit in config.stash[LIMITS]:
        limit.lift()
