"""What a search came to: whether it found a failure, what that is, and what the search has covered."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Final

import conc
from conc_testing.sim.table import table_of
from conc_testing.sim.tape import Deviation, Tape
from conc_testing.sim.timeline import page
from conc_testing.sim.trace import Step

OURS: Final = (Path(conc.__file__).parent, Path(__file__).parent.parent)


class ExplorationFailed(AssertionError):
    """A run failed. The text tells the shortest way there that was found, and how to go it again."""


class Inconclusive(AssertionError):
    """No run failed, but there was nothing to decide in any of them either: no two tasks were ever ready together."""


@dataclass
class Failure:
    """A run that failed, made as small as it could be.

    Attributes:
        error: what it raised.
        tape: its deviations, and their circumstances.
        found_at: the number of the first run that failed in this way, from 1.
        shrunk_in: how many runs were made to find a smaller one.
        steps: what happened.
        command: what replays it, for people; a call of `replay` unless there is a better one.
        options: the arguments of that call, beside scenario and token.
    """

    error: BaseException
    tape: Tape
    found_at: int
    shrunk_in: int = 0
    steps: list[Step] = field(default_factory=list)
    command: str = ""
    options: str = ""

    @property
    def token(self) -> str:
        """The run as one word, for `replay`."""
        return self.tape.token

    @property
    def deviations(self) -> tuple[Deviation, ...]:
        """Where the run left the calm course."""
        return self.tape.deviations

    @property
    def table(self) -> str:
        """The steps of the run, a column for each task."""
        return table_of(self.steps)

    def page(self) -> str:
        """The run as a page of HTML: a picture of who ran when and who woke whom, and all that the text says."""
        return page(f"{self.tape.scenario} fails", self.steps, str(self))

    def __str__(self) -> str:
        said = words_of(self.error)
        found = f"found in run {self.found_at}" + (f", shrunk in {self.shrunk_in} more" if self.shrunk_in else "")
        lines = [f"{said}", f"({found})", ""]
        if self.deviations:
            lines.append("The calm course, except that")
            lines += [f"  [{number}] {one}" for number, one in enumerate(self.deviations, 1)]
        else:
            lines.append("On the calm course: no search is needed to see it.")
        command = self.command or f"conc_testing.replay({self.tape.scenario}, {self.token!r}{self.options})"
        lines += ["", self.table, "", f"token:  {self.token}", f"replay: {command}"]
        return "\n".join(lines)


def words_of(error: BaseException) -> str:
    """An error in words; of a group, each that is in it."""
    said = "".join(traceback.format_exception_only(error)).strip()
    if not isinstance(error, BaseExceptionGroup):
        return said + place_of(error)
    inside = "\n".join(words_of(one) for one in error.exceptions)
    return said + "\n" + indent(inside, "  ")


def place_of(error: BaseException) -> str:
    """The line of the program that raised an error, or that called what did."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not any(Path(frame.filename).is_relative_to(ours) for ours in OURS) and not frame.filename.startswith("<"):
            return f"\n  {Path(frame.filename).name}:{frame.lineno}, in {frame.name}: {frame.line}"
    return ""


@dataclass
class Report:
    """What a search came to.

    Attributes:
        scenario: the name of what was run.
        runs: how many runs were made, but for those that made a failure smaller.
        steps: how many steps there were in them.
        seconds: how long it took.
        contested: how many different decisions had more than one alternative.
        phases: the runs that each part of the plan got.
        exhausted: what was covered to the end: ``"delay<=2"``, say; None if nothing was.
        failure: the first that was found; None if there was none.
        entered: the paths of all tasks that ran.
    """

    scenario: str
    runs: int = 0
    steps: int = 0
    seconds: float = 0.0
    contested: int = 0
    phases: dict[str, int] = field(default_factory=dict)
    exhausted: str | None = None
    failure: Failure | None = None
    entered: frozenset[str] = frozenset()
    seed: int = 0
    granularity: str = "operations of conc, one worker"

    @property
    def ok(self) -> bool:
        """Whether runs were contested, and none failed."""
        return self.verdict == "passed"

    @property
    def verdict(self) -> str:
        """``"passed"``, ``"failed"``, or ``"inconclusive"``: nothing failed, and nothing could have been otherwise."""
        if self.failure is not None:
            return "failed"
        return "passed" if self.contested else "inconclusive"

    def assert_ok(self) -> None:
        """Raise unless the search passed.

        Raises:
            ExplorationFailed: a run failed.
            Inconclusive: there was nothing to decide.
        """
        __tracebackhide__ = True
        if self.failure is not None:
            raise ExplorationFailed(f"{self.scenario} fails: {self.failure}") from self.failure.error
        if not self.contested:
            raise Inconclusive(
                f"{self}\nThis shows nothing: no decision had a second alternative. Let several tasks run at a time, "
                "or run the scenario once, as an ordinary test"
            )

    def __str__(self) -> str:
        covered = ", ".join(f"{name}: {count}" for name, count in self.phases.items())
        lines = [
            f"{self.scenario}: {self.verdict}, {self.runs} runs in {self.seconds:.1f} s ({covered}), seed {self.seed}",
            f"  {self.contested} contested decisions, {len(self.entered)} tasks, {self.steps} steps",
            f"  interleaved: {self.granularity}",
        ]
        if self.exhausted is not None:
            lines.append(f"  to the end: {self.exhausted}")
        if self.failure is not None:
            lines.append(str(self.failure))
        return "\n".join(lines)
