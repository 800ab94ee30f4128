"""Runs made by several processes: each is a copy of this one, so that a scenario needs no name by which to find it."""

from __future__ import annotations

import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Final

from conc_testing.sim.plan import Recipe
from conc_testing.sim.simulation import Outcome

RUNS_AT_A_TIME: Final = 16  # of a batch, for each process

Simulate = Callable[[Recipe], Outcome[Any]]
_simulate: Simulate | None = None  # of the search that this process is a copy for


class Elsewhere(Exception):
    """Stands for the error of a run in another process: its words."""


class Crowd:
    """Makes runs, in this process or in several.

    Args:
        simulate: makes one run.
        jobs: how many processes; 1 is this one. Where a process cannot be copied (no fork), it is always this one.
    """

    def __init__(self, simulate: Simulate, jobs: int) -> None:
        self._simulate = simulate
        self._jobs = jobs if "fork" in multiprocessing.get_all_start_methods() else 1
        self._pool: Any = None

    @property
    def width(self) -> int:
        """How many runs to hand over at a time."""
        return self._jobs * RUNS_AT_A_TIME

    def run(self, recipes: Sequence[Recipe]) -> Iterator[Outcome[Any]]:
        """Make these runs: what came of each, in order."""
        if self._pool is None:
            return map(self._simulate, recipes)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            chunk = max(1, len(recipes) // (4 * self._jobs))
            try:
                return iter(list(self._pool.map(_run_elsewhere, recipes, chunksize=chunk)))
            except BrokenProcessPool as error:
                raise RuntimeError(
                    "a run ended the process that made it, by os._exit or a crash; with jobs=1 it can be seen where"
                ) from error

    def __enter__(self) -> Crowd:
        global _simulate  # noqa: PLW0603  # what the copies of this process find
        if self._jobs > 1:
            _simulate = self._simulate
            with warnings.catch_warnings():
                # The watcher of a time limit is another thread; it holds no lock that a copy would miss.
                warnings.simplefilter("ignore", DeprecationWarning)
                fork = multiprocessing.get_context("fork")
                self._pool = ProcessPoolExecutor(self._jobs, fork)
                list(self._pool.map(abs, range(self._jobs)))  # so that the copies are made now
            _simulate = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _run_elsewhere(recipe: Recipe) -> Outcome[Any]:
    """In a copy: make a run, and return what can be sent."""
    assert _simulate is not None, "a copy that was made for no search"
    try:
        outcome = _simulate(recipe)
    except (KeyboardInterrupt, SystemExit) as error:  # it would end this process: to be raised in the first one
        return Outcome(error=Elsewhere(repr(error)))
    outcome.value = None
    if outcome.error is not None:
        outcome.error = Elsewhere(repr(outcome.error))
    return outcome
