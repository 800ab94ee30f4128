"""A debug mode for the time of a block: who writes to a task, a scope or a nursery has to own its strand.

While it is on, each slot of these classes has a guard in front of it, which looks at every write; and each step of a
wait has to be one that there is. When it is off the slots stand there as they always do, so it costs nothing.

What the guards know:

- An object that is not yet at home in a started strand belongs to whoever makes it.
- `Task.wait` and `Task.value` are written by anybody who decides a wait, from parked to granted, once.
- `CancelScope._cause`, `_deadline` and `_seconds` are left by anybody; the owner is told to look.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from conc import CancelScope, Nursery, Task
from conc._kernel.strand import Strand
from conc._kernel.suspend import GRANTED, SHIELDED
from conc._kernel.task import CANCELLED, RAISED, RETURNED
from conc._kernel.waitqueue import WaitQueue

ENDED = (RETURNED, RAISED, CANCELLED)
MISSING: Any = object()


class Findings(list[str]):
    """What was done against the rules, each with the place where."""

    def add(self, words: str) -> None:
        """Note a violation. It is not raised where it happens: the kernel would only go on in some odd way."""
        self.append(f"{words}\n{''.join(traceback.format_stack(limit=8)[:-2])}")


class Guard:
    """Stands in the place of a slot and looks at each write before it is done."""

    def __init__(self, slot: Any, look: Callable[[Any, Any, Any], None]) -> None:
        self._slot = slot
        self._look = look

    def __get__(self, thing: Any, owner: Any) -> Any:
        return self if thing is None else self._slot.__get__(thing, owner)

    def __set__(self, thing: Any, value: Any) -> None:
        try:
            before = self._slot.__get__(thing)
        except AttributeError:
            before = MISSING
        self._look(thing, before, value)
        self._slot.__set__(thing, value)


def owns(strand: Strand | None) -> bool:
    """Whether this thread may touch what is at home in `strand`."""
    worker = None if strand is None else strand.worker
    return worker is None or worker.ident == threading.get_ident()


class Children(dict[Task[Any], None]):
    """The children of a nursery, which only its owner changes."""

    def __init__(self, nursery: Nursery, findings: Findings) -> None:
        self._nursery = nursery
        self._findings = findings

    def _look(self, task: Task[Any]) -> None:
        if not owns(self._nursery.strand):
            self._findings.add(f"children of {self._nursery!r} changed by a stranger: {task!r}")
        if self._nursery._closed:
            self._findings.add(f"there was mail for {self._nursery!r} when it closed: {task!r}")

    def __setitem__(self, task: Task[Any], value: None) -> None:
        self._look(task)
        super().__setitem__(task, value)

    def __delitem__(self, task: Task[Any]) -> None:
        self._look(task)
        super().__delitem__(task)


class Rules:
    """What may be written, to which slot, by whom."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def tasks(self, task: Task[Any], before: Any, value: Any) -> None:
        """All other slots of a task: written by the owner."""
        if before is not MISSING and not owns(task.strand):
            self._findings.add(f"{task.id} was written to by a stranger: {before!r} -> {value!r}")

    def waits(self, task: Task[Any], before: Any, value: Any) -> None:
        """The states of a wait. Each is decided once."""
        if before is MISSING:
            return
        parked = before is not None and before is not GRANTED and before is not SHIELDED and before not in ENDED
        if value is GRANTED:
            allowed = parked  # by anybody
        elif value is None or value in ENDED:
            allowed = before not in ENDED and owns(task.strand)
        elif isinstance(before, WaitQueue) and isinstance(value, WaitQueue):
            allowed = value.lock is before.lock  # sent on to another line of the same primitive, by anybody
        else:
            allowed = before is None and owns(task.strand)
        if not allowed:
            self._findings.add(f"the wait of {task.id} went from {before!r} to {value!r}")

    def values(self, task: Task[Any], before: Any, value: Any) -> None:
        """What a task is granted, or what is to become of it before it has begun, or what came out of it."""
        parked = hasattr(task, "wait") and task.wait is not None and task.wait not in (GRANTED, *ENDED)
        unborn = task.coro is None and not task.ended
        if before is not MISSING and not owns(task.strand) and not parked and not unborn:
            self._findings.add(f"the value of {task.id} was written by a stranger: {before!r} -> {value!r}")

    def scopes(self, scope: CancelScope, before: Any, value: Any) -> None:
        """Slots of a scope that only the owner of the strand writes that has entered it."""
        task = getattr(scope, "_task", None)
        if before is not MISSING and task is not None and not owns(task.strand):
            self._findings.add(f"{scope!r} was written to by a stranger: {before!r} -> {value!r}")

    def nurseries(self, nursery: Nursery, before: Any, value: Any) -> None:
        """Slots of a nursery: written by the owner."""
        if before is not MISSING and not owns(nursery.strand):
            self._findings.add(f"{nursery!r} was written to by a stranger: {before!r} -> {value!r}")

    def homes(self, strand: Strand, before: Any, value: Any) -> None:
        """The worker of a strand is set once."""
        if before is not MISSING and before is not None:
            self._findings.add(f"{strand!r} moved from {before!r} to {value!r}")


def guarded(rules: Rules) -> Iterator[tuple[type, str, Callable[[Any, Any, Any], None]]]:
    """Each slot that has a rule."""
    for name in ("_joiners", "_own_scope", "context", "coro", "parent_nursery", "scope", "since", "strand"):
        yield Task, name, rules.tasks
    yield Task, "wait", rules.waits
    yield Task, "value", rules.values
    for name in ("_armed", "_caught", "_left", "_nursery", "_parent", "_shield", "_task", "cancelled"):
        yield CancelScope, name, rules.scopes
    for name in ("_child_cancelled", "_closed", "_errors", "_home", "_starting", "_waiting", "strand"):
        yield Nursery, name, rules.nurseries
    yield Strand, "worker", rules.homes


@contextmanager
def ownership() -> Iterator[Findings]:
    """Turn the debug mode on for a block: fails at its end if anything was done against the rules.

    No runtime may run when it is turned on or off.
    """
    findings = Findings()
    rules = Rules(findings)
    with ExitStack() as stack:
        for kind, name, look in guarded(rules):
            stack.enter_context(mock.patch.object(kind, name, Guard(getattr(kind, name), look)))
        make = Nursery.__init__

        def make_guarded(nursery: Nursery, *arguments: Any, **options: Any) -> None:
            make(nursery, *arguments, **options)
            nursery.children = Children(nursery, findings)

        stack.enter_context(mock.patch.object(Nursery, "__init__", make_guarded))
        try:
            yield findings
        finally:
            first = "\n".join(findings[:3])
            assert not findings, f"{len(findings)} times something was done against the rules, first:\n{first}"
