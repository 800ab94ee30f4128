"""The arguments of a runtime: each is looked at before anything happens, and named if it is wrong."""

from __future__ import annotations

from conc._kernel.cancel import check_time
from conc._os import threads

CLOCK_METHODS = ("now", "idle", "advance_when_idle", "attach")


def count_workers(workers: object) -> int:
    """How many workers are wanted."""
    if workers == "auto":
        return 1 if threads.gil_enabled() else threads.cpu_count()
    if isinstance(workers, bool) or not isinstance(workers, int):
        raise TypeError(f'workers must be a number or "auto", not {workers!r}')
    if workers < 1:
        raise ValueError(f"workers must be at least 1, not {workers}")
    return workers


def check_clock(clock: object) -> None:
    """Raise TypeError unless it is a clock, or None."""
    if clock is not None and not all(callable(getattr(clock, method, None)) for method in CLOCK_METHODS):
        raise TypeError(f"clock must have the methods of conc.lowlevel.Clock, which {clock!r} has not")


def check_seed(seed: object) -> None:
    """Raise TypeError unless it is a whole number, or None."""
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise TypeError(f"seed must be a whole number, not {seed!r}")


def check_policy(policy: object, workers: int) -> None:
    """Raise an error unless it is None, or a policy that may be had with so many workers."""
    if policy is None:
        return
    if not callable(getattr(policy, "pick", None)):
        raise TypeError(f"policy must have the method of conc.lowlevel.Policy, which {policy!r} has not")
    if workers != 1:
        raise ValueError(f"policy needs workers=1, not {workers}: the order on several threads is not ours to choose")


def check_poller(poller: object) -> None:
    """Raise TypeError unless it is a function that makes pollers, or None."""
    if poller is not None and not callable(poller):
        raise TypeError(f"poller must be a function that makes a poller, not {poller!r}")


def check_blocking_threads(count: object) -> None:
    """Raise an error unless it is a number of threads."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"max_blocking_threads must be a number, not {count!r}")
    if count < 1:
        raise ValueError(f"max_blocking_threads must be at least 1, not {count}")


def check_shutdown_timeout(seconds: float | None) -> None:
    """Raise an error unless it is a time, or None."""
    if seconds is not None and check_time(seconds, "shutdown_timeout") < 0:
        raise ValueError(f"shutdown_timeout must not be negative, not {seconds}")
