"""What an adversarial reader of the kernel broke, once: each test failed on some build before its mend."""

from __future__ import annotations

import _thread
import contextvars
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Sequence
from typing import Any

import pytest

import conc
from conc._kernel import interrupts
from conc._kernel.current import slot
from conc._kernel.nursery import NurseryManager
from conc._kernel.starting import TaskStatus
from conc._kernel.suspend import PARKED
from conc._os import threads
from conc.lowlevel import Instrument, Task, current_runtime, current_task
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


# ---- nurseries -------------------------------------------------------------------------------------------------------


def test_a_start_whose_toll_lets_the_nursery_end_is_refused() -> None:
    async def server(task_status: TaskStatus) -> None:
        task_status.started()
        raise AssertionError("an orphan runs")

    async def main() -> None:
        go = Event()
        nurseries: list[conc.Nursery] = []

        async def stranger() -> None:
            await go.wait()
            slot.worker.budget = 0  # type: ignore[union-attr]  # what some hundred ready operations do
            with pytest.raises(RuntimeError, match="ended"):
                await nurseries[0].start(server)

        async with conc.open_nursery() as outer:
            outer.start_soon(stranger)
            await settle()
            async with conc.open_nursery() as nursery:
                nurseries.append(nursery)
                go.set()
            await settle()
            assert not nursery.children

    run(main)


def test_a_start_in_the_root_nursery_does_not_end_the_run() -> None:
    async def service(task_status: TaskStatus) -> None:
        task_status.started()
        await conc.sleep_forever()

    async def main() -> str:
        await current_runtime().root_nursery.start(service)
        await conc.sleep(0.01)
        return "done"

    assert conc.run(main) == "done"


def test_started_is_refused_after_the_end_of_the_task_and_in_another_strand() -> None:
    async def keeps(kept: list[TaskStatus], task_status: TaskStatus) -> None:
        kept.append(task_status)

    async def call(status: TaskStatus) -> None:
        with pytest.raises(RuntimeError, match="strand"):
            status.started()

    async def passes_on(task_status: TaskStatus) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(call, task_status)

    async def main() -> None:
        kept: list[TaskStatus] = []
        async with conc.open_nursery() as nursery:
            with pytest.raises(RuntimeError, match="without calling"):
                await nursery.start(keeps, kept)
            with pytest.raises(RuntimeError, match="had ended"):
                kept[0].started()
            with pytest.raises(RuntimeError, match="without calling"):
                await nursery.start(passes_on)

    run(main)


# ---- joins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("late", [False, True])
def test_the_error_of_a_strand_is_reported_once_though_a_sibling_joins_it(workers: int, late: bool) -> None:
    async def fails() -> None:
        if not late:
            await conc.sleep(0.01)
        raise ValueError

    async def joins(task: Task[None]) -> None:
        if late:
            await conc.checkpoint()
        await task.join()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            task = nursery.start_soon(fails)
            nursery.start_soon(joins, task)

    for _ in range(10):
        with pytest.raises(BaseExceptionGroup) as caught:
            conc.run(main, workers=workers)
        assert [type(error) for error in caught.value.exceptions] == [ValueError]


def test_the_name_of_a_strand_is_that_of_its_function_also_before_it_begins() -> None:
    async def worker() -> None:
        pass

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            task = nursery.start_soon(worker)
            early = task.name
            await task.join()
            assert task.name == early == worker.__qualname__

    run(main)


# ---- instruments and policies ----------------------------------------------------------------------------------------


def test_an_index_error_of_an_instrument_ends_the_run_and_loses_no_task() -> None:
    class Clumsy(Instrument):
        def before_task_step(self, task: Task[Any]) -> None:
            if task.name == "victim":
                raise IndexError("clumsy")

    async def victim() -> None:
        pass

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(victim, name="victim")

    with pytest.raises(RuntimeError, match="clumsy"):
        conc.run(main, instruments=[Clumsy()])


def test_an_index_error_of_a_policy_ends_the_run() -> None:
    class Clumsy:
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            candidates[99]
            return 0

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep, 0)
            nursery.start_soon(conc.sleep, 0)

    with pytest.raises(RuntimeError, match="IndexError"):
        conc.run(main, policy=Clumsy())


def test_what_an_instrument_sets_in_its_context_no_task_sees() -> None:
    class Sets(Instrument):
        def before_task_step(self, task: Task[Any]) -> None:
            variable.set("instrument")

        def after_task_step(self, task: Task[Any]) -> None:
            variable.set("instrument")

    async def main() -> list[str]:
        first = variable.get()
        await conc.checkpoint()
        return [first, variable.get()]

    assert conc.run(main, instruments=[Sets()]) == ["default", "default"]


def test_a_policy_is_not_disturbed_by_wake_ups_from_threads() -> None:
    class Last:
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            return len(candidates) - 1

    class Parked:
        reason = "a thread"

        def withdraw(self, task: Task[Any]) -> bool:
            return False

    async def main() -> None:
        parked: list[Task[Any]] = []
        over = threading.Event()

        def wake_all_the_time() -> None:
            while not over.is_set():
                wake_one()

        def wake_one() -> None:
            try:
                task = parked.pop()
            except IndexError:
                return
            conc.lowlevel.unpark(task)

        async def parks() -> None:
            while not over.is_set():
                await conc.lowlevel.park(Parked(), parked.append)

        thread = threading.Thread(target=wake_all_the_time)
        async with conc.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(parks)
            thread.start()
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                await conc.checkpoint()
            over.set()
            thread.join()
            while parked:
                wake_one()
                await conc.checkpoint()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        conc.run(main, policy=Last())
    finally:
        sys.setswitchinterval(interval)


# ---- beginning and ending --------------------------------------------------------------------------------------------


def test_a_run_that_gets_no_threads_leaves_nothing_and_the_runtime_can_run_again(monkeypatch: Any) -> None:
    started: list[Any] = []

    def start_one(*args: Any) -> Any:
        if started:
            raise RuntimeError("can't start new thread")
        started.append(real(*args))
        return started[0]

    async def main() -> int:
        return 1

    real = threads.start_daemon
    several = conc.Runtime(workers=3)
    monkeypatch.setattr(threads, "start_daemon", start_one)
    with pytest.raises(RuntimeError, match="new thread"):
        several.run(main)
    assert not started[0].is_alive()
    monkeypatch.undo()
    assert several.run(main) == 1


@pytest.mark.skipif(not hasattr(signal, "raise_signal"), reason="needs signals")
def test_a_run_that_gets_no_descriptors_for_ctrl_c_leaves_nothing(monkeypatch: Any) -> None:
    def no_bell() -> None:
        raise OSError(24, os.strerror(24))

    async def main() -> int:
        return 1

    several = conc.Runtime(workers=2)
    before = threading.active_count()
    monkeypatch.setattr(interrupts, "SocketBell", no_bell)
    with pytest.raises(OSError, match=os.strerror(24)):
        several.run(main)
    monkeypatch.undo()
    assert threading.active_count() == before
    assert several.run(main) == 1


class _ParksWithCtrlC:
    """Parks, with a Ctrl-C on its way that the step does not see: all of it is C."""

    def __await__(self) -> Generator[Any, Any, Any]:
        values: Any = map({None: PARKED}.get, map(_thread.interrupt_main, [signal.SIGINT]))
        return values  # type: ignore[no-any-return]


def test_a_second_ctrl_c_just_behind_a_step_does_not_end_the_task_that_made_it() -> None:
    log = []

    async def main() -> None:
        event = Event()

        async def victim() -> None:
            try:
                event._waiters.enlist(current_task())
                await _ParksWithCtrlC()
            finally:
                log.append("cleaned up")

        async with conc.open_nursery() as nursery:
            with conc.CancelScope(shield=True):
                signal.raise_signal(signal.SIGINT)
                await conc.checkpoint()
                nursery.start_soon(victim)
                await conc.sleep(0.01)
                event.set()
                await conc.sleep(0.01)

    with pytest.raises(KeyboardInterrupt) as caught:
        conc.run(main)
    assert log == ["cleaned up"]
    assert "a second Ctrl-C" in caught.value.__notes__[0]


def test_a_foreign_object_without_a_repr_is_still_only_an_error_of_who_awaits_it() -> None:
    class Foreign:
        __module__ = None  # type: ignore[assignment]

        def __repr__(self) -> str:
            raise ValueError

    class Awaits:
        def __await__(self) -> Generator[Any, Any, Any]:
            yield Foreign()

    async def main() -> None:
        with pytest.raises(TypeError, match="Foreign"):
            await Awaits()

    run(main)


def test_a_task_told_of_a_yield_out_of_a_scope_is_cancelled_at_its_next_checkpoint_as_ever() -> None:
    async def generator() -> Any:
        with conc.CancelScope():
            await conc.checkpoint()
            yield 1

    async def main() -> None:
        with pytest.raises(RuntimeError, match="yielded inside"):
            iterated = generator()
            async for _ in iterated:
                await conc.lowlevel.cancel_shielded_checkpoint()
        waits.append(current_task().wait)

    async def outer() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(main)

    waits: list[Any] = []
    with pytest.raises(BaseExceptionGroup):  # it ends inside the scope of the generator
        conc.run(outer)
    assert waits == [None]


def test_mail_without_end_does_not_keep_the_tasks_from_single_steps() -> None:
    runtime = conc.Runtime()

    async def main() -> None:
        strand = current_task().strand

        def again() -> None:
            strand.post(again)

        again()
        for _ in range(10):
            await conc.checkpoint()

    task = runtime.start(main)
    for _ in range(1000):
        if not runtime.step():
            break
    assert task.outcome is not None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shield_is_refused_to_other_strands_on_any_number_of_workers(workers: int) -> None:
    async def other(scope: conc.CancelScope) -> None:
        with pytest.raises(RuntimeError, match="strand"):
            scope.shield = True

    async def main() -> None:
        with conc.CancelScope() as scope:
            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(other, scope)

    conc.run(main, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_block_that_another_strand_tries_to_leave_stays_as_it_is(workers: int) -> None:
    async def other(scope: conc.CancelScope, manager: NurseryManager) -> None:
        with pytest.raises(RuntimeError, match="is left in"):
            scope.__exit__(None, None, None)
        with pytest.raises(RuntimeError, match="is left in"):
            await manager.__aexit__(None, None, None)

    async def main() -> int:
        with conc.CancelScope() as scope:
            manager = conc.open_nursery()
            async with manager as nursery:
                async with conc.open_nursery(parallel=True) as strands:
                    strands.start_soon(other, scope, manager)
                await conc.checkpoint()
                task = nursery.start_soon(conc.sleep, 0)
        await task.join()
        return 1

    assert conc.run(main, workers=workers) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wait_that_cannot_say_its_reason_does_not_end_the_run_of_who_looks(workers: int) -> None:
    class Speechless:
        @property
        def reason(self) -> str:
            raise ValueError("no words")

        def withdraw(self, task: Task[Any]) -> bool:
            return True

    async def child() -> None:
        with conc.move_on_after(0.1):
            await conc.lowlevel.park(Speechless())

    trees: list[str] = []

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(child)
            await conc.sleep(0.05)
            trees.append(str(conc.lowlevel.task_tree(current_runtime())))

    conc.run(main, workers=workers)
    assert "no words" in trees[0]
