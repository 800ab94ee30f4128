"""Explored tests: the body of the test is a scenario, which is run again and again, each time otherwise."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from shlex import quote
from typing import Any, Final

import pytest

from conc.lowlevel import current_runtime
from conc_testing.plugin.determinism import first_difference
from conc_testing.plugin.failures import FailureStore, StoredFailure
from conc_testing.plugin.options import Exploration, Options, seed_of, session_seed
from conc_testing.plugin.places import limited_in, world_factory
from conc_testing.plugin.runlog import LOG
from conc_testing.plugin.running import inside
from conc_testing.plugin.scenario import perform
from conc_testing.sim.explore import PLAN, explore, replay
from conc_testing.sim.report import Failure, Report
from conc_testing.sim.search import Budget, DivergedRun
from conc_testing.sim.simulation import Conditions, simulate
from conc_testing.sim.strategies import Calm
from conc_testing.sim.table import table_of
from conc_testing.sim.tape import TokenMismatch
from conc_testing.sim.timeline import page
from conc_testing.timelimit import TimeLimit

STORY: Final = pytest.StashKey[str]()
"""What is told of a failing test below its error."""
COVERED: Final = "conc explored"
"""The name of the property of a test that says what a search has covered."""
TRACED: Final = "conc trace"
"""The name of the property of a test that says where its trace is."""


class TimeIsOver(BaseException):
    """A run was ended by the time limit of the test. Not an Exception, so that no test takes it for one of its own."""


class Explored:
    """One explored test.

    Args:
        item: the test.
        test: its async function.
        arguments: of that; some are made in each run.
    """

    def __init__(
        self, item: pytest.Function, test: Callable[..., Awaitable[object]], arguments: Mapping[str, Any]
    ) -> None:
        self._item = item
        self._test = test
        self._arguments = arguments
        options = Options.of(item)
        wanted = Exploration.of(item)
        assert wanted is not None, "not marked"
        self._wanted = wanted
        self._limit = TimeLimit(options.seconds, "a run of the test")
        self._store = FailureStore(item.config.rootpath)
        self._circumstances: dict[str, Any] = {
            "leaks": "error" if options.leaks == "error" else "ignore",
            "world": world_factory(item),
        }

    def run(self) -> None:
        """Replay what the command line says; or what has failed before, and if that passes now, search.

        Raises:
            BaseException: what the test raised in a run that fails.
            pytest.fail.Exception: the search could not be made, or there was nothing to search.
        """
        __tracebackhide__ = True
        token = self._item.config.getoption("conc_replay")
        report = None
        with limited_in(self._item.config, self._limit):
            try:
                self._check_determinism()
                report = self._replay(token) if token else self._replay_stored() or self._explore()
            except KeyboardInterrupt:
                if self._limit.report is None:
                    raise
        if self._limit.report is not None:
            pytest.fail(self._limit.report, pytrace=False)
        assert report is not None, "no report, and no reason"
        log = self._item.config.stash[LOG]
        if log is not None:
            log.enter(self._item.nodeid, f"{report.runs} runs {report.steps} steps {report.contested} contested")
        self._judge(report)

    def _check_determinism(self) -> None:
        __tracebackhide__ = True
        if not self._item.config.getoption("conc_check_determinism"):
            return
        conditions = Conditions(
            seed=seed_of(self._item),
            time=self._wanted.time,
            faults=self._wanted.faults is not None,
            **self._circumstances,
        )
        difference = first_difference(self._scenario(), conditions)
        if difference is not None and self._limit.report is None:
            pytest.fail(
                f"{self._item.nodeid} does not do the same each time: {difference}\nDoes it ask the real clock, a "
                "random generator of its own, or the order of a set? Or does a run see what an earlier one left?",
                pytrace=False,
            )

    def _explore(self) -> Report:
        __tracebackhide__ = True
        wanted = self._wanted
        try:
            budget = Budget(
                runs=Budget.runs if wanted.runs is None else wanted.runs,
                seconds=Budget.seconds if wanted.seconds is None else wanted.seconds,
            )
            return explore(
                self._scenario(),
                budget=budget,
                plan=wanted.plan or PLAN,
                cancel=wanted.cancel,
                faults=wanted.faults,
                time=wanted.time,
                seed=seed_of(self._item),
                jobs=self._item.config.getoption("conc_jobs"),
                **self._circumstances,
            )
        except (ValueError, TypeError) as error:
            raise pytest.UsageError(f"{self._item.nodeid}: pytest.mark.explore: {error}") from None
        except DivergedRun as error:
            pytest.fail(f"{error}\nThis run of pytest: --conc-seed={session_seed(self._item.config)}", pytrace=False)

    def _replay(self, token: str) -> Report:
        __tracebackhide__ = True
        try:
            return replay(self._scenario(), token, **self._circumstances)
        except TokenMismatch as error:
            raise pytest.UsageError(f"--conc-replay: {error}") from None
        except DivergedRun as error:
            pytest.fail(f"--conc-replay: {error}", pytrace=False)

    def _replay_stored(self) -> Report | None:
        """The failure of an earlier run of pytest, if it fails still; else it is forgotten."""
        stored = self._store.load(self._item.nodeid)
        if stored is None:
            return None
        try:
            report = replay(self._scenario(), stored.token, **self._circumstances)
        except (TokenMismatch, DivergedRun):
            report = None
        if report is None or report.failure is None:
            self._store.remove(self._item.nodeid)
            return None
        return report

    def _scenario(self) -> Callable[..., Awaitable[None]]:
        async def scenario(*world: Any) -> None:
            __tracebackhide__ = True
            if self._limit.report is None:
                with self._limit.begin(current_runtime()):
                    await perform(self._test, self._arguments, *world)
            if self._limit.report is not None:
                raise TimeIsOver  # also out of every run that follows: what would be searched for has been found

        scenario.__qualname__ = self._item.name
        return scenario

    def _judge(self, report: Report) -> None:
        __tracebackhide__ = True
        failure = report.failure
        self._write_trace(failure)
        if failure is None:
            self._item.user_properties.append((COVERED, summary(report)))
            if report.verdict != "passed":
                pytest.fail(f"{report}\n{NOTHING_TO_SEARCH}", pytrace=False)
            return
        error = failure.error
        if not isinstance(error, pytest.skip.Exception):
            self._tell(failure)
        raise error.with_traceback(inside(self._test, error.__traceback__)) from error.__cause__

    def _write_trace(self, failure: Failure | None) -> None:
        """If that is wanted: a file with the failing run, or with the calm one if none fails."""
        kind = self._item.config.getoption("conc_trace")
        if not kind:
            return
        name = self._item.nodeid
        if failure is None:
            conditions = Conditions(seed_of(self._item), **self._circumstances)
            steps = simulate(self._scenario(), Calm(), conditions, trace=True).trace
            text = table_of(steps)
            content = page(f"The calm run of {name}", steps, text) if kind == "html" else text
        else:
            content = failure.page() if kind == "html" else str(failure)
        path = self._store.write_trace(name, content, "html" if kind == "html" else "txt")
        self._item.user_properties.append((TRACED, str(path)))

    def _tell(self, failure: Failure) -> None:
        """Keep a failure for the next run of pytest, and tell it below the error."""
        item = self._item
        seed = session_seed(item.config)
        failure.command = f"pytest {quote(item.nodeid)} --conc-replay={failure.token}"
        item.stash[STORY] = f"(this run of pytest: --conc-seed={seed})\n{failure}"
        error = f"{type(failure.error).__name__}: {failure.error}"
        self._store.save(StoredFailure(item.nodeid, failure.token, error, seed))


NOTHING_TO_SEARCH: Final = (
    "This shows nothing: no decision had a second alternative. Let several tasks run at a time, or take the mark away: "
    "an ordinary test runs once"
)


def summary(report: Report) -> str:
    """What a search has covered, in a line."""
    exhausted = f", to the end: {report.exhausted}" if report.exhausted else ""
    return f"{report.runs} runs, {report.contested} contested decisions, {len(report.entered)} tasks{exhausted}"
