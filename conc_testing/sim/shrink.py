"""Making a failing run small: few deviations from the calm course, so that a person sees which ones matter.

First the search begins again at low bounds: that finds a short story, where taking away from a long one gets stuck.
Then deviations are taken away, by halves and quarters, as long as the run goes on failing in the same way.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from conc_testing.sim.plan import Delays, Recipe
from conc_testing.sim.simulation import Outcome
from conc_testing.sim.tape import CANCEL

Run = Callable[[Recipe], Outcome[Any]]

SEARCHES = 400  # runs of the search at low bounds
CUTS = 400  # runs of taking away


def shrink(failing: Outcome[Any], run: Run, seconds: float = 60.0) -> tuple[Outcome[Any], int]:
    """The failing run with the fewest deviations that could be found, and how many runs it took.

    Args:
        failing: a run that failed.
        run: makes another run of the same scenario.
        seconds: how much real time it may take.
    """
    attempts = Attempts(failing, run, seconds)
    if len(failing.deviations) > 1:
        _search(attempts)
    if attempts.best.deviations:
        _cut(attempts)
    return attempts.best, attempts.runs


def kind_of(error: BaseException | None) -> frozenset[str]:
    """What kind of failure an error is: the classes of the errors in it."""
    if error is None:
        return frozenset()
    if isinstance(error, BaseExceptionGroup):
        return frozenset().union(*map(kind_of, error.exceptions))
    return frozenset({f"{type(error).__module__}.{type(error).__qualname__}"})


class Attempts:
    """Runs that are made to find a smaller one that fails in the same way.

    Attributes:
        best: the smallest so far.
        runs: how many were made.
        is_over: whether there is no time for more.
    """

    def __init__(self, failing: Outcome[Any], run: Run, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.best = failing
        self.runs = 0
        self._run = run
        self._kind = kind_of(failing.error)

    @property
    def is_over(self) -> bool:
        """As above."""
        return time.monotonic() >= self._end

    def make(self, recipe: Recipe) -> tuple[Outcome[Any], bool]:
        """Make a run: what it came to, and whether it is the best now."""
        self.runs += 1
        outcome = self._run(recipe)
        better = kind_of(outcome.error) == self._kind and len(outcome.deviations) < len(self.best.deviations)
        if better:
            self.best = outcome
        return outcome, better


def _search(attempts: Attempts) -> None:
    """Begin again, with few delays, and then with few deviations of those that the failing run has; with its
    cancellations, each alone if there are several."""
    deviations = attempts.best.deviations
    cancels = [(one.path, one.nth, int(one.choice)) for one in deviations if one.site == CANCEL]
    only = {(one.site, one.path) for one in deviations}
    for kept in [(one,) for one in cancels] if len(cancels) > 1 else [tuple(cancels)]:
        for search in (Delays(2, kept), Delays(2, kept, only)):
            if _searched(attempts, search, len(kept)):
                return


def _searched(attempts: Attempts, search: Delays, kept: int) -> bool:
    """Whether a search has found a smaller one."""
    left = SEARCHES
    for batch in search.batches():
        for recipe in batch:
            left -= 1
            if left < 0 or attempts.is_over or len(recipe.choices) + kept >= len(attempts.best.deviations):
                return False
            outcome, better = attempts.make(recipe)
            if better:
                return True
            search.learn([(recipe, outcome)])
    return False


def _cut(attempts: Attempts) -> None:
    """Take away what is not needed (Zeller's ddmin)."""
    pieces = 2
    limit = attempts.runs + CUTS
    while attempts.best.deviations and attempts.runs < limit and not attempts.is_over:
        deviations = attempts.best.deviations
        size = max(1, len(deviations) // pieces)
        for start in range(0, len(deviations), size):
            rest = (*deviations[:start], *deviations[start + size :])
            if attempts.is_over:
                return
            _, better = attempts.make(Recipe("tape", tape=rest))
            if better:
                pieces = max(pieces - 1, 2)
                break
        else:
            if size == 1:
                return
            pieces = min(pieces * 2, len(deviations))
