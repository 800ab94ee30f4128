"""Threads for blocking functions: as many as are needed at a time, up to a limit. Those that idle end.

Jobs stand in one line. Whoever adds one wakes an idle thread, or starts one; but only if none is on its way already. A
thread that arrives takes a job and then, if there are more, sees to it that the next thread comes. So threads come one
by one, each at the cost of the one before and not of the worker; and where jobs are over sooner than a thread can wake
up, few threads do them all. All this is decided under one lock.
"""

from __future__ import annotations

from collections import OrderedDict
from contextlib import AbstractContextManager
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol

from conc._os.sync import Lock, local
from conc._os.threads import current_ident, current_thread, gil_enabled, start_daemon

if TYPE_CHECKING:
    from conc._kernel.task import Task

IDLE_SECONDS: Final = 10.0  # how long a thread waits for another job
# On free-threaded builds what a thread has made, and others drop, is freed by that thread: between two naps.
NAPS: Final = 1 if gil_enabled() else 10
ARRIVAL_SECONDS: Final = 1.0  # at the end, for a thread on its way: a second Ctrl-C may have struck before it was woken


class Job(Protocol):
    """What a pool runs: once, or not at all if it is taken back in time."""

    def run(self) -> None:
        """Do it. On a thread of the pool; raises nothing."""

    def settle(self) -> None:
        """It has run: decide who gets what came out. Under the lock of the pool."""

    def deliver(self) -> None:
        """Hand it over. On the same thread, which may be listed as idle again: what follows need not wait for it."""

    def fail(self, error: BaseException) -> None:
        """No thread can be had: let this come out. Under the lock; `deliver` follows."""


class Request(Protocol):
    """Something that the thread wants done in the strand of its task, and waits for."""

    async def perform(self, task: Task[Any]) -> None:
        """Do it, in the task, and keep what comes out."""

    def answer(self) -> None:
        """Give the thread what came out."""

    def refuse(self) -> None:
        """What comes out is that it was not done, or not to its end: the run has ended. `answer` follows."""

    def result(self) -> Any:
        """Wait for the answer. By the thread."""


class Offload(Protocol):
    """Where jobs go: a `Pool`, or in simulations what takes its place.

    Attributes:
        asking: how many jobs wait for the answer to a request. Under the lock.
    """

    asking: int

    @property
    def lock(self) -> AbstractContextManager[bool, None]:
        """Of the states of all jobs, too."""

    @property
    def closed(self) -> bool:
        """Whether nothing is run any more."""

    def submit(self, job: Job) -> None:
        """Let a thread run `job`. In a task."""

    def is_in_line(self, job: Job) -> bool:
        """Whether no thread has taken `job` yet."""

    def take_back(self, job: Job) -> bool:
        """Take `job` out of the line: False if a thread has it. Under the lock."""

    def moves(self, job: Job) -> bool:
        """Whether a thread is at work on `job`, which asks for nothing, or will be before any task has done something.
        Asked when all tasks wait."""

    def result(self, request: Request) -> Any:
        """Wait for the answer to `request`, of which the task was told. On the thread of its job."""

    def answer(self, request: Request) -> None:
        """`request` was performed, or refused: let its thread go on."""

    def pause(self) -> None:
        """The thread of a job asks whether its task is cancelled: let that happen, if nothing happens otherwise."""

    def close(self) -> None:
        """Run nothing more. Jobs that stand in line stay there, and may be taken back. The run has ended."""


class MakeOffload(Protocol):
    """Opens the pool of a run. `Pool` itself, unless the extensions of the runtime have another under this key."""

    def __call__(self, limit: int, idents: set[int]) -> Offload:
        """As `Pool`."""


class Pool:
    """The threads of one run.

    Args:
        limit: how many threads there may be at a time.
        idents: where each thread enters its ident for as long as it lives.

    Invariant: `_idle` are the threads that wait and were not woken; who came last is last, and is woken first.
    Invariant: `_line` is empty, or a thread is `_coming`, or none is idle and there are as many as may be.
    Invariant: `_count` <= `limit` is the number of threads, but for those that are about to end; `asking` of them wait
    for a task.
    Order: first come, first served.
    """

    def __init__(self, limit: int, idents: set[int]) -> None:
        self.lock = Lock()
        self.closed = False
        self.asking = 0
        self.idents = idents
        self.idle_seconds = IDLE_SECONDS
        self._limit = limit
        self._count = 0
        self._idle: list[PoolThread] = []
        self._coming: PoolThread | None = None
        self._line: OrderedDict[Job, None] = OrderedDict()
        self._numbers = count(1)
        self._retired: PoolThread | None = None
        self._arrival = Lock()  # given back when the pool is closed, and nobody is on the way any more
        self._arrival.acquire()

    # ---- for its users --------------------------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Let a thread run `job`. If there is none, and the system has none to give, it fails with RuntimeError."""
        with self.lock:
            self._line[job] = None
            thread = self._next_thread()
        if thread is not None:
            self._summon(thread)

    def is_in_line(self, job: Job) -> bool:
        """Whether no thread has taken `job` yet."""
        return job in self._line

    def take_back(self, job: Job) -> bool:
        """Take `job` out of the line: False if a thread has it. Under the lock."""
        if job not in self._line:
            return False
        del self._line[job]
        return True

    def moves(self, job: Job) -> bool:
        """Whether a thread has `job`, or comes for it: not if it stands in line, and all threads wait for tasks."""
        return self.asking < self._count or self._coming is not None or job not in self._line

    def result(self, request: Request) -> Any:
        """Wait for the answer to `request`."""
        return request.result()

    def answer(self, request: Request) -> None:
        """Let the thread go on that waits for the answer to `request`."""
        request.answer()

    def pause(self) -> None:
        """Nothing to do: the tasks run while the threads do."""

    def close(self) -> None:
        """Run nothing more, end the idle threads and wait for them. A thread with a job ends when that does. Jobs that
        stand in line stay there, and may be taken back."""
        with self.lock:
            self.closed = True
            ending, self._idle = self._idle, []
            coming, retired = self._coming, self._retired
        for thread in ending:
            thread.wake()
        if coming is not None and self._arrival.acquire(timeout=ARRIVAL_SECONDS):
            ending.append(coming)
        if retired is not None:
            ending.append(retired)
        for thread in ending:
            thread.join()

    # ---- for its threads ------------------------------------------------------------------------------------------

    def take(self, thread: PoolThread, done: Job | None) -> Job | None:
        """`thread` has arrived, or is through with the job `done`: the next job, or None and it is listed as idle."""
        job = None
        with self.lock:
            if done is not None:
                done.settle()
            elif thread is self._coming:
                self._arrived()
            if not self.closed:
                if self._line:
                    job, _ = self._line.popitem(last=False)
                else:
                    self._idle.append(thread)
            following = self._next_thread()
        if following is not None:
            self._summon(following)
        return job

    def retire(self, thread: PoolThread) -> bool:
        """`thread` has waited long enough, and may end: False if it was woken at the last moment."""
        with self.lock:
            if thread not in self._idle:
                return False
            self._idle.remove(thread)
            self._count -= 1
            before, self._retired = self._retired, thread
        if before is not None:
            before.join()  # each waits for the one before, and `close` for the last: none outlives the run
        return True

    # ---- one by one -----------------------------------------------------------------------------------------------

    def _next_thread(self) -> PoolThread | None:
        """Whom to summon, if anybody is needed: an idle thread, else a new one. Under the lock."""
        if not self._line or self._coming is not None or self.closed:
            return None
        if self._idle:
            self._coming = self._idle.pop()
        elif self._count < self._limit:
            self._count += 1
            self._coming = PoolThread(self, f"conc-thread-{next(self._numbers)}")
        return self._coming

    def _summon(self, thread: PoolThread) -> None:
        """Wake or start the thread that is to come. If the system has none to give, those that exist will do."""
        if thread.is_started:
            thread.wake()
            return
        try:
            thread.start()
        except RuntimeError as error:
            self._refused(error)

    def _refused(self, error: RuntimeError) -> None:
        failed: list[Job] = []
        with self.lock:
            self._count -= 1
            self._arrived()
            thread = self._next_thread() if self._idle else None
            if not self._count:
                failed = list(self._line)
                self._line.clear()
                for job in failed:
                    job.fail(error)
        if thread is not None:
            thread.wake()
        for job in failed:
            job.deliver()

    def _arrived(self) -> None:
        self._coming = None
        if self.closed and self._arrival.locked():
            self._arrival.release()

    def _check(self) -> None:
        with self.lock:
            assert 0 <= len(self._idle) <= self._count <= self._limit, "threads miscounted"
            assert 0 <= self.asking <= self._count, "more ask than there are threads"
            assert self._coming is None or self._coming not in self._idle, "a woken thread is listed as idle"
            assert not self._line or self._coming or not self._idle, "a job stands in line beside an idle thread"
            assert not self._line or self._count, "a job stands in line and there is no thread"
            assert not self.closed or not self._idle, "closed with idle threads"


class PoolThread:
    """A thread, the job that it runs, and how it is woken.

    Invariant: `_bell` is free exactly from when an idle thread was woken until it notices.
    """

    __slots__ = ("_bell", "_name", "_pool", "_thread", "is_started", "job")

    def __init__(self, pool: Pool, name: str) -> None:
        self.job: Job | None = None
        self.is_started = False
        self._pool = pool
        self._name = name
        self._bell = Lock()
        self._bell.acquire()

    def start(self) -> None:
        """Begin. Raises RuntimeError if the system has no thread to give."""
        start_daemon(self._main, self._name)

    def wake(self) -> None:
        """Let it look what there is to do. By whoever took it off the list of the idle ones."""
        self._bell.release()

    def join(self) -> None:
        """Wait until it has ended, if it has begun."""
        if self.is_started:
            self._thread.join()

    def _main(self) -> None:
        here.thread = self
        self._thread = current_thread()
        self.is_started = True
        pool = self._pool
        pool.idents.add(current_ident())
        try:
            job: Job | None = None
            while True:
                done = job
                self.job = job = pool.take(self, done)
                # Delivered when the thread is listed as idle, not before: what the woken task submits need not start
                # another one.
                if done is not None:
                    done.deliver()
                    done = None  # an idle thread keeps nothing alive
                if job is not None:
                    job.run()
                elif pool.closed or not self._is_woken():
                    return
        finally:
            pool.idents.discard(current_ident())

    def _is_woken(self) -> bool:
        """Wait to be woken: False if that took too long, and nobody will do it any more."""
        for _ in range(NAPS):
            if self._bell.acquire(timeout=self._pool.idle_seconds / NAPS):
                return True
        if self._pool.retire(self):
            return False
        return self._bell.acquire()  # somebody is about to


class Runner(Protocol):
    """A thread that runs jobs."""

    job: Job | None


class _Here(local):
    thread: Runner | None = None


here = _Here()


def current_job() -> Job | None:
    """The job that this thread runs, or None if it is no thread of a pool."""
    thread = here.thread
    return None if thread is None else thread.job
