"""Portals: how threads that conc did not start, signal handlers and finalisers call into a running program.

A call is a message to the strand of the portal, which starts it or refuses it. What is left in the mailbox at the end
of the run is refused by whoever finds it there. So every call gets an answer, once.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from functools import partial
from inspect import CO_ASYNC_GENERATOR
from types import CoroutineType, TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, TypeVarTuple

from conc._kernel.asyncfn import function_name, is_coroutine, refuse_what_is_no_function
from conc._kernel.current import current_task, slot
from conc._kernel.nursery import Nursery, NurseryManager
from conc._kernel.runtime import Runtime
from conc._kernel.suspend import Wait, suspend, unpark
from conc._kernel.task import Task, call_async
from conc.errors import Cancelled, RunFinished, TaskCancelled

if TYPE_CHECKING:
    from conc._kernel.crew import Crew

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Portal:
    """A door into the strand that opened it. Made by `open_portal`; that of the main task is ``runtime.portal``.

    Calls run in the order in which they come, with the context variables of the caller, in a nursery of the portal.
    While a portal is open somebody outside may call: there is no `Deadlock`, and virtual time waits.

    Invariant: `_started` are the calls that run in the nursery and have not been answered.
    Invariant: `_closing` is set before, and `_over` after the last message that is not refused was read.
    """

    __slots__ = ("__weakref__", "_closing", "_crew", "_nursery", "_over", "_started")

    def __init__(self, nursery: Nursery, crew: Crew) -> None:
        self._nursery = nursery
        self._crew = crew
        self._closing = False
        self._over = False
        self._started: dict[Start, None] = {}
        crew.wakers[self] = "an open portal"
        crew.at_end.append(self._end)

    @property
    def task(self) -> Task[Any]:
        """In whose block it is open."""
        return self._nursery.parent_task

    # ---- from threads ---------------------------------------------------------------------------------------------

    def run(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts) -> T:
        """Run ``async_fn(*args)`` as a task, wait for it, and return its value. From threads that run no conc program.

        Raises:
            BaseException: what `async_fn` raised.
            TaskCancelled: the task was cancelled.
            RunFinished: the portal's block, or the run, has ended or ends.
            RuntimeError: called on the thread of a worker, which would wait for itself.
            TypeError: `async_fn` is not an async function.
        """
        _refuse_worker("run", "await the function, or start it with portal.start_soon")
        refuse_what_is_no_function(async_fn, "portal.run")
        return _wait(self.start_soon(async_fn, *args))

    def run_sync(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call ``fn(*args)`` in the strand, wait for it, and return its value. From threads that run no conc program.

        It is called between two steps, not in a task: it may start tasks, set events and cancel scopes, but not wait.

        Raises:
            BaseException: what `fn` raised.
            RunFinished: the portal's block, or the run, has ended or ends.
            RuntimeError: called on the thread of a worker, which would wait for itself.
            TypeError: `fn` is not callable, or an async function.
        """
        _refuse_worker("run_sync", "call the function, or let portal.call_soon do it")
        _check_function(fn)
        future: Future[T] = Future()
        self._post(Call(self, fn, args, future))
        return _wait(future)

    def start_soon(self, async_fn: Callable[[*Ts], Awaitable[T]], *args: *Ts, name: str | None = None) -> Future[T]:
        """Start ``async_fn(*args)`` as a task. From any thread, and from tasks.

        Args:
            async_fn: an async function, not a coroutine object.
            args: its arguments. Keyword arguments: ``functools.partial``.
            name: the name of the task; that of the function unless given.

        Returns:
            A future for its value or error: its error is there, and not in the nursery. Cancelling the future, at any
            time, cancels the task. `TaskCancelled`: something else has cancelled it. `RunFinished`: the portal's block,
            or the run, ended before the task had begun.

        Raises:
            RunFinished: the portal's block, or the run, has ended.
            TypeError: `async_fn` is not an async function.
        """
        refuse_what_is_no_function(async_fn, "portal.start_soon")
        future: Future[T] = Future()
        start = Start(self, async_fn, args, name or function_name(async_fn), future)
        self._post(start)
        future.add_done_callback(start.look_at)
        return future

    def call_soon(self, fn: Callable[[*Ts], object], *args: *Ts) -> None:
        """Let the strand call ``fn(*args)`` soon, between two steps. From any thread, signal handler or finaliser.

        It appends and rings, takes no lock and waits for nothing. The value is dropped; an error ends the block of the
        portal.

        Raises:
            RunFinished: the portal's block, or the run, has ended: `fn` is not called. A run that ends in this very
                moment may still take a call with it; who must know uses `run_sync`.
            TypeError: `fn` is not callable.
        """
        _check_function(fn)
        call = Soon(self, fn, args)
        self._post(call)
        if self._closing and call.take():
            raise _closed()

    def _post(self, message: Soon | Call | Start) -> None:
        self._crew.runtime._refuse_fork()
        strand = self._nursery.strand
        if self._closing or self._nursery.refuses_guests or strand.worker.closed:  # type: ignore[union-attr]
            raise _closed()
        strand.post(message)

    # ---- in the strand --------------------------------------------------------------------------------------------

    @property
    def _is_open(self) -> bool:
        """Whether calls are carried out. Asked by the strand."""
        return not (self._over or self._nursery.refuses_guests or self._crew.stopped)

    def _fail(self, error: BaseException) -> None:
        """Let the nursery have an error that belongs to no caller."""
        self._nursery.start_soon(_raise, error, name="portal")

    async def _leave(self) -> None:
        """Let in what has been posted, then nothing more. By the task that opened the portal, in its last step.

        Checkpoint: it waits for what was posted before; no cancel point.
        If cancelled: that is raised at the next cancel point.
        """
        self._closing = True  # from here on callers turn back by themselves, or take their call back
        task = current_task()
        task.wait = LAST_CALLS
        self._nursery.strand.post(lambda: unpark(task))  # behind all that was posted before
        await suspend(task)
        self._close()

    def _close(self) -> None:
        """Let in nothing more."""
        self._closing = self._over = True
        self._crew.wakers.pop(self, None)
        try:
            self._crew.at_end.remove(self._end)
        except ValueError:
            pass  # the run has ended

    def _end(self) -> None:
        """The run has ended: answer what was started and cannot end any more."""
        self._closing = self._over = True
        for start in list(self._started):
            start.refuse()

    def __repr__(self) -> str:
        return f"<Portal to {self._nursery!r}, {'closed' if self._closing else 'open'}>"


class _LastCalls:
    reason = "the last calls of its portal"

    def withdraw(self, task: Task[Any]) -> bool:
        return False  # it does not last


LAST_CALLS: Wait = _LastCalls()


# ---- messages: each is called by the strand, or refused by whoever ends the run, once --------------------------------


class Soon:
    """A call for nobody who waits."""

    __slots__ = ("_args", "_context", "_fn", "_portal", "_unmade")

    def __init__(self, portal: Portal, fn: Callable[..., object], args: tuple[Any, ...]) -> None:
        self._portal = portal
        self._fn = fn
        self._args = args
        self._context = copy_context()
        self._unmade = [None]

    def take(self) -> bool:
        """Decide what happens to the call: True for the first who asks. Takes no lock."""
        try:
            self._unmade.pop()
        except IndexError:
            return False
        return True

    def __call__(self) -> None:
        """Make the call."""
        if self._portal._is_open and self.take():
            try:
                _call(self._context, self._fn, self._args)
            except BaseException as error:
                self._portal._fail(error)


class Call:
    """A call for a thread that waits for its future."""

    __slots__ = ("_args", "_context", "_fn", "_future", "_portal")

    def __init__(self, portal: Portal, fn: Callable[..., Any], args: tuple[Any, ...], future: Future[Any]) -> None:
        self._portal = portal
        self._fn = fn
        self._args = args
        self._context = copy_context()
        self._future = future

    def __call__(self) -> None:
        """Make the call."""
        portal, future = self._portal, self._future
        if not portal._is_open:
            self.refuse()
        elif future.set_running_or_notify_cancel():
            try:
                value = _call(self._context, self._fn, self._args)
            except BaseException as error:
                future.set_exception(error)
                if not isinstance(error, Exception):
                    portal._fail(error)
            else:
                future.set_result(value)

    def refuse(self) -> None:
        """It will not be made."""
        if self._future.set_running_or_notify_cancel():
            self._future.set_exception(_ended())


class Start:
    """The start of a task, and the future that is told of its end."""

    __slots__ = ("_args", "_async_fn", "_context", "_name", "_portal", "_task", "_unanswered")

    def __init__(
        self, portal: Portal, async_fn: Callable[..., Any], args: tuple[Any, ...], name: str, future: Future[Any]
    ) -> None:
        self._portal = portal
        self._async_fn = async_fn
        self._args = args
        self._name = name
        self._context = copy_context()
        self._task: Task[None] | None = None
        self._unanswered = [future]  # popped by whoever answers

    def __call__(self) -> None:
        """Start the task."""
        portal, future = self._portal, self._unanswered[0]
        if not portal._is_open or future.cancelled():
            self.refuse()
            return
        portal._started[self] = None
        start = partial(portal._nursery.start_soon, self._main, name=self._name)
        self._task = self._context.run(start)
        self.look_at(future)  # who cancels it from now on sees the task; who did so before did not

    def look_at(self, future: Future[Any]) -> None:
        """The future is done. If it was cancelled, so is the task. From any thread."""
        if future.cancelled() and self._task is not None:
            self._task.cancel("the future of the portal's call was cancelled")

    def refuse(self) -> None:
        """It will not be started, or cannot end."""
        self._answer(None, _ended())

    async def _main(self) -> None:
        try:
            value = await call_async(self._async_fn, self._args)
        except Exception as error:
            self._answer(None, error)
        except BaseException as error:
            self._answer(None, _for_threads(error, self._name))
            raise
        else:
            self._answer(value, None)

    def _answer(self, value: Any, error: BaseException | None) -> None:
        self._portal._started.pop(self, None)
        try:
            future = self._unanswered.pop()
        except IndexError:
            return
        # Until now it could be cancelled. This decides, and tells those who wait if it was.
        if future.set_running_or_notify_cancel():
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


def _for_threads(error: BaseException, name: str) -> BaseException:
    """What a thread gets for an error that ends more than its task."""
    if isinstance(error, Cancelled):
        return TaskCancelled(f"{name}, called through a portal, was {error}")
    return _ended() if isinstance(error, GeneratorExit) else error  # closed with the runtime


def _closed() -> RunFinished:
    return RunFinished("this portal is closed: its block, or the run, has ended")


def _ended() -> RunFinished:
    return RunFinished("the portal's block, or the run, ended before this call did")


def _call(context: Context, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    value = context.run(fn, *args)
    if type(value) is CoroutineType:
        value.close()
        raise TypeError(f"{function_name(value)} is async, and no task awaits it here: use portal.run or start_soon")
    return value


async def _raise(error: BaseException) -> NoReturn:
    try:
        raise error
    finally:
        del error  # its traceback holds this frame


def _wait(future: Future[T]) -> T:
    try:
        return future.result()
    except BaseException:
        future.cancel()  # Ctrl-C in the thread that waits
        raise
    finally:
        del future  # an error's traceback holds this frame, and the future the error


def _check_function(fn: object) -> None:
    if not callable(fn):
        if is_coroutine(fn):
            fn.close()  # type: ignore[attr-defined]  # it was about to be run: no warning that it never was
        raise TypeError(f"fn must be a function, not {fn!r}")


def _refuse_worker(name: str, remedy: str) -> None:
    if slot.worker is not None:
        raise RuntimeError(f"portal.{name} waits, and would hold up the worker on whose thread it was called: {remedy}")


# ---- opening ---------------------------------------------------------------------------------------------------------


class PortalBlock:
    """The block of a portal: what `open_portal` returns."""

    __slots__ = ("_manager", "_portal")

    def __init__(self) -> None:
        self._manager = NurseryManager(False)
        self._portal: Portal | None = None

    async def __aenter__(self) -> Portal:
        if self._portal is not None:
            raise RuntimeError("this portal was opened before; call open_portal() for each block")
        nursery = self._manager.open(sys._getframe(1).f_code.co_flags & CO_ASYNC_GENERATOR)
        self._portal = Portal(nursery, slot.worker.crew)  # type: ignore[union-attr]
        return self._portal

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        portal = self._portal
        assert portal is not None, "left before it was entered"
        worker = slot.worker
        is_in_order = worker is not None and worker.task is portal._nursery.parent_task
        if is_in_order and not isinstance(error, GeneratorExit):
            await portal._leave()
        else:
            portal._close()
        return await self._manager.__aexit__(kind, error, traceback)

    def __enter__(self) -> NoReturn:
        raise RuntimeError("use `async with conc.open_portal()`, not `with`")

    def __exit__(self, *error: object) -> None:
        raise AssertionError("never entered")


def open_portal() -> PortalBlock:
    """A block in which threads can call into this strand: ``async with open_portal() as portal:``.

    At its end the calls that came before are made, those that run are waited for, and all others get `RunFinished`.

    Raises (at the end of the block):
        ExceptionGroup: errors of the block and of `Portal.call_soon`, always as a group. KeyboardInterrupt and
            SystemExit of any call are in it, too.

    Checkpoint: at the end of the block a schedule point, which waits for the calls; no cancel point of its own.
    If cancelled: the calls that run are cancelled, the block waits for them.
    """
    return PortalBlock()


def runtime_portal(runtime: Runtime) -> Portal:
    """The portal to the strand and the nursery of the main task, open until the run ends. From any thread.

    Raises:
        RunFinished: no run is under way.
    """
    nursery: Nursery | None = runtime.root_nursery
    if nursery is None:
        raise RunFinished("this Runtime does not run at the moment")
    portal: Portal | None = runtime.extensions.get(Portal)
    if portal is None or portal._nursery is not nursery:
        portal = Portal(nursery, nursery.strand.worker.crew)  # type: ignore[union-attr]
        runtime.extensions[Portal] = portal
    return portal


Runtime.portal_of = staticmethod(runtime_portal)
