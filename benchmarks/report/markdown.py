"""The results as a page of the documentation."""

from collections.abc import Iterable, Sequence

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

HEAD = """# Results

Made by `make bench`, not edited by hand. Each number is the median of {rounds} fresh processes; the spread is
half the distance from the best to the worst. A ratio below 1 means that conc needs less.

![conc beside its peers](results.svg)
"""


def report_markdown(report: Report) -> str:
    """The page: where it ran, the summary, the targets, then each scenario."""
    parts = [HEAD.format(rounds=report.rounds), "## Where it ran\n"]
    parts.append("\n".join(f"- {line}" for line in machine_lines(report)) + "\n")
    parts += ["## Summary\n", _table(SUMMARY_HEAD, summary_rows(report))]
    verdicts = judge(report)
    if verdicts:
        rows = [(v.target.scenario, said_target(v), said_value(v), f"**{v.outcome}**") for v in verdicts]
        parts += ["## Targets\n", _table(("scenario", "target", "result", ""), rows)]
    parts.append("## Scenarios\n")
    parts += [_scenario(result) for result in report.scenarios]
    return "\n".join(parts)


def _scenario(result: ScenarioResult) -> str:
    shown = columns(result)
    fastest = result.fastest_peer()
    best = fastest.median(result.figure) if fastest else None
    rows = []
    for entry in best_first(result):
        value = entry.median(result.figure)
        if value is not None:
            name = f"**{entry.label}**" if entry.role == "conc" else entry.label
            times = said_ratio(multiple(value, best))
            rest = (said(figure, entry.median(figure)) for figure in shown[1:])
            rows.append((name, said(shown[0], value), f"±{entry.spread(shown[0]) / 2:.0%}", times, *rest))
    head = (
        "",
        named(shown[0], result.unit),
        "spread",
        "x fastest peer",
        *(FIGURES[figure] for figure in shown[1:]),
    )
    parts = [f"### {result.name}\n", f"{result.title}. {result.notes}\n"]
    if rows:
        parts.append(_table(head, rows))
    absent = [f"- {entry.label}: {entry.failure}" for entry in result.entries if entry.failure]
    absent += [f"- {library}: {reason}" for library, reason in result.excused.items()]
    if absent:
        parts += ["Did not run:\n", "\n".join(absent) + "\n"]
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell or " " for cell in head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
