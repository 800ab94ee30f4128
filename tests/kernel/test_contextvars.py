"""Context variables: a task sees a copy of its spawner's context, and what it sets is its own."""

from __future__ import annotations

import contextvars
import decimal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import conc
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")
other: contextvars.ContextVar[str] = contextvars.ContextVar("other", default="default")


async def look() -> str:
    return variable.get()


async def look_later() -> str:
    await conc.sleep(1)
    return variable.get()


@contextmanager
def setting(value: str) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def test_a_child_sees_what_its_spawner_had_set() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            variable.set("first")
            one = nursery.start_soon(look)
            variable.set("second")
            two = nursery.start_soon(look)
        assert (one.join_nowait(), two.join_nowait()) == ("first", "second")

    run(main)


def test_a_child_sees_its_spawners_context_and_not_that_of_the_nursery() -> None:
    async def spawner(nursery: conc.Nursery) -> conc.Task[str]:
        variable.set("spawner")
        return nursery.start_soon(look)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            variable.set("host")
            async with conc.open_nursery() as inner:
                task = inner.start_soon(spawner, nursery)
        assert task.join_nowait().join_nowait() == "spawner"
        assert variable.get() == "host"

    run(main)


def test_what_a_child_sets_stays_with_the_child() -> None:
    async def child(value: str) -> str:
        assert variable.get() == "default"
        variable.set(value)
        await conc.checkpoint()
        return variable.get()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(child, f"child {number}") for number in range(5)]
            await settle()
            assert variable.get() == "default"
        assert [task.join_nowait() for task in tasks] == [f"child {number}" for number in range(5)]
        assert variable.get() == "default"

    run(main)


def test_what_one_step_sets_the_next_task_of_the_same_turn_does_not_see() -> None:
    seen: list[str] = []

    async def set_and_end() -> None:
        variable.set("gone with its task")

    async def set_and_wait() -> None:
        variable.set("of another")
        await conc.checkpoint()

    async def look_only() -> None:
        seen.append(variable.get())
        await conc.checkpoint()
        seen.append(variable.get())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for function in (look_only, set_and_end, look_only, set_and_wait, look_only):
                nursery.start_soon(function)

    run(main)
    assert seen == ["default"] * 6


def test_a_task_keeps_its_context_over_its_whole_life() -> None:
    async def child(event: Event) -> None:
        token = variable.set("mine")
        await conc.checkpoint()
        other.set("also mine")
        await event.wait()
        assert (variable.get(), other.get()) == ("mine", "also mine")
        with conc.move_on_after(1):
            await conc.sleep_forever()
        assert (variable.get(), other.get()) == ("mine", "also mine")
        variable.reset(token)
        assert variable.get() == "default"

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child, event)
            await settle()
            event.set()

    run(main)


def test_a_variable_may_be_set_and_reset_over_awaits_in_many_tasks_at_once() -> None:
    async def child(name: str) -> None:
        for round_ in range(3):
            with setting(f"{name} {round_}"):
                await conc.checkpoint()
                assert variable.get() == f"{name} {round_}"
                await conc.sleep(0.1)
                assert variable.get() == f"{name} {round_}"
            assert variable.get() == "default"

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(10):
                nursery.start_soon(child, f"child {number}")

    run(main)


def test_a_variable_set_and_reset_in_one_step_leaves_no_trace_for_others() -> None:
    async def child() -> None:
        with setting("for a moment"):
            pass
        await conc.checkpoint()
        assert variable.get() == "default"

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(child)
                nursery.start_soon(look)
        assert variable.get() == "default"

    run(main)


def test_main_sees_what_the_caller_of_run_had_set_and_keeps_its_own_to_itself() -> None:
    async def main() -> str:
        seen = variable.get()
        variable.set("of main")
        await conc.checkpoint()
        return seen

    with setting("of the caller"):
        assert run(main) == "of the caller"
        assert variable.get() == "of the caller"


def test_clean_up_after_a_cancellation_runs_in_the_tasks_context() -> None:
    seen: list[str] = []

    async def child() -> None:
        with setting("child"):
            try:
                await conc.sleep_forever()
            finally:
                seen.append(variable.get())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child)
            await settle()
            variable.set("canceller")
            nursery.cancel_scope.cancel()

    run(main)
    assert seen == ["child"]


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_child_of_any_nursery_sees_its_spawners_context(parallel: bool, workers: int) -> None:
    async def child() -> str:
        seen = variable.get()
        variable.set("child")
        await conc.checkpoint()
        assert variable.get() == "child"
        return seen

    async def main() -> None:
        variable.set("spawner")
        async with conc.open_nursery(parallel=parallel) as nursery:
            tasks = [nursery.start_soon(child) for _ in range(4)]
        assert [task.join_nowait() for task in tasks] == ["spawner"] * 4
        assert variable.get() == "spawner"

    conc.run(main, workers=workers)


def test_the_number_context_of_a_task_is_its_own() -> None:
    async def divide(digits: int) -> str:
        with decimal.localcontext(prec=digits):
            await conc.checkpoint()
            return str(decimal.Decimal(1) / 3)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(divide, digits) for digits in (3, 5)]
        assert [task.join_nowait() for task in tasks] == ["0.333", "0.33333"]

    run(main)


def test_a_run_in_a_thread_does_not_see_the_context_of_another_run() -> None:
    async def main() -> str:
        await conc.checkpoint()
        return variable.get()

    async def outer() -> None:
        variable.set("outer")
        seen: list[str] = []
        thread = threading.Thread(target=contextvars.Context().run, args=(lambda: seen.append(conc.run(main)),))
        thread.start()
        thread.join()
        assert seen == ["default"]

    conc.run(outer)
