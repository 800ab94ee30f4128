"""Calling back from the thread of a task that is cancelled, has left, or is stopped with the run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextvars import ContextVar

import pytest

import conc
from conc import from_thread
from conc.errors import RunFinished
from conc.lowlevel import current_runtime
from conc.threads.portal import runtime_portal
from tests.threads.support import Gate

colour: ContextVar[str] = ContextVar("colour", default="none")


async def double(value: int) -> int:
    await conc.sleep(0)
    return 2 * value


CALLS: list[Callable[[], object]] = [
    lambda: from_thread.run(double, 1),
    lambda: from_thread.run_sync(int),
    from_thread.check_cancelled,
]


@pytest.mark.parametrize("abandon", [False, True])
def test_the_scopes_of_the_task_hold_for_calls(abandon: bool) -> None:
    seen: list[str] = []
    ended = threading.Event()

    def call() -> None:
        try:
            from_thread.run(conc.sleep, 10)
        except conc.Cancelled as error:
            seen.append(str(error))
            raise
        finally:
            ended.set()

    async def main() -> None:
        with conc.move_on_after(0.005) as scope:
            await conc.to_thread(call, abandon_on_cancel=abandon)
        assert scope.cancelled_caught
        assert await conc.to_thread(ended.wait, 5)

    conc.run(main)
    assert seen == ["cancelled (deadline)"]


def test_a_task_that_may_abandon_its_thread_leaves_as_soon_as_a_call_is_cancelled() -> None:
    gate = Gate()

    def call() -> None:
        colour.set("blue")
        with pytest.raises(conc.Cancelled):
            from_thread.run(conc.sleep, 10)
        gate()

    async def main() -> None:
        with conc.move_on_after(0.005) as scope:
            await conc.to_thread(call, abandon_on_cancel=True)
        assert scope.cancelled_caught
        assert colour.get() == "none"
        await gate.arrives()
        gate.open()

    conc.run(main)


def test_a_task_that_has_served_a_call_can_still_abandon_its_thread() -> None:
    gate = Gate()

    def call() -> None:
        from_thread.run(double, 1)
        gate()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(abandoning)
            await gate.arrives()
            assert "to_thread(test_a_task" in repr(task)
            task.cancel()
            with pytest.raises(conc.TaskCancelled):
                await task.join()
        gate.open()

    async def abandoning() -> None:
        await conc.to_thread(call, abandon_on_cancel=True)

    conc.run(main)


def test_a_call_after_the_cancellation_is_cancelled_at_its_first_cancel_point() -> None:
    history: list[str] = []

    async def work() -> None:
        history.append("began")
        await conc.checkpoint()
        history.append("went on")

    async def main() -> None:
        with conc.CancelScope() as scope:

            def call() -> str:
                from_thread.run_sync(scope.cancel)
                with pytest.raises(conc.Cancelled):
                    from_thread.run(work)
                return "value"

            history.append(await conc.to_thread(call))

    conc.run(main)
    assert history == ["began", "value"]


def test_check_cancelled_raises_only_when_the_task_is_cancelled() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:

            def call() -> str:
                from_thread.check_cancelled()
                from_thread.run_sync(scope.cancel, "stop it")
                with pytest.raises(conc.Cancelled, match="stop it"):
                    from_thread.check_cancelled()
                from_thread.run_sync(setattr, inner, "shield", True)
                from_thread.check_cancelled()
                return "shielded"

            with conc.CancelScope() as inner:
                assert await conc.to_thread(call) == "shielded"

    conc.run(main)


def test_check_cancelled_hears_of_a_cancellation_from_outside() -> None:
    def poll() -> None:
        while True:
            time.sleep(0.0005)
            from_thread.check_cancelled()

    async def main() -> None:
        with conc.move_on_after(0.01) as scope:
            await conc.to_thread(poll)
        assert scope.cancelled_caught

    conc.run(main)


def test_each_cancellation_that_is_raised_is_a_new_one() -> None:
    def call() -> list[BaseException]:
        errors: list[BaseException] = []
        for _ in range(2):
            try:
                from_thread.check_cancelled()
            except conc.Cancelled as error:
                errors.append(error)
        return errors

    async def main() -> None:
        gate = Gate()
        with conc.CancelScope() as scope:

            def wait_and_call() -> list[BaseException]:
                gate()
                return call()

            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(conc.to_thread, wait_and_call)
                await gate.arrives()
                scope.cancel()
                gate.open()
        first, second = task.join_nowait()
        assert first is not second

    conc.run(main)


# ---- without a task --------------------------------------------------------------------------------------------------


def test_calls_of_an_abandoned_thread_are_cancelled_while_the_run_lasts() -> None:
    gate = Gate()
    seen: list[str] = []

    def call() -> None:
        gate()
        for ask in CALLS:
            with pytest.raises(conc.Cancelled, match="deadline") as caught:
                ask()
            seen.append(type(caught.value).__name__)

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(call, abandon_on_cancel=True)
        gate.open()
        while len(seen) < 3:
            await conc.sleep(0.001)

    conc.run(main)


def test_calls_of_an_abandoned_thread_are_refused_after_the_run() -> None:
    gate = Gate()
    seen: list[object] = []

    def call() -> None:
        gate()
        with pytest.raises(conc.Cancelled):
            from_thread.check_cancelled()
        for ask in CALLS[:2]:
            with pytest.raises(RunFinished, match="has ended"):
                ask()
        seen.append("refused")

    async def main() -> None:
        with conc.move_on_after(0.005):
            await conc.to_thread(call, abandon_on_cancel=True)

    conc.run(main)
    gate.open()
    deadline = time.monotonic() + 5
    while not seen and time.monotonic() < deadline:
        time.sleep(0.001)
    assert seen == ["refused"]


@pytest.mark.parametrize("workers", [1, 3])
def test_a_call_under_way_when_the_run_is_stopped_is_answered(workers: int) -> None:
    seen: list[object] = []
    began: list[int] = []

    async def never_ends() -> None:
        began.append(threading.get_ident())
        with conc.CancelScope(shield=True):
            await conc.sleep_forever()

    def call() -> None:
        try:
            from_thread.run(never_ends)
        except BaseException as error:
            seen.append(type(error))
            raise

    async def strands() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(conc.to_thread, call)

    async def main() -> None:
        runtime_portal(current_runtime()).start_soon(strands)
        while len(began) < 3:
            await conc.sleep(0.001)

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, workers=workers, shutdown_timeout=0.05)
    deadline = time.monotonic() + 5
    while len(seen) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert seen == [RunFinished] * 3
