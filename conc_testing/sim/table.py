"""A run as a table: a column for each task, a row for each step, the deviations from the calm course marked."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from conc_testing.sim.trace import Step

ROWS_AT_MOST = 60
WIDTH_AT_MOST = 38  # of a column
WIDTH_AT_LEAST = 18
WIDTH_OF_ALL = 130
MARK = "▶ "
WORDS = {"NurseryManager.__aexit__": "end of nursery", "BatonPool._drive": "its thread goes on"}


def table_of(steps: Sequence[Step]) -> str:
    """The last steps of a run as text."""
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


def cell_of(step: Step) -> str:
    """What happened in a step, in few words."""
    what = WORDS.get(step.operation, step.operation) or "begins"
    if step.place and step.operation:
        what += f" {step.place}"
    if step.end.startswith("waits for"):
        what += f" ({step.end})"
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
