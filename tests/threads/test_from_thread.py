"""Calling back from the thread of `to_thread`: where it runs, under which scopes and context, and when it cannot."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest

import conc
from conc import from_thread
from conc.errors import RunFinished
from conc.lowlevel import current_runtime, current_task, task_tree
from conc.sync import Event
from conc.threads.portal import runtime_portal
from tests.threads.support import Gate, Stranger

colour: ContextVar[str] = ContextVar("colour", default="none")


async def double(value: int) -> int:
    await conc.sleep(0)
    return 2 * value


CALLS: list[Callable[[], object]] = [
    lambda: from_thread.run(double, 1),
    lambda: from_thread.run_sync(int),
    from_thread.check_cancelled,
]


def test_run_gives_the_value_of_the_async_function() -> None:
    async def main() -> None:
        assert await conc.to_thread(from_thread.run, double, 4) == 8
        doubled = await conc.to_thread(lambda: [from_thread.run(double, value) for value in range(50)])
        assert doubled == [2 * value for value in range(50)]

    conc.run(main)


def test_run_sync_gives_the_value_of_the_function() -> None:
    async def main() -> None:
        assert await conc.to_thread(from_thread.run_sync, divmod, 17, 5) == (3, 2)

    conc.run(main)


def test_errors_come_to_the_thread_which_may_catch_them() -> None:
    async def fail_async() -> None:
        await conc.checkpoint()
        raise LookupError("async")

    def fail() -> None:
        raise LookupError("sync")

    def call() -> str:
        with pytest.raises(LookupError, match="async"):
            from_thread.run(fail_async)
        with pytest.raises(LookupError, match="sync"):
            from_thread.run_sync(fail)
        return "caught"

    conc.run(main := lambda: conc.to_thread(call))
    assert conc.run(main) == "caught"


def test_calls_run_in_the_task_that_waits_and_on_its_thread() -> None:
    async def where() -> tuple[object, int]:
        await conc.checkpoint()
        return current_task(), threading.get_ident()

    async def main() -> None:
        here = (current_task(), threading.get_ident())
        assert await conc.to_thread(from_thread.run, where) == here
        assert await conc.to_thread(from_thread.run_sync, lambda: (current_task(), threading.get_ident())) == here

    conc.run(main)


def test_calls_find_their_strand_on_any_worker() -> None:
    async def strand(number: int) -> None:
        worker = threading.get_ident()
        for _ in range(20):
            assert await conc.to_thread(from_thread.run_sync, threading.get_ident) == worker
            assert await conc.to_thread(from_thread.run, double, number) == 2 * number

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(6):
                nursery.start_soon(strand, number)

    conc.run(main, workers=3)


def test_the_task_tree_shows_the_call_where_the_task_stands() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, from_thread.run, event.wait, name="caller")
            while "Event.wait" not in str(task_tree(current_runtime())):
                await conc.sleep(0.001)
            event.set()

    conc.run(main)


def test_a_call_may_wait_for_a_thread_of_its_own() -> None:
    def outer() -> int:
        return from_thread.run(conc.to_thread, inner) + 1

    def inner() -> int:
        return from_thread.run(double, 20) + 1

    async def main() -> None:
        assert await conc.to_thread(outer) == 42

    conc.run(main)


def test_errors_make_no_circles_of_references() -> None:
    class Trouble(Exception):
        pass

    gone: list[weakref.ref[Trouble]] = []

    def trouble() -> None:
        error = Trouble()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def trouble_async() -> None:
        await conc.checkpoint()
        trouble()

    def call() -> None:
        asks: list[Callable[[], None]] = [
            lambda: from_thread.run(trouble_async),
            lambda: from_thread.run_sync(trouble),
        ]
        for ask in asks:
            try:
                ask()
            except Trouble:
                pass
        assert [reference() for reference in gone] == [None, None]

    async def main() -> None:
        await conc.to_thread(call)

    gc.disable()
    try:
        conc.run(main)
    finally:
        gc.enable()


# ---- context variables -----------------------------------------------------------------------------------------------


def test_calls_see_the_context_variables_of_the_thread() -> None:
    async def get() -> str:
        await conc.checkpoint()
        return colour.get()

    def call() -> tuple[str, str]:
        colour.set("blue")
        return from_thread.run(get), from_thread.run_sync(colour.get)

    async def main() -> None:
        assert await conc.to_thread(call) == ("blue", "blue")

    conc.run(main)


@pytest.mark.parametrize("own", [None, "red"])
def test_what_calls_set_does_not_reach_the_task_nor_the_thread(own: str | None) -> None:
    async def set_async() -> None:
        colour.set("green")
        await conc.checkpoint()
        assert colour.get() == "green"

    def call() -> str:
        from_thread.run(set_async)
        from_thread.run_sync(colour.set, "green")
        return colour.get()

    async def main() -> None:
        if own is not None:
            colour.set(own)
        expected = own or "none"
        assert await conc.to_thread(call) == expected
        assert colour.get() == expected
        await conc.checkpoint()
        assert colour.get() == expected

    conc.run(main)


def test_context_is_right_again_after_a_call_that_failed() -> None:
    async def fail() -> None:
        colour.set("green")
        await conc.checkpoint()
        raise LookupError

    async def main() -> None:
        colour.set("red")
        with pytest.raises(LookupError):
            await conc.to_thread(from_thread.run, fail)
        await conc.checkpoint()
        assert colour.get() == "red"

    conc.run(main)


# ---- cancellation ----------------------------------------------------------------------------------------------------


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


# ---- where it may not be called --------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", CALLS)
def test_elsewhere_the_error_names_the_portal(call: Callable[[], object]) -> None:
    def refused() -> None:
        with pytest.raises(RuntimeError, match=r"for functions called by conc\.to_thread.*conc\.open_portal"):
            call()

    async def main() -> None:
        refused()
        await Stranger(refused).has_ended()

    refused()
    conc.run(main)


def test_a_program_inside_the_thread_is_not_held_up() -> None:
    async def inner() -> None:
        from_thread.check_cancelled()  # this does not wait
        for call in CALLS[:2]:
            with pytest.raises(RuntimeError, match="would hold up"):
                call()

    async def main() -> None:
        await conc.to_thread(conc.run, inner)

    conc.run(main)


def test_what_is_no_function_of_the_right_kind_is_refused() -> None:
    def call() -> None:
        with pytest.raises(TypeError, match="an async function is due, got 7"):
            from_thread.run(7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="is not an async function"):
            from_thread.run(int)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="coroutine object was given"):
            from_thread.run(double(1))  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="fn must be a function, not 7"):
            from_thread.run_sync(7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"double is async: use from_thread\.run"):
            from_thread.run_sync(double, 1)  # type: ignore[unused-coroutine]

    async def main() -> None:
        await conc.to_thread(call)

    conc.run(main)
    gc.collect()  # a coroutine left open would warn now
