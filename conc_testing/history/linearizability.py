"""Whether what several tasks saw of an object is what one of them at a time could have seen."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from textwrap import indent
from typing import Final

from conc_testing.history.model import Model
from conc_testing.history.operation import Operation
from conc_testing.history.search import Search
from conc_testing.history.timeline import listed, timeline

REASONS_SHOWN: Final = 4
LATER_SHOWN: Final = 4  # operations that were called after the one that has no place had ended


class NotLinearizable(AssertionError):
    """A history that its model does not allow. The text tells how far it goes, what has no place, and why.

    Attributes:
        operation: the one that has no place.
        prefix: the longest order of the operations before it that was found.
    """

    def __init__(self, message: str, operation: Operation, prefix: tuple[Operation, ...]) -> None:
        super().__init__(message)
        self.operation = operation
        self.prefix = prefix


class Undecided(Exception):
    """The check was given up: whether the history is linearizable is not known. Neither a pass nor a failure.

    Attributes:
        steps: how many configurations were tried.
    """

    def __init__(self, message: str, steps: int) -> None:
        super().__init__(message)
        self.steps = steps


def assert_linearizable(history: Iterable[Operation], model: Model, *, max_steps: int = 1_000_000) -> None:
    """Check that each operation can be given a moment between its call and its end, so that all of them in the order of
    these moments are what the model does.

    Open operations may have happened at any time after their call, or never. Those that were cancelled had no effect;
    with a model that suspends, they may have stood in line. Parts of the object that the model tells apart are checked
    one by one.

    Args:
        history: what happened: a `History`, or some of its operations.
        model: what may happen.
        max_steps: how many configurations to try in each part, at least 1: what bounds the time.

    Raises:
        NotLinearizable: there is no such order.
        Undecided: the steps did not suffice to tell.
        ValueError: a bad argument.

    Checkpoint: never.
    """
    if max_steps < 1:
        raise ValueError(f"max_steps must be at least 1, not {max_steps}")
    parts: dict[Hashable, list[Operation]] = {}
    for operation in history:
        parts.setdefault(model.partition(operation), []).append(operation)
    undecided: Undecided | None = None
    for part, operations in parts.items():
        search = Search(operations, model)
        verdict = search.run(max_steps)
        if verdict is None:
            undecided = Undecided(_undecided(search, model, part, operations), search.steps)
        elif not verdict:
            raise _failure(search, model, part, operations)
    if undecided is not None:
        raise undecided


def _failure(search: Search, model: Model, part: Hashable, operations: list[Operation]) -> NotLinearizable:
    stuck = search.stuck()
    operations = sorted(operations, key=_called)
    prefix = tuple(one for one in search.furthest.path() if one is not stuck)
    later = [one for one in operations if stuck.ended is not None and one.called > stuck.ended]
    shown = operations[: len(operations) - len(later) + LATER_SHOWN]
    reasons = list(dict.fromkeys(search.why()))
    if len(reasons) > REASONS_SHOWN:
        reasons[REASONS_SHOWN:] = [f"So it is with {len(reasons) - REASONS_SHOWN} other(s) that are possible here."]
    lines = [
        f"{stuck} by {stuck.process} has no place in any order that {model!r} allows{_of(part)}.",
        f"These fit, in this order: {listed(prefix)}." if prefix else "It is the first that must have happened.",
        *reasons,
        "",
        indent(timeline(shown, stuck), "  "),
    ]
    return NotLinearizable("\n".join(lines), stuck, prefix)


def _undecided(search: Search, model: Model, part: Hashable, operations: list[Operation]) -> str:
    open_ones = sum(operation.fate == "open" for operation in operations)
    return (
        f"undecided after {search.steps} steps whether {len(operations)} operations{_of(part)} are what {model!r} "
        f"allows; {open_ones} of them are open, and each of those may have happened at any time. Record less at a "
        "time, give the model a `partition`, or raise max_steps"
    )


def _of(part: Hashable) -> str:
    return "" if part is None else f", as to {part!r}"


def _called(operation: Operation) -> int:
    return operation.called
