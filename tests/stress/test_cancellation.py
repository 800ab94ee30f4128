"""Invariant: after `scope.cancel()`, from any thread at any time, each task inside gets Cancelled at its next cancel
point or had ended; and when the run is over every call from outside has its answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

import pytest

import conc
from conc import CancelScope, Nursery
from conc.errors import RunFinished
from conc.lowlevel import current_runtime, current_task
from conc.sync import Event, Semaphore
from tests.stress.churn import Run
from tests.stress.load import Dice, load
from tests.stress.watchdog import in_threads


class Crowd:
    """Tasks of many strands that do whatever one can be cancelled in, and notice what they should not have survived.

    Attributes:
        survived: the operations that returned although their task's strand knew of the cancellation when they began.
    """

    def __init__(self, dice: Dice) -> None:
        self.survived: list[str] = []
        self.began = 0
        self.unwound = 0
        self._dice = dice
        self._event = Event()
        self._semaphore = Semaphore(2)
        self._count = threading.Lock()
        self._operations: list[Callable[[Dice], Awaitable[object]]] = [
            self._checkpoint, self._sleep, self._wait, self._acquire, self._join, self._family, self._strands,
            self._start, self._shield,
        ]  # fmt: skip

    async def main(self, strands: int, scope: CancelScope) -> None:
        """Until `scope` is cancelled."""
        with scope:
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(strands):
                    nursery.start_soon(self._strand)

    async def _strand(self) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(self.task, self._dice.another())

    async def task(self, dice: Dice) -> None:
        """One of the crowd."""
        with self._count:
            self.began += 1
        try:
            while True:
                operation = dice.pick(self._operations)
                cancelled = current_task().scope.cancelled
                await operation(dice)
                if cancelled:
                    self.survived.append(operation.__name__)
        finally:
            with self._count:
                self.unwound += 1

    async def _checkpoint(self, dice: Dice) -> None:
        await conc.checkpoint()

    async def _sleep(self, dice: Dice) -> None:
        await conc.sleep(dice.seconds(0, 0.001))

    async def _wait(self, dice: Dice) -> None:
        with conc.move_on_after(dice.seconds(0, 0.002)):
            await self._event.wait()
        await conc.checkpoint()  # the inner deadline may have been first

    async def _acquire(self, dice: Dice) -> None:
        async with self._semaphore:
            await conc.checkpoint()

    async def _rest(self, nursery: Nursery | None = None) -> None:
        await conc.sleep(0.0005)

    async def _join(self, dice: Dice) -> None:
        async with conc.open_nursery(parallel=dice.chance() < 0.5) as nursery:
            await nursery.start_soon(self._rest).join()

    async def _family(self, dice: Dice) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(self._rest)

    async def _strands(self, dice: Dice) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(self._rest)

    async def _start(self, dice: Dice) -> None:
        async def child(*, task_status: conc.TaskStatus) -> None:
            await conc.checkpoint()
            task_status.started()

        async with conc.open_nursery() as nursery:
            await nursery.start(child)

    async def _shield(self, dice: Dice) -> None:
        with CancelScope(shield=True):
            await self._rest()
        await conc.checkpoint()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_scope_cancelled_by_a_thread_at_any_time_ends_everything_inside(run: Run, dice: Dice, workers: int) -> None:
    for _ in range(load(300)):
        crowd = Crowd(dice)
        scope = CancelScope()
        moment = dice.seconds(0, 0.004)

        def cancel(scope: CancelScope = scope, moment: float = moment) -> None:
            time.sleep(moment)
            scope.cancel("by a thread")

        (thread,) = in_threads(cancel)
        run(crowd.main, dice.between(1, 6), scope, workers=workers)
        thread.join()

        assert crowd.survived == []
        assert crowd.began == crowd.unwound
        crowd._semaphore._check()
        assert crowd._semaphore.value == 2
        crowd._event._check()
        assert len(crowd._event._waiters) == 0


def test_scopes_entered_and_left_without_pause_are_each_cancelled_by_a_thread_or_not_at_all(
    run: Run, dice: Dice
) -> None:
    """1,000 nested scopes, cancelled from another thread while they are entered and left."""
    depth, enough = 1_000, load(100)
    scopes: list[CancelScope] = []
    over = threading.Event()
    caught: list[CancelScope] = []

    async def descend() -> None:
        """Enter all scopes, one inside the other, without recursion; at the bottom turn back."""
        entered: list[CancelScope] = []
        error: BaseException | None = None
        try:
            for _ in range(depth):
                scope = CancelScope(shield=dice.chance() < 0.1)
                scopes.append(scope)
                scope.__enter__()
                entered.append(scope)
                if len(entered) % 16 == 0:
                    await conc.checkpoint()
        except conc.Cancelled as cancelled:
            error = cancelled
        for scope in reversed(entered):
            if scope.__exit__(None if error is None else type(error), error, None):
                caught.append(scope)
                error = None
            elif error is None and len(entered) % 7 == 0:
                try:
                    await conc.checkpoint()
                except conc.Cancelled as cancelled:
                    error = cancelled
        if error is not None:
            raise error

    def cancel_any() -> None:
        chance = dice.another()
        while not over.is_set():
            try:
                scopes[-1 - int(chance.chance() ** 3 * len(scopes))].cancel()
            except IndexError:
                pass  # there is none at this moment
            time.sleep(chance.seconds(0, 0.0005))

    async def main() -> None:
        while len(caught) < enough:
            scopes.clear()
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(4):
                    nursery.start_soon(descend)

    (thread,) = in_threads(cancel_any)
    try:
        run(main)
    finally:
        over.set()
        thread.join()
    assert all(scope.cancel_called for scope in caught)


def test_a_deadline_put_off_by_a_thread_before_it_came_never_fires(run: Run, dice: Dice) -> None:
    promised: dict[CancelScope, float] = {}
    ended: dict[CancelScope, float] = {}

    async def block(moving: list[CancelScope], chance: Dice) -> None:
        for _ in range(load(1_000)):
            with conc.move_on_after(chance.seconds(0.0005, 0.002)) as scope:
                moving.append(scope)
                await conc.sleep_forever()
            ended[scope] = conc.current_time()
            assert scope.cancelled_caught

    def move(moving: list[CancelScope], over: threading.Event) -> None:
        chance = dice.another()
        while not over.is_set():
            for scope in moving[-10:]:
                before = scope.deadline
                if not scope.cancel_called:
                    scope.deadline = later = before + chance.seconds(0, 0.0003)
                    if time.monotonic() < before:
                        promised[scope] = later
            del moving[:-10]
            time.sleep(chance.seconds(0, 0.0003))

    async def main() -> None:
        over = threading.Event()
        async with conc.open_nursery(parallel=True) as blocks:
            movers = []
            for _ in range(2):
                moving: list[CancelScope] = []
                movers += in_threads(partial(move, moving, over))
                for _ in range(10):
                    blocks.start_soon(block, moving, dice.another())
        over.set()
        for mover in movers:
            mover.join()

    run(main)
    assert len(promised) > 100
    early = {scope: promised[scope] - ended[scope] for scope in promised if ended[scope] < promised[scope]}
    assert not early, "blocks that ended too early, by so many seconds"


def test_a_deadline_put_off_by_a_thread_in_time_does_not_fire(run: Run) -> None:
    async def busy() -> None:
        time.sleep(0.1)  # so long that the old deadline has passed when the worker looks

    async def main() -> None:
        with conc.move_on_after(0.05) as scope:
            timer = threading.Timer(0.02, setattr, (scope, "deadline", conc.current_time() + 60))
            timer.start()
            async with conc.open_nursery() as nursery:
                await conc.sleep(0.001)
                nursery.start_soon(busy)
            await conc.sleep(0.01)
        timer.join()
        assert not scope.cancel_called

    run(main, workers=1)


class Callers:
    """Threads that call through a portal until it refuses them, and the answers that they got."""

    def __init__(self, portal: Any, dice: Dice) -> None:
        self.answers: list[Future[float]] = []
        self._portal = portal
        self._threads = in_threads(*(partial(self._call, dice.another()) for _ in range(3)))

    def _call(self, dice: Dice) -> None:
        try:
            while True:
                self.answers.append(self._portal.start_soon(self._work, dice.seconds(0, 0.002)))
                self._portal.run_sync(time.monotonic)
                if dice.chance() < 0.2:
                    dice.pick(self.answers).cancel()
                time.sleep(dice.seconds(0, 0.0001))
        except RunFinished:
            pass

    async def _work(self, seconds: float) -> float:
        await conc.sleep(seconds)
        return seconds

    def check(self) -> None:
        """Wait for the threads; then there is an answer to each call."""
        for thread in self._threads:
            thread.join()
        for answer in self.answers:
            assert answer.done()
            if not answer.cancelled():
                assert isinstance(answer.exception() or answer.result(), RunFinished | conc.TaskCancelled | float)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_call_through_a_portal_has_an_answer_when_the_run_has_ended(run: Run, dice: Dice, workers: int) -> None:
    callers: list[Callers] = []

    async def with_a_portal() -> None:
        async with conc.open_portal() as portal:
            callers.append(Callers(portal, dice))
            await conc.sleep(dice.seconds(0, 0.003))

    async def with_the_portal_of_the_run() -> None:
        callers.append(Callers(current_runtime().portal, dice))
        await conc.sleep(dice.seconds(0, 0.003))

    for _ in range(load(300)):
        run(dice.pick([with_a_portal, with_the_portal_of_the_run]), workers=workers)
        callers.pop().check()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_call_posted_in_the_moment_in_which_the_run_ends_is_answered(run: Run, workers: int) -> None:
    answers: list[Future[None]] = []
    threads: list[threading.Thread] = []

    def call_without_pause(portal: Any) -> None:
        mine: list[Future[None]] = []
        try:
            while True:
                mine.append(portal.start_soon(conc.sleep, 0))
                if len(mine) > 20:
                    mine[-20].exception()  # no more than so many at a time, or the run would never be without work
        except RunFinished:
            answers.extend(mine)

    async def main() -> None:
        threads.extend(in_threads(*[partial(call_without_pause, current_runtime().portal)] * 3))
        await conc.sleep(0.0005)

    for _ in range(load(2_000)):
        run(main, workers=workers)
        while threads:
            threads.pop().join()
        assert all(answer.done() for answer in answers)
        answers.clear()
