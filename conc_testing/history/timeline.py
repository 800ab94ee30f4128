"""Histories as text: one line an operation, and bars that show which of them overlap."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from conc_testing.history.operation import Operation

ROWS = 24  # more do not help: what matters stands at the end
WIDTH = 48  # of the bars


def timeline(operations: Collection[Operation], mark: Operation | None = None) -> str:
    """Who did what from when to when, in the order of the calls.

    Args:
        operations: some operations of one history.
        mark: one to point at.
    """
    shown = sorted(operations, key=_called)[-ROWS:]
    left_out = len(operations) - len(shown)
    ends = {operation.ended for operation in shown if operation.ended and not _is_endless(operation)}
    moments = sorted({operation.called for operation in shown} | ends)
    column = {moment: index for index, moment in enumerate(moments)}
    stretch = 1 if len(moments) > WIDTH / 2 else 2
    who = max((len(operation.process) for operation in shown), default=0)
    what = max((len(str(operation)) for operation in shown), default=0)
    lines = [f"({left_out} earlier ones left out)"] if left_out else []
    for operation in shown:
        begin = column[operation.called] * stretch
        end = len(moments) * stretch if _is_endless(operation) else column[operation.ended or 0] * stretch
        bar = " " * begin + "|" + "-" * (end - begin - 1) + (">" if _is_endless(operation) else "|")
        pointer = "   <-- has no place" if operation is mark else ""
        lines.append(f"{operation.process:<{who}}  {operation!s:<{what}}  {bar}{pointer}".rstrip())
    return "\n".join(lines)


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
