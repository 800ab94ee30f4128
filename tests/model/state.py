"""What the state of a model is, all of it, so that a state that was seen before is known again.

A state is the fields of the model and of the shared objects that they lead to, and of each program the place where it
stands with its local variables. Two states may be taken for one only if no program can tell them apart:

- Shared objects are known by name, containers by their contents; never by address or by text.
- True is not 1, a list is not a tuple, and a variable that is not set yet is not one that is.
- What could hide from this view is refused: a container in a local variable (it may be somebody's, or a copy), a shared
  object that comes up or gets lost on the way, and a program that yields half through a ``for``, ``with``, ``except``
  or expression, since the rest of that lies on the interpreter's stack.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, fields
from enum import Enum
from operator import attrgetter
from types import CodeType
from typing import Any

_ATOMS = (str, int, type(None))
_TRUE, _FALSE = (bool, "true"), (bool, "false")  # True == 1 would make them one
_SEQUENCES = (tuple, list, deque)
_SETS = (set, frozenset)
_MUTABLE = (list, deque, set, dict)


@dataclass(slots=True, eq=False, repr=False)
class Shared:
    """An object that several programs use: a dataclass with slots, ``eq=False`` and ``repr=False``.

    Args:
        name: what it is called in states and traces; no two objects of a model have the same.
    """

    name: str

    def __repr__(self) -> str:
        return self.name

    def describe(self) -> str:
        """All fields as text, for people."""
        parts = [f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.name != "name"]
        return f"{self.name}: {', '.join(parts)}"


class Fingerprints:
    """Gives states keys: equal keys, equal states.

    Parts that recur, which is most of each state, are kept once and stand in the key as a number.
    """

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._safe: set[CodeType] = set()
        self._names: set[str] = set()
        self.met: dict[str, Shared] = {}  # the objects of the model that was looked at last
        self._queue: list[Shared] = []

    def objects(self, model: Shared) -> tuple[int, ...]:
        """The part of the key that stands for the model and all the objects that its fields lead to.

        Raises:
            TypeError: a field holds what cannot be compared, or the objects are not those of the first state.
            ValueError: two objects have the same name.
        """
        numbers = self._numbers
        self.met = {model.name: model}
        self._queue = [model]
        key = []
        for thing in self._queue:  # grows while it runs
            part = tuple([self._freeze(value) for value in _getter(type(thing))(thing)])
            key.append(numbers.setdefault(part, len(numbers)))
        self._names = self._names or set(self.met)
        if self.met.keys() != self._names:
            names = ", ".join(sorted(self.met.keys() ^ self._names))
            raise TypeError(f"the fields of a model lead to the same objects in every state, but {names} came or went")
        return tuple(key)

    def program(self, program: Generator[Any, None, Any]) -> int:
        """The part of the key that stands for a program that has yielded. After `objects` of its model.

        Raises:
            TypeError: it stands where that cannot be seen, or holds what cannot be compared.
        """
        part: list[object] = []
        inner: Any = program
        while inner is not None:
            frame = inner.gi_frame
            code = frame.f_code
            if code not in self._safe:
                refuse_hidden_state(code)
                self._safe.add(code)
            variables = frame.f_locals
            part += (code.co_qualname, code.co_firstlineno, frame.f_lasti, *variables)
            for name, value in variables.items():
                if _holds_mutable(value):
                    raise TypeError(f"{name} of {code.co_qualname} holds {value!r}: copy it into a tuple")
                part.append(self._freeze(value))
            inner = inner.gi_yieldfrom
        if self.met.keys() != self._names:
            names = ", ".join(sorted(self.met.keys() - self._names))
            raise TypeError(f"only a local variable leads to {names}: add it to a field of the model")
        return self._numbers.setdefault(tuple(part), len(self._numbers))

    def _freeze(self, value: object) -> object:
        """A value that can be compared and hashed, equal for equal contents of equal kinds."""
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is bool:
            return _TRUE if value else _FALSE
        if isinstance(value, Shared):
            known = self.met.get(value.name)
            if known is None:
                self.met[value.name] = value
                self._queue.append(value)
            elif known is not value:
                raise ValueError(f"two shared objects have the name {value.name!r}")
            return (Shared, value.name)
        if isinstance(value, _SEQUENCES):
            return (kind, *[self._freeze(part) for part in value])
        if isinstance(value, Enum):
            return value
        if isinstance(value, _SETS):
            return (kind, frozenset([self._freeze(part) for part in value]))
        if isinstance(value, dict):
            return (kind, *[(self._freeze(key), self._freeze(part)) for key, part in value.items()])
        raise TypeError(f"a state cannot hold {value!r}: only None, str, int, bool, enums, shared objects, containers")


def _holds_mutable(value: object) -> bool:
    return isinstance(value, _MUTABLE) or (isinstance(value, tuple) and any(map(_holds_mutable, value)))


_getters: dict[type[Shared], Callable[[Shared], tuple[object, ...]]] = {}


def _getter(kind: type[Shared]) -> Callable[[Shared], tuple[object, ...]]:
    """The function that reads all fields of a class of shared objects at once."""
    getter = _getters.get(kind)
    if getter is None:
        if kind.__dictoffset__:
            raise TypeError(f"{kind.__name__} must be a dataclass with slots, so that its fields are all there is")
        names = [field.name for field in fields(kind)]
        # The name twice, since attrgetter gives a tuple only from two names on.
        getter = _getters[kind] = attrgetter("name", *names)
    return getter


_STATEFUL = (ast.For, ast.With, ast.ExceptHandler, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HARMLESS = (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return, ast.If, ast.While, ast.NamedExpr)


def refuse_hidden_state(code: CodeType) -> None:
    """Check that a generator function keeps all that it knows in its variables.

    Raises:
        TypeError: it yields inside a statement or an expression of which the interpreter keeps the rest elsewhere.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    work: list[tuple[ast.AST, bool]] = [(tree.body[0], False)]
    while work:
        node, hidden = work.pop()
        hidden = hidden or isinstance(node, _STATEFUL)
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Yield | ast.YieldFrom) and (hidden or not isinstance(node, _HARMLESS)):
                raise TypeError(
                    f"{code.co_qualname} yields in its line {child.lineno} half through a for, with, except or "
                    "expression, where its place is not part of the state: use while, variables and plain statements"
                )
            if not isinstance(child, ast.FunctionDef | ast.Lambda):
                work.append((child, hidden))
