"""Checking a primitive against its model: small programs for a few tasks, each in many interleavings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from textwrap import indent
from typing import Any, Final, Literal, TypeAlias, TypeVar

from conc_testing.history.history import History
from conc_testing.history.linearizability import NotLinearizable
from conc_testing.history.model import Model
from conc_testing.history.programs import CANCEL, TASK_NAMES, Program, all_programs, alphabet, shrink
from conc_testing.history.trial import Functions, Trial
from conc_testing.history.writing import write_programs
from conc_testing.sim.explore import explore, replay
from conc_testing.sim.report import Failure, Report
from conc_testing.sim.search import Budget

P = TypeVar("P")
Ops: TypeAlias = "Mapping[str, Callable[..., Any] | tuple[Any, ...]]"

Searching: TypeAlias = "Callable[[Program], tuple[Trial, Report]]"

PLAN: Final = ("delay<=2",)
PROGRAMS: Final = 30
ACTORS: Final = f"[{TASK_NAMES[0]}-{TASK_NAMES[-1]}]"  # the names of the tasks, as a pattern


@dataclass(frozen=True)
class PrimitiveFailure:
    """A program that does what the model does not allow.

    Attributes:
        program: what each task did, with everything left out that is not needed.
        trial: runs it once: an async function without arguments, for `conc_testing.replay` with the token.
        found: the failure of its search, as `conc_testing.explore` reports it.
        history: what happened in that run.
    """

    program: Program
    trial: Trial
    found: Failure
    history: History

    @property
    def error(self) -> BaseException:
        """Why it failed."""
        return self.found.error

    @property
    def token(self) -> str:
        """Replays it: ``conc_testing.replay(failure.trial, failure.token, leaks="ignore")``."""
        return self.found.token


@dataclass(frozen=True)
class PrimitiveReport:
    """What `check_primitive` came to.

    Attributes:
        spec: the model.
        programs: how many were searched.
        runs: how many runs that were, in all.
        contested: how many decisions there were with more than one alternative.
        exhausted: the bound within which all interleavings of all programs were run, if so; else None.
        failure: the first that was found; None if there is none.
    """

    spec: Model
    programs: int
    runs: int
    contested: int
    exhausted: str | None
    failure: PrimitiveFailure | None

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"``, or ``"inconclusive"``: there was nothing to decide, so nothing is shown."""
        if self.failure is not None:
            return "failed"
        return "passed" if self.contested else "inconclusive"

    @property
    def ok(self) -> bool:
        """Whether it has passed."""
        return self.verdict == "passed"

    def assert_ok(self) -> None:
        """Raise an AssertionError with the whole story, unless it has passed. Checkpoint: never."""
        if not self.ok:
            raise AssertionError(str(self)) from (None if self.failure is None else self.failure.error)

    def __str__(self) -> str:
        covered = f"{self.programs} programs in {self.runs} runs"
        if self.failure is None:
            proof = f", every interleaving with {self.exhausted}" if self.exhausted else ""
            return f"{self.spec!r}: {self.verdict}, {covered}{proof}; {self.contested} decisions were contested"
        failure = self.failure
        told = isinstance(failure.error, NotLinearizable)  # with the history
        history = "" if told else indent(f"{failure.history}\n\n", "  ")
        return (
            f"{self.spec!r}: failed in this program, found after {covered}:\n{failure.program}\n\n"
            f"{type(failure.error).__name__}: {failure.error}\n\n{history}{failure.found.table}\n\n"
            f'replay: conc_testing.replay(report.failure.trial, {failure.token!r}, leaks="ignore")'
        )


def check_primitive(
    spec: Model,
    make: Callable[[], P],
    ops: Ops,
    *,
    tasks: int = 3,
    ops_per_task: int = 2,
    cancel: bool | Literal["sweep"] = True,
    plan: Sequence[str] = PLAN,
    budget: Budget | None = None,
    time: Literal["calm", "racing"] = "calm",
    timeout: float | None = None,
    most_programs: int = PROGRAMS,
    close: Callable[[P], object] | None = None,
    seed: int = 0,
    jobs: int = 1,
) -> PrimitiveReport:
    """Check a primitive against a model: let a few tasks use it in all sorts of ways, each in many interleavings.

    Each run of each program records its history. When all have come to rest, it must be linearizable by the model, with
    those that still wait where the model lets them wait. Then the tasks are cancelled. At rest and at the end the
    primitive is asked for its invariants, by ``_check()`` and ``audit()``, where it has these methods. A program that
    fails is shrunk.

    Args:
        spec: the model. Tasks are named ``"A"``, ``"B"`` and so on: `Operation.process`.
        make: makes the primitive, or whatever the operations need, in each run.
        ops: by name, what an operation calls: a function of what `make` returned, async or not. A tuple of the
            function and tuples of further arguments, where there are any, of which one is chosen for each operation;
            `UNIQUE` among them stands for an argument that is never the same. Errors that it raises are results.
        tasks: how many there are, at least 1.
        ops_per_task: how many operations each of them does, at least 1.
        cancel: True: tasks also cancel what others are at. ``"sweep"``: each task is cancelled at each of its steps,
            once; see `conc_testing.explore`. An operation that was cancelled must not have happened.
        plan: as for `conc_testing.explore`.
        budget: of the search, for each program; a `conc_testing.Budget`.
        time: as for `conc_testing.explore`.
        timeout: seconds after which an operation is given up, which cancels it. None: never.
        most_programs: how many programs at most: all that there are, or those in which, by the model, the most
            different things happen.
        close: called at the end of each run with what `make` returned.
        seed: of what is drawn at random, for the programs and in the search.
        jobs: as for `conc_testing.explore`.

    Raises:
        ValueError: a bad argument, which is named.

    Checkpoint: never; it begins runs of its own, so not from within a program of conc.
    """
    _check_counts(tasks, ops_per_task, most_programs)
    if cancel not in {True, False, "sweep"}:
        raise ValueError(f'cancel must be True, False or "sweep", not {cancel!r}')
    if timeout is not None and not 0 < timeout < math.inf:
        raise ValueError(f"timeout must be None, or more than 0 and finite, not {timeout!r}")
    functions, choices = _parse(ops)
    names = TASK_NAMES[:tasks]
    alphabets = {name: alphabet(choices, name, names, cancel is True) for name in names}
    chosen = all_programs(alphabets, ops_per_task, most_programs)
    if chosen is None:
        chosen = write_programs(spec, alphabets, ops_per_task, most_programs, seed)
    if not chosen:
        raise ValueError(f"nothing that ops name can happen in the first state of {spec!r}, {spec.init()!r}")

    def search(program: Program, budget: Budget | None = budget) -> tuple[Trial, Report]:
        trial = Trial(program, spec, make, functions, timeout, close)
        return trial, explore(
            trial,
            budget=budget,
            plan=plan,
            cancel="sweep" if cancel == "sweep" else None,
            sweep_tasks=ACTORS,
            time=time,
            seed=seed,
            jobs=jobs,
            leaks="ignore",  # a program may end with anything in its hands
        )

    runs = contested = 0
    exhausted: set[str | None] = set()
    for number, program in enumerate(chosen, 1):
        _, report = search(program)
        runs += report.runs
        contested += report.contested
        exhausted.add(report.exhausted)
        if report.failure is not None:
            enough = Budget(runs=max(100, 2 * report.failure.found_at))  # for a program that has less to do
            failing = partial(_fails_with, type(report.failure.error), partial(search, budget=enough))
            failure = _failure(*search(shrink(program, failing)))
            return PrimitiveReport(spec, number, runs, contested, None, failure)
    proved = exhausted.pop() if len(exhausted) == 1 else None
    return PrimitiveReport(spec, len(chosen), runs, contested, proved, None)


def _failure(trial: Trial, report: Report) -> PrimitiveFailure:
    found = report.failure
    assert found is not None, "a program that failed does not fail any more: it does not do the same each time"
    replay(trial, found.token, leaks="ignore")
    return PrimitiveFailure(trial.program, trial, found, trial.history)


def _fails_with(kind: type[BaseException], search: Searching, program: Program) -> bool:
    _, report = search(program)
    return report.failure is not None and type(report.failure.error) is kind


def _check_counts(tasks: int, ops_per_task: int, most_programs: int) -> None:
    if not 1 <= tasks <= len(TASK_NAMES):
        raise ValueError(f"tasks must be from 1 to {len(TASK_NAMES)}, not {tasks}")
    if ops_per_task < 1:
        raise ValueError(f"ops_per_task must be at least 1, not {ops_per_task}")
    if most_programs < 1:
        raise ValueError(f"most_programs must be at least 1, not {most_programs}")


def _parse(ops: Ops) -> tuple[Functions, dict[str, Sequence[tuple[Any, ...]]]]:
    """The functions by name, and the arguments to choose from."""
    if not ops or CANCEL in ops:
        raise ValueError(f"ops must name at least one operation, and none {CANCEL!r}, which the tasks do to each other")
    functions: dict[str, Callable[..., Any]] = {}
    choices: dict[str, Sequence[tuple[Any, ...]]] = {}
    for name, given in ops.items():
        function, *args = given if isinstance(given, tuple) else (given,)
        if not callable(function) or not all(isinstance(one, tuple) for one in args):
            raise ValueError(f"ops[{name!r}] must be a function, or a function and tuples of arguments, not {given!r}")
        functions[name] = function
        choices[name] = args or [()]
    return functions, choices
