"""A runtime: its workers, its main task, its beginning and its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from typing import Any, ClassVar, Literal, TypeVar, TypeVarTuple, Unpack

from conc._kernel import options
from conc._kernel.asyncfn import is_coroutine, refuse_function
from conc._kernel.cancel import CancelScope
from conc._kernel.crew import Crew
from conc._kernel.current import slot
from conc._kernel.hiring import hire
from conc._kernel.interrupts import Interrupts
from conc._kernel.nursery import Nursery
from conc._kernel.observe import Instrument, Policy, Watchers
from conc._kernel.root import RootNursery, ShutdownLimit
from conc._kernel.steering import Director, seam_of
from conc._kernel.strand import Strand
from conc._kernel.task import Task
from conc._kernel.tree import task_tree, who_waits_for_what
from conc._kernel.verdict import deadlock, sum_up
from conc._kernel.worker import Worker
from conc._os import process, threads
from conc._os.choose import default_poller
from conc._os.clock import Clock, MonotonicClock
from conc._os.entropy import fresh_seed, seeded
from conc._os.poller import Poller
from conc.errors import Cancelled, Deadlock, RunFinished

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

CLOSING_SECONDS = 5.0  # for dropped async generators and for worker threads, at the end


class Runtime:
    """The workers and the clock that a program runs on, to keep: ``with Runtime(workers=4) as rt: rt.run(main)``.

    Several may live in one process, side by side or one after another. `run` may be called again after it returned.

    Args:
        workers: how many threads run strands; ``"auto"`` is the number of cores on a free-threaded build, else 1.
        clock: tells the time; real time unless given.
        seed: for all random choices of the runtime; printed with failures. A fresh one unless given.
        policy: picks the next of the ready tasks, or directs more than that; needs one worker. First in, first out
            unless given.
        poller: makes the poller of each worker. That of the network, or the best of the system, unless given.
        network: makes sockets and resolves names for `conc.net`. The real one unless given.
        instruments: are told of spawns, steps and exits.
        max_blocking_threads: how many threads `conc.to_thread` may use at a time.
        shutdown_timeout: seconds that tasks get to end after the main task was cancelled by Ctrl-C, a deadlock or
            the end of the run; then they are stopped, and the error says where they stood. None waits.

    Raises:
        ValueError, TypeError: a bad argument, which is named.
    """

    def __init__(
        self,
        *,
        workers: int | Literal["auto"] = 1,
        clock: Clock | None = None,
        seed: int | None = None,
        policy: Policy | Director | None = None,
        poller: Callable[[], Poller] | None = None,
        network: Any = None,
        instruments: Iterable[Instrument] = (),
        max_blocking_threads: int = 512,
        shutdown_timeout: float | None = None,
    ) -> None:
        self._workers = options.count_workers(workers)
        options.check_clock(clock)
        options.check_seed(seed)
        options.check_policy(policy, self._workers)
        options.check_poller(poller)
        options.check_blocking_threads(max_blocking_threads)
        options.check_shutdown_timeout(shutdown_timeout)
        self.seed = fresh_seed() if seed is None else seed
        self.random = seeded(self.seed)
        self.clock: Clock = MonotonicClock() if clock is None else clock
        self.network = network
        self.max_blocking_threads = max_blocking_threads
        self.extensions: dict[object, Any] = {}  # what the layers above keep per runtime: the thread pool, for one
        self._policy = policy
        self._make_poller = poller or getattr(network, "make_poller", None) or default_poller
        self._watchers = Watchers(instruments)
        self._shutdown_timeout = shutdown_timeout
        self._pid = process.pid()
        self._crew: Crew | None = None
        self._root: RootNursery | None = None
        self._threads: list[Any] = []
        self._deadlock: Deadlock | None = None
        self._stopped: str | None = None
        self._limit: ShutdownLimit | None = None
        self._late_errors: list[BaseException] = []

    # ---- running --------------------------------------------------------------------------------------------------

    def run(self, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> T:
        """Run ``async_fn(*args)`` as the main task, on this thread, and return its value when all has ended.

        Raises:
            BaseException: what the main task raised. KeyboardInterrupt and SystemExit leave bare, all else as it is.
            KeyboardInterrupt: Ctrl-C was pressed; clean-up has run.
            Deadlock: nothing could wake any task any more; clean-up has run.
            RuntimeError: called inside a running program, or in a child process after a fork.
        """
        with Interrupts() as interrupts:
            main = self.start(async_fn, *args)
            worker = self._crew.workers[0]  # type: ignore[union-attr]
            root = self._root
            assert root is not None
            interrupted = None
            leave = worker.enter_thread()
            try:
                interrupts.attach(
                    worker,
                    root.strand,
                    lambda: self._shut_down("interrupt", "Ctrl-C"),
                    lambda: self._stop("a second Ctrl-C"),
                )
                worker.run()
            except KeyboardInterrupt as error:  # the second Ctrl-C, in something that the kernel has called
                interrupted = error
                self._stop("a second Ctrl-C")
            except BaseException:
                self._stop("an error of an instrument, a policy or the kernel")
                raise
            finally:
                try:
                    self._end(worker)
                finally:
                    leave()
            if interrupts.detach():
                interrupted = interrupted or KeyboardInterrupt()
            outcome = self._sum_up(main, interrupted)
            if outcome is None:
                return main.join_nowait()
            try:
                raise outcome
            finally:
                del outcome, main, interrupted, worker, root, interrupts, leave  # its traceback holds this frame

    def start(self, async_fn: Callable[[Unpack[Ts]], Awaitable[T]], *args: *Ts) -> Task[T]:
        """Make the main task without running it: for a program that steps the runtime itself (see `step`).

        Raises:
            RuntimeError: a run is under way, or this runtime was inherited over a fork.
            TypeError: `async_fn` is not an async function.
        """
        self._refuse_fork()
        if slot.worker is not None:
            raise RuntimeError(
                "conc.run was called inside a running conc program, on the same thread; await the function instead, "
                "or call it through conc.to_thread to have a separate runtime"
            )
        if self._crew is not None:
            raise RuntimeError("this Runtime is running already; use another Runtime, or wait until the run has ended")
        if not callable(async_fn) or is_coroutine(async_fn):
            refuse_function(async_fn, None, "run")
        self._deadlock = None
        self._stopped = None
        self._limit = None
        self._late_errors = []
        self._crew = crew = Crew(self.clock)
        crew.runtime = self
        crew.on_deadlock = self._declare_deadlock
        try:
            crew.workers = made = hire(crew, self._workers, self._make_poller)
            self.clock.attach(crew.look_again)
        except BaseException:
            for worker in crew.workers:
                worker.close()
            self._crew = None
            raise
        worker = made[0]
        for each in made:
            each.watched = self._watchers if self._watchers.needed else None
            each.seam = seam_of(each, self._policy, self._watchers)
        scope = CancelScope()
        strand = Strand(worker, scope)
        self._root = root = RootNursery(worker, strand, self._shut_down)
        context = copy_context()
        task: Task[T] = Task(None, context if len(context) else None, root, scope, strand, next(worker.numbers), None)
        task.value = (async_fn, args)
        scope._task = strand.root = root.main = task
        root.children[task] = None
        crew.threads.add(threads.current_ident())
        worker.adopt_main(task)
        try:
            for each in made[1:]:
                self._threads.append(threads.start_daemon(each.thread_main, f"conc-worker-{each.index}"))
        except BaseException:
            self._call_off(worker)
            raise
        return task

    def step(self, steps: int = 1) -> bool:
        """Run up to `steps` steps of tasks on this thread; waits if nothing is ready. True while the run goes on.

        For tests and for other event loops. The end of the run is carried out by the call that returns False; what came
        out of the main task is in the task.

        Raises:
            RuntimeError: there is no run: call `start` first. Or the run was stopped before all tasks had ended.
            Deadlock: nothing could wake any task any more; clean-up has run, and so has the end.
            BaseExceptionGroup: errors in what ran beside or after the main task.
        """
        crew = self._crew
        if crew is None:
            raise RuntimeError("nothing to step: call Runtime.start(async_fn) first")
        self._refuse_fork()
        worker = crew.workers[0]
        leave = worker.enter_thread()
        try:
            if worker.running:
                worker.stepped = True
                try:
                    worker.turn(steps)
                except BaseException:
                    self._stop("an error of an instrument, a policy or the kernel")
                    self._end(worker)
                    raise
            if not worker.running:
                main = self.main_task
                assert main is not None
                self._end(worker)
                if self._deadlock is not None or self._stopped is not None or self._late_errors:
                    error = self._sum_up(main, None)
                    assert error is not None, "something went wrong, and nothing is raised"
                    try:
                        raise error
                    finally:
                        del error, main, worker
        finally:
            leave()
        return self._crew is not None

    @property
    def idle(self) -> bool:
        """Whether the stepped thread has nothing to run at the moment, so that `step` would wait."""
        crew = self._crew
        if crew is None:
            return True
        worker = crew.workers[0]
        if worker.ready or worker.inbox or worker.fresh:
            return False
        return worker.timers.next_deadline() > self.clock.now()

    def run_until(self, condition: Callable[[], bool]) -> bool:
        """Step until `condition()` holds, which is asked between two steps: True, or False if the run ended before."""
        while not condition():
            if not self.step():
                return condition()
        return True

    def run_until_idle(self) -> bool:
        """Step until nothing is ready on this thread: True while the run goes on. Waits for nothing."""
        while not self.idle:
            if not self.step():
                return False
        return self._crew is not None

    def close(self) -> None:
        """End a stepped run: cancel what is left, and run it to its end. Does nothing if no run is under way."""
        root = self._root
        if self._crew is not None and root is not None:
            if process.pid() != self._pid:
                self._crew = None
                return
            self._shut_down("shutdown", "the Runtime was closed")
            while self.step(61):
                pass

    def __enter__(self) -> Runtime:
        self._refuse_fork()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # ---- looking --------------------------------------------------------------------------------------------------

    @property
    def root_strand(self) -> Strand:
        """The strand of the main task.

        Raises:
            RunFinished: no run is under way.
        """
        root = self._root
        if self._crew is None or root is None:
            raise RunFinished("this Runtime does not run at the moment")
        return root.strand

    @property
    def root_nursery(self) -> Nursery:
        """The nursery of the main task and of what comes from outside. Raises RunFinished if no run is under way."""
        self.root_strand  # noqa: B018
        return self._root  # type: ignore[return-value]

    @property
    def portal(self) -> Any:
        """The way in for threads that conc did not start: a `conc.threads.Portal` to the strand of the main task.

        Open from the beginning of the run until its end. From any thread.

        Raises:
            RunFinished: no run is under way.
        """
        return Runtime.portal_of(self)

    portal_of: ClassVar[Callable[[Runtime], Any]]
    """Gives the portal of a runtime. Set by `conc.threads`, which stands above the kernel."""

    @property
    def timers(self) -> list[Any]:
        """What is set to happen at a time on the thread that runs this: sleeps, deadlines and callbacks. For a look."""
        return [] if self._crew is None else self._crew.workers[0].timers.all()

    @property
    def main_task(self) -> Task[Any] | None:
        """The main task of the run under way, else None."""
        root = self._root
        return None if root is None else root.main

    def __repr__(self) -> str:
        state = "idle" if self._crew is None else "running"
        return f"<Runtime with {self._workers} worker{'s' * (self._workers > 1)}, {state}, seed {self.seed}>"

    # ---- ending ---------------------------------------------------------------------------------------------------

    def _declare_deadlock(self) -> None:
        """Nothing can wake anybody any more: cancel the main task, and if that wakes nobody either, stop."""
        root = self._root
        assert root is not None
        if self._deadlock is None:
            self._deadlock = deadlock(self.clock, who_waits_for_what(task_tree(self)))
            root.strand.post(lambda: self._shut_down("deadlock", "nothing can wake any task any more"))
        else:
            root.strand.post(lambda: self._stop("a deadlock among tasks that cannot be cancelled"))

    def _shut_down(self, source: str, reason: str) -> None:
        """The first level of shutdown: cancel everything and wait, but not for longer than was allowed."""
        root = self._root
        assert root is not None
        root.cancel_scope._cancel(source, reason)
        if self._shutdown_timeout is not None and self._limit is None:
            self._limit = ShutdownLimit(self, self._shutdown_timeout)
            root.worker.timers.add(root.worker.now() + self._shutdown_timeout, self._limit)

    def _stop(self, why: str) -> None:
        """The second level of shutdown: run nothing any more, and keep a report of what had not ended."""
        crew, root = self._crew, self._root
        assert crew is not None and root is not None
        crew.stopped = True  # before the report, which waits for the other workers: one more Ctrl-C may come meanwhile
        root.worker.running = False
        if self._stopped is None:
            self._stopped = f"stopped because of {why}"
            self._stopped += f", before these tasks had ended:\n{task_tree(self)}"

    def _call_off(self, worker: Worker) -> None:
        """End a run that could not begin, for want of threads or descriptors."""
        worker.crew.stopped = True
        worker.running = False
        self._end(worker)

    def _end(self, worker: Worker) -> None:
        """Tear down: the other workers, what is left of tasks and generators, queues and pollers."""
        crew, root = self._crew, self._root
        assert crew is not None and root is not None
        try:
            for other in crew.workers[1:]:
                other.running = False
                other.ring()
            worker.wind_down(CLOSING_SECONDS)
            for thread in self._threads:
                thread.join(CLOSING_SECONDS)
                if thread.is_alive():
                    self._stopped = (self._stopped or "stopped") + f"\n{thread.name} is still in a step of a task"
        finally:
            self.clock.attach(None)
            self._crew = None
            self._root = None
            self._threads = []
            root.forget_main()
            root.strand.refuse()
            worker.close()
            self._late_errors.extend(root._errors)
            for each in crew.workers:
                self._late_errors.extend(each.generators.errors)
            for close in list(crew.at_end):
                close()

    def _sum_up(self, main: Task[Any], interrupted: KeyboardInterrupt | None) -> BaseException | None:
        """What the run raises. Called once: an error that the runtime kept would be held by its own traceback."""
        ended = main.outcome
        error = Cancelled("shutdown", "the runtime was stopped") if ended is None else getattr(ended, "error", None)
        late, self._late_errors = self._late_errors, []
        deadlock, self._deadlock = self._deadlock, None
        return sum_up(error, late, interrupted, deadlock, self._stopped)

    def _refuse_fork(self) -> None:
        if process.pid() != self._pid:
            raise RuntimeError(
                "this Runtime was made in another process and inherited over a fork, without its threads; "
                "make a new Runtime, or call conc.run, in the child"
            )


def run(
    async_fn: Callable[[Unpack[Ts]], Awaitable[T]],
    *args: *Ts,
    workers: int | Literal["auto"] = 1,
    clock: Clock | None = None,
    seed: int | None = None,
    policy: Policy | Director | None = None,
    poller: Callable[[], Poller] | None = None,
    network: Any = None,
    instruments: Iterable[Instrument] = (),
    max_blocking_threads: int = 512,
    shutdown_timeout: float | None = None,
) -> T:
    """Run ``async_fn(*args)`` and everything that it starts, and return its value when all of it has ended.

    Args:
        async_fn: the main function of the program, async.
        args: its arguments.

    All others are those of `Runtime`.

    Raises:
        BaseException: what the main task raised; KeyboardInterrupt and SystemExit leave without a group around them.
        KeyboardInterrupt: Ctrl-C was pressed; clean-up has run.
        Deadlock: nothing could wake any task any more; clean-up has run.
        RuntimeError: called inside a running conc program.
    """
    runtime = Runtime(
        workers=workers, clock=clock, seed=seed, policy=policy, poller=poller, network=network, instruments=instruments,
        max_blocking_threads=max_blocking_threads, shutdown_timeout=shutdown_timeout,
    )  # fmt: skip
    return runtime.run(async_fn, *args)


process.after_fork_in_child(lambda: setattr(slot, "worker", None))
