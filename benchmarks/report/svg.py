"""The results as a picture: a panel of bars for each scenario, the targets drawn in. Written by hand, no library."""

from html import escape

from benchmarks.report.wording import FIGURES, best_first, said, said_target, said_value
from benchmarks.results import Report, ScenarioResult
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
TARGET_LINE = 17
PANEL_FOOT = 22
HEADER = 64

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
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}"'
            ' font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif" font-size="12" role="img">',
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
        f" medians of {report.rounds} rounds, thin lines from best to worst"
    )


def _height(result: ScenarioResult, verdicts: list[Verdict]) -> int:
    targets = sum(verdict.target.scenario == result.name for verdict in verdicts)
    return PANEL_HEAD + len(result.entries) * STEP + targets * TARGET_LINE + PANEL_FOOT


def _panel(result: ScenarioResult, verdicts: list[Verdict], left: int, top: int) -> str:
    figure = result.figure
    entries = best_first(result)
    bars_left = left + LABELS_WIDTH
    marks = [(verdict, at) for verdict in verdicts if (at := _mark(result, verdict)) is not None]
    largest = max([value for entry in entries for value in entry.values(figure)] + [at for _, at in marks] + [1e-9])
    scale = BARS_WIDTH / largest
    parts = [
        _text(left, top + 16, result.title, INK, bold=True),
        _text(left, top + 32, f"{FIGURES[figure]} a {result.unit}", QUIET),
    ]
    y = top + PANEL_HEAD
    bottom = y + len(entries) * STEP
    parts.append(f'<path d="M{bars_left} {y - 3}V{bottom}" stroke="{GRID}"/>')
    for entry in entries:
        parts.append(_text(bars_left - 8, y + 11, entry.label, INK, bold=entry.role == "conc", anchor="end"))
        value = entry.median(figure)
        if value is None:
            parts.append(_text(bars_left + 6, y + 11, _short(entry.failure), QUIET))
        else:
            low, high = (max(0.0, edge(entry.values(figure))) * scale for edge in (min, max))
            length = max(0.0, value) * scale
            parts += [
                f'<rect x="{bars_left}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{COLOURS[entry.role]}"/>',
                f'<path d="M{bars_left + low:.1f} {y + BAR / 2}H{bars_left + high:.1f}" stroke="{INK}" stroke-width="1"/>',
                _text(bars_left + max(high, length) + 6, y + 11, said(figure, value), INK, bold=entry.role == "conc"),
            ]
        y += STEP
    for verdict, at in marks:
        x = bars_left + at * scale
        colour = OUTCOMES[verdict.outcome]
        parts.append(f'<path d="M{x:.1f} {top + PANEL_HEAD - 5}V{bottom}" stroke="{colour}" stroke-dasharray="4 3"/>')
    for verdict in verdicts:
        y += TARGET_LINE
        text = f"{said_target(verdict)}: {said_value(verdict)}, {verdict.outcome}"
        parts.append(_text(left, y - 2, _short(text, 84), OUTCOMES[verdict.outcome], bold=True))
    return "\n".join(parts)


def _mark(result: ScenarioResult, verdict: Verdict) -> float | None:
    """Where on the axis of this scenario a target lies; None if it is about another figure or there is nothing to compare."""
    target = verdict.target
    if target.figure != result.figure:
        return None
    if target.against == ABSOLUTE:
        return target.at_most
    other = result.entry(verdict.against)
    theirs = other.median(target.figure) if other else None
    return None if theirs is None else theirs * target.at_most


def _short(text: str, most: int = 44) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _text(
    x: float, y: float, text: str, colour: str, *, size: int = 12, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    where = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}"{weight}{where}>{escape(text)}</text>'
