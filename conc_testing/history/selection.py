"""Which programs are worth running: those in which, by the model, the most different things happen.

Most programs drawn at random are dull: nobody waits, or nobody is cancelled who does. The model knows without a single
run. So each program is played a few times on the model alone, and those are chosen that show what no other did.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from heapq import heapify, heappop, heappush
from random import Random
from typing import Any, Final

from conc_testing.history.model import Answer, Done, Model, transitions
from conc_testing.history.operation import Operation, Raised
from conc_testing.history.programs import CANCEL, Program, Step

PLAYS: Final = 6  # of each program
MANY: Final = 2  # it makes no difference whether more than so many wait

Events = frozenset[Hashable]


def most_eventful(candidates: Sequence[Program], spec: Model, most: int, seed: int) -> list[Program]:
    """Some of these programs: each the one in which the most happens that has not happened in those before it.

    When all has happened that can be seen, it begins anew.
    """
    random = Random(seed)
    left = {
        program: frozenset().union(*(_Play(program, spec, random).run() for _ in range(PLAYS)))
        for program in candidates
    }
    chosen: list[Program] = []
    while left and len(chosen) < most:
        seen: set[Hashable] = set()
        heap = [(-len(events), number, program) for number, (program, events) in enumerate(left.items())]
        heapify(heap)
        while heap and len(chosen) < most:
            count, number, program = heappop(heap)
            new = len(left[program] - seen)
            if new < -count:  # others were chosen since it was counted
                if new:
                    heappush(heap, (-new, number, program))
                continue
            chosen.append(program)
            seen |= left.pop(program)
    return chosen


class _Play:
    """A program, played on a model in some order."""

    def __init__(self, program: Program, spec: Model, random: Random) -> None:
        self._spec = spec
        self._random = random
        self._todo = {name: list(enumerate(steps, 1)) for name, steps in program.tasks}
        self._waiting: dict[int, Operation] = {}
        self._state: Any = spec.init()
        self._tickets = 0
        self._events: list[Hashable] = []

    def run(self) -> Events:
        """What happened, and what after what."""
        while acting := self._who_can_act():
            name = self._random.choice(acting)
            if isinstance(name, int):
                self._go_on(name)
            else:
                number, step = self._todo[name].pop(0)
                if step.name == CANCEL:
                    self._cancel(step.args[0])
                else:
                    self._request(name, number, step)
        return frozenset(self._events) | set(zip(self._events, self._events[1:], strict=False))

    def _who_can_act(self) -> list[Any]:
        """Tasks that do not wait, by name, and operations that go on by themselves, by ticket."""
        waiting = {operation.process for operation in self._waiting.values()}
        tasks = [name for name, steps in self._todo.items() if steps and name not in waiting]
        busy = [ticket for ticket in self._waiting if transitions(self._spec.followup(self._state, ticket))]
        return [*tasks, *busy]

    def _request(self, name: str, number: int, step: Step) -> None:
        self._tickets += 1
        operation = Operation(self._tickets, step.name, step.args, name, self._tickets)
        self._waiting[operation.ticket] = operation
        found = transitions(self._spec.request(self._state, operation))
        if not found:
            return  # a model without suspension lets it wait for ever, for all that is known here
        told = tuple(arg for arg in step.args if arg != f"{name}{number}")
        self._happens((step.name, *told), operation.ticket, *self._random.choice(found))

    def _cancel(self, name: str) -> None:
        for ticket, operation in self._waiting.items():
            if operation.process == name and (found := transitions(self._spec.cancelled(self._state, ticket))):
                self._happens((CANCEL, operation.name), ticket, *self._random.choice(found))
                return

    def _go_on(self, ticket: int) -> None:
        found = transitions(self._spec.followup(self._state, ticket))
        self._happens(("followup", self._waiting[ticket].name), ticket, *self._random.choice(found))

    def _happens(self, what: Hashable, ticket: int, state: Any, answer: Answer) -> None:
        self._state = state
        others = min(len(self._waiting) - 1, MANY)
        woken = tuple(self._waiting.pop(other).name for other, _ in answer.woken if other in self._waiting)
        said: Hashable = "suspends"
        if isinstance(answer, Done):
            self._waiting.pop(ticket, None)
            said = _kind(answer.value)
        self._events.append((what, others, said, woken))


def _kind(value: Any) -> Hashable:
    """Values that make no difference are one."""
    if isinstance(value, Raised):
        return value.kind
    return value if isinstance(value, bool) or value is None else type(value)
