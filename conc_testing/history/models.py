"""Models of common objects, for `assert_linearizable` and `check_primitive`.

Operations are recorded under the names, and with the arguments, that the docstring of a model lists. `Queue`, `Lock`
and `Semaphore` know who waits, and serve first come, first served. Who of two that overlap came first, only those tell
that were seen to wait: of others, either may have.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import inf
from typing import Any, TypeAlias

from conc_testing.history.model import Done, Model, Suspend, Transition
from conc_testing.history.operation import Operation, Raised

_Line: TypeAlias = "tuple[tuple[int, Any], ...]"  # who waits: tickets, each with what was asked for


class Register(Model):
    """One value. ``read() -> value``; ``write(value)``; ``cas(old, new) -> bool``: write `new` if the value is `old`.

    Args:
        initial: the value at the beginning.
    """

    def __init__(self, initial: Hashable = None) -> None:
        self._initial = initial

    def init(self) -> Hashable:
        """The initial value."""
        return self._initial

    def request(self, state: Any, op: Operation) -> Transition:
        """Never waits."""
        match op.call:
            case ("read",):
                return state, Done(state)
            case ("write", value):
                return value, Done()
            case ("cas", old, new):
                return (new, Done(True)) if state == old else (state, Done(False))
            case _:
                raise _unknown(self, op)


class KV(Model):
    """Values by key, each a register: ``get(key) -> value``; ``put(key, value)``; ``delete(key)``; ``cas(key, old,
    new) -> bool``. A key that is not there has the value `missing`.

    Args:
        missing: what `get` returns for a key that was never put.
    """

    def __init__(self, missing: Hashable = None) -> None:
        self._missing = missing

    def init(self) -> Hashable:
        """Of one key: that it is missing."""
        return self._missing

    def partition(self, op: Operation) -> Hashable:
        """The key."""
        key: Hashable = op.args[0] if op.args else None
        return key

    def request(self, state: Any, op: Operation) -> Transition:
        """Never waits."""
        match op.call:
            case ("get", _):
                return state, Done(state)
            case ("put", _, value):
                return value, Done()
            case ("delete", _):
                return self._missing, Done()
            case ("cas", _, old, new):
                return (new, Done(True)) if state == old else (state, Done(False))
            case _:
                raise _unknown(self, op)


class Set(Model):
    """A set. ``add(item) -> bool``, ``remove(item) -> bool``: whether that changed it; ``contains(item) -> bool``."""

    def init(self) -> bool:
        """Of one item: that it is not in."""
        return False

    def partition(self, op: Operation) -> Hashable:
        """The item."""
        item: Hashable = op.args[0] if op.args else None
        return item

    def request(self, state: bool, op: Operation) -> Transition:
        """Never waits."""
        match op.call:
            case ("add", _):
                return True, Done(not state)
            case ("remove", _):
                return False, Done(state)
            case ("contains", _):
                return state, Done(state)
            case _:
                raise _unknown(self, op)


class Queue(Model):
    """A queue, first in, first out. ``put(item)`` waits while it is full, ``get() -> item`` while it is empty;
    ``try_put(item) -> bool``; ``try_get() -> item``, or None.

    Args:
        capacity: how many items it holds. With 0 an item goes from hand to hand.
    """

    def __init__(self, capacity: float = inf) -> None:
        self._capacity = capacity

    def init(self) -> tuple[tuple[Any, ...], _Line, _Line]:
        """Empty. The state: items, who waits to get one, who waits to put one."""
        return (), (), ()

    def request(self, state: tuple[tuple[Any, ...], _Line, _Line], op: Operation) -> Transition:
        """An item goes to who waits for one, else into the queue; a place that becomes free, to who waits for that."""
        items, getting, putting = state
        match op.call:
            case ("put" | "try_put", item):
                said = True if op.name == "try_put" else None
                if getting:
                    return (items, getting[1:], putting), Done(said).resumes(getting[0][0], value=item)
                if len(items) < self._capacity:
                    return ((*items, item), getting, putting), Done(said)
                if op.name == "try_put":
                    return state, Done(False)
                return (items, getting, (*putting, (op.ticket, item))), Suspend
            case ("get" | "try_get",):
                if putting:
                    ticket, item = putting[0]
                    items = (*items, item)
                    return (items[1:], getting, putting[1:]), Done(items[0]).resumes(ticket)
                if items:
                    return (items[1:], getting, putting), Done(items[0])
                if op.name == "try_get":
                    return state, Done()
                return (items, (*getting, (op.ticket, None)), putting), Suspend
            case _:
                raise _unknown(self, op)

    def cancelled(self, state: tuple[tuple[Any, ...], _Line, _Line], ticket: int) -> Transition:
        """It leaves its line; nobody else can go on because of that."""
        items, getting, putting = state
        return (items, _without(getting, ticket), _without(putting, ticket)), Done()


class Lock(Model):
    """A lock that belongs to the process that took it. ``acquire()`` waits while it is held; ``try_acquire() -> bool``;
    ``release()``, a RuntimeError of whoever does not hold it."""

    def init(self) -> tuple[str | None, _Line]:
        """Free. The state: who holds it, and who waits for it."""
        return None, ()

    def request(self, state: tuple[str | None, _Line], op: Operation) -> Transition:
        """Released, it goes to who waits longest."""
        owner, line = state
        match op.call:
            case ("acquire" | "try_acquire",):
                if owner is None:
                    return (op.process, line), Done(True if op.name == "try_acquire" else None)
                if op.name == "try_acquire":
                    return state, Done(False)
                return (owner, (*line, (op.ticket, op.process))), Suspend
            case ("release",):
                if owner != op.process:
                    return state, Done(Raised(RuntimeError))
                if not line:
                    return (None, ()), Done()
                (ticket, process), *rest = line
                return (process, tuple(rest)), Done().resumes(ticket)
            case _:
                raise _unknown(self, op)

    def cancelled(self, state: tuple[str | None, _Line], ticket: int) -> Transition:
        """It leaves the line."""
        owner, line = state
        return (owner, _without(line, ticket)), Done()


class Semaphore(Model):
    """Permits. ``acquire(n=1)`` waits until there are n, behind all who wait already; ``try_acquire(n=1) -> bool``;
    ``release(n=1)``.

    Args:
        value: how many permits are free at the beginning.
    """

    def __init__(self, value: int) -> None:
        self._value = value

    def init(self) -> tuple[int, _Line]:
        """The state: how many are free, and who waits for how many."""
        return self._value, ()

    def request(self, state: tuple[int, _Line], op: Operation) -> Transition:
        """Nobody overtakes the line."""
        free, line = state
        n = op.args[0] if op.args else 1
        match op.name:
            case "acquire" | "try_acquire":
                if not line and n <= free:
                    return (free - n, line), Done(True if op.name == "try_acquire" else None)
                if op.name == "try_acquire":
                    return state, Done(False)
                return (free, (*line, (op.ticket, n))), Suspend
            case "release":
                return self._served(free + n, line)
            case _:
                raise _unknown(self, op)

    def cancelled(self, state: tuple[int, _Line], ticket: int) -> Transition:
        """It leaves the line; those behind it may have been waiting for that alone."""
        free, line = state
        return self._served(free, _without(line, ticket))

    def _served(self, free: int, line: _Line) -> Transition:
        woken = []
        while line and line[0][1] <= free:
            (ticket, n), *rest = line
            woken.append(ticket)
            free, line = free - n, tuple(rest)
        return (free, line), Done().resumes(*woken)


def _without(line: _Line, ticket: int) -> _Line:
    """A line that `ticket` has left."""
    return tuple(entry for entry in line if entry[0] != ticket)


def _unknown(model: Model, op: Operation) -> ValueError:
    return ValueError(f"{op.name}{op.args!r} is no operation of {model!r}: its docstring lists them")
