"""Cancel scopes: which part of the program is cancelled, since when, and by whom.

Scopes form a tree that only ever points upward. A task knows its innermost scope, a scope the one around it, so that
entering and leaving one costs a few stores. Who cancels pays for the way down: along the scopes that the host has
entered inside, and from each of those that belongs to a nursery to the children.

A scope caches whether it is *effectively* cancelled, by itself or from outside, so that a cancel point is an attribute
read. Only the owner of the strand writes this; others leave a cause and post a message.
"""

from __future__ import annotations

import math
import sys
from inspect import CO_ASYNC_GENERATOR
from types import TracebackType
from typing import TYPE_CHECKING, Any

from conc._kernel.current import current_worker, slot
from conc.errors import Cancelled

if TYPE_CHECKING:
    from conc._kernel.nursery import Nursery
    from conc._kernel.task import Task
    from conc._kernel.worker import Worker


class CancelScope:
    """A block of code that can be cancelled as a whole, with everything that it waits for and starts.

    ``with CancelScope() as scope:`` runs its block; after ``scope.cancel()``, or when the deadline passes, every cancel
    point inside raises `Cancelled`, again and again, until the block is left, where the scope catches it. A scope is
    used once. It may be cancelled before it is entered.

    Args:
        deadline: when to cancel by itself, in seconds on the runtime's clock (`conc.current_time`).
        shield: whether cancellations from outside stay outside. The scope's own cancel and deadline still work.

    Raises:
        ValueError: the deadline is not a number.
        TypeError: the deadline is not a float, or shield not a bool.

    Invariant: `_task` is the task that is in the scope, None before it is entered and after it is left.
    Invariant: an entered scope is on the chain of `_parent`s from its task's innermost scope.
    Invariant: `cancelled` == has a cause, or not shielded and the parent is `cancelled`; after the owner has looked.
    Invariant: `_armed` is None, or the deadline under which this scope stands in its worker's timers.
    """

    __slots__ = (
        "_armed",
        "_caught",
        "_cause",
        "_deadline",
        "_left",
        "_nursery",
        "_parent",
        "_seconds",
        "_shield",
        "_task",
        "cancelled",
    )

    def __init__(self, deadline: float = math.inf, shield: bool = False) -> None:
        self._deadline = check_time(deadline, "deadline")
        if shield is not False and shield is not True:
            raise TypeError(f"shield must be True or False, not {shield!r}")
        self._shield = shield
        self._seconds: float | None = None
        self._task: Task[Any] | None = None
        self._cause: tuple[str, str | None] | None = None
        self._left = False
        self._caught = False
        self._nursery: Nursery | None = None
        self._armed: float | None = None
        self._parent: CancelScope | None = None
        self.cancelled = False

    # ---- entering and leaving -------------------------------------------------------------------------------------

    def __enter__(self) -> CancelScope:
        self._enter(sys._getframe(1).f_code.co_flags & CO_ASYNC_GENERATOR)
        return self

    def _enter(self, in_generator: int) -> None:
        worker = slot.worker or current_worker()
        task = worker.task
        if task is None or not task.is_task:
            raise RuntimeError("a cancel scope is entered inside a task, not in a callback of the runtime")
        if self._task is not None or self._left:
            raise RuntimeError("this CancelScope was entered before; a scope is used once, make a new one")
        parent = task.scope
        self._parent = parent
        self._task = task  # type: ignore[assignment]  # published first, so that a cancellation from elsewhere is told to the owner or seen below
        task.scope = self
        deadline = self._deadline
        if self._seconds is not None:
            deadline = self._deadline = worker.now() + self._seconds
            if self._seconds <= 0 and self._cause is None:
                self._cause = ("deadline", None)
        elif deadline != math.inf and self._cause is None and deadline <= worker.now():
            self._cause = ("deadline", None)
        if self._cause is not None:
            self.cancelled = True
        else:
            self.cancelled = parent.cancelled and not self._shield
            if deadline != math.inf:
                worker.unarmed.append(self)
        if in_generator:
            worker.generators.watch(task, self)  # type: ignore[arg-type]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        worker = slot.worker
        task = self._task
        if worker is None or task is None or worker.task is not task or task.scope is not self:
            self._misnested(error)
        parent = task.scope = self._parent  # type: ignore[union-attr]
        self._left = True
        if self._deadline != math.inf or self._armed is not None:
            self._disarm()
        self._task = None  # who keeps the scope, such as a frame in a traceback, does not keep the task and its error
        if error is None or self._cause is None:
            return False
        if parent.cancelled and not self._shield:  # type: ignore[union-attr]
            return False  # what is raised belongs to the outer scope
        if isinstance(error, Cancelled):
            self._caught = True
            return True
        if not isinstance(error, BaseExceptionGroup):
            return False
        mine, rest = error.split(Cancelled)
        self._caught = mine is not None
        if mine is None or rest is None:
            return self._caught
        try:
            raise rest
        finally:
            rest.__context__ = error.__context__
            del rest, mine, error, traceback, task, worker  # its traceback holds this frame

    def _misnested(self, error: BaseException | None) -> None:
        """Say what was left out of order, and repair what can be."""
        task = self._task
        worker = slot.worker
        if self._left:
            raise RuntimeError("this CancelScope was left already")
        if task is None:
            raise RuntimeError("this CancelScope is left but was never entered; use it as `with scope:`")
        if worker is None or worker.task is not task:
            here = "no task" if worker is None or worker.task is None else repr(worker.task)
            message = (
                f"a CancelScope entered in {task!r} is left in {here}. Enter and leave it in one task: "
                "an async generator that yields inside a scope or nursery must be driven and closed by the same task"
            )
            scope: CancelScope | None = task.scope
        else:
            message = (
                "CancelScopes are left out of order: scopes entered inside this one are still open. Leave the inner "
                "one first: with `with` blocks, and without a `yield` inside them in a generator"
            )
            scope = task.scope
        if worker is None or worker.task is None or worker.task.strand is not task.strand:
            raise RuntimeError(message) from error  # not ours to repair
        inside = scope
        while inside is not None and inside is not self:
            inside = inside._parent
        if inside is self:
            inner: CancelScope | None = scope
            while inner is not None and inner is not self:
                inner._left = True
                inner._disarm()
                inner._task = None
                inner = inner._parent
            task.scope = self._parent  # type: ignore[assignment]
        self._left = True
        self._disarm()
        self._task = None
        raise RuntimeError(message) from error

    # ---- cancelling -----------------------------------------------------------------------------------------------

    def cancel(self, reason: str | None = None) -> None:
        """Cancel everything inside the scope. Idempotent: the first cause stays. From any task or thread.

        Args:
            reason: words for people, part of the text of each `Cancelled`.

        Checkpoint: never. What other strands do inside is cancelled at the end of their worker's current step.
        Cost: O(tasks and scopes inside), paid by the owner.
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"reason must be a string, not {reason!r}")
        self._cancel("explicit", reason)

    def _cancel(self, source: str, reason: str | None = None) -> None:
        if self._cause is not None:
            return
        self._cause = (source, reason)  # published first; whoever enters the scope looks afterwards
        task = self._task
        if task is None or self._left:
            return
        worker = slot.worker
        if worker is not None and worker is task.strand.worker:
            self._look_again()
        else:
            task.strand.post(self._look_again)

    def expire(self) -> None:
        """The deadline has come: called by the timers of the owner."""
        armed, self._armed = self._armed, None
        # A thread may have put the deadline off meanwhile: its message to arm it again is on the way.
        if not self._left and self._deadline <= armed:  # type: ignore[operator]
            self._cancel("deadline")

    def cancellation(self) -> Cancelled:
        """The exception for a cancel point inside: a new one for each raise."""
        scope: CancelScope | None = self
        while scope is not None:
            if scope._cause is not None:
                return Cancelled(*scope._cause)
            scope = scope._parent
        return Cancelled("explicit")

    def _look_again(self) -> None:
        """Carry a change of cause or shield to everything inside. Called by the owner of the scope's strand."""
        if self._left or self._task is None:
            return
        # Each entry: look again at all scopes that `task` has entered inside `base`, then at the task itself.
        work: list[tuple[Task[Any], CancelScope | None]] = [(self._task, self._parent)]
        for task, base in work:  # grows while it runs: no recursion, so depth does not matter
            chain = []
            scope = task.scope
            while scope is not base:
                chain.append(scope)
                scope = scope._parent  # type: ignore[assignment]
            for scope in reversed(chain):
                parent = scope._parent
                now = scope._cause is not None or (not scope._shield and parent is not None and parent.cancelled)
                if now == scope.cancelled:
                    break
                scope.cancelled = now
                nursery = scope._nursery
                if nursery is None:
                    continue
                if nursery.parallel:
                    for child in list(nursery.children):
                        child.strand.post(child.look_from_outside)
                else:
                    work.extend((child, scope) for child in nursery.children)
            else:
                if task.scope.cancelled:
                    task.interrupt()

    # ---- deadline and shield --------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """When the scope cancels itself, in seconds on the runtime's clock; inf for never. May be moved at any time."""
        return self._deadline

    @deadline.setter
    def deadline(self, deadline: float) -> None:
        self._deadline = check_time(deadline, "deadline")
        self._seconds = None
        task = self._task
        if task is None or self._left:
            return
        worker = slot.worker
        if worker is not None and worker is task.strand.worker:
            self._rearm()
        else:
            task.strand.post(self._rearm)

    @property
    def shield(self) -> bool:
        """Whether cancellations from outside stay outside. Set by the scope's own strand, at any time."""
        return self._shield

    @shield.setter
    def shield(self, shield: bool) -> None:
        if shield is not False and shield is not True:
            raise TypeError(f"shield must be True or False, not {shield!r}")
        task = self._task
        if task is not None and not self._left:
            running = None if slot.worker is None else slot.worker.task
            if running is None or running.strand is not task.strand:
                raise RuntimeError("a shield is raised and lowered by the strand that entered the scope")
        self._shield = shield
        self._look_again()

    def _rearm(self) -> None:
        if self._left:
            return
        self._disarm()
        if self._deadline != math.inf and self._cause is None:
            worker: Worker = self._task.strand.worker  # type: ignore[union-attr, assignment]
            if self._deadline <= worker.now():
                self._cancel("deadline")
            else:
                worker.unarmed.append(self)

    def _disarm(self) -> None:
        worker = self._task.strand.worker  # type: ignore[union-attr]
        if self._armed is not None:
            worker.timers.remove(self._armed, self)  # type: ignore[union-attr]
            self._armed = None
        else:
            unarmed = worker.unarmed  # type: ignore[union-attr]
            if unarmed and unarmed[-1] is self:
                unarmed.pop()  # most blocks end in the step in which they began: no timer was ever set

    def arm(self) -> None:
        """Put the deadline into the timers, unless that is done or no longer needed. Called by the owner."""
        deadline = self._deadline  # read once: a thread may move it meanwhile
        if self._left or self._armed is not None or self._cause is not None or deadline == math.inf:
            return
        self._armed = deadline
        self._task.strand.worker.timers.add(deadline, self)  # type: ignore[union-attr]

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def cancel_called(self) -> bool:
        """Whether the scope itself was cancelled, by a call or by its deadline (which is looked at now)."""
        task = self._task
        if self._cause is None and self._deadline != math.inf and task is not None:
            worker = slot.worker
            if worker is not None and worker is task.strand.worker and worker.now() >= self._deadline:
                self._cancel("deadline")
        return self._cause is not None

    @property
    def cancelled_caught(self) -> bool:
        """Whether the scope caught a `Cancelled` when it was left: the block did not run to its end."""
        return self._caught

    def __repr__(self) -> str:
        state = "left" if self._left else "entered" if self._task is not None else "new"
        if self._cause is not None:
            state += f", cancelled ({self._cause[0]})"
        if self._shield:
            state += ", shielded"
        if self._deadline != math.inf:
            state += f", deadline {self._deadline:.6g}"
        return f"<{type(self).__name__} {state}>"

    def _check(self) -> None:
        task = self._task
        if task is None or self._left:
            assert self._armed is None, "a scope that nobody is in has a timer"
            return
        scope: CancelScope | None = task.scope
        while scope is not None and scope is not self:
            scope = scope._parent
        assert scope is self, "an entered scope is not on its task's chain"
        outside = self._parent is not None and self._parent.cancelled
        assert self.cancelled == (self._cause is not None or (outside and not self._shield)), "stale cancelled"


def check_time(value: float, name: str) -> float:
    """`value` as a float, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    if value != value:
        raise ValueError(f"{name} must be a number of seconds, not NaN")
    try:
        return float(value)
    except OverflowError:  # a whole number beyond all floats
        return math.inf if value > 0 else -math.inf
