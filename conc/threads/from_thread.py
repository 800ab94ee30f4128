"""Calling back from a thread of `conc.to_thread`, into the strand of the task that waits for it.

The task that called `conc.to_thread` serves these calls itself, while it waits: its scopes and deadlines hold, and what
belongs to a task, a Mutex for one, belongs to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from types import CoroutineType
from typing import Any, TypeVar, TypeVarTuple

from conc._kernel.asyncfn import function_name, is_coroutine, refuse_function
from conc._kernel.current import slot
from conc._kernel.suspend import cancel_shielded_checkpoint
from conc._kernel.task import Task, call_async
from conc._os.sync import Lock
from conc.errors import RunFinished
from conc.threads.job import Job
from conc.threads.pool import current_job

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def run(async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
    """Run ``async_fn(*args)`` in the task that called `conc.to_thread`, and return its value.

    It sees the context variables of the thread.

    Raises:
        BaseException: what `async_fn` raised.
        Cancelled: the task is cancelled: raised at the first cancel point in `async_fn`; or here, if the task has
            abandoned this thread.
        RunFinished: the thread was abandoned, and the run has ended.
        RuntimeError: this is no thread of `conc.to_thread`.
        TypeError: `async_fn` is not an async function.
    """
    job = _waiting_job("run")
    if not callable(async_fn) or is_coroutine(async_fn):
        refuse_function(async_fn, None, "from_thread.run")
    return job.ask(AsyncCall(async_fn, args))  # type: ignore[no-any-return]


def run_sync(fn: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call ``fn(*args)`` in the task that called `conc.to_thread`, and return its value.

    For what belongs to the strand of the task, and may not be touched by a thread. `fn` sees the context variables of
    the thread.

    Raises:
        BaseException: what `fn` raised.
        Cancelled: the task was cancelled, and has abandoned this thread.
        RunFinished: the thread was abandoned, and the run has ended.
        RuntimeError: this is no thread of `conc.to_thread`.
        TypeError: `fn` is not callable, or an async function.
    """
    job = _waiting_job("run_sync")
    if not callable(fn):
        raise TypeError(f"fn must be a function, not {fn!r}")
    return job.ask(SyncCall(fn, args))  # type: ignore[no-any-return]


def check_cancelled() -> None:
    """Raise Cancelled if the task that called `conc.to_thread` is cancelled: a chance for long work to end early.

    It does not wait for the task. What it tells is what the worker of the task knew last.

    Raises:
        Cancelled: the task is cancelled. Let it pass.
        RuntimeError: this is no thread of `conc.to_thread`.
    """
    _job("check_cancelled").check_cancelled()


def _job(name: str) -> Job:
    job = current_job()
    if not isinstance(job, Job):
        raise RuntimeError(
            f"from_thread.{name} is for functions called by conc.to_thread, on their thread; in a task await or call "
            "the function itself, and from any other thread use a portal: conc.open_portal"
        )
    return job


def _waiting_job(name: str) -> Job:
    job = _job(name)
    if slot.worker is not None:
        raise RuntimeError(f"from_thread.{name} would hold up the program that conc.run runs on this thread")
    return job


class Call:
    """A call that a thread waits for, and what came out of it."""

    __slots__ = ("_answered", "args", "context", "error", "fn", "value")

    def __init__(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.fn = fn
        self.args = args
        self.context = copy_context()
        self.value: Any = None
        self.error: BaseException | None = None
        self._answered = Lock()
        self._answered.acquire()

    def answer(self) -> None:
        """Let the thread have what came out."""
        self._answered.release()

    def refuse(self) -> None:
        """The run has ended; `answer` follows."""
        self.error = RunFinished("the run ended before this call did")

    def result(self) -> Any:
        """Wait for the answer."""
        self._answered.acquire()
        error, self.error = self.error, None
        if error is None:
            return self.value
        try:
            raise error
        finally:
            del error  # its traceback holds this frame


class AsyncCall(Call):
    """A call of an async function."""

    __slots__ = ()

    async def perform(self, task: Task[Any]) -> None:
        """Await the function, in the context of the thread."""
        before, task.context = task.context, self.context
        await cancel_shielded_checkpoint()  # the next step of the task runs in that context
        try:
            self.value = await call_async(self.fn, self.args)
        except GeneratorExit:
            raise  # the task is closed with the runtime, and may not wait any more
        except BaseException as error:
            self.error = error
        task.context = before
        await cancel_shielded_checkpoint()


class SyncCall(Call):
    """A call of a plain function."""

    __slots__ = ()

    async def perform(self, task: Task[Any]) -> None:
        """Call the function, in the context of the thread."""
        try:
            self.value = value = self.context.run(self.fn, *self.args)
            if type(value) is CoroutineType:
                value.close()
                raise TypeError(f"{function_name(value)} is async: use from_thread.run, not run_sync")
        except BaseException as error:
            self.error = error
