"""Writing programs that are worth running: those in which, by the model, the most different things happen.

Most programs drawn at random are dull: nobody waits, or nobody is cancelled who does. The model knows without a single
run. So a program is written by playing on the model: a task is drawn, and does something that lets happen what has not
happened before, if it can. Of many such plays those are kept that show the most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any, Final, NamedTuple, TypeAlias

from conc_testing.history.model import Answer, Done, Model, transitions
from conc_testing.history.operation import Operation, Raised
from conc_testing.history.programs import CANCEL, Program, Step, filled, program_of

PLAYS: Final = 20  # for each program that is kept
MANY: Final = 2  # it makes no difference whether more than so many wait
CANCELS: Final = 2  # at most, in a program
PAIR: Final = 2  # the length of an event that is a succession of two
MOVES: Final = 4  # at most, for each step: some happen by themselves

Event: TypeAlias = "tuple[Any, ...]"


def write_programs(
    spec: Model, alphabets: Mapping[str, Sequence[Step]], steps: int, most: int, seed: int
) -> list[Program]:
    """Some different programs, the most eventful first.

    Args:
        spec: the model.
        alphabets: what each task may do.
        steps: how many of that each does at most.
        most: how many programs.
        seed: of all that is drawn.
    """
    random = Random(seed)
    seen: set[Event] = set()
    written: dict[Program, set[Event]] = {}
    for _ in range(PLAYS * most):
        play = Play(spec, alphabets, steps, random)
        play.run(seen)
        written.setdefault(play.program(), play.events())
    written.pop(Program(()), None)
    return _most_eventful(written, most)


def _most_eventful(left: dict[Program, set[Event]], most: int) -> list[Program]:
    """Each the one in which the most happens that happens in none before it. When nothing is left, it begins anew."""
    chosen: list[Program] = []
    while left and len(chosen) < most:
        seen: set[Event] = set()
        heap = [(-_worth(events), number, program) for number, (program, events) in enumerate(left.items())]
        heapify(heap)
        while heap and len(chosen) < most:
            worth, number, program = heappop(heap)
            new = _worth(left[program] - seen)
            if new == -worth:
                chosen.append(program)
                seen |= left.pop(program)
            elif new:  # others were chosen since it was counted
                heappush(heap, (-new, number, program))
    return chosen


def _worth(events: set[Event]) -> int:
    """How much it is worth to see these: a succession of two adds little to the two."""
    return sum(1 if len(event) == PAIR else 10 for event in events)


class Move(NamedTuple):
    """What may happen next: on the model, the operation that it is about, how that looks, and what comes of it.

    `by` and `step` are what is written down of it: who does what. None of what happens by itself.
    """

    by: str | None
    step: Step | None
    operation: Operation
    event: Event
    state: Any
    answer: Answer


class Play:
    """One play on the model, in which a program is written."""

    def __init__(self, spec: Model, alphabets: Mapping[str, Sequence[Step]], steps: int, random: Random) -> None:
        self._spec = spec
        self._alphabets = alphabets
        self._random = random
        self._steps = steps
        self._done: dict[str, list[Step]] = {name: [] for name in alphabets}
        self._waiting: dict[int, Operation] = {}
        self._state: Any = spec.init()
        self._order: dict[str, None] = {}  # of the tasks, in which they first did something
        self._events: list[Event] = []

    def run(self, seen: set[Event]) -> None:
        """Play; what has happened in other plays is `seen`, and grows."""
        for _ in range(MOVES * self._steps * len(self._done)):
            moves = self._possible()
            if not moves:
                break
            fresh = [move for move in moves if not seen.issuperset(self._told_with(move.event))]
            move = self._random.choice(fresh or moves)
            seen.update(self._told_with(move.event))
            self._make(move)

    def program(self) -> Program:
        """What the tasks have done. Whoever did something first is the first task, so that it begins in that order."""
        names = dict(zip(self._order, self._done, strict=False))

        def renamed(step: Step) -> Step:
            return Step(CANCEL, (names[step.args[0]],)) if step.name == CANCEL else step

        return program_of({names[name]: [renamed(step) for step in self._done[name]] for name in self._order})

    def events(self) -> set[Event]:
        """What has happened, and what after what."""
        return {*self._events, *zip(self._events, self._events[1:], strict=False)}

    def _told_with(self, event: Event) -> tuple[Event, ...]:
        return (event, (self._events[-1], event)) if self._events else (event,)

    def _possible(self) -> list[Move]:
        """All that a task may do whose turn it is; or what those may do by themselves that wait."""
        waiting = {operation.process for operation in self._waiting.values()}
        ready = [name for name, done in self._done.items() if len(done) < self._steps and name not in waiting]
        self._random.shuffle(ready)
        by_itself = [move for one in self._waiting.values() for move in self._by_itself(one)]
        if by_itself and self._random.randrange(len(ready) + 1) == 0:
            return by_itself
        for name in ready:
            if moves := [move for step in self._alphabets[name] for move in self._by(name, step)]:
                return moves
        return by_itself

    def _by_itself(self, operation: Operation) -> list[Move]:
        found = transitions(self._spec.followup(self._state, operation.ticket))
        return self._moves(None, None, operation, ("followup", operation.name), found)

    def _by(self, name: str, step: Step) -> list[Move]:
        if step.name != CANCEL:
            number = len(self._events)
            args = filled(step, name, len(self._done[name]) + 1).args
            operation = Operation(number, step.name, args, name, number)
            found = transitions(self._spec.request(self._state, operation))
            return self._moves(name, step, operation, (step.name, *map(repr, step.args)), found)
        if sum(one.name == CANCEL for done in self._done.values() for one in done) == CANCELS:
            return []
        moves = []
        for operation in self._waiting.values():
            if operation.process == step.args[0]:
                found = transitions(self._spec.cancelled(self._state, operation.ticket))
                moves += self._moves(name, step, operation, (CANCEL, operation.name), found)
        return moves

    def _moves(
        self, by: str | None, step: Step | None, operation: Operation, what: Event, found: list[tuple[Any, Answer]]
    ) -> list[Move]:
        others = min(len(self._waiting.keys() - {operation.ticket}), MANY)
        moves = []
        for state, answer in found:
            woken = tuple(self._waiting[ticket].name for ticket, _ in answer.woken if ticket in self._waiting)
            said = _kind(answer.value) if isinstance(answer, Done) else "suspends"
            moving = [one.name for one in self._waiting.values() if transitions(self._spec.followup(state, one.ticket))]
            moves.append(Move(by, step, operation, (what, others, said, woken, *moving), state, answer))
        return moves

    def _make(self, move: Move) -> None:
        self._state = move.state
        self._events.append(move.event)
        if move.by is not None and move.step is not None:
            self._done[move.by].append(move.step)
            self._order.setdefault(move.by)
        ticket = move.operation.ticket
        self._waiting[ticket] = move.operation
        for gone, _ in (*move.answer.woken, *([(ticket, None)] if isinstance(move.answer, Done) else ())):
            self._waiting.pop(gone, None)


def _kind(value: Any) -> Any:
    """Values that make no difference are one."""
    if isinstance(value, Raised):
        return value.kind
    return value if isinstance(value, bool) or value is None else type(value)
