"""Lines of those who wait, in the states of models: tuples that begin with a ticket."""

from __future__ import annotations

from typing import Any, Final

from conc.errors import WouldBlock
from conc_testing import Done, Model, Operation, Raised
from conc_testing.history.model import Transition

Line = tuple[tuple[Any, ...], ...]

BLOCKED: Final = Done(Raised(WouldBlock))
MISUSED: Final = Done(Raised(RuntimeError))


def without(line: Line, ticket: int) -> Line:
    """A line that somebody has left."""
    return tuple(entry for entry in line if entry[0] != ticket)


def tickets(line: Line) -> list[int]:
    """Of all in a line."""
    return [entry[0] for entry in line]


class Spec(Model):
    """A model of something of conc's: each operation is a method, called with the state, the operation, and its
    arguments."""

    def request(self, state: Any, op: Operation) -> Transition:
        """As the method says."""
        answer: Transition = getattr(self, op.name)(state, op, *op.args)
        return answer
