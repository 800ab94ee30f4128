"""A run as a table: a column for each task, a row for each step, the deviations from the calm course marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from textwrap import wrap

from conc_testing.sim.trace import Step

ROWS_AT_MOST = 60
WIDTH_AT_MOST = 38  # of a column
WIDTH_AT_LEAST = 18
WIDTH_OF_ALL = 130
MARK = "▶ "
DESCRIPTOR = re.compile(r"descriptor \d+")
WORDS = {
    "NurseryManager.__aexit__": "end of nursery",
    "_Running.__aexit__": "end of the world",
    "BatonPool._drive": "its thread goes on",
}


def table_of(steps: Sequence[Step]) -> str:
    """The last steps of a run as text."""
    steps = list(folded(steps))
    shown = steps[-ROWS_AT_MOST:]
    paths = list(dict.fromkeys(step.path for step in shown))
    rows = [["t", *(shortened(path, paths) for path in paths)]]
    for step in shown:
        cell = (MARK if step.notes else "") + cell_of(step)
        column = paths.index(step.path)
        rows.append([f"{step.time:.3f}", *("" if place != column else cell for place in range(len(paths)))])
    most = max(WIDTH_AT_LEAST, min(WIDTH_AT_MOST, WIDTH_OF_ALL // max(1, len(paths))))
    widths = [min(most, max(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = []
    for number, row in enumerate(rows):
        pieces = [split(text, width) for text, width in zip(row, widths, strict=True)]
        for line in range(max(map(len, pieces))):
            cells = [piece[line] if line < len(piece) else "" for piece in pieces]
            lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |")
        if number == 0:
            lines.append("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    if len(steps) > len(shown):
        lines.insert(0, f"(the last {len(shown)} of {len(steps)} steps)")
    return "\n".join(lines)


def folded(steps: Sequence[Step]) -> Iterator[Step]:
    """Steps, several in a row of one operation as one: what came of the last, and whom any of them woke."""
    last: Step | None = None
    for step in steps:
        if last is not None and _goes_on(last, step):
            last = replace(last, end=step.end, woke=(*last.woke, *step.woke))
            continue
        if last is not None:
            yield last
        last = step
    if last is not None:
        yield last


def _goes_on(last: Step, step: Step) -> bool:
    here = (step.time, step.path, step.operation, step.place)
    return here == (last.time, last.path, last.operation, last.place) and last.end == "goes on" and not step.notes


def cell_of(step: Step) -> str:
    """What happened in a step, in few words."""
    what = WORDS.get(step.operation, step.operation) or "begins"
    if step.place and step.operation:
        what += f" {step.place}"
    if step.end.startswith("waits for"):
        what += f" ({DESCRIPTOR.sub('its socket', step.end)})"
    elif step.end != "goes on":
        what += f" → {step.end}"
    return what


def shortened(path: str, paths: Sequence[str]) -> str:
    """The last part of a path, if that is no other's too."""
    last = path.rpartition("/")[2]
    return last if sum(other.rpartition("/")[2] == last for other in paths) == 1 else path


def split(text: str, width: int) -> list[str]:
    """A text in lines that are no longer than `width`."""
    return wrap(text, width, break_on_hyphens=False) or [""]
