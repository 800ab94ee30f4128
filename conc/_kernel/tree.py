"""Who waits for what: the tasks of a runtime as a tree, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conc._kernel.nursery import Nursery
    from conc._kernel.task import Task


@dataclass
class Frame:
    """A place in the await stack of a parked task: where it stands, outermost first."""

    function: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.function}  {self.file}:{self.line}"


@dataclass
class TaskNode:
    """One task as it was when asked: its state, why it waits and for how long, and the tasks in its nurseries.

    Attributes:
        name: of the task.
        id: its number.
        state: ``"running"``, ``"ready"``, ``"fresh"`` (not started), ``"parked"`` or ``"ended"``.
        reason: what a parked task waits for, else None.
        waited: for how many seconds a parked task has waited, else None.
        worker: the index of the worker that owns it, None for an unstarted strand.
        stack: where a parked task stands, outermost frame first; empty otherwise.
        nurseries: for each open nursery of the task, outermost first: whether it is parallel, and its children.
    """

    name: str
    id: int
    state: str
    reason: str | None
    waited: float | None
    worker: int | None
    stack: list[Frame] = field(default_factory=list)
    nurseries: list[tuple[bool, list[TaskNode]]] = field(default_factory=list)

    def walk(self) -> Iterator[TaskNode]:
        """This task and all below it, parents first."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(child for _, children in reversed(node.nurseries) for child in reversed(children))

    def __str__(self) -> str:
        lines: list[str] = []
        todo: list[tuple[TaskNode, str, str]] = [(self, "", "")]
        while todo:
            node, first, rest = todo.pop()
            lines.append(first + node._line())
            children = [(child, parallel) for parallel, family in node.nurseries for child in family]
            bar = "│   " if children else "    "
            lines.extend(f"{rest}{bar}    at {frame}" for frame in node.stack)
            below: list[tuple[TaskNode, str, str]] = []
            for position, (child, parallel) in enumerate(children):
                last = position == len(children) - 1
                mark = ("└" if last else "├") + ("═══" if parallel else "── ")
                below.append((child, f"{rest}{mark}", rest + ("    " if last else "│   ")))
            todo.extend(reversed(below))
        return "\n".join(lines)

    def _line(self) -> str:
        text = f"{self.name} #{self.id}: "
        if self.state != "parked":
            text += self.state
        else:
            text += f"waits for {self.reason}"
            if self.waited is not None:
                text += f", for {self.waited:.3g} s"
        return text + ("" if self.worker is None else f"  [worker {self.worker}]")


def await_stack(coro: Any) -> list[Frame]:
    """Where a suspended coroutine stands: the functions that await one another, outermost first."""
    frames = []
    while coro is not None:
        frame = getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None) or getattr(coro, "ag_frame", None)
        if frame is None:
            break
        module = frame.f_globals.get("__name__", "")
        if not module.startswith("conc._kernel."):
            name = getattr(coro, "__qualname__", frame.f_code.co_name)
            frames.append(Frame(name, frame.f_code.co_filename, frame.f_lineno))
        following = getattr(coro, "cr_await", None)
        if following is None:
            following = getattr(coro, "gi_yieldfrom", None)
        if following is None:
            following = getattr(coro, "ag_await", None)
        coro = following
    return frames


def describe(root: Task[Any], here: Any = None, now: float | None = None) -> TaskNode:
    """Describe a task and what is below it in its strand; tasks of other workers are described from what can be seen.

    Called by the owner of the root, between two steps or inside one.

    Args:
        root: the task at the top.
        here: the worker that asks. Tasks of other workers may be running, so their stacks are not looked at.
        now: the time, for how long a wait has lasted.
    """
    top = _node(root, here, now)
    todo = [(root, top)]
    for task, node in todo:
        for nursery in _nurseries(task):
            children = [(child, _node(child, here, now)) for child in list(nursery.children)]
            node.nurseries.append((nursery.parallel, [child for _, child in children]))
            todo.extend(children)
    return top


def _node(task: Task[Any], here: Any, now: float | None) -> TaskNode:
    owner = task.strand.worker
    wait = task.wait
    reason = waited = None
    stack: list[Frame] = []
    if task.ended:
        state = "ended"
    elif hasattr(wait, "reason"):
        state, reason = "parked", wait.reason
        since = getattr(task, "since", None)
        if since is not None and now is not None:
            waited = max(0.0, now - since)
        if owner is here or owner is None:
            stack = await_stack(task.coro)
    elif owner is None:
        state = "fresh"
    elif owner is here:
        state = "running" if owner.task is task else "ready" if task.started else "fresh"
    else:
        state = "running"
    return TaskNode(task.name, task.id, state, reason, waited, None if owner is None else owner.index, stack)


def _nurseries(task: Task[Any]) -> list[Nursery]:
    """The open nurseries of a task, outermost first."""
    found = []
    base = task.base_scope
    scope = task.scope
    while scope is not None and scope is not base:
        if scope._nursery is not None:
            found.append(scope._nursery)
        scope = scope._parent  # type: ignore[assignment]
    return found[::-1]
