"""A call that is cancelled: in line, while it runs, when it is abandoned, and as it returns."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest

import conc
from conc.lowlevel import current_runtime, current_task
from conc.sync import Event
from conc.threads.portal import runtime_portal
from tests.threads.support import Gate, goes, hasty_switching


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[threading.ExceptHookArgs]:
    """What went to the hook for errors of threads."""
    reported: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    return reported


# ---- before it runs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abandon", [False, True])
def test_a_call_in_a_cancelled_scope_never_runs(abandon: bool) -> None:
    gate = Gate()
    gate.open()

    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            await conc.to_thread(gate, abandon_on_cancel=abandon)
        assert scope.cancelled_caught
        await conc.to_thread(int)

    conc.run(main)
    assert gate.passed == []


@pytest.mark.parametrize("abandon", [False, True])
def test_a_call_cancelled_in_line_never_runs(abandon: bool) -> None:
    gate = Gate()

    async def call(number: int) -> None:
        await conc.to_thread(gate, number, abandon_on_cancel=abandon)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(call, 1)
            await gate.arrives()
            unlucky = nursery.start_soon(call, 2)
            nursery.start_soon(call, 3)
            await conc.checkpoint()
            unlucky.cancel()
            with pytest.raises(conc.TaskCancelled):
                await unlucky.join()
            assert gate.passed == []
            gate.open()

    conc.run(main, max_blocking_threads=1)
    assert gate.passed == [1, 3]


# ---- while it runs ---------------------------------------------------------------------------------------------------


def test_a_running_call_keeps_its_task_and_gives_its_value_before_the_cancellation_is_raised() -> None:
    gate = Gate()
    history: list[object] = []

    async def call() -> None:
        history.append(await conc.to_thread(gate, "value"))
        try:
            await conc.checkpoint()
        except conc.Cancelled as error:
            history.append(str(error))
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(call)
            await gate.arrives()
            task.cancel("changed my mind")
            await conc.checkpoint()
            assert history == []
            gate.open()
        assert history == ["value", "cancelled (task): changed my mind"]

    conc.run(main)


def test_a_deadline_that_passes_during_the_call_is_raised_at_the_next_cancel_point() -> None:
    async def main() -> None:
        with conc.move_on_after(0.005) as scope:
            await conc.to_thread(time.sleep, 0.03)
            assert scope.cancel_called
            await conc.sleep(10)
        assert scope.cancelled_caught

    conc.run(main)


def test_the_error_of_a_call_is_raised_although_its_task_is_cancelled() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:

            def fail() -> None:
                scope.cancel()
                raise LookupError

            with pytest.raises(LookupError):
                await conc.to_thread(fail)

    conc.run(main)


# ---- abandoned -------------------------------------------------------------------------------------------------------


def test_an_abandoned_call_lets_its_task_go_at_once_and_runs_to_its_end() -> None:
    gate = Gate()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(abandoning)
            await gate.arrives()
            task.cancel()
            with pytest.raises(conc.TaskCancelled):
                await task.join()
        assert gate.passed == []
        gate.open()
        while not gate.passed:
            await conc.sleep(0.001)

    async def abandoning() -> None:
        await conc.to_thread(gate, "value", abandon_on_cancel=True)

    conc.run(main)
    assert gate.passed == ["value"]


def test_an_abandoned_call_may_outlive_the_run() -> None:
    gate = Gate()

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(gate, abandon_on_cancel=True)

    conc.run(main)
    assert [thread.daemon for thread in threading.enumerate() if thread.name == "conc-thread-1"] == [True]
    gate.open()


def test_an_abandoned_call_does_not_keep_a_deadlock_from_being_found() -> None:
    gate = Gate()

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(gate, abandon_on_cancel=True)
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main)
    gate.open()


def test_the_error_of_an_abandoned_call_goes_to_the_hook_of_threads(reported: list[threading.ExceptHookArgs]) -> None:
    gate = Gate()

    def fail() -> None:
        gate()
        raise LookupError("nobody hears me")

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(fail, abandon_on_cancel=True)
        gate.open()
        while not reported:
            await conc.sleep(0.001)

    conc.run(main)
    [details] = reported
    assert details.exc_type is LookupError
    assert details.thread is not None
    assert details.thread.name == "conc-thread-1"


def test_a_hook_that_fails_does_not_take_the_thread_with_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def hook(details: threading.ExceptHookArgs) -> None:
        raise ZeroDivisionError

    def fail() -> None:
        gate()
        raise LookupError

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(fail, abandon_on_cancel=True)
        gate.open()
        assert await conc.to_thread(lambda: 1) == 1

    monkeypatch.setattr(threading, "excepthook", hook)
    gate = Gate()
    conc.run(main, max_blocking_threads=1)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_an_abandoned_call_that_stops_when_told_to_is_no_error(reported: list[threading.ExceptHookArgs]) -> None:
    ended = threading.Event()

    def poll() -> None:
        try:
            while True:
                time.sleep(0.001)
                conc.from_thread.check_cancelled()
        finally:
            ended.set()

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(poll, abandon_on_cancel=True)
        assert await conc.to_thread(ended.wait, 5)

    conc.run(main)
    assert reported == []


def test_a_task_that_has_left_is_not_kept_alive_by_its_thread() -> None:
    gate = Gate()

    async def abandoning() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(gate, abandon_on_cancel=True)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(abandoning)
            reference = weakref.ref(task)
            await task.join()
            del task
        gc.collect()
        await goes(reference)
        gate.open()

    conc.run(main)


# ---- as it returns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abandon", [False, True])
def test_a_call_gives_its_value_or_is_cancelled_when_both_come_at_once(abandon: bool) -> None:
    """And the thread is free again either way (testing.md N21)."""
    values: list[int] = []
    cancelled: list[int] = []

    async def call(number: int, scope: conc.CancelScope) -> None:
        with scope:
            try:
                value = await conc.to_thread(return_and_cancel, number, scope, abandon_on_cancel=abandon)
            except conc.Cancelled:
                cancelled.append(number)
            else:
                values.append(value)
                assert current_task().wait is None
            assert current_task().scope is scope

    def return_and_cancel(number: int, scope: conc.CancelScope) -> int:
        if number % 2:
            scope.cancel()
        return number

    async def main() -> None:
        for number in range(400):
            scope = conc.CancelScope()
            async with conc.open_nursery() as nursery:
                nursery.start_soon(call, number, scope)
                for _ in range(number % 5):
                    await conc.checkpoint()
                if not number % 2:
                    scope.cancel()
        # Both threads are free: two calls run at the same time.
        barrier = threading.Barrier(2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, barrier.wait, 5)
            nursery.start_soon(conc.to_thread, barrier.wait, 5)

    with hasty_switching():
        conc.run(main, max_blocking_threads=2)
    assert sorted(values + cancelled) == list(range(400))
    assert values


def test_a_run_that_is_stopped_leaves_the_thread_to_itself() -> None:
    gate = Gate()
    history: list[str] = []

    async def call() -> None:
        try:
            await conc.to_thread(gate)
        finally:
            history.append("closed")

    async def main() -> None:
        runtime_portal(current_runtime()).start_soon(call)
        await gate.arrives()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.02)
    assert history == ["closed"]
    gate.open()
