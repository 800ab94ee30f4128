"""Searching for the run that fails: over orders of tasks, cancellations, faults, and whatever else is chosen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from inspect import iscoroutine
from typing import Any, Final, Literal, TypeVar

from conc.lowlevel import current_runtime
from conc_testing.sim.conductor import LIVELOCK
from conc_testing.sim.plan import phases_of
from conc_testing.sim.report import Failure, Report
from conc_testing.sim.schedule import Schedule
from conc_testing.sim.search import Budget, DivergedRun, Scenario, Search, check_whole, name_of
from conc_testing.sim.simulation import Conditions, simulate
from conc_testing.sim.strategies import Calm, Replay, Scheduled
from conc_testing.sim.tape import Tape

T = TypeVar("T")

PLAN: Final = ("delay<=2", "random", "pct:d=3", "pos")


def explore(
    scenario: Scenario,
    *,
    budget: Budget | None = None,
    plan: Sequence[str] = PLAN,
    cancel: Literal["sweep"] | None = None,
    faults: Literal["sweep"] | None = None,
    sweep_tasks: str = "*",
    time: Literal["calm", "racing"] = "calm",
    seed: int = 0,
    jobs: int = 1,
    leaks: Literal["error", "ignore"] = "error",
    world: Callable[[], Any] | None = None,
    livelock: int = LIVELOCK,
) -> Report:
    """Run a scenario again and again, each time otherwise, and look for a run that fails.

    A run fails if the scenario raises, deadlocks, livelocks, loses a wake-up or leaves something behind. Each runs on a
    runtime of its own, on virtual time, and every operation of conc in it is a moment at which others may run instead.
    The first failure ends the search; it is then made as small as it can be.

    Args:
        scenario: an async function. It is called once for each run, and must make anew whatever it uses. It gets a
            world if there is one, else no argument.
        budget: how much the search may cost.
        plan: what to try, in this order: ``"delay<=2"`` (all schedules with at most so many delays, to the end),
            ``"random"``, ``"pct:d=3"`` (priorities that change at random moments) and ``"pos"`` (partial orders).
        cancel: ``"sweep"``: before all that, cancel each task once, at each of its steps, in several orders: as it
            comes there, as it goes on, and while it waits there and nobody can go on.
        faults: ``"sweep"``: the same with each call that may `fault`; the phases of the plan decide about faults, too.
            Without it nothing fails.
        sweep_tasks: which tasks to cancel: a path, or the last part of it, with ``*`` for anything.
        time: ``"racing"``: time may pass although somebody could run, so a deadline can overtake any work.
        seed: of all that is drawn at random.
        jobs: how many processes share the work.
        leaks: whether what is left behind is an error.
        world: makes the `World` that a run takes place in.
        livelock: how many steps may be made without time passing, and a hundredth of how many in all.

    Returns:
        The report. ``report.assert_ok()`` raises if a run failed, or if there was nothing to search.

    Raises:
        ValueError, TypeError: a bad argument, which is named.
        RuntimeError: called inside a running program of conc.
    """
    check_scenario(scenario)
    check_outside("explore")
    if cancel not in {None, "sweep"}:
        raise ValueError(f'cancel must be "sweep" or None, not {cancel!r}')
    if faults not in {None, "sweep"}:
        raise ValueError(f'faults must be "sweep" or None, not {faults!r}')
    check_whole(jobs, "jobs", 1)
    phases = phases_of(plan, seed, cancel, faults, sweep_tasks)
    conditions = Conditions(seed, time, faults is not None, leaks, world, livelock)
    return Search(scenario, conditions, budget or Budget(), phases, jobs).run()


def replay(
    scenario: Scenario,
    token: str,
    *,
    leaks: Literal["error", "ignore"] = "error",
    world: Callable[[], Any] | None = None,
    livelock: int = LIVELOCK,
) -> Report:
    """Run a scenario once more, exactly as a token says.

    Args:
        scenario: the same that was explored.
        token: as in the report of a failure.
        leaks: as for `explore`.
        world: as for `explore`.
        livelock: as for `explore`.

    Returns:
        A report of this one run.

    Raises:
        TokenMismatch: the token is damaged, or of another version of conc_testing.
        DivergedRun: the run could not follow the token.
    """
    check_scenario(scenario)
    check_outside("replay")
    tape = Tape.from_token(token)
    conditions = Conditions(tape.seed, tape.time, tape.faults, leaks, world, livelock)
    strategy = Replay(tape.deviations)
    outcome = simulate(scenario, strategy, conditions, trace=True, collect=True)
    made = set(outcome.deviations)
    lost = [one for one in tape.deviations if one not in made]
    if lost:
        raise DivergedRun(
            f"the run of {name_of(scenario)} did not come to where its token leads: {lost[0]}. Either the program has "
            "changed since, or it does not do the same each time (it asks the real clock or a random generator of its "
            f"own, say). The run ended with {outcome.error!r}"
        )
    report = Report(name_of(scenario), 1, outcome.steps, contested=max(1, len(outcome.sizes)), seed=tape.seed)
    report.phases = {"replay": 1}
    report.entered = frozenset(outcome.steps_of)
    if outcome.error is not None:
        report.failure = Failure(outcome.error, tape, 1, steps=outcome.trace)
    return report


def run(
    async_fn: Callable[..., Awaitable[T]],
    *args: Any,
    schedule: Schedule | None = None,
    seed: int = 0,
    time: Literal["calm", "racing"] = "calm",
    leaks: Literal["error", "ignore"] = "error",
    world: Callable[[], Any] | None = None,
    livelock: int = LIVELOCK,
) -> T:
    """Run ``async_fn(*args)`` once as a simulation, and return its value.

    As a single run of `explore`: virtual time, every operation a moment at which others may run, all oracles looking.

    Args:
        async_fn: an async function.
        args: its arguments; with a world, that comes before them.
        schedule: where the run leaves the calm course, see `conc_testing.hypothesis.schedules`.
        seed: of what is drawn at random within the run.
        time: as for `explore`.
        leaks: as for `explore`.
        world: as for `explore`.
        livelock: as for `explore`.

    Raises:
        BaseException: what the function raised, or what the oracles found.
    """
    check_scenario(async_fn)

    async def scenario(*first: Any) -> T:
        return await async_fn(*first, *args)

    scenario.__qualname__ = name_of(async_fn)
    strategy = Calm() if schedule is None else Scheduled(schedule.decide)
    outcome = simulate(scenario, strategy, Conditions(seed, time, False, leaks, world, livelock), collect=True)
    if outcome.error is not None:
        try:
            raise outcome.error
        finally:
            del outcome  # its error holds this frame
    return outcome.value  # type: ignore[return-value]


def check_outside(what: str) -> None:
    """Raise RuntimeError inside of a running program, on whose thread no other can run."""
    try:
        current_runtime()
    except RuntimeError:
        return
    raise RuntimeError(
        f"{what} was called inside a running program of conc, and would run others on its thread; call it from an "
        "ordinary function, or through conc.to_thread"
    )


def check_scenario(scenario: object) -> None:
    """Raise TypeError unless it is something that can be called."""
    if iscoroutine(scenario):
        scenario.close()
        raise TypeError("scenario must be an async function, called anew for each run; this is a coroutine object")
    if not callable(scenario):
        raise TypeError(f"scenario must be an async function, not {scenario!r}")
