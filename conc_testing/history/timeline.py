"""Histories as text: one line an operation, and bars that show which of them overlap."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from conc_testing.history.operation import Operation

ROWS = 24  # more do not help: what matters stands at the end
WIDTH = 48  # of the bars


def timeline(operations: Collection[Operation], mark: Operation | None = None) -> str:
    """Who did what from when to when, in the order of the calls; and at what time, where that differs.

    Args:
        operations: some operations of one history.
        mark: one to point at.
    """
    shown = sorted(operations, key=_called)[-ROWS:]
    left_out = len(operations) - len(shown)
    rows = [[_time(operation), operation.process, str(operation)] for operation in shown]
    if len({row[0] for row in rows}) <= 1:
        rows = [row[1:] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"({left_out} earlier ones left out)"] if left_out else []
    for operation, row, bar in zip(shown, rows, _bars(shown), strict=True):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        pointer = "   <-- has no place" if operation is mark else ""
        lines.append("  ".join((*cells, bar + pointer)).rstrip())
    return "\n".join(lines)


def _bars(operations: Sequence[Operation]) -> Iterator[str]:
    """From the call of each to its end: those overlap that do so in time."""
    ends = {operation.ended for operation in operations if operation.ended and not _is_endless(operation)}
    moments = sorted({operation.called for operation in operations} | ends)
    column = {moment: index for index, moment in enumerate(moments)}
    stretch = 1 if len(moments) > WIDTH / 2 else 2
    for operation in operations:
        begin = column[operation.called] * stretch
        end = len(moments) if _is_endless(operation) else column[operation.ended or 0]
        yield " " * begin + "|" + "-" * (end * stretch - begin - 1) + (">" if _is_endless(operation) else "|")


def _time(operation: Operation) -> str:
    return "" if operation.time is None else f"{operation.time:.3f}"


def listed(operations: Iterable[Operation], most: int = 12) -> str:
    """Some operations in a row, the last ones if they are many."""
    texts = [f"{operation} by {operation.process}" for operation in operations]
    left_out = len(texts) - most
    if left_out > 0:
        texts = [f"({left_out} earlier ones)", *texts[left_out:]]
    return "; ".join(texts)


def _is_endless(operation: Operation) -> bool:
    return operation.fate in {"open", "waiting"}


def _called(operation: Operation) -> int:
    return operation.called
