"""Tasks that are taken one by one as they end; and at most so many at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple, Unpack

from conc._kernel.current import charge, current_strand
from conc._kernel.operation import Operation, perform, perform_nowait
from conc._kernel.suspend import checkpoint, toll
from conc._kernel.task import RAISED, Task
from conc.errors import TaskCancelled
from conc.sync.semaphore import check_count
from conc.task.ended import Ended
from conc.task.hearing import Block, HearingNursery

if TYPE_CHECKING:
    from conc._kernel.cancel import CancelScope
    from conc._kernel.strand import Strand

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class JoinSet(HearingNursery):
    """A nursery whose children are taken as they end: ``async for task in tasks:``. Made by `open_join_set`.

    An error of a child cancels nobody: it is in the task. What nobody took leaves at the end of the block. An error
    that is no Exception, such as KeyboardInterrupt, cancels all, as in any nursery.

    What has ended is kept until it is taken. Where nobody is interested in the results, use `conc.open_nursery`.

    At home in the strand that opened it; only `start_soon` may be called from the strands below, too.

    Attributes:
        limit: how many children run at a time; None for no limit.
        cancel_scope: around all children and the block. `cancel_all` is for the children only.

    Invariant: a child waits for its turn (is in `_line`) only while `limit` others run.
    """

    __slots__ = ("_ended", "_line", "limit")

    def __init__(
        self,
        parent_task: Task[Any] | None,
        strand: Strand,
        scope: CancelScope,
        parallel: bool,
        limit: int | None = None,
    ) -> None:
        super().__init__(parent_task, strand, scope, parallel)
        self.limit = limit
        self._ended: Ended[Any] = Ended("JoinSet.join_next", self.children)
        self._line = Line()

    # ---- starting -------------------------------------------------------------------------------------------------

    def start_soon(
        self, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts, name: str | None = None
    ) -> Task[T]:
        """Start ``async_fn(*args)`` as a child, when its turn comes: those started earlier go first.

        A child that is cancelled before its turn never starts. (One of a parallel set that is cancelled alone runs to
        its first cancel point.) Without a `limit` it is always its turn: see `Nursery.start_soon`.

        Args:
            async_fn: an async function, not a coroutine object.
            args: its arguments. Keyword arguments: ``functools.partial``.
            name: the name of the task; that of the function unless given.

        Raises:
            RuntimeError: the block has ended, or this thread may not start tasks in it.
            TypeError: `async_fn` is not an async function, or does not take these arguments. In a parallel set this is
                the error of the task.

        Checkpoint: never.
        """
        return super().start_soon(async_fn, *args, name=name)

    def _adopt(self, task: Task[Any]) -> None:
        self._enter(task)
        line = self._line
        if self.limit is None or len(self.children) - len(line) <= self.limit:
            self._let_go(task)
        else:
            task.wait = line
            line[task] = None

    def _start_next(self) -> None:
        """Start those whose turn it is; if all are cancelled, that is nobody's any more."""
        line = self._line
        while line:
            if self.cancel_scope.cancelled:
                self._skip(next(iter(line)))
            elif len(self.children) - len(line) < self.limit:  # type: ignore[operator]  # without one nobody waits
                task, _ = line.popitem(last=False)
                self._let_go(task)
            else:
                return

    def _skip(self, task: Task[Any]) -> None:
        """Let a child that was cancelled before its turn end, without calling its function."""
        del self._line[task]
        task._name = task.name
        if self.parallel:
            task.value = (_skipped, ())
        else:
            task.coro.close()  # type: ignore[union-attr]
            task.coro = _skipped()
        self._let_go(task)

    def _let_go(self, task: Task[Any]) -> None:
        task.wait = None
        super()._let_go(task)

    # ---- taking ---------------------------------------------------------------------------------------------------

    async def join_next(self) -> Task[Any] | None:
        """Wait until a child ends, and take it: the one that ended first of those that nobody took.

        ::

            while (task := await tasks.join_next()) is not None:
                ...

        Returns:
            A task that has ended (see `Task.join_nowait` and `Task.outcome`); None if there is none left.

        Raises:
            RuntimeError: called in another strand.

        Checkpoint: always a cancel point; it waits only if no child has ended and some are running.
        If cancelled: no task was taken.
        """
        self._check_home("join_next")
        charge() or await toll()
        return await perform(self._ended)

    def join_next_nowait(self) -> Task[Any] | None:
        """As `join_next`, without waiting.

        Raises:
            WouldBlock: none has ended, and some are running.

        Checkpoint: never.
        """
        self._check_home("join_next_nowait")
        return perform_nowait(self._ended)

    def joining_next(self) -> Operation[Task[Any] | None]:
        """The operation of `join_next`, for `conc.select`."""
        self._check_home("joining_next")
        return self._ended

    def __aiter__(self) -> JoinSet:
        return self

    async def __anext__(self) -> Task[Any]:
        task = await self.join_next()
        if task is None:
            raise StopAsyncIteration
        return task

    def __len__(self) -> int:
        """How many tasks can still be taken: those that have ended, that run, and that wait for their turn."""
        return len(self._ended.tasks) + len(self.children)

    # ---- ending ---------------------------------------------------------------------------------------------------

    def cancel_all(self, reason: str | None = None) -> None:
        """Cancel every child, and not the block: it may take them as they end, and start others.

        Args:
            reason: words for people, part of the text of each `Cancelled`.

        Raises:
            RuntimeError: called in another strand.

        Checkpoint: never.
        """
        self._check_home("cancel_all")
        for task in list(self.children):
            task.cancel(reason)
        for task in list(self._line):  # of a parallel set: these do not know yet that they are cancelled
            self._skip(task)

    def child_ended(self, task: Task[Any], error: BaseException | None) -> None:
        """An error stays in the task, and who has ended can be taken."""
        super().child_ended(task, None if isinstance(error, Exception) else error)
        self._start_next()
        self._ended.put(task)

    async def _close(self, error: BaseException | None) -> BaseException | None:
        try:
            raised = await super()._close(error)
        except GeneratorExit:  # the run was stopped by force: its end reports what this block cannot any more
            self.strand.worker.generators.errors.extend(self._drop_all())  # type: ignore[union-attr]
            raise
        left = self._drop_all()
        if not left:
            return raised
        errors = raised.exceptions if isinstance(raised, BaseExceptionGroup) else ()
        return BaseExceptionGroup("errors in a JoinSet", [*errors, *left])

    def _drop_all(self) -> list[Exception]:
        """Forget who has ended, for they know this set; returns the errors that stayed in them."""
        tasks = self._ended.tasks
        errors = [task.value for task in tasks if task.wait is RAISED and isinstance(task.value, Exception)]
        tasks.clear()
        return errors

    def _check_home(self, call: str) -> None:
        if current_strand() is not self.strand:
            raise RuntimeError(f"{call}: this JoinSet is at home in another strand; send results through a channel")

    def __repr__(self) -> str:
        line = len(self._line)
        running = f"{len(self.children) - line} running, {line} waiting, {len(self._ended.tasks)} to be taken"
        return f"<JoinSet{': ended' if self._closed else ''}, {running}>"

    def _check(self) -> None:
        super()._check()
        self._ended._check()
        for task in self._line:
            assert task in self.children, "who waits for a turn is no child"
            assert task.wait is self._line, "who waits for a turn does not know it"
        running = len(self.children) - len(self._line)
        assert not self._line or running >= (self.limit or 0), "a child waits although it is its turn"


class Line(OrderedDict["Task[Any]", None]):
    """The children of a JoinSet that wait for their turn, in order; and what each of them waits for."""

    reason = "its turn in a JoinSet"

    def withdraw(self, task: Task[Any]) -> bool:
        """A child was cancelled before its turn."""
        tasks: JoinSet = task.parent_nursery  # type: ignore[assignment]
        tasks._skip(task)
        return False  # it is not withdrawn from its wait: it ends


async def _skipped() -> NoReturn:
    """What runs in place of the function of a child that was cancelled before its turn."""
    await checkpoint()
    raise TaskCancelled("this task was cancelled before its turn, and did not run")  # a shield was raised meanwhile


def open_join_set(*, limit: int | None = None, parallel: bool = False) -> Block[JoinSet]:
    """A block in which tasks are started, and taken as they end: ``async with open_join_set() as tasks:``.

    ::

        async with conc.open_join_set(limit=10) as tasks:
            for url in urls:
                tasks.start_soon(fetch, url)
            async for task in tasks:
                ...

    The loop stops when no task is left. An error of a task cancels nobody: ``task.join_nowait()`` tells it.

    Args:
        limit: how many tasks run at a time, at least 1; the others wait for their turn. None: no limit.
        parallel: let each task be a strand of its own, as in `conc.open_nursery`.

    Raises (at the end of the block):
        ExceptionGroup: the error of the block, which cancels all; and those of tasks that nobody took. Always a group.

    Raises:
        ValueError, TypeError: a bad argument, which is named.

    Checkpoint: at the end of the block a schedule point, which waits for the tasks; no cancel point of its own.
    If cancelled: the tasks are cancelled, those that wait for their turn never start, and the block waits for them.
    """
    if limit is not None:
        check_count(limit, "limit", 1)
    if parallel is not False and parallel is not True:
        raise TypeError(f"parallel must be True or False, not {parallel!r}")
    return Block(partial(JoinSet, limit=limit), "open_join_set", parallel=parallel)
