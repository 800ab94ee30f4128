"""How numbers and verdicts are said, alike in every form of the report."""

from benchmarks.results import Entry, Report, ScenarioResult
from benchmarks.targets import ABSOLUTE, FASTEST_PEER
from benchmarks.verdicts import Verdict

FIGURES = {
    "wall_ns": "time",
    "cpu_ns": "CPU time",
    "beyond_sleep_ns": "beyond the sleep",
    "operations_per_s": "per second",
    "p50_ns": "p50",
    "p99_ns": "p99",
    "p99_beyond_ns": "p99 beyond time.sleep",
    "time_sleep_p50_ns": "time.sleep p50",
    "time_sleep_p99_ns": "time.sleep p99",
    "server_busy_share": "server busy",
    "load_busy_share": "load busy",
    "task_bytes": "memory",
    "process_bytes": "memory of the process",
    "peak_bytes": "peak of the process",
}
"""The figures in words, in the order of the columns."""

PER_OPERATION = ("wall_ns", "cpu_ns", "beyond_sleep_ns", "task_bytes")


def named(figure: str, unit: str) -> str:
    """A figure with what it is counted by: "CPU time per message"."""
    return f"{FIGURES[figure]} per {unit}" if figure in PER_OPERATION else FIGURES[figure]


def said(figure: str, value: float | None) -> str:
    """A value in a unit that suits it: 412 ns, 1.28 ms, 1,077 B, 812.4 MB, 48,210, 97%. A dash for none."""
    if value is None:
        return "-"
    if figure.endswith("_ns"):
        return _scaled(value, (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1)))
    if figure.endswith("_bytes"):
        return _scaled(value, (("GB", 1e9), ("MB", 1e6), ("B", 1)))
    if figure.endswith("_share"):
        return f"{value:.0%}"
    return f"{value:,.0f}"


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    for unit, worth in units:
        if abs(value) >= worth or worth == 1:
            number = value / worth
            return f"{number:,.0f} {unit}" if abs(number) >= 100 or worth == 1 else f"{number:.2f} {unit}"
    raise AssertionError("the last unit takes every value")


def said_ratio(ratio: float | None) -> str:
    """A ratio with two digits, or a dash."""
    return "-" if ratio is None else f"{ratio:.2f}"


def columns(result: ScenarioResult) -> list[str]:
    """The figures that this scenario has, the ranking one first."""
    present = {figure for entry in result.entries for run in entry.runs for figure in run}
    return [result.figure, *(figure for figure in FIGURES if figure in present and figure != result.figure)]


def best_first(result: ScenarioResult) -> list[Entry]:
    """Who has the ranking figure, best first, then those who failed."""
    ranked = [entry for _, entry in result.ranked()]
    return ranked + [entry for entry in result.entries if entry not in ranked]


def said_target(verdict: Verdict) -> str:
    """What was promised: "0.45 of the fastest peer", "at most 1.00 GB"."""
    target = verdict.target
    if target.against == ABSOLUTE:
        return f"at most {said(target.figure, target.at_most)}"
    return f"at most {target.at_most:.2f} of {target.against}"


def said_value(verdict: Verdict) -> str:
    """What came of it: "0.39 (tinyio)", "812 MB", or why there is nothing."""
    target = verdict.target
    if verdict.value is None:
        return verdict.reason
    if target.against == ABSOLUTE:
        return said(target.figure, verdict.value)
    return f"{verdict.value:.2f} ({verdict.against})" if target.against == FASTEST_PEER else f"{verdict.value:.2f}"


def summary_rows(report: Report) -> list[tuple[str, ...]]:
    """One row a scenario, as SUMMARY_HEAD says."""
    rows: list[tuple[str, ...]] = []
    for result in report.scenarios:
        conc, peer = result.conc, result.fastest_peer()
        rows.append(
            (
                result.name,
                named(result.figure, result.unit),
                said(result.figure, conc.median(result.figure) if conc else None),
                f"±{conc.spread(result.figure) / 2:.0%}" if conc and conc.runs else "-",
                peer.label if peer else "-",
                said(result.figure, peer.median(result.figure) if peer else None),
                said_ratio(result.ratio(peer)),
                said_ratio(result.ratio(peer, "cpu_ns")),
            )
        )
    return rows


SUMMARY_HEAD = ("scenario", "figure", "conc", "spread", "fastest peer", "its figure", "ratio", "CPU ratio")


def machine_lines(report: Report) -> list[str]:
    """Where it ran, as a list of statements."""
    machine = report.machine
    gil = "on" if machine["gil"] else "off"
    versions = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    switched_on = sorted({e.library for each in report.scenarios for e in each.entries if e.gil and not machine["gil"]})
    lines = [
        f"{machine['python']}, built {machine['build']}, GIL {gil} ({machine['compiler']})",
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}",
        f"{versions}",
        f"load for the servers: {machine['load_generator']}",
        f"{report.started}, rounds: {report.rounds}{', quick sizes' if report.quick else ''}",
    ]
    return [*lines, f"the GIL was switched on by {', '.join(switched_on)}"] if switched_on else lines
