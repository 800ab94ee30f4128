"""The search for an order: Wing and Gong's algorithm, with Lowe's memory of what was tried, for waiting operations too.

An operation happens at a point between its call and its end. One that has to wait has two: its request, and the moment
at which it is resumed or gives up. The search places one point after the other; a point may come next if its operation
was called before the first one that is *due*: before the earliest moment by which some point must have been placed.
Two ways to the same set of placed points and the same state of the model have the same future, so one is tried. An
open operation need not be placed at all: of two ways that differ only in which of those are used up, one that has used
some of them is no better than one that has used fewer of the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from conc_testing.history.model import Answer, Done, Model, transitions
from conc_testing.history.operation import Operation

NEVER: Final = 1 << 62  # a moment after all others
PLACES_EXPLAINED: Final = 20_000  # so many are looked at once more, for the text of a failure


class Due(NamedTuple):
    """A point that must be placed: until when, of which operation, and whether it is its end."""

    moment: int
    number: int
    is_end: bool


@dataclass(slots=True, eq=False)
class Place:
    """Where the search stands: which points are placed, and the state of the model then.

    Sets of operations are numbers, a bit for each: who has asked, who is over, and who gives up but is not over yet.
    """

    requested: int
    over: int
    leaving: int
    state: Any
    due: int  # how many of the points that are due, in order of their moments, are placed
    first: int  # before this one, all operations that must be requested are
    before: Place | None
    operation: Operation | None  # whose point was placed last

    @property
    def size(self) -> int:
        """How many points are placed."""
        return self.requested.bit_count() + self.over.bit_count()

    def path(self) -> list[Operation]:
        """The operations that were placed, in order, each once."""
        found: dict[Operation, None] = {}
        place: Place | None = self
        while place is not None and place.operation is not None:
            found.pop(place.operation, None)
            found[place.operation] = None  # at its request, the first of its points
            place = place.before
        return list(reversed(found))


class Refusal(NamedTuple):
    """Why a point cannot be placed somewhere."""

    problem: str
    operation: Operation
    value: Any = None

    def __str__(self) -> str:
        return self.problem.format(op=self.operation, by=self.operation.process, value=self.value)


ANOTHER_RESULT = "it would have answered {value!r}"
NO_WAIT = "it would have been done at once with {value!r}"
OTHER_RESUMED_OTHERWISE = "it would have ended {op.name} of {by} with {value!r}"
OTHER_WAITS = "it would have resumed {op.name} of {by}, which still waits"
OTHER_CANCELLED = "it would have granted {value!r} to {op.name} of {by}, which was cancelled and got nothing"


class Search:
    """The search among the operations of one partition.

    Attributes:
        steps: how many configurations were tried.
        furthest: the one in which most of the points that are due were placed, and of those most in all.
    """

    def __init__(self, operations: Sequence[Operation], model: Model) -> None:
        self._model = model
        self._operations = sorted(operations, key=_called)
        self._index = {operation.ticket: index for index, operation in enumerate(self._operations)}
        self._required = [i for i, operation in enumerate(self._operations) if _is_required(operation)]
        self._optional = [i for i, operation in enumerate(self._operations) if not _is_required(operation)]
        self._optional_bits = sum(1 << index for index in self._optional)
        self._tried: dict[tuple[int, int, int, Any], list[int]] = {}
        self.dues = sorted(due for i, operation in enumerate(self._operations) for due in _dues(i, operation))
        self._follows_up = type(model).followup is not Model.followup
        self.steps = 0
        self.furthest = self._start = self._advanced(Place(0, 0, 0, model.init(), 0, 0, None, None))

    def run(self, max_steps: int) -> bool | None:
        """Whether there is an order; None if that was not decided within the steps."""
        for place in self._places():
            if place.due == len(self.dues) and not self._restless(place):
                return True
            if (place.due, place.size) > (self.furthest.due, self.furthest.size):
                self.furthest = place
            if self.steps >= max_steps:
                return None
        return False

    def stuck(self) -> Operation:
        """The operation that has no place, after a search that failed."""
        place = self.furthest
        if place.due == len(self.dues):
            return self._restless(place)[0]
        return self._operations[self.dues[place.due].number]

    def why(self) -> Iterator[str]:
        """Why it has none, for each place where it could be: the state there, and what is in the way."""
        stuck = self.stuck()
        bit = 1 << self._index[stuck.ticket]
        self._tried.clear()
        for place in islice(self._places(), PLACES_EXPLAINED):
            could_be_next = not place.requested & bit and stuck.called < self._until(place)
            if could_be_next or place.due == self.furthest.due:
                for obstacle in self._obstacles(place, stuck):
                    yield f"With the state {place.state!r}, {obstacle}."

    def _places(self) -> Iterator[Place]:
        """All places that can be reached, depth first."""
        stack = [iter((self._start,))]
        while stack:
            place = next(stack[-1], None)
            if place is None:
                stack.pop()
            elif self._is_new(place):
                self.steps += 1
                yield place
                stack.append(self._next(place))

    def _obstacles(self, place: Place, operation: Operation) -> list[str]:
        bit = 1 << self._index[operation.ticket]
        if place.due == len(self.dues):
            return ["it could go on, and still waits"]
        if place.requested & bit:
            return ["it has to wait, and nothing has resumed it"]
        found = transitions(self._model.request(place.state, operation))
        reached = [self._placed(place, operation, state, answer) for state, answer in found]
        refusals = [str(one) for one in reached if isinstance(one, Refusal)]
        return refusals or ["that cannot happen"] * (not found)

    def _restless(self, place: Place) -> list[Operation]:
        """Those that still wait at the end, although the model says that they could go on by themselves."""
        if not self._follows_up:
            return []
        waiting = [one for one in self._operations if one.fate == "waiting"]
        return [one for one in waiting if transitions(self._model.followup(place.state, one.ticket))]

    def _is_new(self, place: Place) -> bool:
        """Whether nothing as good was tried before."""
        used = place.over & self._optional_bits
        tried = self._tried.setdefault((place.requested & ~used, place.over & ~used, place.leaving, place.state), [])
        if any(fewer & used == fewer for fewer in tried):
            return False
        tried.append(used)
        return True

    def _next(self, place: Place) -> Iterator[Place]:
        """Where one more point leads."""
        for index in self._candidates(place, self._until(place)):
            operation = self._operations[index]
            for state, answer in transitions(self._model.request(place.state, operation)):
                after = self._placed(place, operation, state, answer)
                if isinstance(after, Place):
                    yield after
        waiting = place.requested & ~place.over
        while waiting:
            bit = waiting & -waiting
            waiting ^= bit
            yield from self._ended(place, self._operations[bit.bit_length() - 1])

    def _until(self, place: Place) -> int:
        """The moment before which an operation must have been called to come next."""
        return self.dues[place.due].moment if place.due < len(self.dues) else NEVER

    def _candidates(self, place: Place, until: int) -> Iterator[int]:
        """Operations whose request may come next."""
        required, operations, requested = self._required, self._operations, place.requested
        for position in range(place.first, len(required)):
            index = required[position]
            if operations[index].called > until:
                break
            if not requested >> index & 1:
                yield index
        for index in self._optional:
            if operations[index].called > until:
                break
            if not requested >> index & 1:
                yield index

    def _ended(self, place: Place, operation: Operation) -> Iterator[Place]:
        """Where it leads that an operation which waits ends by itself: by giving up, or by going on."""
        model, bit = self._model, 1 << self._index[operation.ticket]
        if operation.fate in {"cancelled", "open"} and not place.leaving & bit:
            for state, answer in transitions(model.cancelled(place.state, operation.ticket)):
                over = bit if isinstance(answer, Done) else 0
                after = self._reached(place, operation, state, answer, 0, over, bit ^ over)
                if isinstance(after, Place):
                    yield after
        if self._follows_up and operation.fate != "waiting":
            for state, answer in transitions(model.followup(place.state, operation.ticket)):
                if place.leaving & bit:
                    after = self._reached(place, operation, state, answer, 0, bit if isinstance(answer, Done) else 0, 0)
                else:
                    after = self._placed(place, operation, state, answer)
                if isinstance(after, Place):
                    yield after

    def _placed(self, place: Place, operation: Operation, state: Any, answer: Answer) -> Place | Refusal:
        """Where it leads that the model answers so to an operation; or why it cannot have."""
        bit = 1 << self._index[operation.ticket]
        if not isinstance(answer, Done):
            return self._reached(place, operation, state, answer, bit, 0, 0)
        if operation.fate in {"cancelled", "waiting"}:
            return Refusal(NO_WAIT, operation, answer.value)
        if operation.result != answer.value:  # it is the result that may be equal to everything
            return Refusal(ANOTHER_RESULT, operation, answer.value)
        return self._reached(place, operation, state, answer, bit, bit, 0)

    def _reached(
        self, place: Place, operation: Operation, state: Any, answer: Answer, requested: int, over: int, leaving: int
    ) -> Place | Refusal:
        """The place after a point of `operation`, with these bits added, and after all whom that resumed."""
        requested |= place.requested
        over |= place.over
        leaving |= place.leaving
        for ticket, value in answer.woken:
            index = self._index.get(ticket, -1)
            if index < 0 or not requested & ~over & 1 << index:
                raise ValueError(f"{self._model!r} resumes ticket {ticket} at {operation}, but nobody waits with it")
            over |= 1 << index
            refusal = _refused(self._operations[index], value, bool(leaving & 1 << index))
            if refusal is not None:
                return refusal
        return self._advanced(Place(requested, over, leaving, state, place.due, place.first, place, operation))

    def _advanced(self, place: Place) -> Place:
        """Skip what is placed."""
        dues, required = self.dues, self._required
        while place.due < len(dues):
            _, index, is_end = dues[place.due]
            if not (place.over if is_end else place.requested) >> index & 1:
                break
            place.due += 1
        while place.first < len(required) and place.requested >> required[place.first] & 1:
            place.first += 1
        return place


def _is_required(operation: Operation) -> bool:
    """Whether it must have been requested."""
    return operation.fate in {"returned", "waiting"} or (
        operation.fate == "cancelled" and operation.suspended is not None
    )


def _dues(index: int, operation: Operation) -> Iterator[Due]:
    """The points that must be placed. One that was cancelled without having been seen to wait may have been in line for
    a moment, or never."""
    if not _is_required(operation):
        return
    ended = operation.ended or NEVER
    if operation.suspended is not None or operation.fate == "waiting":
        yield Due(operation.suspended or NEVER, index, False)
    if operation.fate != "waiting":
        yield Due(ended, index, True)


def _refused(operation: Operation, value: Any, is_leaving: bool) -> Refusal | None:
    """Why an operation that waits cannot have been resumed with `value`; None if it can."""
    if operation.fate == "waiting":
        return Refusal(OTHER_WAITS, operation)
    if operation.fate == "cancelled":
        return None if is_leaving else Refusal(OTHER_CANCELLED, operation, value)
    return None if operation.result == value else Refusal(OTHER_RESUMED_OTHERWISE, operation, value)


def _called(operation: Operation) -> int:
    return operation.called
