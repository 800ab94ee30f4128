"""Threads for blocking functions in a simulated run: one moves at a time, when the scheduler says so.

A job of `conc.to_thread` is a task, beside the main task. In a step of it the worker hands a baton to a real thread,
and stands still until that comes back: when the function has returned, or waits for an answer of its task
(`conc.from_thread`), or asks whether that is cancelled. Then others run, and in its next step the function goes on. So
blocking functions have threads of their own, with all that belongs to a thread; and yet nothing ever happens beside
them, and the order of what happens is the choice of whoever chooses for the scheduler.

A function waits for tasks only through `conc.from_thread`. If it waits for one in another way, by a lock for example or
a method that ends in ``_blocking``, it waits for ever, and the worker for it: the time limit of the test ends that.
"""

from __future__ import annotations

from contextvars import Context
from functools import partial
from itertools import count
from threading import Lock, Thread
from typing import Any, Final

from conc import CancelScope, Runtime, sleep
from conc.lowlevel import Task, park, unpark
from conc.threads.pool import Job, MakeOffload, Request, here

LOOK_SECONDS: Final = 2**-10  # of virtual time: how long a function pauses that asks whether its task is cancelled


def install(runtime: Runtime) -> None:
    """Let the thread jobs of `runtime`, which has one worker and a virtual clock, be steps of its tasks."""
    runtime.extensions[MakeOffload] = partial(BatonPool, runtime)


class BatonPool:
    """The threads of one run, in place of a `conc.threads.pool.Pool`.

    Args:
        runtime: whose tasks and threads take turns.
        limit: how many jobs may have begun at a time.
        idents: not needed, for nobody has to tell these threads from others.

    Invariant: `_called` are the jobs that have a task, and have not begun; `_line` are those that wait for one.
    Invariant: `_busy` <= limit is the number of tasks, each for one job; while it is less nobody stands in `_line`.
    Order: first come, first served; but of those that may run at the same time the scheduler chooses.
    """

    def __init__(self, runtime: Runtime, limit: int, idents: set[int]) -> None:
        self.lock = Lock()
        self.closed = False
        self.asking = 0
        self._runtime = runtime
        self._limit = limit
        self._busy = 0
        self._line: dict[Job, str] = {}
        self._called: dict[Job, None] = {}
        self._idle: list[BatonThread] = []
        self._waiting: dict[Request, BatonThread] = {}
        self._numbers = count(1)

    # ---- for conc.to_thread: conc.threads.pool.Offload --------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Let `job` run in steps of a task of its own, when it is its turn."""
        self._line[job] = str(getattr(job, "reason", job))
        self._call()

    def is_in_line(self, job: Job) -> bool:
        """Whether `job` has not begun."""
        return job in self._line or job in self._called

    def take_back(self, job: Job) -> bool:
        """Take `job` out of the line: False if it has begun."""
        if job in self._called:
            del self._called[job]
            return True
        return self._line.pop(job, None) is not None

    def moves(self, job: Job) -> bool:
        """Never: what a thread does is done in a step of a task."""
        return False

    def result(self, request: Request) -> Any:
        """Let the tasks run until one has answered. On the thread."""
        thread = _current_thread()
        self._waiting[request] = thread
        thread.is_asking = True
        thread.hand_back()
        thread.is_asking = False
        return request.result()

    def answer(self, request: Request) -> None:
        """Let the thread have its answer, in a step to come."""
        request.answer()
        self._waiting.pop(request).resume()

    def pause(self) -> None:
        """Let the tasks run for a moment. On the thread."""
        _current_thread().hand_back()

    def close(self) -> None:
        """Run nothing more, and let the threads end that have nothing to do."""
        self.closed = True
        idle, self._idle = self._idle, []
        for thread in idle:
            thread.set_free()
            thread.join()

    # ---- one by one -------------------------------------------------------------------------------------------------

    def _call(self) -> None:
        """Give tasks to the first in line, as long as there may be more."""
        while self._line and self._busy < self._limit:
            job = next(iter(self._line))
            name = self._line.pop(job)
            self._called[job] = None
            self._busy += 1
            self._runtime.root_nursery.start_soon(self._drive, job, name=name)

    async def _drive(self, job: Job) -> None:
        """The task of a job. It ends with the function: whoever may abandon the job does not end this."""
        with CancelScope(shield=True):
            if job in self._called:
                del self._called[job]
                await self._run(job)
            self._busy -= 1
            self._call()

    async def _run(self, job: Job) -> None:
        try:
            thread = self._idle.pop() if self._idle else BatonThread(self, f"conc-thread-{next(self._numbers)}")
        except RuntimeError as error:  # the system has no thread to give
            with self.lock:
                job.fail(error)
            job.deliver()
            return
        thread.job = job
        try:
            thread.run()
            while thread.job is not None:
                if thread.is_asking:
                    await thread.wait()
                else:
                    await sleep(LOOK_SECONDS)
                thread.run()
        except BaseException:
            thread.set_free()
            raise
        self._idle.append(thread)


class BatonThread:
    """A thread of a `BatonPool`, and the wait of the task that runs it, as long as it has asked for something.

    Invariant: the thread moves from when the worker has released `_go` until it has itself released `_back`, and the
    worker stands still meanwhile: unless it `is_free`, because the run was broken off.
    """

    reason = "its task to do what it has asked for (from_thread)"

    def __init__(self, pool: BatonPool, name: str) -> None:
        self.job: Job | None = None
        self.is_asking = False
        self.is_free = False
        self._pool = pool
        self._task: Task[Any] | None = None
        self._go = Lock()
        self._go.acquire()
        self._back = Lock()
        self._back.acquire()
        # In a context of its own: since 3.14 that of the starter might be copied, and kept.
        self._thread = Thread(target=Context().run, args=(self._main,), name=name, daemon=True)
        self._thread.start()

    # ---- on the worker ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Hand over the baton, and wait until it comes back."""
        try:
            self._go.release()
            self._back.acquire()
        except BaseException:  # Ctrl-C
            self.set_free()
            raise

    def set_free(self) -> None:
        """Let the thread run by itself from now on, without a baton, until it has nothing more to do."""
        self.is_free = True
        self._task = None
        if self._go.locked():
            self._go.release()

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    # ---- in its task, as a conc.lowlevel.Wait -----------------------------------------------------------------------

    async def wait(self) -> None:
        """Wait until the thread may have its answer."""
        await park(self, self._park)

    def _park(self, task: Task[Any]) -> None:
        self._task = task

    def withdraw(self, task: Task[Any]) -> bool:
        """A thread does not stop."""
        return False

    def resume(self) -> None:
        """There is an answer: the thread goes on when it is its turn."""
        task, self._task = self._task, None
        if task is not None:
            unpark(task)

    # ---- on the thread ----------------------------------------------------------------------------------------------

    def hand_back(self) -> None:
        """Let the worker go on, and wait for the baton."""
        if not self.is_free:
            self._back.release()
            self._go.acquire()

    def _main(self) -> None:
        here.thread = self
        while True:
            self._go.acquire()
            job = self.job
            if job is None:
                return
            job.run()
            with self._pool.lock:
                job.settle()
            job.deliver()
            self.job = job = None
            if self.is_free:
                return
            self._back.release()


def _current_thread() -> BatonThread:
    thread = here.thread
    assert isinstance(thread, BatonThread), "a thread of another pool"
    return thread
