"""How far one sequence of steps has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from conc_testing.io.steps import Expect, ExpectN, Pause, Step, shown


@dataclass(frozen=True, slots=True)
class Place:
    """A step that is not done yet, and where it stands."""

    step: Step
    words: str


class Course:
    """How far one sequence of steps has come.

    Args:
        steps: the sequence; it is kept, and may grow.
        since: when the first step was reached.
        label: what is put before the number of a step, in messages.

    Attributes:
        at: the index of the current step.
        since: when the current step was reached: the one before was done then.
        written: how many bytes of the current step have been written.

    Invariant: `written` is 0 unless the current step wants a number of bytes, and less than that number.
    """

    __slots__ = ("_label", "_steps", "at", "since", "written")

    def __init__(self, steps: list[Step], since: float, label: str = "") -> None:
        self._steps = steps
        self._label = label
        self.at = 0
        self.since = since
        self.written = 0

    @property
    def step(self) -> Step | None:
        """The current step; None if all are done."""
        return self._steps[self.at] if self.at < len(self._steps) else None

    def add(self, step: Step, now: float) -> None:
        """One more step. If all others are done it is reached now."""
        if self.step is None:
            self.since = now
        self._steps.append(step)

    def go_on(self, done: float) -> None:
        """The current step was done at this time."""
        self.at += 1
        self.since = done
        self.written = 0

    def pause_ends(self, step: Pause) -> float:
        """When the current step is over, which is a pause."""
        return self.since + step.seconds

    def where(self) -> str:
        """The current step in words."""
        return self._where(self.at)

    def left(self, behind: int = 0) -> Iterator[Place]:
        """The steps that are not done, the first `behind` of them left out."""
        for index in range(self.at + behind, len(self._steps)):
            yield Place(self._steps[index], self._where(index))

    def _where(self, index: int) -> str:
        part = f" (of which {self.written} bytes were written)" if index == self.at and self.written else ""
        return f"{self._label}step {index + 1}, {shown(self._steps[index])}{part}"

    def _check(self) -> None:
        step = self.step
        wanted = 1
        if isinstance(step, ExpectN):
            wanted = step.n
        elif isinstance(step, Expect) and isinstance(step.what, bytes):
            wanted = len(step.what)
        assert 0 <= self.written < wanted, "more was written than the step wants, or it is done"
