"""Who waits for what: the tasks of a runtime as a tree, as data and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from gc import get_referents
from typing import TYPE_CHECKING, Any

from conc._os.clock import MonotonicClock
from conc._os.sync import Empty, SimpleQueue
from conc._os.threads import current_ident

if TYPE_CHECKING:
    from conc._kernel.nursery import Nursery
    from conc._kernel.runtime import Runtime
    from conc._kernel.task import Task


# What stands between an `await` and the generator or coroutine that it drives, and tells it only to the collector.
WRAPPERS = frozenset({"async_generator_asend", "async_generator_athrow", "coroutine_wrapper"})
Elsewhere = list[tuple["TaskNode", "Task[Any]"]]


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
        blockers: the numbers of the tasks without which the wait cannot end, as far as that is known: who holds the
            lock, who is joined, the children of the nursery.
        worker: the index of the worker that owns it, None for an unstarted strand.
        stack: where a parked task stands, outermost frame first; empty otherwise.
        nurseries: for each open nursery of the task, outermost first: whether it is parallel, and its children.
        beside: the tasks that run beside the main task, started from outside; empty for all other tasks.
    """

    name: str
    id: int
    state: str
    reason: str | None
    waited: float | None
    worker: int | None
    blockers: list[int] = field(default_factory=list)
    stack: list[Frame] = field(default_factory=list)
    nurseries: list[tuple[bool, list[TaskNode]]] = field(default_factory=list)
    beside: list[TaskNode] = field(default_factory=list)

    def walk(self) -> Iterator[TaskNode]:
        """This task and all below it, parents first; then what runs beside it."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.beside))
            todo.extend(child for _, children in reversed(node.nurseries) for child in reversed(children))

    def __str__(self) -> str:
        lines: list[str] = []
        todo: list[tuple[TaskNode, str, str]] = [(root, "", "") for root in (*reversed(self.beside), self)]
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
        if type(coro).__name__ in WRAPPERS:
            inner = (one for one in get_referents(coro) if hasattr(one, "ag_frame") or hasattr(one, "cr_frame"))
            coro = next(inner, None)
            continue
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


def task_tree(runtime: Runtime, timeout: float = 0.25) -> TaskNode | None:
    """All tasks of a runtime, as a tree: who waits for what, since when, and where. ``str(tree)`` is a picture of it.

    Each worker describes its own strands, between two of its steps. From any thread, and from inside a task.

    Args:
        runtime: see `current_runtime`.
        timeout: real seconds to wait for the answers of other workers; who is busy for longer is shown as running.

    Returns:
        The main task, with everything below and beside it; None if no run is under way.

    Checkpoint: never, but inside a task it holds up the worker until the others have answered.
    """
    main = runtime.main_task
    if main is None:
        return None
    answers: SimpleQueue[tuple[TaskNode, TaskNode, Elsewhere]] = SimpleQueue()
    clock = runtime.clock
    top = TaskNode(main.name, main.id, "running", None, None, 0)
    waiting: dict[int, tuple[TaskNode, Task[Any]]] = {}

    def answer(place: TaskNode, task: Task[Any]) -> None:
        answers.put((place, *describe(task, clock.now())))

    def ask(place: TaskNode, task: Task[Any]) -> None:
        worker = task.strand.worker
        waiting[id(place)] = (place, task)
        if worker is not None and worker.ident == current_ident():
            answer(place, task)
        else:
            task.strand.post(lambda: answer(place, task))

    ask(top, main)
    limit = MonotonicClock.now() + timeout
    while waiting:
        try:
            place, node, elsewhere = answers.get(timeout=max(0.0, limit - MonotonicClock.now()))
        except Empty:
            break
        waiting.pop(id(place), None)
        place.__dict__.update(node.__dict__)
        for beyond, task in elsewhere:
            ask(beyond, task)
    return top


def find_circle(tree: TaskNode) -> list[TaskNode]:
    """Tasks of which each waits for the next, and the last for the first; none if there is no such circle."""
    nodes = {node.id: node for node in tree.walk()}
    seen: set[int] = set()
    for start, node in nodes.items():
        path: dict[int, Iterator[int]] = {} if start in seen else {start: iter(node.blockers)}
        while path:
            last = next(reversed(path))
            following = next(path[last], None)
            if following is None:
                del path[last]
            elif following in path:
                numbers = list(path)
                return [nodes[number] for number in numbers[numbers.index(following) :]]
            elif following in nodes and following not in seen:
                seen.add(following)
                path[following] = iter(nodes[following].blockers)
    return []


def who_waits_for_what(tree: TaskNode | None) -> str:
    """The tree as text, and the tasks in it that wait for one another."""
    circle = [] if tree is None else find_circle(tree)
    if not circle:
        return str(tree)
    names = " -> ".join(f"{node.name} #{node.id}" for node in (*circle, circle[0]))
    return f"{tree}\nEach of these waits for the next: {names}"


def describe(root: Task[Any], now: float) -> tuple[TaskNode, Elsewhere]:
    """Describe a task and what is below it on this worker, and name the strands below that live elsewhere.

    Called by the owner of the root.
    """
    top = _node(root, now)
    here = root.strand.worker
    todo = [(root, top)]
    elsewhere: Elsewhere = []

    def members(nursery: Nursery) -> list[TaskNode]:
        family = []
        for child in list(nursery.children):
            if child is root:
                continue
            owner = child.strand.worker
            if owner is here or owner is None:
                below = _node(child, now)
                todo.append((child, below))
            else:
                below = TaskNode(child.name, child.id, "running", None, None, owner.index)
                elsewhere.append((below, child))
            family.append(below)
        return family

    nursery = root.parent_nursery
    if nursery is not None and nursery.parent_task is None:  # that of the runtime itself
        top.beside = members(nursery)
    for task, node in todo:
        for nursery in open_nurseries(task):
            node.nurseries.append((nursery.parallel, members(nursery)))
    return top, elsewhere


def _node(task: Task[Any], now: float) -> TaskNode:
    owner = task.strand.worker
    wait = task.wait
    reason = waited = None
    blockers: list[int] = []
    stack: list[Frame] = []
    if task.ended:
        state = "ended"
    elif hasattr(type(wait), "reason") or hasattr(wait, "reason"):
        state, reason = "parked", _words(wait)
        since = getattr(task, "since", None)
        if since is not None:
            waited = max(0.0, now - since)
        blockers = [one.id for one in getattr(wait, "blockers", ()) if getattr(one, "is_task", False)]
        stack = await_stack(task.coro)
    elif owner is None or not task.started:
        state = "fresh"
    else:
        state = "running" if owner.task is task else "ready"
    index = None if owner is None else owner.index
    return TaskNode(task.name, task.id, state, reason, waited, index, blockers, stack)


def _words(wait: Any) -> str:
    try:
        return str(wait.reason)
    except Exception as error:
        return f"something that cannot say what it is: {error!r}"


def open_nurseries(task: Task[Any]) -> list[Nursery]:
    """The open nurseries of a task, outermost first. By its owner."""
    found = []
    base = task.base_scope
    scope = task.scope
    while scope is not None and scope is not base:
        if scope._nursery is not None:
            found.append(scope._nursery)
        scope = scope._parent  # type: ignore[assignment]
    return found[::-1]
