"""Calling back from the thread of `to_thread`: where it runs, with which context, and where it may not be called."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar

import pytest

import conc
from conc import from_thread
from conc.lowlevel import current_runtime, current_task, task_tree
from conc.sync import Event
from tests.threads.support import Stranger, goes, no_collector

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

    async def main() -> None:
        await conc.to_thread(call)
        for reference in gone:
            await goes(reference)

    with no_collector():
        conc.run(main)
    assert len(gone) == 2


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
