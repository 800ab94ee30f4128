"""A runtime that is held while fixtures live in it, and stepped for each thing that is to be done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from typing import Any, Final, Literal

import pytest

import conc
from conc.lowlevel import Task, current_runtime, park, task_tree, unpark
from conc_testing.plugin.clocks import HeldClock, HeldRealClock
from conc_testing.plugin.fixture import Fixture, Fixtures
from conc_testing.plugin.interrupts import Interrupts
from conc_testing.plugin.leaks import LeakCheck
from conc_testing.plugin.runlog import LoggedRun
from conc_testing.timelimit import TimeLimit

BATCH: Final = 61  # steps of tasks between two looks whether all is done
CLOSING_SECONDS: Final = 5.0  # of real time, for what is left in the end
AT_ONCE: Final = 0.05
AGES: Final = 1e12  # seconds of virtual time, for clean-up code: as long as it likes, but the end can be forced

Limited = Callable[[TimeLimit], AbstractContextManager[TimeLimit]]
"""Enters a limit, and keeps it where a debugger finds it meanwhile."""
Error = BaseException | None


class Home:
    """Where async fixtures live, and where the tests that use them run, each in a task of its own.

    Between two calls nobody runs and no time passes. Ctrl-C, the time limit and a deadlock end what is being done, not
    the fixtures. If that does not help, all of the home ends.

    Args:
        clock: tells the time in it.
        workers: of the runtime.
        seed: of the runtime.
        world: whose network and policy the runtime has; None for the real network.
        limited: see `Limited`.
        leaks: looks what is left at the end.
        logged: watches the run, for the log; None if there is none.

    Attributes:
        fixtures: that live here.
        clock: as the argument.
        over: why nothing can be done here any more; None as long as something can.

    Invariant: the runtime is stepped only inside `_perform`, for one scope at a time, and in `_end`.
    """

    def __init__(
        self,
        clock: HeldClock | HeldRealClock,
        workers: int | Literal["auto"],
        seed: int,
        world: Any,
        limited: Limited,
        leaks: LeakCheck,
        logged: LoggedRun | None = None,
    ) -> None:
        self.fixtures = Fixtures()
        self.clock = clock
        self.over: Error = None
        self._limited = limited
        self._leaks = leaks
        self._logged = logged
        self._runtime = conc.Runtime(
            clock=clock,
            workers=workers,
            seed=seed,
            network=getattr(world, "net", None),
            policy=getattr(world, "policy", None),
            instruments=() if logged is None else logged.instruments,
            shutdown_timeout=AGES if clock.virtual else CLOSING_SECONDS,
        )
        self._turn = Turn()
        self._nursery: Any = None
        self._scope: conc.CancelScope | None = None
        self._stuck: conc.Deadlock | None = None
        if isinstance(clock, HeldClock):
            clock.at_rest = self._at_rest
        if logged is not None:
            logged.begin(self._runtime)

        async def fixtures() -> None:  # what it is called in trees of tasks
            await self._serve()

        fixtures.__qualname__ = "fixtures"
        self._runtime.start(fixtures)

    # ---- what can be done -----------------------------------------------------------------------------------------

    def set_up(self, fixture: Fixture, used: Collection[Fixture], seconds: float | None) -> Any:
        """Let a fixture live here. Returns its value.

        Args:
            fixture: a new one.
            used: those that it may use: it is given up if one of them breaks.
            seconds: of real time that this may take.

        Raises:
            BaseException: what the fixture raised.
        """
        __tracebackhide__ = True
        what = f"the set-up of the fixture {fixture.name!r}"
        self.fixtures.watch(fixture.scope, used)
        try:
            self._perform(
                what,
                lambda: self.fixtures.begin(fixture, self._nursery),
                until=fixture.ready.is_set,
                scope=fixture.scope,
                seconds=seconds,
                error=lambda: fixture.error,
            )
            refuse_broken(used, what)
        except BaseException:
            fixture.scope.cancel("its set-up failed")
            self.fixtures.living.pop(fixture, None)
            raise
        finally:
            self.fixtures.unwatch(fixture.scope)
        return fixture.value

    def tear_down(self, fixture: Fixture, seconds: float | None) -> None:
        """End a fixture. Does nothing if it has ended.

        Raises:
            BaseException: what the fixture raised, unless that was reported.
        """
        __tracebackhide__ = True
        if self.over is not None:
            return
        try:
            self._perform(
                f"the tear-down of the fixture {fixture.name!r}",
                lambda: self.fixtures.end(fixture),
                until=fixture.ended.is_set,
                scope=fixture.scope,
                seconds=seconds,
                error=lambda: None if fixture.told else fixture.error,
            )
        finally:
            self.fixtures.living.pop(fixture, None)  # it may have ended before

    def play(
        self, name: str, test: Callable[[], Awaitable[object]], used: Collection[Fixture], seconds: float | None
    ) -> None:
        """Run a test. If a fixture that it uses breaks, it is cancelled, and this returns, or raises what it raised.

        Raises:
            BaseException: what the test raised.
        """
        __tracebackhide__ = True
        scope = conc.CancelScope()
        results: list[Error] = []

        async def play() -> None:
            results.append(await self.fixtures.play(test, scope, used))

        try:
            self._perform(
                "the test",
                lambda: self.fixtures.context().run(lambda: self._nursery.start_soon(play, name=name)),
                until=lambda: bool(results),
                scope=scope,
                seconds=seconds,
                error=lambda: results[0] if results else None,
            )
        finally:
            if isinstance(self.clock, HeldClock):
                self.clock.auto = True  # what the test did with time is over

    def close(self) -> None:
        """End the runtime, once no fixture lives in it any more.

        Raises:
            BaseException: what went wrong meanwhile.
        """
        __tracebackhide__ = True
        if self.over is None:
            self._leaks.look(self._runtime)
            self._end(RuntimeError("the runtime of these fixtures was closed"), CLOSING_SECONDS)
            self._leaks.tell()

    # ---- how it is done -------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """The main task: the nursery of the fixtures and tests, which does one job after another."""
        async with conc.open_nursery() as self._nursery:
            while True:
                job = await park(self._turn, self._turn.begin)
                job()

    def _perform(
        self,
        what: str,
        job: Callable[[], None],
        *,
        until: Callable[[], bool],
        scope: conc.CancelScope,
        seconds: float | None,
        error: Callable[[], Error],
    ) -> None:
        """Do a job in the main task, then step until something holds.

        Args:
            what: this is, for people.
            job: starts it.
            until: whether it is done.
            scope: around it.
            seconds: of real time that it may take.
            error: what it raised.

        Raises:
            pytest.fail.Exception: it did not end in time.
            KeyboardInterrupt: Ctrl-C was pressed.
            Deadlock: it can never end.
            BaseException: what it raised, or why the home is over.
        """
        __tracebackhide__ = True
        refuse_reentry(what)
        if self.over is not None:
            raise RuntimeError(f"{what}: its runtime has ended before") from self.over
        self._scope, self._stuck = scope, None
        if not until():
            context = copy_context()
            self._turn.put(lambda: context.run(job))
        limit = TimeLimit(seconds, what)
        with self._limited(limit), Interrupts(self.clock.wake) as interrupts:
            limit.begin(self._runtime, scope)
            while not until():
                if interrupts.count:
                    scope.cancel("Ctrl-C")
                if interrupts.count > 1 or not self._step():
                    break
        self._scope = None
        if self.over is None and not until():
            with suppress(Exception):  # the end is not in order, and this is not what is to be told
                self._end(RuntimeError(f"stopped, because {what} did not end when it was cancelled"), AT_ONCE)
        complaint = self._complaint(limit.report, interrupts.count, error())
        if complaint is not None:
            try:
                raise complaint
            finally:
                del complaint, error  # its traceback holds this frame

    def _complaint(self, report: str | None, interrupts: int, error: Error) -> Error:
        """What `_perform` raises."""
        if report is not None:
            after = "" if error is None else f"\nWhen it was cancelled it raised {error!r}"
            return pytest.fail.Exception(report + after, pytrace=False)
        if interrupts:
            return KeyboardInterrupt()
        if self._stuck is not None:
            self._stuck.__cause__ = error
            return self._stuck
        return error if error is not None and not isinstance(error, conc.Cancelled) else self.over

    def _step(self) -> bool:
        """Some steps. False if the runtime has ended."""
        try:
            if self._runtime.step(BATCH):
                return True
            self.over = RuntimeError("the runtime of these fixtures has ended: something has cancelled all its tasks")
        except BaseException as error:
            self.over = error
        return False

    def _at_rest(self) -> bool:
        """Nothing can go on any more. End what is being done; if that does not help either, let the runtime end."""
        scope = self._scope
        if scope is None or self._stuck is not None:
            return False
        holds = ", ".join(getattr(self.clock, "held_by", ()))
        time = f"virtual time is held: {holds}," if holds else "virtual time does not move on by itself,"
        self._stuck = conc.Deadlock(
            f"nothing can wake any task any more: nothing is ready, {time} and no thread job, open portal or "
            "conc.lowlevel.expect_wakeup() says that anything may come from outside. Who waits for what:\n"
            f"{task_tree(self._runtime)}"
        )
        scope.cancel("nothing can wake any task any more")
        return True

    def _end(self, reason: BaseException, seconds: float) -> None:
        """End the runtime, by force if it does not end within some seconds of real time."""
        __tracebackhide__ = True
        limit = TimeLimit(seconds, "the end of the fixtures")
        force: Any = Force(self.clock)
        self.fixtures.give_up(str(reason))
        self.over = reason
        try:
            with self._limited(limit), Interrupts(self.clock.wake) as interrupts:
                limit.begin(self._runtime, force)
                self._runtime.close()
        finally:
            if self._logged is not None:
                self._logged.end()
        if interrupts.count:
            raise KeyboardInterrupt


class Turn:
    """What the main task waits for: the next job.

    Invariant: there is a task or a job, or neither; as soon as there are both, the task has the job.
    """

    reason = "what is to be done next"

    def __init__(self) -> None:
        self._task: Task[Any] | None = None
        self._job: Callable[[], None] | None = None

    def begin(self, task: Task[Any]) -> None:
        """The main task is parked."""
        job, self._job = self._job, None
        if job is None:
            self._task = task
        else:
            unpark(task, job)

    def put(self, job: Callable[[], None]) -> None:
        """Let the main task do a job."""
        assert self._job is None, "two jobs at a time"
        task, self._task = self._task, None
        if task is None:
            self._job = job
        else:
            unpark(task, job)

    def withdraw(self, task: Task[Any]) -> bool:
        """The main task is cancelled."""
        self._task = None
        return True


class Force:
    """Lets virtual time come to the moment at which the runtime gives its tasks up."""

    def __init__(self, clock: HeldClock | HeldRealClock) -> None:
        self._clock = clock

    def cancel(self, reason: str | None = None) -> None:
        """Do it. Real time comes there by itself."""
        if isinstance(self._clock, HeldClock):
            self._clock.jump(2 * AGES)


def refuse_reentry(what: str) -> None:
    """Raise if a program of conc runs on this thread: it would have to wait for itself."""
    __tracebackhide__ = True
    try:
        current_runtime()
    except RuntimeError:
        return
    raise RuntimeError(
        f"{what}: this is inside a running test or fixture, which would have to wait for itself. Name the fixture as "
        "an argument of the test, or in pytest.mark.usefixtures, and it is there when the test begins"
    )


def refuse_broken(used: Collection[Fixture], what: str) -> None:
    """Fail if one of the fixtures broke."""
    __tracebackhide__ = True
    for fixture in used:
        if fixture.is_broken:
            pytest.fail(
                f"{what} was given up: the fixture {fixture.name!r} broke, with "
                f"{type(fixture.error).__name__}: {fixture.error}",
                pytrace=False,
            )
