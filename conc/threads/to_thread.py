"""Calling a blocking function in a thread of the pool, while the task waits."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from types import CoroutineType
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from sniffio import current_async_library_cvar

from conc._kernel.asyncfn import function_name, is_coroutine
from conc._kernel.current import charge, slot
from conc._kernel.suspend import suspend, toll
from conc.errors import RunFinished
from conc.sync.capacity_limiter import CapacityLimiter
from conc.threads.job import DONE, Job
from conc.threads.loan import Loan
from conc.threads.pool import MakeOffload, Offload, Pool

if TYPE_CHECKING:
    from conc._kernel.crew import Crew

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def to_thread(
    fn: Callable[[*Ts], T], *args: *Ts, abandon_on_cancel: bool = False, limiter: CapacityLimiter | None = None
) -> T:
    """Call ``fn(*args)`` in a thread, so that it may block, and return its value.

    The runtime keeps a pool of up to ``max_blocking_threads`` threads; further calls stand in line, first come, first
    served. `fn` runs in a copy of the caller's context variables. It may call back with `conc.from_thread`.

    Args:
        fn: a blocking function, not an async one.
        args: its arguments. Keyword arguments: ``functools.partial``.
        abandon_on_cancel: whether a cancelled task may leave while `fn` runs. `fn` then runs on by itself, in a daemon
            thread; its value is dropped, its error goes to ``threading.excepthook``, as that of any thread.
        limiter: lends a token to the call, which waits for one first, and holds it until no thread runs `fn` any more,
            also if it is abandoned. None: only ``max_blocking_threads`` limits how many run.

    Raises:
        BaseException: what `fn` raised.
        TypeError: `fn` is not callable, or an async function.
        RuntimeError: the system has no thread to give, and the pool has none.

    Checkpoint: always, and it waits.
    If cancelled: if `fn` has not begun, it never will. Else the task waits for its end and returns its value, and the
        cancellation is raised at the next cancel point; or, with ``abandon_on_cancel``, it is raised at once. `fn` can
        ask whether its task is cancelled: `conc.from_thread.check_cancelled`.
    """
    if not callable(fn):
        _refuse(fn)
    if abandon_on_cancel is not False and abandon_on_cancel is not True:
        raise TypeError(f"abandon_on_cancel must be True or False, not {abandon_on_cancel!r}")
    if limiter is not None and not isinstance(limiter, CapacityLimiter):
        raise TypeError(f"limiter must be a conc.sync.CapacityLimiter or None, not {limiter!r}")
    task = charge() or await toll()
    crew = slot.worker.crew  # type: ignore[union-attr]
    pool: Offload = crew.runtime.extensions.get(Pool) or _open_pool(crew)
    context = copy_context()
    if context.get(current_async_library_cvar) is not None:
        context.run(current_async_library_cvar.set, None)  # there is none in the thread
    loan = None
    if limiter is not None:
        loan = Loan(limiter, crew, fn)
        await loan.take(task)
    job = Job(pool, task, partial(context.run, fn, *args), abandon_on_cancel, loan)
    crew.wakers[job] = job
    try:
        task.wait = job  # before anybody can wake the task
        pool.submit(job)
        await suspend(task)
        while job.state is not DONE:
            await job.serve(task)
    finally:
        del crew.wakers[job]
        if job.state is not DONE:
            job.abandon()
    error = job.error
    if error is not None:
        job.error = None
        try:
            raise error
        finally:
            del error  # its traceback holds this frame
    value = job.value
    job.value = None  # the thread may hold the job for a moment longer
    if type(value) is CoroutineType:
        _refuse(fn, value)
    return value  # type: ignore[no-any-return]


def _open_pool(crew: Crew) -> Offload:
    """The pool of this run, which ends with it."""
    if crew.runtime._crew is not crew:
        raise RunFinished("the run of this task has ended")
    make: MakeOffload = crew.runtime.extensions.get(MakeOffload, Pool)
    pool = make(crew.runtime.max_blocking_threads, crew.threads)
    kept: Offload = crew.runtime.extensions.setdefault(Pool, pool)
    if kept is pool:  # of several workers that come at the same time, one keeps its pool

        def close() -> None:
            del crew.runtime.extensions[Pool]
            pool.close()
            for job in list(crew.wakers):
                if isinstance(job, Job):
                    job.abandon()

        crew.at_end.append(close)
    return kept


def _refuse(fn: object, coro: object = None) -> None:
    """The error for what was given in place of a blocking function."""
    given = coro if coro is not None else fn
    if not is_coroutine(given):
        raise TypeError(f"fn must be a blocking function, not {fn!r}")
    given.close()  # type: ignore[attr-defined]  # it was about to be run: no warning that it never was
    name = function_name(given)
    raise TypeError(f"to_thread is for blocking functions, and {name} is async: write await {name}(arguments...)")
