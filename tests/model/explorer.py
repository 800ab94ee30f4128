"""Explores every interleaving of a small concurrent program, and shows the shortest one that goes wrong.

A model is a class with the shared state as its fields and, for each thread, a program: a generator in which each
``yield`` names, in words, the atomic step that comes next::

    def post(self, strand: Strand, message: str) -> Steps[None]:
        yield "append to the mailbox"
        strand.mail.append(message)
        yield "read the owner"
        owner = strand.worker
        if owner is not None:
            yield Wait("lock the list", until=lambda: self.holder is None)
            ...

From each state, each thread that may go on is tried. States are visited in the order of their distance from the start
and only once, whatever way led there (`state.py` says what a state is), so the search ends, and what it finds first is
as short as it can be. Generators cannot be copied: to reach a state again its path is run again.

What is checked: `require` inside a program, `Model.always` in every state, `Model.at_rest` where no thread can go on,
and that from every state such an end can be reached at all: threads that chase each other for ever are an error too.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from tests.model.state import Fingerprints, Shared

T = TypeVar("T")

KEPT_RUNS = 10_000  # runs kept for the states that wait to be explored: some 10 KB each, and each saves a path


@dataclass(frozen=True, slots=True)
class Wait:
    """A step that a thread can take only while a condition holds.

    Args:
        step: what it does, in words.
        until: looks at the shared state and changes nothing.
    """

    step: str
    until: Callable[[], bool]


Steps: TypeAlias = Generator[str | Wait, None, T]
"""Steps that end with a value. Code before the first ``yield`` may look at nothing that is shared."""


class Violation(Exception):
    """The model did what it must never do."""


def require(claim: bool, otherwise: str) -> None:
    """Raise `Violation` with the words `otherwise` unless the claim is true."""
    if not claim:
        raise Violation(otherwise)


@dataclass(slots=True, eq=False, repr=False)
class Model(Shared):
    """A protocol between threads: the shared state as fields, the threads as programs."""

    def programs(self) -> dict[str, Steps[None]]:
        """The threads, each with a name."""
        raise NotImplementedError

    def always(self) -> None:
        """`require` what holds in every state."""

    def at_rest(self, waiting: dict[str, str]) -> None:
        """`require` what holds when no thread can go on.

        Args:
            waiting: the threads that have not ended, each with the step that it waits for.
        """
        require(not waiting, f"deadlock: {', '.join(f'{thread} waits: {step}' for thread, step in waiting.items())}")


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, and the shortest way there."""

    message: str
    threads: tuple[str, ...]
    trace: tuple[tuple[str, str], ...]
    end: tuple[str, ...]

    def __str__(self) -> str:
        """The trace as a table: a column a thread, a line a step."""
        width = max(14, *(len(thread) + 2 for thread in self.threads))
        lines = [f"{self.message}, after {len(self.trace)} steps:", ""]
        lines.append("      " + "".join(thread.ljust(width) for thread in self.threads).rstrip())
        for number, (thread, step) in enumerate(self.trace, 1):
            lines.append(f"{number:4}  {' ' * (width * self.threads.index(thread))}{step}")
        return "\n".join([*lines, "", *(f"      {line}" for line in self.end)])


@dataclass(frozen=True, slots=True)
class Report:
    """What a search has seen."""

    states: int
    moves: int
    depth: int
    seconds: float
    failure: Failure | None

    def __str__(self) -> str:
        seen = f"{self.states:,} states, {self.moves:,} moves, depth {self.depth}, {self.seconds:.2f} s"
        return f"holds: {seen}" if self.failure is None else f"{self.failure}\n\nfound among {seen}"


def assert_holds(make: Callable[[], Model]) -> None:
    """Search all interleavings; none of them may go wrong. ``pytest -rP`` shows how many there were."""
    report = explore(make)
    assert report.failure is None, str(report)
    print(report)


def assert_fails(make: Callable[[], Model], message: str) -> None:
    """Search until one goes wrong, with `message` in the words of the failure. ``pytest -rP`` shows it."""
    report = explore(make)
    assert report.failure is not None, f"not found: {message!r}; {report}"
    assert message in report.failure.message, str(report)
    print(report)


def explore(make: Callable[[], Model], limit: int = 1_000_000) -> Report:
    """Visit every state that `make()` can get into, nearest first, and stop at the first that is wrong.

    Args:
        make: makes the model in its first state, always the same.
        limit: how many states to visit at most.

    Raises:
        RuntimeError: there are more states than that.
    """
    return _Search(make, limit).run()


class _Run:
    """A model on its way."""

    __slots__ = ("guards", "model", "names", "programs", "steps")

    def __init__(self, make: Callable[[], Model]) -> None:
        self.model = make()
        programs = self.model.programs()
        self.names = tuple(programs)
        self.programs: list[Steps[None] | None] = list(programs.values())
        self.guards: list[Callable[[], bool] | None] = [None] * len(programs)
        self.steps = [""] * len(programs)
        for index in range(len(programs)):
            self.move(index)  # to the first yield

    def move(self, index: int) -> None:
        """Let one thread take the step that it stands before."""
        try:
            step = next(self.programs[index])  # type: ignore[arg-type]  # a thread that has ended never moves
        except StopIteration:
            self.programs[index] = None
            return
        if isinstance(step, Wait):
            self.guards[index] = step.until
            self.steps[index] = step.step
        else:
            self.guards[index] = None
            self.steps[index] = step

    def able(self) -> tuple[int, ...]:
        """The threads that can move."""
        guards = self.guards
        return tuple(
            [
                index
                for index, program in enumerate(self.programs)
                if program is not None and ((guard := guards[index]) is None or guard())
            ]
        )

    def waiting(self) -> dict[str, str]:
        """The threads that have not ended, each with the step that it stands before."""
        return {self.names[i]: self.steps[i] for i, program in enumerate(self.programs) if program is not None}


class _Search:
    def __init__(self, make: Callable[[], Model], limit: int) -> None:
        self._make = make
        self._limit = limit
        self._fingerprints = Fingerprints()
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], int] = {}  # the key of a state -> its number
        self._queue: deque[tuple[int, _Run | None]] = deque()  # to be explored, perhaps with a run that is there now
        self._ends: list[int] = []  # states in which no thread can go on
        # By the number of a state:
        self._origin: list[tuple[int, int]] = []  # (the state before it, the thread that moved)
        self._able: list[tuple[int, ...]] = []
        self._places: list[tuple[int, ...]] = []  # where each program stands, as in the key
        self._before: list[list[int]] = []  # all states that lead to it

    def run(self) -> Report:
        begun = time.perf_counter()
        failure = self._search()
        return Report(
            states=len(self._origin),
            moves=sum(len(before) for before in self._before),
            depth=len(self._path(len(self._origin) - 1)),
            seconds=time.perf_counter() - begun,
            failure=failure,
        )

    def _search(self) -> Failure | None:
        path: tuple[int, ...] = ()
        try:
            self._arrive(_Run(self._make), -1, -1)
            while self._queue:
                state, here = self._queue.popleft()
                way = self._path(state)
                for index in self._able[state]:
                    path = (*way, index)
                    run = here or self._again(way)
                    here = None  # only one move can use the run that found this state
                    run.move(index)
                    self._arrive(run, state, index)
        except Violation as violation:
            return self._failure(str(violation), path)
        except Exception as error:
            steps = " / ".join(f"{thread}: {step}" for thread, step in self._tell(path)[1])
            error.add_note(f"The model itself is broken. The way there: {steps}")
            raise
        return self._restless()

    def _arrive(self, run: _Run, origin: int, mover: int) -> None:
        """If the state that a run is in is a new one, check it, and explore it later."""
        state = self._visit(run, origin, mover)
        if state is None:
            return
        run.model.always()
        if self._able[state]:
            self._queue.append((state, run if len(self._queue) < KEPT_RUNS else None))
        else:
            self._ends.append(state)
            run.model.at_rest(run.waiting())

    def _visit(self, run: _Run, origin: int, mover: int) -> int | None:
        """Number the state that a run is in; None if it was known."""
        objects = self._fingerprints.objects(run.model)
        if mover < 0:
            places = tuple([self._place(program) for program in run.programs])
        else:  # the others stand where they stood
            places = self._places[origin]
            places = (*places[:mover], self._place(run.programs[mover]), *places[mover + 1 :])
        new = len(self._origin)
        known = self._known.setdefault((objects, places), new)
        if known != new:
            self._before[known].append(origin)
            return None
        if new == self._limit:
            raise RuntimeError(f"more than {self._limit:,} states: make the model smaller")
        self._origin.append((origin, mover))
        self._able.append(run.able())
        self._places.append(places)
        self._before.append([origin] if mover >= 0 else [])
        return new

    def _place(self, program: Steps[None] | None) -> int:
        return -1 if program is None else self._fingerprints.program(program)

    def _path(self, state: int) -> tuple[int, ...]:
        """The threads that moved, from the start to a state."""
        movers: list[int] = []
        while state > 0:
            state, mover = self._origin[state]
            movers.append(mover)
        return tuple(reversed(movers))

    def _again(self, path: tuple[int, ...]) -> _Run:
        run = _Run(self._make)
        for index in path:
            run.move(index)
        return run

    def _restless(self) -> Failure | None:
        """The nearest state from which no end can be reached."""
        calm = bytearray(len(self._origin))
        work = list(self._ends)
        while work:
            state = work.pop()
            if not calm[state]:
                calm[state] = True
                work.extend(self._before[state])
        state = calm.find(False)
        return None if state < 0 else self._failure("from here on the threads never come to rest", self._path(state))

    def _failure(self, message: str, path: tuple[int, ...]) -> Failure:
        run, trace = self._tell(path)
        self._fingerprints.objects(run.model)
        end = [f"{name} stands before: {step}" for name, step in run.waiting().items()]
        end += [thing.describe() for thing in self._fingerprints.met.values()]
        return Failure(message, run.names, trace, tuple(end))

    def _tell(self, path: tuple[int, ...]) -> tuple[_Run, tuple[tuple[str, str], ...]]:
        """Run a path once more, for the words of its steps."""
        run = _Run(self._make)
        trace: list[tuple[str, str]] = []
        for index in path:
            trace.append((run.names[index], run.steps[index]))
            try:
                run.move(index)
            except Exception:
                break  # the last step, and why it is told
        return run, tuple(trace)
