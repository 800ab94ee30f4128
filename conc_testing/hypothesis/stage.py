"""A runtime that stands still until synchronous code asks it to do something, and lives on in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any

from hypothesis.errors import HypothesisException

import conc
from conc.lowlevel import Task, park, task_tree, unpark
from conc_testing.sim.choices import Chooser
from conc_testing.sim.clock import SimulatedClock
from conc_testing.sim.conductor import Conductor
from conc_testing.sim.created import Books
from conc_testing.sim.entropy import ChosenRandom
from conc_testing.sim.oracles import Leak, Oracles
from conc_testing.sim.schedule import Schedule
from conc_testing.sim.simulation import Births
from conc_testing.sim.strategies import Calm, Candidates, Key, Naming

Job = Callable[[], Any]


class Following(Calm):
    """Follows a schedule, whose first decision is the next one; another schedule may follow."""

    def __init__(self) -> None:
        self.follow(Schedule())

    def follow(self, schedule: Schedule) -> None:
        """Begin with the first decision of `schedule`."""
        self._schedule = schedule
        self._first: int | None = None

    def pick(self, index: int, key: Key, tasks: Candidates, name: Naming) -> int:
        """As the schedule says."""
        return self.choose(index, key, len(tasks))

    def choose(self, index: int, key: Key, n: int) -> int:
        """As the schedule says."""
        if self._first is None:
            self._first = index
        return self._schedule.decide(index - self._first, n)


class Stage:
    """Performs async functions one after another, all in the same task, for a caller that is not async itself.

    Between two performances nobody runs and no time passes. Tasks, scopes and locks last from one to the next. It is a
    simulation as that of `conc_testing.run`: every operation is a point where others may run, and the oracles look.

    Args:
        name: of the task.
        clock: of the runtime.
        network: of the runtime.
        seed: of the runtime.

    Attributes:
        nursery: open from the first performance until the end; None outside of that.
        order: decides what is left open, as who runs next.
        busy: whether a performance is under way: whoever asks, asks from inside.

        stuck: whether a performance did not end, so that there will be no other.

    Invariant: the host waits in an `Intermission` exactly if it has begun, and is neither busy nor stuck.
    """

    def __init__(self, name: str, clock: SimulatedClock, network: Any, seed: int) -> None:
        self.nursery: conc.Nursery | None = None
        self.order = Following()
        self.busy = False
        self.stuck = False
        self._name = name
        self._clock = clock
        births: dict[int, str] = {}
        paths = Births(births)
        conductor = Conductor(self.order, paths, clock)
        self._oracles = Oracles(paths, births)
        self._runtime = runtime = conc.Runtime(
            clock=clock, network=network, seed=seed, policy=conductor, instruments=[paths]
        )
        runtime.random = ChosenRandom(seed, conductor)
        runtime.extensions[Chooser] = conductor
        runtime.extensions[Books] = self._oracles
        self._intermission = Intermission()
        self._host: Task[None] | None = None
        self._left: list[str] = []
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None

    def perform(self, job: Job, name: str, steps: int) -> Any:
        """Call ``job()``, await what it returns if that can be awaited, and give back what comes out.

        Args:
            job: a function, async or not.
            name: what it is, for the error.
            steps: how many steps of tasks it may take.

        Raises:
            BaseException: what it raised, or what ended the run meanwhile.
            Deadlock: it could never end.
            AssertionError: it took too many steps.
            RuntimeError: one before did not end.
        """
        __tracebackhide__ = True
        if self.stuck:
            raise RuntimeError(
                f"{name}: the run of this {self._name} has ended, or a rule did not; there can be no other"
            )
        self._done = False
        self.busy = True
        try:
            if self._host is None:
                self._host = self._start()
            self._intermission.end(job)
            self._go(name, steps)
        finally:
            self.busy = False
        error, self._error = self._error, None
        value, self._value = self._value, None
        if error is None:
            return value
        try:
            raise error.with_traceback(_from_the_job(error.__traceback__))
        finally:
            del error

    def _start(self) -> Task[None]:
        async def host() -> None:
            await self._serve()

        host.__qualname__ = self._name

        def at_rest() -> bool:
            self._oracles.look()
            return False

        self._clock.at_rest = at_rest
        task = self._runtime.start(host)
        self._runtime.run_until(lambda: self._intermission.task is not None)
        return task

    def _go(self, name: str, steps: int) -> None:
        """Step until the job is done."""
        runtime = self._runtime
        self.stuck = True
        for _ in range(steps):
            if not runtime.step():
                self._raise_outcome(name)
            if self._done:
                self.stuck = False
                return
        raise AssertionError(
            f"{name} did not end within {steps} steps of tasks (steps_per_rule). Who waits for what:\n"
            f"{task_tree(runtime)}"
        )

    def _raise_outcome(self, name: str) -> None:
        """The run has ended during a job: say why."""
        self._raise_error_of_host()
        raise RuntimeError(
            f"{name} has cancelled self.nursery, in which all rules are, and so ended the run; "
            "cancel the tasks one by one, or open a nursery for them"
        )

    def _raise_error_of_host(self) -> None:
        error = getattr(self._host and self._host.outcome, "error", None)
        if error is not None:
            try:
                raise error
            finally:
                del error

    async def _serve(self) -> None:
        """The host: in one task, one job after another."""
        async with conc.open_nursery() as nursery:
            self.nursery = nursery
            while (job := await park(self._intermission, self._intermission.begin)) is not None:
                try:
                    value = job()
                    self._value = await value if isinstance(value, Awaitable) else value
                except GeneratorExit:
                    raise
                except BaseException as error:
                    if nursery.cancel_scope.cancelled and not steers(error):
                        raise  # the run ends, and tells this error with the cause of that
                    self._error = error
                if nursery.cancel_scope.cancelled and self._error is None:
                    break
                self._done = True
            nursery.cancel_scope.cancel("the state machine has ended")
        self._left = self._oracles.leaks(self._runtime.timers, self._runtime.network)

    # ---- the end --------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """End what is left in the nursery, and the run.

        Raises:
            Leak: something else was left running.
            RuntimeError: a nursery was opened and never left.
            BaseException: what was raised in the nursery.
        """
        if self._host is None or self.stuck:
            return
        tree = task_tree(self._runtime)
        if tree is not None and len(tree.nurseries) > 1:
            raise RuntimeError(
                "a rule has opened a nursery that was never left; use `async with`, or leave it in ateardown (by a "
                f"contextlib.AsyncExitStack, for one). Who waits for what:\n{tree}"
            )
        self._intermission.end(None)
        while self._runtime.step():
            pass
        self._raise_error_of_host()
        if self._left:
            raise Leak(f"left at the end of {self._name}:\n" + "\n".join(f"- {one}" for one in self._left))

    def abort(self) -> None:
        """End the run by cancelling everything, whatever state it is in. Does nothing if it has ended."""
        self.stuck = True
        self._clock.at_rest = None
        self._runtime.close()

    def _check(self) -> None:
        waits = self._intermission.task is not None
        assert waits == (self._host is not None and not self.busy and not self.stuck), (
            "the host is not where it belongs"
        )


class Intermission:
    """What the host waits for: the next job.

    Attributes:
        task: who waits, if anybody does.
    """

    reason = "the next rule"

    def __init__(self) -> None:
        self.task: Task[Any] | None = None

    def begin(self, task: Task[Any]) -> None:
        """The host is parked."""
        self.task = task

    def end(self, job: Job | None) -> None:
        """Go on with `job`; None is the end. Does nothing if the host was cancelled meanwhile."""
        task, self.task = self.task, None
        if task is not None:
            unpark(task, job)

    def withdraw(self, task: Task[Any]) -> bool:
        """The host was cancelled."""
        self.task = None
        return True


def steers(error: BaseException) -> bool:
    """Whether an error is no failure of a test, but how Hypothesis, pytest or the user end it."""
    return isinstance(error, HypothesisException) or not isinstance(error, (Exception, conc.Cancelled))


def _from_the_job(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of the host: how a rule comes to be called says nothing about its failure."""
    while traceback is not None and traceback.tb_frame.f_globals.get("__name__", "").startswith("conc_testing."):
        traceback = traceback.tb_next
    return traceback
