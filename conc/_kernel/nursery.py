"""Nurseries: where tasks are born, and what no task outlives."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from inspect import CO_ASYNC_GENERATOR
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from conc._kernel.asyncfn import as_coroutine, check_name, function_name, is_coroutine, refuse_what_is_no_function
from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge, current_task, current_worker, slot
from conc._kernel.starting import TaskStatus, with_status
from conc._kernel.strand import Strand
from conc._kernel.suspend import cancel_shielded_checkpoint, suspend, toll, unpark
from conc._kernel.task import Task
from conc.errors import Cancelled

if TYPE_CHECKING:
    from conc._kernel.worker import Worker

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


_new_task = object.__new__


class Nursery:
    """Where children are started; its block does not end before they have.

    Made by `open_nursery`. An error of a child, or of the block, cancels the rest; all errors leave the block together,
    as an ExceptionGroup.

    Attributes:
        cancel_scope: around all children and the block. Cancel it to end them.
        parallel: whether each child is the root of a strand of its own.

    Invariant: `children` holds exactly the children that have not ended, and only the owner of `strand` changes it.
    Invariant: `_home` is the strand in which children are started directly; None in a parallel or closed nursery.
    Invariant: the nursery closes only when there are no children, no starts under way, and no mail for it.
    """

    __slots__ = ("_child_cancelled", "_closed", "_errors", "_home", "_room_for", "_starting", "_waiting",
                 "cancel_scope", "children", "parallel", "parent_task", "strand")  # fmt: skip

    _room_for: Nursery  # of the nursery of a `start`: where the child is to move to

    def __init__(self, parent_task: Task[Any] | None, strand: Strand, scope: CancelScope, parallel: bool) -> None:
        self.parallel = parallel
        self.parent_task: Task[Any] = parent_task  # type: ignore[assignment]  # None only at the root
        self.strand = strand
        self._home = None if parallel else strand
        self.cancel_scope = scope
        scope._nursery = self
        self.children: dict[Task[Any], None] = {}  # a dict, not a set: cancelling goes in the order of birth
        self._errors: list[BaseException] = []
        self._child_cancelled = False
        self._starting = 0
        self._waiting = False
        self._closed = False

    # ---- starting children ----------------------------------------------------------------------------------------

    def start_soon(
        self, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts, name: str | None = None
    ) -> Task[T]:
        """Start ``async_fn(*args)`` as a child; it first runs when the current task waits.

        It always runs to its first cancel point, even if the nursery is cancelled, so that what it has to close may be
        handed to it. From another strand only if the nursery is around the caller.

        Args:
            async_fn: an async function, not a coroutine object.
            args: its arguments. Keyword arguments: ``functools.partial``.
            name: the name of the task; that of the function unless given.

        Raises:
            RuntimeError: the nursery has ended, or this thread may not start tasks in it.
            TypeError: `async_fn` is not an async function, or does not take these arguments. In a parallel nursery
                this is raised in the child.

        Checkpoint: never.
        """
        if name is not None:
            check_name(name)
        worker = slot.worker or current_worker()
        strand = self._home
        running = worker.task
        if running is None or running.strand is not strand:
            return self._start_elsewhere(worker, async_fn, args, name)
        try:
            coro = async_fn(*args)
        except TypeError:
            refuse_what_is_no_function(async_fn)
            raise
        if type(coro) is not CoroutineType and not is_coroutine(coro):
            coro = as_coroutine(async_fn, coro)
        # Task(...) in one piece: a call of __init__ would take longer than all the rest.
        task: Task[T] = _new_task(Task)
        task.coro = coro  # type: ignore[assignment]
        task.context = copy_context() or None  # an empty one is as good as the plain context of the worker
        task.parent_nursery = self
        task.scope = self.cancel_scope
        task.strand = strand
        task.id = next(worker.numbers)
        task.wait = task.value = task._joiners = None
        task._name = name
        self.children[task] = None
        worker.ready.append(task)
        if worker.watched:
            worker.watched.task_spawned(task)
        return task

    def _start_elsewhere(
        self, worker: Worker, async_fn: Callable[..., Awaitable[T]], args: tuple[Any, ...], name: str | None
    ) -> Task[T]:
        """The start of a child that is a strand of its own, or whose nursery is at home in another strand."""
        refuse_what_is_no_function(async_fn)
        if self._closed:
            raise RuntimeError(
                "start_soon: this nursery has ended; "
                "start tasks inside its `async with` block, or while its children run"
            )
        running = worker.task
        if running is None:
            raise RuntimeError("start_soon is called inside a task; from another thread use a portal")
        at_home = running.strand is self.strand
        if not at_home and not self._is_around(running):
            raise RuntimeError(
                f"start_soon: the nursery of {self.parent_task!r} is at home in another strand and not around the "
                "caller, so it could end before the message arrives; send it through a channel, or start a task in a "
                "nearer nursery"
            )
        number = next(worker.numbers)
        context = copy_context() or None
        if self.parallel:
            scope = CancelScope()
            strand = Strand(None, scope)
            task: Task[T] = Task(None, context, self, scope, strand, number, name)
            scope._parent = self.cancel_scope
            scope._task = task
            strand.root = task
        else:
            task = Task(None, context, self, self.cancel_scope, self.strand, number, name)
        task.value = (async_fn, args)
        if at_home:
            self._adopt(task)
        else:
            self.strand.post(lambda: self._adopt(task))
        return task

    def _adopt(self, task: Task[Any]) -> None:
        """Enter a child in the books and let it start. By the owner."""
        if self._closed:
            return  # with mail under way: its tasks were killed
        self.children[task] = None
        worker: Worker = self.strand.worker  # type: ignore[assignment]
        if worker.watched:
            worker.watched.task_spawned(task)
        if self.parallel:
            worker.spread(task.strand)
        else:
            task.begin()
            worker.ready.append(task)

    def _is_around(self, running: Task[Any] | Strand) -> bool:
        """Whether the nursery is around what runs now, and so cannot close before its message arrives."""
        scope: CancelScope | None = running.scope
        while scope is not None:
            if scope is self.cancel_scope:
                return True
            scope = scope._parent
        return False

    async def start(self, async_fn: Callable[..., Awaitable[object]], *args: object, name: str | None = None) -> Any:
        """Start a child and wait until it calls ``task_status.started(value)``; returns that value.

        The child gets the keyword argument ``task_status``. Until it calls ``started`` it belongs to the caller, whose
        scopes and errors it shares; from then on to this nursery.

        Raises:
            RuntimeError: the child returned without calling ``started``; or the nursery has ended, is parallel, or is
                at home in another strand.
            Exception: what the child raised before it called ``started``.

        Checkpoint: always, and it waits.
        If cancelled: the child is cancelled and has ended; if it had called ``started``, its value is returned.
        """
        refuse_what_is_no_function(async_fn, "start")
        if name is not None:
            check_name(name)
        if self.parallel or current_task().strand is not self.strand:
            raise RuntimeError(
                "start: the child moves to this nursery within one strand; here it would have to change strands. "
                "Use start_soon and an Event, or open an ordinary nursery in the child"
            )
        charge() or await toll()
        if self._closed:  # asked last: who pays the toll lets others run, and the nursery may end meanwhile
            raise RuntimeError("start: this nursery has ended")
        status = TaskStatus(self)
        error = child = None
        self._starting += 1
        try:
            async with open_nursery() as waiting_room:
                status._room = waiting_room
                waiting_room._room_for = self
                name = name or function_name(async_fn)
                child = waiting_room.start_soon(with_status(async_fn, status), *args, name=name)
                status._child = child
        except BaseExceptionGroup as group:
            if status.is_started or len(group.exceptions) > 1:
                raise
            error = group.exceptions[0]
        finally:
            self._starting -= 1
            self.all_ended()
        status._child = None  # its frames know the status, and it keeps its error, which knows its frames
        if error is not None:
            try:
                raise error  # here, and not above: the group is no part of its story
            finally:
                del error, child, status  # its traceback holds this frame
        if not status.is_started:
            raise RuntimeError(f"{child!r} returned without calling task_status.started()")
        value, status.value = status.value, None
        return value

    # ---- ending ---------------------------------------------------------------------------------------------------

    def child_ended(self, task: Task[Any], error: BaseException | None) -> None:
        """Take a child out of the books. By the owner."""
        del self.children[task]
        if error is not None:
            if isinstance(error, Cancelled):
                self._child_cancelled = True
            else:
                self._errors.append(error)
                self.cancel_scope._cancel("nursery", f"{task!r} raised {type(error).__name__}")
        if not self.children:
            self.all_ended()

    @property
    def refuses_guests(self) -> bool:
        """Whether a portal lets nothing new in. From any thread."""
        return self._closed

    def all_ended(self) -> None:
        """There are no children at the moment: let the block end, if it waits for that."""
        if self._waiting and not self.children and not self._starting:
            self._waiting = False
            unpark(self.parent_task)

    @property
    def reason(self) -> str:
        """What the host waits for at the end of the block."""
        count = len(self.children)
        return f"{count} {'child' if count == 1 else 'children'} of its nursery"

    @property
    def blockers(self) -> list[Task[Any]]:
        """Who has to end before the block can."""
        return list(self.children)

    def withdraw(self, task: Task[Any]) -> bool:
        """The end of a nursery is no cancel point of its own: the children are cancelled, the host waits for them."""
        return False

    async def _close(self, error: BaseException | None) -> BaseException | None:
        """Wait for the children; returns what is to be raised."""
        host = self.parent_task
        if error is not None and not isinstance(error, (Cancelled, GeneratorExit)):
            self._errors.append(error)
            self.cancel_scope._cancel("nursery", f"the block raised {type(error).__name__}")
        elif error is not None and not self.cancel_scope.cancelled:
            self.cancel_scope._cancel("nursery", "the block was left by a cancellation")
        try:
            if not self.children and not self._starting:
                await cancel_shielded_checkpoint()
            while self.children or self._starting:
                self._waiting = True
                host.wait = self
                await suspend(host)
        except GeneratorExit as stop:
            return stop  # the run was stopped: host and children are closed where they stand
        self._closed = True
        self._home = None
        if self._errors:
            errors = self._errors
            self._errors = []
            try:
                return BaseExceptionGroup("errors in a nursery", errors)
            finally:
                del errors, error
        if error is None and self._child_cancelled and self.cancel_scope.cancelled:
            return self.cancel_scope.cancellation()
        return error

    def __repr__(self) -> str:
        if self._closed:
            return "<Nursery: ended>"
        return f"<Nursery of {self.parent_task.name!r}: {self.reason}>"

    def _check(self) -> None:
        for child in self.children:
            assert not child.ended, "a child that has ended is still in the books"
            assert child.parent_nursery is self
        assert not (self._closed and (self.children or self._starting)), "closed with children"


class NurseryManager:
    """The block of a nursery: what `open_nursery` returns."""

    __slots__ = ("_nursery", "_parallel")

    def __init__(self, parallel: bool) -> None:
        self._parallel = parallel
        self._nursery: Nursery | None = None

    async def __aenter__(self) -> Nursery:
        return self.open(sys._getframe(1).f_code.co_flags & CO_ASYNC_GENERATOR)

    def open(self, in_generator: int) -> Nursery:
        """Enter the block, for the running task."""
        task = current_task()
        if self._nursery is not None:
            raise RuntimeError("this nursery was opened before; call open_nursery() for each block")
        self._nursery = nursery = Nursery(task, task.strand, CancelScope(), self._parallel)
        nursery.cancel_scope._enter(in_generator)
        return nursery

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        nursery = self._nursery
        assert nursery is not None, "left before it was entered"
        scope = nursery.cancel_scope
        worker = slot.worker
        if worker is None or worker.task is not nursery.parent_task or worker.task.scope is not scope:
            await self._abandon(nursery, error)
        raised = await nursery._close(error)
        scope._nursery = None  # or the two would hold each other
        nursery.parent_task = None  # type: ignore[assignment]  # which may keep an error whose frames know the nursery
        try:
            caught = scope.__exit__(None if raised is None else type(raised), raised, traceback)
            if raised is None or caught:
                return True
            if raised is error:
                return False
            try:
                raise raised
            finally:
                raised.__context__ = None if isinstance(raised, BaseExceptionGroup) else raised.__context__
        finally:
            del raised, error, traceback, nursery, scope, worker, self  # a traceback holds this frame

    async def _abandon(self, nursery: Nursery, error: BaseException | None) -> NoReturn:
        """The block is left out of order: end the children as far as possible, then say so."""
        scope = nursery.cancel_scope
        running = None if slot.worker is None else slot.worker.task
        if running is None or running.strand is not nursery.strand:
            scope._misnested(error)  # not ours to end
        scope._cancel("nursery", "its block was left out of order")
        if running is nursery.parent_task:
            await nursery._close(error)
        nursery._closed = True
        nursery._home = None
        scope._misnested(error)
        raise AssertionError("unreachable")

    def __enter__(self) -> NoReturn:
        raise RuntimeError("use `async with conc.open_nursery()`, not `with`")

    def __exit__(self, *error: object) -> None:
        raise AssertionError("never entered")


def open_nursery(*, parallel: bool = False) -> NurseryManager:
    """A block in which tasks can be started, and which ends when all of them have: ``async with open_nursery() as n:``.

    Args:
        parallel: let each child be a strand of its own, that may run at the same time as the others, on another worker.
            Children of an ordinary nursery take turns with the task that opened it.

    Raises (at the end of the block):
        ExceptionGroup: errors of children and of the block, always as a group.

    Checkpoint: at the end of the block a schedule point, which waits for the children; no cancel point of its own.
    If cancelled: the children are cancelled, the block waits for them.
    """
    if parallel is not False and parallel is not True:
        raise TypeError(f"parallel must be True or False, not {parallel!r}")
    return NurseryManager(parallel)


async def close_forgotten(task: Task[Any], error: BaseException | None) -> None:
    """The rest of a task whose coroutine ended inside nurseries that it never left: ends their children, then fails."""
    errors = [error or RuntimeError(f"{task!r} ended inside a nursery that was never left; use it in `async with`")]
    while (scope := task.scope) is not task.base_scope:
        if scope._nursery is not None:
            scope._cancel("nursery", "its task ended without leaving it")
            raised = await scope._nursery._close(None)
            if isinstance(raised, BaseExceptionGroup):
                errors.append(raised)
        scope.__exit__(None, None, None)
    try:
        raise errors[0] if len(errors) == 1 else BaseExceptionGroup("errors in nurseries that were never left", errors)
    finally:
        del error, errors
