"""Where a run leaves its calm course, by number: what Hypothesis draws, and what a test may write down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, repr=False)
class Schedule:
    """Deviations from the calm order of a run: ``Schedule(((4, 1),))`` lets another go first at its fifth decision.

    Only contested decisions are counted, those with more than one alternative; that of the most often is which of the
    ready tasks runs next. Without deviations the run is calm: who is ready first runs first, and goes on until it has
    to wait. The numbers mean something only for one program: when that changes they lead elsewhere, but never astray.

    Give it to `conc_testing.run` as ``schedule=``. `conc_testing.hypothesis.schedules` draws them.

    Args:
        deviations: pairs of the number of a decision, from 0, and which alternative is chosen there, from 1. One that
            is greater than there are alternatives is counted round; one beyond the end of the run has no effect.

    Raises:
        ValueError, TypeError: the deviations are no such pairs, or do not stand in the order of their decisions.

    Invariant: the decisions increase, and no choice is the calm one, 0.
    """

    deviations: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        try:
            pairs = tuple((step, choice) for step, choice in self.deviations)
        except (TypeError, ValueError):
            raise TypeError(f"deviations must be pairs of a decision and a choice, not {self.deviations!r}") from None
        last = -1
        for step, choice in pairs:
            if not _is_whole(step) or not _is_whole(choice):
                raise TypeError(f"deviations must be pairs of whole numbers, not {(step, choice)!r}")
            if step <= last:
                raise ValueError(f"deviations must stand in the order of their decisions, from 0: {step} after {last}")
            if choice < 1:
                raise ValueError(f"deviations: the choice at decision {step} must be at least 1, not {choice}")
            last = step
        object.__setattr__(self, "deviations", pairs)
        object.__setattr__(self, "_choices", dict(pairs))

    def decide(self, index: int, n: int) -> int:
        """What is chosen at the decision number `index`, which has `n` alternatives: below `n`, 0 being the calm one.

        A choice that is too great is counted round among the others, so that a deviation always deviates.
        """
        choice: int = self._choices.get(index, 0)  # type: ignore[attr-defined]
        return 1 + (choice - 1) % (n - 1) if choice and n > 1 else 0

    def __repr__(self) -> str:
        return f"Schedule({self.deviations!r})" if self.deviations else "Schedule()"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """For Hypothesis and IPython, which would show a dataclass in their own way."""
        printer.text(repr(self))


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
