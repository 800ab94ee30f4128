"""A run as a picture: a lane for each task, its steps from left to right, and who woke whom. As SVG, or as a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

from conc_testing.sim.table import cell_of, shortened
from conc_testing.sim.trace import Step

STEPS_AT_MOST: Final = 400
STEP: Final = 26  # from the beginning of one step to that of the next
BOX: Final = 20
LANE: Final = 34
TOP: Final = 46
COLOURS: Final = {"returned": "#4c9f70", "raised": "#d1495b", "cancelled": "#8d6cab", "waits": "#3d7ea6", "": "#7a8a99"}
STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:currentColor}.time{font-size:10px;opacity:.7}"
    ".lane{stroke:currentColor;opacity:.18}.wait{stroke:#3d7ea6;stroke-width:2;opacity:.55}"
    ".wake{stroke:currentColor;fill:none;opacity:.4}.tick{stroke:currentColor;stroke-dasharray:2 4;opacity:.35}"
    ".deviation{stroke:#ee8434;stroke-width:3}"
)
PAGE: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  :root {{ color-scheme: light dark }}
  body {{ font: 14px system-ui, sans-serif; margin: 2rem }}
  .picture {{ overflow-x: auto }}
  pre {{ overflow-x: auto; padding: 1rem; border: 1px solid color-mix(in srgb, currentColor 25%, transparent) }}
</style>
<h1>{title}</h1>
<div class="picture">{picture}</div>
<pre>{text}</pre>
</html>
"""


def page(title: str, steps: Sequence[Step], text: str) -> str:
    """A page with the picture of a run, and the words for it below."""
    return PAGE.format(title=escape(title), picture=picture(steps), text=escape(text))


def picture(steps: Sequence[Step]) -> str:
    """The last steps of a run as SVG. What a step was stands in its tooltip; orange frames are deviations."""
    shown = steps[-STEPS_AT_MOST:]
    paths = list(dict.fromkeys(step.path for step in shown))
    lanes = {path: TOP + number * LANE for number, path in enumerate(paths)}
    left = 24 + 7 * max((len(shortened(path, paths)) for path in paths), default=0)
    width = left + STEP * len(shown) + 40
    height = TOP + LANE * len(paths) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<style>{STYLE}</style>",
    ]
    for path, y in lanes.items():
        parts.append(f'<text x="8" y="{y + 14}">{escape(shortened(path, paths))}<title>{escape(path)}</title></text>')
        parts.append(f'<line class="lane" x1="{left}" y1="{y + BOX // 2}" x2="{width - 20}" y2="{y + BOX // 2}"/>')
    parts += _times(shown, left, height)
    parts += _wakes(shown, left, lanes)
    for column, step in enumerate(shown):
        parts.append(_box(step, left + column * STEP, lanes[step.path]))
    return "\n".join([*parts, "</svg>"])


def _times(steps: Sequence[Step], left: int, height: int) -> Iterator[str]:
    """Where time passes."""
    before: float | None = None
    for column, step in enumerate(steps):
        if step.time != before:
            x = left + column * STEP - (STEP - BOX) // 2
            yield f'<line class="tick" x1="{x}" y1="30" x2="{x}" y2="{height - 6}"/>'
            yield f'<text class="time" x="{x + 2}" y="26">{step.time:.6g} s</text>'
            before = step.time


def _wakes(steps: Sequence[Step], left: int, lanes: dict[str, int]) -> Iterator[str]:
    """Lines: from the step in which a task began to wait to that in which it goes on, and from who woke it."""
    waiting: dict[str, int] = {}
    woken: dict[str, int] = {}
    for column, step in enumerate(steps):
        y = lanes[step.path] + BOX // 2
        x = left + column * STEP
        since = waiting.pop(step.path, None)
        if since is not None:
            reason = escape(steps[since].end)
            yield (
                f'<line class="wait" x1="{left + since * STEP + BOX}" y1="{y}" x2="{x}" y2="{y}">'
                f"<title>{reason}</title></line>"
            )
        waker = woken.pop(step.path, None)
        if waker is not None:
            x0, y0 = left + waker * STEP + BOX // 2, lanes[steps[waker].path] + BOX // 2
            yield f'<path class="wake" d="M{x0} {y0} C{x0 + STEP} {y0} {x - STEP} {y} {x} {y}"/>'
        if step.end.startswith("waits for"):
            waiting[step.path] = column
        for path in step.woke:
            woken[path] = column


def _box(step: Step, x: int, y: int) -> str:
    colour = COLOURS.get(step.end.partition(" ")[0], COLOURS[""])
    words = escape("\n".join([f"step {step.number}: {cell_of(step)}", *step.notes]))
    marked = ' class="deviation"' if step.notes else ""
    place = f'x="{x}" y="{y}" width="{BOX}" height="{BOX}" rx="4"'
    return f'<rect {place} fill="{colour}"{marked}><title>{words}</title></rect>'
