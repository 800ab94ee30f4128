"""Choices that a simulated run leaves open: what a model of the outside world asks, so that the search can decide.

The calm answer is always 0, so whatever models faults and delays behaves itself unless a search makes it misbehave.
"""

from __future__ import annotations

from typing import Final, Protocol

from conc.lowlevel import current_runtime
from conc_testing.sim.tape import CANCEL, RUN, TIME, TIMER

OURS: Final = frozenset({RUN, TIMER, TIME, CANCEL})  # sites of the tape that mean something else there


class Chooser(Protocol):
    """Who decides, in one run."""

    def choose(self, site: str, n: int) -> int:
        """One of n alternatives."""


def choose(site: str, n: int) -> int:
    """Leave a decision to the search: one of `n` alternatives, of which 0 is the calm one.

    In a run of `explore` each alternative is tried in some run, as far as the budget goes; the tape of the run records
    what was chosen, so a token replays it. In all other runs, and outside of any, this is 0.

    Args:
        site: what is decided, in dotted words: ``"net.latency"``. Each site counts its decisions by itself.
        n: how many alternatives there are, at least 1.

    Raises:
        ValueError: `n` is less than 1; or `site` is one of those that a run itself has, as ``"cancel"``.

    Checkpoint: never.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, not {n}: there is nothing to choose from at {site!r}")
    if site in OURS:
        raise ValueError(f"site: {site!r} is what every run decides by itself; choose dotted words, as 'net.latency'")
    chooser = current_chooser()
    return 0 if chooser is None or n == 1 else chooser.choose(site, n)


def fault(site: str) -> bool:
    """Leave to the search whether something fails now. False in a calm run.

    Args:
        site: what would fail, in dotted words that begin with ``fault.``: ``"fault.io"``.

    Checkpoint: never.
    """
    return choose(site, 2) == 1


def current_chooser() -> Chooser | None:
    """Who decides in the run that this code is part of; None outside of simulations."""
    try:
        runtime = current_runtime()
    except RuntimeError:
        return None
    return runtime.extensions.get(Chooser)
