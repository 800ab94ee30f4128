"""What atomics are held against: a sequential model, and threads that take turns where a test says."""

from __future__ import annotations

import ast
import inspect
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, cycle
from typing import Any, TypeAlias

from conc.sync import AtomicInt, AtomicRef, atomics

FOR_EVER = sys.maxsize

Call: TypeAlias = tuple[str, tuple[Any, ...]]  # an operation: its name and its arguments
Act: TypeAlias = Callable[[], object]
Schedule: TypeAlias = Sequence[tuple[int, int]]  # pairs of a thread's number and a number of steps


class Model:
    """Both atomics, if there were one thread. For references `same` is identity."""

    def __init__(self, value: Any, same: Callable[[Any, Any], bool]) -> None:
        self.value, self.same = value, same

    def load(self) -> Any:
        return self.value

    def store(self, value: Any) -> None:
        self.value = value

    def swap(self, value: Any) -> Any:
        old, self.value = self.value, value
        return old

    def compare_exchange(self, expected: Any, value: Any) -> bool:
        equal = self.same(self.value, expected)
        if equal:
            self.value = value
        return equal

    def fetch_update(self, fn: Callable[[Any], Any]) -> Any:
        return self.swap(fn(self.value))

    def fetch_add(self, n: int = 1) -> Any:
        return self.swap(self.value + n)

    def fetch_sub(self, n: int = 1) -> Any:
        return self.swap(self.value - n)

    def fetch_max(self, value: int) -> Any:
        return self.swap(max(self.value, value))

    def fetch_min(self, value: int) -> Any:
        return self.swap(min(self.value, value))


class Steps(ast.NodeTransformer):
    """Puts a call of `step` before whatever may touch what others see: an attribute, an item, a call.

    Args:
        unlocked: the name of a method whose ``with`` goes, so that its block stands there bare. "" for none.
    """

    def __init__(self, unlocked: str) -> None:
        self._unlocked = unlocked
        self._method = ""
        self.locks_gone = 0

    def _after_step(self, node: ast.expr) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            return node
        step_then_node = ast.parse("(step(), None)[1]", mode="eval").body
        assert isinstance(step_then_node, ast.Subscript) and isinstance(step_then_node.value, ast.Tuple)
        step_then_node.value.elts[1] = node
        return step_then_node

    visit_Attribute = visit_Subscript = visit_Call = _after_step  # noqa: N815

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        self.generic_visit(node)
        return [*ast.parse("step()").body, node]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self._method = node.name
        self.generic_visit(node)
        return node

    def visit_With(self, node: ast.With) -> ast.With | list[ast.stmt]:
        self.generic_visit(node)
        if self._method != self._unlocked:
            return node
        self.locks_gone += 1
        return node.body


class Stepped:
    """The classes of conc.sync.atomics, which call `before_step` before each of their steps, also under their locks.

    Args:
        unlocked: the name of a method that is to do without its lock. "" for none: all is as it should be.
    """

    def __init__(self, unlocked: str = "") -> None:
        steps = Steps(unlocked)
        tree = ast.fix_missing_locations(steps.visit(ast.parse(inspect.getsource(atomics))))
        assert bool(steps.locks_gone) == bool(unlocked), f"{unlocked} has no lock"
        names: dict[str, Any] = {"__name__": "stepped_atomics", "step": self._step}
        self.before_step: Act = do_nothing
        self.give_way: Act = do_nothing
        exec(compile(tree, "stepped_atomics", "exec", dont_inherit=True), names)
        names["RLock"] = lambda: TurnLock(self)
        self.atomics: dict[str, Callable[[Any], Any]] = {"int": names["AtomicInt"], "ref": names["AtomicRef"]}

    def _step(self) -> None:
        self.before_step()

    def steps_of(self, target: Any, call: Call) -> int:
        """How many steps a call takes."""
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        self.before_step = count
        do(target, call)
        self.before_step = do_nothing
        return steps


class TurnLock:
    """A lock for threads that take turns: who finds it taken gives up its turn."""

    def __init__(self, stepped: Stepped) -> None:
        self._stepped = stepped
        self._owner = 0

    def __enter__(self) -> None:
        while self._owner:
            assert self._owner != threading.get_ident(), "an atomic takes its lock twice"
            self._stepped.give_way()
        self._owner = threading.get_ident()

    def __exit__(self, *error: object) -> None:
        self._owner = 0


def do(target: Any, call: Call) -> Any:
    """Do an operation on an atomic, or on a model of one."""
    name, arguments = call
    return getattr(target, name)(*arguments)


def do_nothing() -> None:
    """What happens before a step when nobody is interested."""


class BrokenInt(AtomicInt):
    """Loads, then stores: what a test that is worth its time finds."""

    __slots__ = ()

    def fetch_add(self, n: int = 1) -> int:
        old = self.load()
        self.store(old + n)
        return old

    def compare_exchange(self, expected: int, value: int) -> bool:
        equal = self.load() == expected
        if equal:
            self.store(value)
        return equal


class BrokenRef(AtomicRef[Any]):
    """Loads, then stores."""

    __slots__ = ()

    def swap(self, value: Any) -> Any:
        old = self.load()
        super().swap(value)
        return old

    def compare_exchange(self, expected: Any, value: Any) -> bool:
        equal = self.load() is expected
        if equal:
            self.store(value)
        return equal


@dataclass
class Played:
    """An operation that a player has done: between which moments, and what came out."""

    call: Call
    begin: int
    result: Any = None
    end: int = FOR_EVER


class Stage:
    """Threads of which one runs at a time, for as many steps as the schedule says.

    Args:
        stepped: whose class the atomic is of.
        target: the atomic.
        programs: for each thread, the operations it does.
        schedule: pairs of a thread's number and a number of steps. When it is used up, all run to their ends in turn.
    """

    def __init__(self, stepped: Stepped, target: Any, programs: Sequence[Sequence[Call]], schedule: Schedule) -> None:
        self._stepped = stepped
        self._target = target
        self._programs = programs
        self._turns = chain(schedule, cycle((player, FOR_EVER) for player in range(len(programs))))
        self._cues = [threading.Semaphore(0) for _ in programs]
        self._over = threading.Semaphore(0)
        self._running = set(range(len(programs)))
        self._player = 0
        self._left = 0
        self._clock = 0
        self.played: list[list[Played]] = [[] for _ in programs]

    def play(self) -> list[list[Played]]:
        """Run it; returns what each thread has done."""
        threads = [threading.Thread(target=self._act, args=(player,)) for player in range(len(self._programs))]
        for thread in threads:
            thread.start()
        self._stepped.before_step, self._stepped.give_way = self._before_step, self._give_way
        self._cue_next()
        assert self._over.acquire(timeout=60), "an operation waits for another one"
        for thread in threads:
            thread.join()
        self._stepped.before_step = self._stepped.give_way = do_nothing
        return self.played

    def _act(self, player: int) -> None:
        self._cues[player].acquire()
        for call in self._programs[player]:
            played = Played(call, self._tick())
            self.played[player].append(played)
            played.result = do(self._target, call)
            played.end = self._tick()
        self._running.remove(player)
        self._cue_next()

    def _tick(self) -> int:
        self._clock += 1
        return self._clock

    def _before_step(self) -> None:
        while self._left == 0:
            self._give_way()
        self._left -= 1

    def _give_way(self) -> None:
        player = self._player
        self._cue_next()
        self._cues[player].acquire()

    def _cue_next(self) -> None:
        while self._running:
            player, steps = next(self._turns)
            if player in self._running:
                self._player, self._left = player, steps
                self._cues[player].release()
                return
        self._over.release()


def explains(played: list[list[Played]], model: Model, final: Any) -> bool:
    """Whether some order of the operations, none before one that ended before it began, has these results."""
    heads = [operations[0] for operations in played if operations]
    if not heads:
        return model.same(model.value, final)
    for player, operations in enumerate(played):
        if operations and all(operations[0].begin < head.end for head in heads):
            trial = Model(model.value, model.same)
            result = do(trial, operations[0].call)
            rest = [*played[:player], operations[1:], *played[player + 1 :]]
            if model.same(result, operations[0].result) and explains(rest, trial, final):
                return True
    return False


def two_switches(steps: int, steps_of_other: int) -> Iterator[Schedule]:
    """The schedules in which the first of two threads is stopped after each of its steps, then the second after each of
    its own, then the first goes on to its end."""
    for taken in range(1, steps + 1):
        for taken_by_other in range(1, steps_of_other + 1):
            yield [(0, taken), (1, taken_by_other), (0, FOR_EVER)]
