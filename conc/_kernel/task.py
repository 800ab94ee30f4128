"""A task: a coroutine on its way, what it waits for, and what came out of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from contextvars import Context
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NoReturn, TypeVar

import outcome

from conc._kernel.asyncfn import as_coroutine, function_name
from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge, slot
from conc._kernel.detour import Detour, Interruption
from conc._kernel.joining import Joiner, Joining, RemoteJoin, joins_itself
from conc._kernel.suspend import GRANTED, Marker, suspend, toll, unpark
from conc._kernel.waitqueue import Waiter
from conc.errors import Cancelled, TaskCancelled, TaskFailed, WouldBlock

if TYPE_CHECKING:
    from types import TracebackType

    from conc._kernel.nursery import Nursery
    from conc._kernel.operation import Operation
    from conc._kernel.strand import Strand

T_co = TypeVar("T_co", covariant=True)

RETURNED: Final = Marker("RETURNED")
RAISED: Final = Marker("RAISED")
CANCELLED: Final = Marker("CANCELLED")


class Task(Waiter, Generic[T_co]):
    """A running, waiting or ended call of an async function. Made by ``nursery.start_soon``.

    Only its strand's owner touches it; from elsewhere `join`, `cancel`, `outcome` and `name` may be used.

    Invariant: `scope` is the innermost scope that the task is in; outside of all its own, that of its nursery.
    Invariant: `wait` is None (running, fresh, or at a checkpoint), an object with ``withdraw`` (parked), GRANTED (to be
    resumed), or one of RETURNED, RAISED, CANCELLED, with the result or error in `value`.
    Invariant: a task stands in a ready queue exactly if it is neither running nor parked nor ended.
    Invariant: `context` is None as long as the task sees no context variables and has set none: it then runs in the
    plain context of its worker, which is empty.
    """

    __slots__ = (
        "__weakref__",
        "_excused",
        "_joiners",
        "_name",
        "_own_scope",
        "context",
        "coro",
        "id",
        "parent_nursery",
        "scope",
        "since",
        "strand",
        "value",
        "wait",
    )

    is_task: ClassVar[bool] = True
    since: float  # when it began to wait; set by the worker

    def __init__(
        self,
        coro: Coroutine[Any, Any, T_co] | None,
        context: Context | None,
        nursery: Nursery | None,
        scope: CancelScope,
        strand: Strand,
        number: int,
        name: str | None,
    ) -> None:
        self.coro = coro
        self.context: Context | Detour | None = context
        self.parent_nursery = nursery
        self.scope = scope
        self.strand = strand
        self.id = number
        self.wait: Any = None
        self.value: Any = None
        self._name = name
        self._joiners: dict[Joiner, None] | None = None  # a dict: one of many leaves quickly

    # ---- for everybody --------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The name given at the start, else that of the function."""
        if self._name is None:
            coro, call = self.coro, self.value
            if coro is None:  # not begun, so there is only the function
                return function_name(call[0]) if type(call) is tuple else "task"
            self._name = function_name(coro)
        return self._name

    @property
    def outcome(self) -> outcome.Outcome[T_co] | None:
        """What came out of the task, for a look: an `outcome.Value`, an `outcome.Error`, or None while it runs."""
        wait = self.wait
        if wait is RETURNED:
            return outcome.Value(self.value)
        if wait is RAISED or wait is CANCELLED:
            return outcome.Error(self.value)
        return None

    async def join(self) -> T_co:
        """Wait for the task to end, and return its value. Any number of times, from any task of the runtime.

        Raises:
            TaskFailed: it ended with an error, which is the ``__cause__``.
            TaskCancelled: it was cancelled.
            RuntimeError: a task joins itself, which would wait for ever.

        Checkpoint: always a cancel point; it waits only if the task has not ended.
        If cancelled: only the waiting ends; the task goes on.
        """
        task = charge() or await toll()
        if task is self:
            raise joins_itself(self)
        if task.strand is self.strand:
            if not self.ended:
                self.add_joiner(task)
                task.wait = self
                await suspend(task)
        elif self.wait is not RETURNED:  # an error is told by its owner: the nursery hears of it first
            await RemoteJoin(self, task, task.strand).wait(task)
        del task  # what is raised holds this frame, and may become the error of that task
        return self.join_nowait()

    def joining(self) -> Operation[T_co]:
        """`join`, for `conc.select`."""
        return Joining(self)

    def join_nowait(self) -> T_co:
        """The value of a task that has ended.

        Raises:
            WouldBlock: it has not ended.
            TaskFailed, TaskCancelled: as `join`.

        Checkpoint: never.
        """
        wait = self.wait
        if wait is RETURNED:
            return self.value  # type: ignore[no-any-return]
        if wait is RAISED:
            raise TaskFailed(f"{self!r} failed: {self.value!r}") from self.value
        if wait is CANCELLED:
            raise TaskCancelled(f"{self!r} was cancelled: {self.value}") from None
        raise WouldBlock(f"{self!r} has not ended")

    def cancel(self, reason: str | None = None) -> None:
        """Cancel this task alone; its nursery and its siblings go on. From any task or thread. Idempotent.

        Args:
            reason: words for people, part of the text of each `Cancelled`.

        Checkpoint: never.
        """
        if reason is not None and not isinstance(reason, str):
            raise TypeError(f"reason must be a string, not {reason!r}")
        worker = slot.worker
        if worker is not None and worker is self.strand.worker:
            self._cancel(reason)
        else:
            self.strand.post(lambda: self._cancel(reason))

    def __await__(self) -> NoReturn:
        raise TypeError(f"a Task is not awaited; write `await task.join()` to wait for {self!r}")

    def __repr__(self) -> str:
        return f"<Task {self.name!r} #{self.id} {self.state}>"

    @property
    def state(self) -> str:
        """One word, or the reason of the wait: for people."""
        wait = self.wait
        if wait is RETURNED or wait is RAISED or wait is CANCELLED:
            return str(wait).lower()
        if wait is not None and wait is not GRANTED:
            return f"waits for {wait.reason}" if hasattr(wait, "reason") else "ready"
        worker = slot.worker
        if worker is not None and worker.task is self:
            return "running"
        return "ready" if self.started else "fresh"

    # ---- for its owner --------------------------------------------------------------------------------------------

    @property
    def started(self) -> bool:
        """Whether the first step has begun. Asked by the owner, or of a task that does not run."""
        coro: Any = self.coro
        if coro is None:
            return self.ended
        if hasattr(coro, "cr_frame"):
            return coro.cr_suspended or coro.cr_running or coro.cr_frame is None
        return coro.gi_suspended or coro.gi_running or coro.gi_frame is None

    @property
    def suspended(self) -> bool:
        """Whether the coroutine stands at an await."""
        coro: Any = self.coro
        return coro.cr_suspended if hasattr(coro, "cr_suspended") else coro.gi_suspended  # type: ignore[no-any-return]

    @property
    def ended(self) -> bool:
        """Whether the task has an outcome."""
        wait = self.wait
        return wait is RETURNED or wait is RAISED or wait is CANCELLED

    def interrupt(self) -> None:
        """Raise the cancellation of the innermost scope at the cancel point where the task stands, if it is at one."""
        wait = self.wait
        worker = self.strand.worker
        if wait is None:
            if worker.task is self or not self.started:  # type: ignore[union-attr]
                return  # the next cancel point is still to come
            self.throw(None)  # at a checkpoint, in the ready queue
        elif wait.withdraw(self):
            self.wait = None
            self.value = None
            self.throw(self.scope.cancellation())  # decided: whatever comes, this wait ends by it
            worker.ready.append(self)  # type: ignore[union-attr]

    def throw(self, error: BaseException | None) -> None:
        """Let the next step raise `error` in the coroutine, or if that is None, the cancellation of its scope."""
        if not isinstance(self.context, Interruption):
            self.context = Interruption(self, error)

    def throw_now(self, error: BaseException) -> None:
        """Raise `error` in the coroutine where it stands: at once if its wait can be withdrawn, else when it ends."""
        wait = self.wait
        if wait is not None and wait.withdraw(self):
            self.wait = None
            self.value = None
            self.strand.worker.ready.append(self)  # type: ignore[union-attr]
        self.throw(error)

    def resume(self) -> None:
        """Run on: a wait queue has decided so, under its lock. From any thread, after the lock was given back."""
        worker = self.strand.worker
        worker.ready.append(self)  # type: ignore[union-attr]  # a task that has run has an owner
        if worker.asleep:  # type: ignore[union-attr]
            worker.ring()  # type: ignore[union-attr]

    def expire(self) -> None:
        """The deadline of a sleep has come: called by the timers of the owner."""
        self.value = None
        self.wait = GRANTED
        self.strand.worker.inbox.append(self)  # type: ignore[union-attr]

    def _cancel(self, reason: str | None) -> None:
        """Slip a scope of the task's own below all that it has entered, and cancel that."""
        if self.ended:
            return
        own = self.own_scope
        if own is None:
            self._own_scope = own = CancelScope()
            base = self.base_scope
            own._task = self
            own._parent = base
            own.cancelled = base is not None and base.cancelled
            scope = self.scope
            if scope is base:
                self.scope = own
            else:
                while scope._parent is not base:
                    scope = scope._parent  # type: ignore[assignment]
                scope._parent = own
        own._cancel("task", reason)

    @property
    def base_scope(self) -> CancelScope:
        """The scope around the whole task: that of its nursery, or the root of its strand."""
        nursery = self.parent_nursery
        return self.strand.scope if nursery is None or nursery.parallel else nursery.cancel_scope

    @property
    def own_scope(self) -> CancelScope | None:
        """The scope around this task alone; there is none until `cancel` needs it."""
        return getattr(self, "_own_scope", None)

    def look_from_outside(self) -> None:
        """The scope around a parallel child has changed: look again. A message to the child's strand."""
        if not self.ended:
            self.base_scope._look_again()

    def begin(self) -> None:
        """Create the coroutine of a child whose function and arguments stand in `value`. By the owner, before the first
        step: so coroutine, frame and locals belong to the thread that runs them."""
        async_fn, args = self.value
        self.value = None
        context = self.context if isinstance(self.context, Context) else Context()
        self.coro = context.run(call_async, async_fn, args)
        self.context = context or None

    def move(self, nursery: Nursery) -> None:
        """Belong to another nursery of the strand from now on, and to its scopes."""
        base = self.base_scope
        if base.cancelled:
            self._excused = True  # a Cancelled of the scopes that it leaves here may be on its way through the task
        self.parent_nursery = nursery
        target = nursery.cancel_scope
        outermost = self.scope
        if outermost is base:
            self.scope = target
            if target.cancelled and self.strand.worker.task is not self:  # type: ignore[union-attr]
                self.interrupt()
            return
        while outermost._parent is not base:
            outermost = outermost._parent  # type: ignore[assignment]
        outermost._parent = target
        outermost._look_again()

    def leave(self, result: Any, error: BaseException | None) -> BaseException | None:
        """Write the outcome, and drop what is not needed any more. Returns the error that the nursery has to know."""
        self._name = self.name  # the coroutine knew it
        if error is not None:
            error.__traceback__ = _from_coroutine(self.coro, error.__traceback__)
            _drop_cancellation_tracebacks(error)
        self.coro = None
        self.context = None
        base = self.base_scope
        if self.scope is not base:
            error = self._leave_scopes(base, error)
        if error is None:
            self.value = result
            self.wait = RETURNED
        elif not isinstance(error, Cancelled):
            self.value = error
            self.wait = RAISED
        elif base.cancelled:
            self.value = error
            self.wait = CANCELLED
        elif getattr(self, "_excused", False) or (self.own_scope is not None and self.own_scope.cancelled):
            self.value = error
            self.wait = CANCELLED
            return None  # the task alone was cancelled, and that is what it came to
        else:
            stray = RuntimeError(f"{self!r} raised a Cancelled although no scope around it is cancelled; let it pass "
                                 "when it is raised, and do not raise it again later")  # fmt: skip
            stray.__cause__ = error
            self.value = error = stray
            self.wait = RAISED
        return error

    def _leave_scopes(self, base: CancelScope, error: BaseException | None) -> BaseException | None:
        """Leave the task's own scope; any other still entered is a mistake."""
        forgotten = 0
        scope: CancelScope | None = self.scope
        while scope is not None and scope is not base:
            scope._left = True
            scope._disarm()
            scope._task = None  # or the two would hold each other
            forgotten += scope is not self.own_scope
            scope = scope._parent
        self.scope = base
        if forgotten and error is None:
            return RuntimeError(f"{self!r} ended inside {forgotten} cancel scope(s) or nurseries that were never left; "
                                "use them in `with` blocks")  # fmt: skip
        return error

    def has_ended_for(self, strand: Strand) -> bool:
        """Whether tasks of `strand` may know of the end: of an error others are told, after the nursery."""
        return self.ended if strand is self.strand else self.wait is RETURNED

    def add_joiner(self, joiner: Joiner) -> None:
        """Tell `joiner` of the end."""
        if self._joiners is None:
            self._joiners = {}
        self._joiners[joiner] = None

    def drop_joiner(self, joiner: Joiner) -> None:
        """Do not tell `joiner`, unless it was told."""
        if self._joiners is not None:
            self._joiners.pop(joiner, None)

    def take_joiners(self) -> Iterable[Joiner]:
        """Who waits in `join`, to be told after the nursery knows of the end, so that an error is reported once."""
        joiners, self._joiners = self._joiners, None
        return joiners or ()

    # ---- as what other tasks wait for -----------------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """What a task waits for that joins this one."""
        return f"join of {self.name!r} #{self.id}"

    @property
    def blockers(self) -> tuple[Task[T_co]]:
        """Who has to end before the wait of a task that joins this one can."""
        return (self,)

    def withdraw(self, joiner: Task[Any]) -> bool:
        """Take a joiner of the same strand back."""
        self.drop_joiner(joiner)
        return True

    def tell(self) -> None:
        """The task that this one joins has ended."""
        unpark(self)


def call_async(async_fn: Callable[..., Any], args: tuple[Any, ...]) -> Coroutine[Any, Any, Any]:
    """A coroutine that is, or raises, what ``async_fn(*args)`` gives."""
    try:
        return as_coroutine(async_fn, async_fn(*args))
    except BaseException as error:
        return _raise(error)


def _from_coroutine(coro: Any, traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of the worker at its beginning, which know more than who keeps an error should."""
    code = getattr(coro, "cr_code", None) or getattr(coro, "gi_code", None)
    rest = traceback
    while rest is not None and rest.tb_frame.f_code is not code:
        rest = rest.tb_next
    return traceback if rest is None else rest


async def _raise(error: BaseException) -> NoReturn:
    try:
        raise error
    finally:
        del error  # its traceback holds this frame


def _drop_cancellation_tracebacks(error: BaseException) -> None:
    """Forget where the cancellations among the causes of an error were raised: in frames that know the task, which is
    about to hold the error, so that all of them would hold each other."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    for one in todo:
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Cancelled):
            one.__traceback__ = None
        elif isinstance(one, BaseExceptionGroup):
            todo.extend(one.exceptions)
        todo += (one.__context__, one.__cause__)
