"""The numbers of a run: what came back from each process, and what follows from it. Nothing here measures anything."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.scenario import Figures, Role


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest of `values` that `percent` of them do not exceed. Raises: ValueError if there are none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("a percentile of no values")
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def spread(values: Sequence[float]) -> float:
    """How far the rounds lie apart: (largest - smallest) / median; 0 for a single round or a median of 0."""
    middle = statistics.median(values)
    return (max(values) - min(values)) / abs(middle) if middle else 0.0


def multiple(value: float | None, of: float | None) -> float | None:
    """`value` as a multiple of `of`; None unless both are positive."""
    return value / of if value is not None and of is not None and value > 0 and of > 0 else None


@dataclass(slots=True)
class Entry:
    """One contestant in one scenario: its figures round by round, or why there are none."""

    label: str
    library: str
    role: Role
    runs: list[Figures] = field(default_factory=list)
    failure: str = ""
    gil: bool | None = None

    def values(self, figure: str) -> list[float]:
        """That figure, round by round."""
        return [run[figure] for run in self.runs if figure in run]

    def median(self, figure: str) -> float | None:
        """The median of that figure over the rounds; None if there is none."""
        values = self.values(figure)
        return statistics.median(values) if values else None

    def spread(self, figure: str) -> float:
        """How far the rounds lie apart in that figure, as a share of the median."""
        values = self.values(figure)
        return spread(values) if values else 0.0


@dataclass(slots=True)
class ScenarioResult:
    """All contestants of one scenario; `figure` ranks them, smaller is better."""

    name: str
    title: str
    unit: str
    figure: str
    notes: str
    size: int
    entries: list[Entry]
    excused: dict[str, str] = field(default_factory=dict)

    def entry(self, label: str) -> Entry | None:
        """The contestant with this label, if it took part."""
        return next((entry for entry in self.entries if entry.label == label), None)

    @property
    def conc(self) -> Entry | None:
        """conc's own entry."""
        return next((entry for entry in self.entries if entry.role == "conc"), None)

    def ranked(self, figure: str = "") -> list[tuple[float, Entry]]:
        """Those who have the figure (by default the ranking one), best first."""
        figure = figure or self.figure
        medians = ((entry.median(figure), entry) for entry in self.entries)
        return sorted(((value, entry) for value, entry in medians if value is not None), key=lambda pair: pair[0])

    def fastest_peer(self) -> Entry | None:
        """The peer with the best median; neither conc nor a limit such as C counts."""
        return next((entry for _, entry in self.ranked() if entry.role == "peer"), None)

    def ratio(self, other: Entry | None, figure: str = "") -> float | None:
        """conc's median as a multiple of the other's: below 1, conc needs less. None where either has no figure, or one
        that is not positive (how late something is may be less than nothing)."""
        mine = self.conc.median(figure or self.figure) if self.conc else None
        theirs = other.median(figure or self.figure) if other else None
        return multiple(mine, theirs)


@dataclass(slots=True)
class Report:
    """One whole run: when and where, with how many rounds, and every scenario."""

    started: str
    rounds: int
    quick: bool
    machine: dict[str, Any]
    scenarios: list[ScenarioResult]

    def scenario(self, name: str) -> ScenarioResult | None:
        """The scenario of this name, if it ran."""
        return next((each for each in self.scenarios if each.name == name), None)

    def failures(self) -> list[tuple[str, str, str]]:
        """Whoever did not run or did not finish: (scenario, contestant, reason), in order."""
        return [
            (scenario.name, entry.label, entry.failure)
            for scenario in self.scenarios
            for entry in scenario.entries
            if entry.failure
        ]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Report":
        """The report that `to_json` wrote."""
        scenarios = [
            ScenarioResult(**{**each, "entries": [Entry(**entry) for entry in each["entries"]]})
            for each in data["scenarios"]
        ]
        return cls(**{**data, "scenarios": scenarios})
