"""The results as a picture: a panel of bars for each scenario, the targets drawn in. Written by hand, no library."""

from html import escape

from benchmarks.report.wording import named, said, said_target, said_value
from benchmarks.results import Entry, Report, ScenarioResult
from benchmarks.targets import ABSOLUTE
from benchmarks.verdicts import Verdict, judge

WIDTH = 1040
COLUMNS = 2
PANEL_WIDTH = WIDTH // COLUMNS
LABELS_WIDTH = 150
VALUES_WIDTH = 96
MARGIN = 20
BARS_WIDTH = PANEL_WIDTH - LABELS_WIDTH - VALUES_WIDTH - 2 * MARGIN
BAR = 13
STEP = 19
PANEL_HEAD = 44
LINE = 17
PANEL_FOOT = 22
HEADER = 64

STYLE = 'font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" role="img"'
NAMESPACE = 'xmlns="http://www.w3.org/2000/svg"'
INK, QUIET, PAPER, GRID = "#1f2933", "#5f6c7b", "#ffffff", "#d9dee5"
COLOURS = {"conc": "#2463c5", "peer": "#a9b4c2", "limit": "#6b7785"}
OUTCOMES = {"reached": "#1a7f4b", "missed": "#b3361e", "not measured": QUIET}


def report_svg(report: Report) -> str:
    """The picture, as the text of an SVG file."""
    verdicts = judge(report)
    rows = [report.scenarios[i : i + COLUMNS] for i in range(0, len(report.scenarios), COLUMNS)]
    parts: list[str] = []
    top = HEADER
    for row in rows:
        for column, result in enumerate(row):
            own = [verdict for verdict in verdicts if verdict.target.scenario == result.name]
            parts.append(_panel(result, own, MARGIN + column * PANEL_WIDTH, top))
        top += max(_height(result, verdicts) for result in row)
    return "\n".join(
        [
            f'<svg {NAMESPACE} width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}" {STYLE}>',
            "<title>conc beside its peers</title>",
            f'<rect width="{WIDTH}" height="{top}" fill="{PAPER}"/>',
            _text(MARGIN, 28, "conc beside its peers: shorter is better", INK, size=18, bold=True),
            _text(MARGIN, 48, _where(report), QUIET),
            *parts,
            "</svg>\n",
        ]
    )


def _where(report: Report) -> str:
    machine = report.machine
    gil = "on" if machine["gil"] else "off"
    return (
        f"{machine['python']}, GIL {gil}, {machine['processor']}, {machine['cores']} cores, {report.started[:10]};"
        f" medians of {report.rounds} rounds{' of quick sizes' if report.quick else ''}, thin lines from best to worst"
    )


def _height(result: ScenarioResult, verdicts: list[Verdict]) -> int:
    lines = sum(verdict.target.scenario == result.name for verdict in verdicts) + bool(_absent(result))
    return PANEL_HEAD + len(result.ranked()) * STEP + lines * LINE + PANEL_FOOT


def _absent(result: ScenarioResult) -> str:
    names = [entry.label for entry in result.entries if not entry.runs]
    return f"did not run: {', '.join(names)}" if names else ""


def _panel(result: ScenarioResult, verdicts: list[Verdict], left: int, top: int) -> str:
    ranked = result.ranked()
    marks = [(verdict, at) for verdict in verdicts if (at := _mark(result, verdict)) is not None]
    largest = max([max(entry.values(result.figure)) for _, entry in ranked] + [at for _, at in marks] + [1e-9])
    scale = BARS_WIDTH / largest
    bars_left, bars_top = left + LABELS_WIDTH, top + PANEL_HEAD
    bottom = bars_top + len(ranked) * STEP
    parts = [
        _text(left, top + 16, _short(result.title), INK, bold=True),
        _text(left, top + 32, named(result.figure, result.unit), QUIET),
        f'<path d="M{bars_left} {bars_top - 3}V{bottom}" stroke="{GRID}"/>',
    ]
    for row, (value, entry) in enumerate(ranked):
        parts.append(_bar(entry, result.figure, value, bars_left, bars_top + row * STEP, scale))
    for verdict, at in marks:
        x, colour = bars_left + at * scale, OUTCOMES[verdict.outcome]
        parts.append(f'<path d="M{x:.1f} {bars_top - 5}V{bottom}" stroke="{colour}" stroke-dasharray="4 3"/>')
    y = bottom
    for verdict in verdicts:
        y += LINE
        words = f"{said_target(verdict)}: {said_value(verdict)}, {verdict.outcome}"
        parts.append(_text(left, y - 2, _short(words), OUTCOMES[verdict.outcome], bold=True))
    if absent := _absent(result):
        parts.append(_text(left, y + LINE - 2, _short(absent), QUIET))
    return "\n".join(parts)


def _bar(entry: Entry, figure: str, value: float, left: int, top: int, scale: float) -> str:
    """One contestant: name, bar, a thin line from its best to its worst round, and the median in words."""
    is_conc = entry.role == "conc"
    low, length, high = (max(0.0, x) * scale for x in (min(entry.values(figure)), value, max(entry.values(figure))))
    return "\n".join(
        [
            _text(left - 8, top + 11, entry.label, INK, bold=is_conc, anchor="end"),
            f'<rect x="{left}" y="{top}" width="{length:.1f}" height="{BAR}" fill="{COLOURS[entry.role]}"/>',
            f'<path d="M{left + low:.1f} {top + BAR / 2}H{left + high:.1f}" stroke="{INK}"/>',
            _text(left + max(high, length) + 6, top + 11, said(figure, value), INK, bold=is_conc),
        ]
    )


def _mark(result: ScenarioResult, verdict: Verdict) -> float | None:
    """Where on the axis of this scenario a target lies; None if it is about another figure or compares with nothing."""
    target = verdict.target
    if target.figure != result.figure:
        return None
    if target.against == ABSOLUTE:
        return target.at_most
    other = result.entry(verdict.against)
    theirs = other.median(target.figure) if other else None
    return None if theirs is None else theirs * target.at_most


def _short(text: str, most: int = 76) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(
    x: float, y: float, text: str, colour: str, *, size: int = 12, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}"{weight}{where}>{escape(text)}</text>'
