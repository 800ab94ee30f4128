"""Whether the numbers of a run keep what `targets` says."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from benchmarks.results import Report
from benchmarks.targets import ABSOLUTE, FASTEST_PEER, TARGETS, Target

Outcome = Literal["reached", "missed", "not measured"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of one target. `value` is the ratio, or the figure itself for an absolute one. `against` names the
    contestant that conc was compared with; `reason` says why there is no value."""

    target: Target
    outcome: Outcome
    value: float | None = None
    against: str = ""
    reason: str = ""


def judge(report: Report, targets: Iterable[Target] = TARGETS) -> list[Verdict]:
    """A verdict for each target whose scenario was part of the run."""
    return [_verdict(report, target) for target in targets if report.scenario(target.scenario) is not None]


def _verdict(report: Report, target: Target) -> Verdict:
    result = report.scenario(target.scenario)
    assert result is not None
    mine = result.conc.median(target.figure) if result.conc else None
    if mine is None:
        reason = result.conc.failure if result.conc else "conc did not take part"
        return Verdict(target, "not measured", reason=f"conc: {reason}")
    if target.against == ABSOLUTE:
        return Verdict(target, "reached" if mine <= target.at_most else "missed", mine)
    other = result.fastest_peer() if target.against == FASTEST_PEER else result.entry(target.against)
    if other is None:
        return Verdict(target, "not measured", reason=f"{target.against} did not take part")
    ratio = result.ratio(other, target.figure)
    if ratio is None:
        return Verdict(target, "not measured", against=other.label, reason=f"{other.label}: {other.failure}")
    return Verdict(target, "reached" if ratio <= target.at_most else "missed", ratio, other.label)
