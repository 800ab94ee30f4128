"""A call of a blocking function, on its way from a task to a thread and back."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from conc._kernel.asyncfn import function_name
from conc._kernel.suspend import Marker, suspend, unpark
from conc._kernel.task import Task
from conc._os.threads import report_uncaught
from conc.errors import Cancelled, RunFinished
from conc.threads.loan import Loan
from conc.threads.pool import Offload, Request

UNDER_WAY: Final = Marker("UNDER_WAY")
ASKED: Final = Marker("ASKED")
DONE: Final = Marker("DONE")
LEFT: Final = Marker("LEFT")


class Job:
    """What a task parks on while a thread of the pool calls a function for it.

    The state is changed under the lock of the pool::

        UNDER_WAY   in line or running; the task is parked here
            -> DONE     by the thread: the function has returned, the task gets what came out
            -> ASKED    by the thread: it waits until the task has served a request
            -> LEFT     by the task, which is cancelled: taken out of the line, or abandoned while it runs
        ASKED       the task is awake, and serves the request
            -> UNDER_WAY, LEFT      by the task
        UNDER_WAY, ASKED -> LEFT    by whoever ends the run, if that was stopped

    As a `conc._kernel.crew.Waker` it may wake the task, but for the time in which the task serves a request: then the
    thread waits for the task, and not the other way round.

    Invariant: `request` is None unless ASKED. Whoever takes it out, under the lock, answers it.
    Invariant: `_task` is None, and `cause` is not, exactly if LEFT. `cause` are the arguments of the `Cancelled` that
    the thread is to see.
    Invariant: the loan is given back once: by the thread, as it delivers, or by who takes the job out of the line.
    """

    __slots__ = ("_call", "_is_served", "_loan", "_may_abandon", "_pool", "_task", "cause", "error", "request", "state",
                 "value")  # fmt: skip

    def __init__(
        self, pool: Offload, task: Task[Any], call: partial[Any], may_abandon: bool, loan: Loan | None
    ) -> None:
        self._pool = pool
        self._task: Task[Any] | None = task
        self._call: partial[Any] | None = call  # of Context.run
        self._may_abandon = may_abandon
        self._loan = loan
        self._is_served = False  # written by the task, and read when all tasks wait
        self.state = UNDER_WAY
        self.request: Request | None = None
        self.cause: tuple[str, str | None] | None = None
        self.value: Any = None
        self.error: BaseException | None = None

    # ---- on the thread --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Call the function."""
        try:
            self.value = self._call()  # type: ignore[misc]  # it runs once
        except BaseException as error:
            self.error = error
        self._call = None  # what the function was given is let go before the task hears of its end

    def settle(self) -> None:
        """The function has returned: the task gets what came out, if it still waits. Under the lock."""
        if self.state is UNDER_WAY:
            self.state = DONE

    def deliver(self) -> None:
        """Wake the task; if it has left, drop the value and report the error."""
        self._give_back()
        if self.state is DONE:
            unpark(self._task)  # type: ignore[arg-type]  # it waits
            return
        if self._loan is not None:
            self._loan.end_unseen()
        error, self.error, self.value = self.error, None, None
        # A function that was told to stop, by from_thread, and did, has not failed.
        if error is not None and not isinstance(error, (Cancelled, RunFinished)):
            report_uncaught(error)

    def fail(self, error: BaseException) -> None:
        """There is no thread to be had. Under the lock."""
        self.error = error
        self.settle()

    def ask(self, request: Request) -> Any:
        """Let the task serve `request`, and return its result."""
        with self._pool.lock:
            task = self._task
            if task is not None:
                self.state = ASKED
                self.request = request
                self._pool.asking += 1
        if task is None:
            if self._pool.closed:
                raise RunFinished("the run of the task that called conc.to_thread has ended")
            raise Cancelled(*self.cause)  # type: ignore[misc]  # it has left
        unpark(task)
        return self._pool.result(request)

    def check_cancelled(self) -> None:
        """Raise the cancellation of the task, if it is cancelled or has left."""
        self._pool.pause()
        with self._pool.lock:  # as long as we hold it, a parked task does not leave, nor its scope
            if self.cause is not None:
                error = Cancelled(*self.cause)
            elif self._task.scope.cancelled:  # type: ignore[union-attr]
                error = self._task.scope.cancellation()  # type: ignore[union-attr]
            else:
                return
        raise error

    # ---- in the task ----------------------------------------------------------------------------------------------

    @property
    def reason(self) -> str:
        """For people."""
        call = self._call
        name = "..." if call is None else function_name(call.args[0])
        return f"to_thread({name}), in line for a thread" if self._pool.is_in_line(self) else f"to_thread({name})"

    @property
    def may_wake(self) -> bool:
        """Whether the thread may wake the task before any task has done something."""
        return not self._is_served and self.state is not LEFT and self._pool.moves(self)

    @property
    def task(self) -> Task[Any] | None:
        """Who waits; None if nobody does any more."""
        return self._task

    def withdraw(self, task: Task[Any]) -> bool:
        """The task is cancelled: take the job out of the line, or abandon it if that is allowed."""
        with self._pool.lock:
            if self.state is not UNDER_WAY:
                return False
            never_runs = self._pool.take_back(self)
            if not never_runs and not self._may_abandon:
                return False
            self._leave(task.scope.cancellation(), never_runs)
        if never_runs:
            self._give_back()
        return True

    async def serve(self, task: Task[Any]) -> None:
        """Do what the thread has asked for, let it go on, and wait for what comes next.

        Raises:
            Cancelled: the task is cancelled, and may abandon the job.
        """
        request = self.request
        if request is not None:
            self._is_served = True
            await request.perform(task)
            self._is_served = False
        with self._pool.lock:
            request = self._take_request()
            if self.state is ASKED and self._may_abandon and task.scope.cancelled:
                self._leave(task.scope.cancellation(), False)
            elif self.state is ASKED:
                self.state = UNDER_WAY
                task.wait = self  # before the thread goes on: from then on it may wake the task
        if request is not None:
            self._pool.answer(request)
            request = None  # it keeps things alive, and the function may run for long
        if self.cause is not None:
            raise Cancelled(*self.cause)
        await suspend(task)

    def abandon(self) -> None:
        """Nobody waits any more: the run was stopped, or the task was killed. From any thread; once is enough."""
        with self._pool.lock:
            if self.state is DONE or self.state is LEFT:
                return
            never_runs = self._pool.take_back(self)
            request = self._take_request()
            self._leave(Cancelled("shutdown", "the run was stopped"), never_runs)
        if never_runs:
            self._give_back()
        if request is not None:
            request.refuse()
            self._pool.answer(request)

    def _take_request(self) -> Request | None:
        request, self.request = self.request, None
        if request is not None:
            self._pool.asking -= 1
        return request

    def _leave(self, cancellation: Cancelled, never_runs: bool) -> None:
        self.state = LEFT
        self.cause = (cancellation.source, cancellation.reason)
        self._task = None
        if self._loan is not None and not never_runs:
            self._loan.outlive()

    def _give_back(self) -> None:
        if self._loan is not None:
            self._loan.give_back()

    def __repr__(self) -> str:
        return f"<{self.reason} {str(self.state).lower().replace('_', ' ')}>"
