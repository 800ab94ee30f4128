"""One operation of a history: what was asked, by whom, from when to when, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

Fate = Literal["open", "returned", "cancelled", "waiting"]


class Raised:
    """The result of an operation that raised an error. Two are equal if the type of one is that of the other, or
    inherits from it; so a model says ``Raised(WouldBlock)`` for all errors of that kind.

    Args:
        error: the error, or its type.
    """

    __slots__ = ("error", "kind")

    def __init__(self, error: BaseException | type[BaseException]) -> None:
        self.kind = error if isinstance(error, type) else type(error)
        self.error = error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Raised):
            return NotImplemented
        return issubclass(self.kind, other.kind) or issubclass(other.kind, self.kind)

    def __hash__(self) -> int:
        return hash(Raised)

    def __repr__(self) -> str:
        return f"Raised({self.kind.__name__})"


class _Unknown:
    """The result of an operation that is open: it is equal to whatever a model expects."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash(_Unknown)

    def __repr__(self) -> str:
        return "?"


UNKNOWN: Final = _Unknown()


@dataclass(slots=True, eq=False)
class Operation:
    """One operation, as recorded. Moments are numbers that count the events of the history.

    Attributes:
        ticket: its number in the history, by which a model names it.
        name: what was asked.
        args: with which arguments.
        process: who asked: a task or a thread, by name.
        called: when it began.
        time: the time at the beginning, on the clock of the program; None if a thread outside asked.
        suspended: when it was first seen to wait; None if it was not.
        ended: when it ended; None if it has not.
        fate: ``"returned"``: it ended with `result`. ``"cancelled"``: it certainly did not happen. ``"waiting"``: it
            was still waiting when all had come to rest. ``"open"``: nobody knows; it may have happened at any time
            since it was called, may still happen, or never.
        result: what it returned, or a `Raised`; it is equal to everything as long as nobody knows.
    """

    ticket: int
    name: str
    args: tuple[Any, ...]
    process: str
    called: int
    time: float | None = None
    suspended: int | None = None
    ended: int | None = None
    fate: Fate = "open"
    result: Any = UNKNOWN

    @property
    def call(self) -> tuple[Any, ...]:
        """Name and arguments together, for ``match op.call: case ("write", value): ...``."""
        return (self.name, *self.args)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(repr, self.args))}) {self._end()}"

    def _end(self) -> str:
        if self.fate == "returned":
            return f"raised {self.result.kind.__name__}" if isinstance(self.result, Raised) else f"-> {self.result!r}"
        return {"cancelled": "was cancelled", "waiting": "still waits"}.get(self.fate, "-> ?")
