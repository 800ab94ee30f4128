"""What a model is: the sequential meaning of an object, against which histories are checked."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Self, TypeAlias

from conc_testing.history.operation import Operation


class Answer:
    """What a model answers to a request: `Done` or `Suspend`."""

    __slots__ = ("woken",)

    def __init__(self) -> None:
        self.woken: tuple[tuple[int, Any], ...] = ()

    def resumes(self, *tickets: int, value: Any = None) -> Self:
        """The same answer, which also ends the waits of others: each gets `value` as its result.

        Args:
            tickets: of the operations that waited, see `Operation.ticket`.
            value: what they return, or a `Raised`.
        """
        answer = self._copy()
        answer.woken = (*self.woken, *((ticket, value) for ticket in tickets))
        return answer

    def _copy(self) -> Self:
        return type(self)()


class Done(Answer):
    """The operation is over.

    Args:
        value: its result: what it returns, or a `Raised`.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        super().__init__()
        self.value = value

    def _copy(self) -> Self:
        return type(self)(self.value)

    def __repr__(self) -> str:
        return f"Done({self.value!r})"


class Suspend(Answer):
    """The operation waits from now on, until another one resumes it. The state remembers its ticket."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Suspend()"


Transition: TypeAlias = "tuple[Any, Answer | type[Suspend]]"


class Model:
    """The meaning of an object, told as if only one operation happened at a time.

    A subclass has `init`, and either `step` or `request`. States are any values that can be hashed and compared; they
    are never changed, always replaced.

    With `request` a model can say more than with `step`: when an operation has to wait, who is resumed by whom and with
    what, and what a cancellation changes::

        class Gate(Model):                                # states: whether it is open, and who waits
            def init(self):
                return False, ()

            def request(self, state, op):
                is_open, waiting = state
                match op.call:
                    case ("open",):
                        return (True, ()), Done().resumes(*waiting)
                    case ("wait",):
                        return (state, Done()) if is_open else ((False, (*waiting, op.ticket)), Suspend)

            def cancelled(self, state, ticket):
                is_open, waiting = state
                return (is_open, tuple(other for other in waiting if other != ticket)), Done()

    What a method returns may also be a list of such pairs, if one of several things happens; an empty one says that
    nothing can happen here.
    """

    def init(self) -> Hashable:
        """The state at the beginning."""
        raise NotImplementedError(f"{type(self).__name__}.init: return the first state")

    def step(self, state: Any, op: Operation, result: Any) -> Iterable[Hashable]:
        """The states that are possible after `op` has happened in `state` with this `result`; none if it cannot.

        Args:
            state: before.
            op: the operation.
            result: what it returned, or a `Raised`. That of an open operation is equal to everything.
        """
        raise NotImplementedError(f"{type(self).__name__}: define step(state, op, result), or request(state, op)")

    def request(self, state: Any, op: Operation) -> Transition | Iterable[Transition]:
        """What happens when `op` is asked for in `state`: the state after, and `Done` or `Suspend`."""
        return [(after, Done(op.result)) for after in self.step(state, op, op.result)]

    def followup(self, state: Any, ticket: int) -> Transition | Iterable[Transition]:
        """What a suspended operation may do by itself, at any moment: the state after, and `Done` with its result, or
        `Suspend` if it waits on. Usually nothing. One that may do something does not rest."""
        return ()

    def cancelled(self, state: Any, ticket: int) -> Transition | Iterable[Transition]:
        """What happens when a suspended operation gives up: the state after, and `Done`, which may resume others.
        `Suspend` says that it cannot end yet: it does when it is resumed, and is still cancelled."""
        return ()

    def partition(self, op: Operation) -> Hashable:
        """Which part of the object `op` is about. Parts that know nothing of each other are checked one by one, which
        takes much less time. All the same, unless a model knows better."""
        return None

    def __repr__(self) -> str:
        return type(self).__name__


def transitions(found: Transition | Iterable[Transition]) -> list[tuple[Any, Answer]]:
    """What a method of a model returned, as a list."""
    several = [found] if _is_one(found) else list(found)
    return [(state, answer() if isinstance(answer, type) else answer) for state, answer in several]  # type: ignore[misc]


def _is_one(found: Any) -> bool:
    return isinstance(found, tuple) and len(found) == 2 and (isinstance(found[1], Answer) or found[1] is Suspend)
