"""The results as text for a terminal."""

from collections.abc import Sequence

from benchmarks.report.wording import (
    FIGURES,
    SUMMARY_HEAD,
    best_first,
    columns,
    machine_lines,
    named,
    said,
    said_ratio,
    said_target,
    said_value,
    summary_rows,
)
from benchmarks.results import Report, ScenarioResult, multiple
from benchmarks.verdicts import judge


def scenario_text(result: ScenarioResult) -> str:
    """One scenario: a line for each contestant, best first, and who did not run."""
    shown = columns(result)
    fastest = result.fastest_peer()
    best = fastest.median(result.figure) if fastest else None
    rows = [("", named(result.figure, result.unit), "spread", "x", *(FIGURES[figure] for figure in shown[1:]))]
    for entry in best_first(result):
        value = entry.median(result.figure)
        if value is not None:
            times = said_ratio(multiple(value, best))
            rest = (said(figure, entry.median(figure)) for figure in shown[1:])
            rows.append((entry.label, said(shown[0], value), f"±{entry.spread(shown[0]) / 2:.0%}", times, *rest))
    lines = [f"{result.name}: {result.title} ({result.size:,})", *_aligned(rows)]
    lines += [f"  {entry.label}: {entry.failure}" for entry in result.entries if entry.failure]
    lines += [f"  {library}: {reason}" for library, reason in result.excused.items()]
    return "\n".join(lines)


def report_text(report: Report) -> str:
    """The final table: machine, one line a scenario, the targets."""
    lines = ["", *machine_lines(report), "", *_aligned([SUMMARY_HEAD, *summary_rows(report)])]
    verdicts = judge(report)
    if verdicts:
        rows = [("target", "", "result", "")]
        rows += [(v.target.scenario, said_target(v), said_value(v), v.outcome) for v in verdicts]
        lines += ["", *_aligned(rows)]
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows as lines: the first column to the left, the others as wide as they must be."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
