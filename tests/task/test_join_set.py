"""JoinSet: tasks are taken one by one as they end, and what nobody took is not lost."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import pytest

import conc
from conc.errors import WouldBlock
from conc.sync import Event
from conc.task import JoinSet
from conc_testing import settle
from tests.kernel.support import run
from tests.task.support import Log, give, values_of

# ---- taking -------------------------------------------------------------------------------------------------------


def test_tasks_are_taken_in_the_order_in_which_they_end() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            for value, seconds in (("a", 3), ("b", 1), ("c", 2)):
                tasks.start_soon(give, value, seconds)
            assert await values_of(tasks) == ["b", "c", "a"]
        assert conc.current_time() == 3

    run(main)


def test_a_task_that_ended_before_anybody_asked_is_kept() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            started = [tasks.start_soon(give, value) for value in "abc"]
            await conc.sleep(1)
            assert [task async for task in tasks] == started

    run(main)


def test_the_loop_stops_when_no_task_is_left_and_may_begin_again() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            assert await values_of(tasks) == []
            tasks.start_soon(give, "a")
            assert await values_of(tasks) == ["a"]
            assert await values_of(tasks) == []
            tasks.start_soon(give, "b")
            assert await values_of(tasks) == ["b"]

    run(main)


def test_the_loop_gives_tasks_that_were_started_in_it() -> None:
    seen: list[object] = []

    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(give, 3)
            async for task in tasks:
                number = task.join_nowait()
                seen.append(number)
                for _ in range(number):
                    tasks.start_soon(give, number - 1, 1)

    run(main)
    assert seen == [3] + [2] * 3 + [1] * 6 + [0] * 6


def test_join_next_gives_none_when_no_task_is_left() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            assert await tasks.join_next() is None
            task = tasks.start_soon(give, "a", 1)
            assert await tasks.join_next() is task
            assert await tasks.join_next() is None

    run(main)


def test_join_next_nowait_takes_what_has_ended_and_never_waits() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            assert tasks.join_next_nowait() is None
            task = tasks.start_soon(give, "a", 1)
            with pytest.raises(WouldBlock, match="join_next"):
                tasks.join_next_nowait()
            await conc.sleep(2)
            assert tasks.join_next_nowait() is task
            assert tasks.join_next_nowait() is None

    run(main)


def test_taking_is_an_operation_of_select() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            stopped = Event()
            first = tasks.start_soon(give, "a", 1)
            tasks.start_soon(give, "b", 3)
            assert await conc.select(stopped.waiting(), tasks.joining_next()) == (1, first)
            stopped.set()
            assert await conc.select(stopped.waiting(), tasks.joining_next()) == (0, None)
            assert len(tasks) == 1
            assert await values_of(tasks) == ["b"]
            assert await conc.select(Event().waiting(), tasks.joining_next()) == (1, None)
            tasks._check()

    run(main)


def test_a_task_whose_taker_was_stopped_by_force_is_back_in_its_place() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            first = tasks.start_soon(give, "a")
            second = tasks.start_soon(give, "b")
            await conc.sleep(1)
            taking = tasks.joining_next()
            assert tasks.join_next_nowait() is first
            taking.give_back(first)
            taking.give_back(None)
            assert [task async for task in tasks] == [first, second]

    run(main)


def test_taking_what_has_ended_lets_nobody_else_run() -> None:
    log = Log()

    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(give, "a")
            await conc.sleep(1)
            tasks.start_soon(log.give, "other")
            await tasks.join_next()
            assert log.lines == []

    run(main)


def test_join_next_is_a_cancel_point_also_when_a_task_has_ended() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            task = tasks.start_soon(give, "a")
            await conc.sleep(1)
            with conc.CancelScope() as scope:
                scope.cancel()
                await tasks.join_next()
            assert scope.cancelled_caught
            assert tasks.join_next_nowait() is task

    run(main)


def test_the_length_is_the_number_of_tasks_that_can_still_be_taken() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            assert len(tasks) == 0
            for value in "abc":
                tasks.start_soon(give, value, 1)
            assert len(tasks) == 3
            await conc.sleep(1.5)
            assert len(tasks) == 3
            await tasks.join_next()
            assert len(tasks) == 2
            await values_of(tasks)
            assert len(tasks) == 0
            tasks._check()

    run(main)


def test_takers_are_served_in_the_order_in_which_they_came() -> None:
    order: list[tuple[str, object]] = []

    async def take(tasks: JoinSet, name: str) -> None:
        task = await tasks.join_next()
        order.append((name, None if task is None else task.join_nowait()))

    async def main() -> None:
        async with conc.open_join_set() as tasks, conc.open_nursery() as nursery:
            for seconds in (2, 1):
                tasks.start_soon(give, seconds, seconds)
            for name in "abc":
                nursery.start_soon(take, tasks, name)

    run(main)
    assert order == [("a", 1), ("b", 2), ("c", None)]


# ---- cancelling who takes ------------------------------------------------------------------------------------------


def test_a_cancelled_taker_took_nothing() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            task = tasks.start_soon(give, "a", 2)
            with conc.move_on_after(1) as scope:
                await tasks.join_next()
            assert scope.cancelled_caught
            assert len(tasks) == 1
            assert await tasks.join_next() is task

    run(main)


def test_a_taker_behind_one_that_was_cancelled_gets_the_task() -> None:
    got: list[object] = []

    async def take(tasks: JoinSet) -> None:
        got.append(await tasks.join_next())

    async def main() -> None:
        async with conc.open_join_set() as tasks, conc.open_nursery() as nursery:
            task = tasks.start_soon(give, "a", 1)
            first = nursery.start_soon(take, tasks)
            nursery.start_soon(take, tasks)
            await settle()
            first.cancel()
            await conc.sleep(2)
            assert got == [task]

    run(main)


def test_a_taker_that_was_given_a_task_returns_it_although_it_is_cancelled_before_it_runs() -> None:
    got: list[object] = []

    async def take(tasks: JoinSet, scope: conc.CancelScope) -> None:
        with scope:
            got.append(await tasks.join_next())
            await conc.checkpoint()
            got.append("went on")

    async def main() -> None:
        event = Event()
        scope = conc.CancelScope()
        async with conc.open_join_set() as tasks, conc.open_nursery() as nursery:
            task = tasks.start_soon(event.wait)
            nursery.start_soon(take, tasks, scope)
            await settle()
            event.set()
            await conc.checkpoint()  # the task has ended, and the taker is about to run
            scope.cancel()
            await settle()
            assert scope.cancelled_caught
            assert got == [task]
            assert len(tasks) == 0

    run(main)


def test_takers_that_were_told_that_none_is_left_return_although_they_are_cancelled() -> None:
    got: list[object] = []

    async def take(tasks: JoinSet) -> None:
        got.append(await tasks.join_next())

    async def main() -> None:
        event = Event()
        async with conc.open_join_set() as tasks, conc.open_nursery() as nursery:
            task = tasks.start_soon(event.wait)
            nursery.start_soon(take, tasks)
            nursery.start_soon(take, tasks)
            await settle()
            event.set()
            await conc.checkpoint()
            nursery.cancel_scope.cancel()
        assert got == [task, None]

    run(main)


# ---- starting -------------------------------------------------------------------------------------------------------


def test_arguments_are_checked_at_the_call() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(give, 1)
            for _ in range(2):
                with pytest.raises(TypeError, match="argument"):
                    tasks.start_soon(give)  # type: ignore[arg-type]
                with pytest.raises(TypeError, match=r"start_soon\(give, arguments"):
                    tasks.start_soon(give(1))  # type: ignore[arg-type]
                with pytest.raises(TypeError, match="not an async function"):
                    tasks.start_soon(len, "abc")  # type: ignore[arg-type]
                with pytest.raises(TypeError, match="name"):
                    tasks.start_soon(give, 1, name=7)  # type: ignore[arg-type]
            assert len(tasks) == 1

    run(main)


def test_a_set_that_has_ended_takes_no_more_and_has_nothing_left() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(give, "nobody takes this")
        with pytest.raises(RuntimeError, match="ended"):
            tasks.start_soon(give, 1)
        assert len(tasks) == 0
        assert await tasks.join_next() is None
        assert "ended" in repr(tasks)

    run(main)


def test_tasks_may_start_others_in_their_set() -> None:
    async def main() -> None:
        async def spread(tasks: JoinSet, depth: int) -> int:
            if depth:
                for _ in range(2):
                    tasks.start_soon(spread, tasks, depth - 1)
            await conc.checkpoint()
            return depth

        async with conc.open_join_set(limit=3) as tasks:
            tasks.start_soon(spread, tasks, 4)
            assert sorted(await values_of(tasks), reverse=True) == [4] + [3] * 2 + [2] * 4 + [1] * 8 + [0] * 16  # type: ignore[type-var]

    run(main)


def test_a_task_that_is_awaited_until_it_is_ready_can_be_taken_too() -> None:
    async def serve(*, task_status: conc.TaskStatus) -> str:
        task_status.started("ready")
        await conc.sleep(1)
        return "served"

    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(give, "first", 2)
            assert await tasks.start(serve) == "ready"
            assert len(tasks) == 2
            assert await values_of(tasks) == ["served", "first"]
            tasks._check()

    run(main)


def test_a_join_set_can_be_used_where_a_nursery_is_due() -> None:
    async def start_some(nursery: conc.Nursery) -> None:
        nursery.start_soon(give, "from elsewhere", 1)

    async def main() -> None:
        async with conc.open_join_set() as tasks:
            await start_some(tasks)
            assert await values_of(tasks) == ["from elsewhere"]

    run(main)


def test_a_block_is_entered_once() -> None:
    async def main() -> None:
        block = conc.open_join_set()
        async with block:
            pass
        with pytest.raises(RuntimeError, match=r"open_join_set\(\) for each"):
            async with block:
                pass

    run(main)


def test_bad_arguments_are_refused_by_name() -> None:
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit"):
            conc.open_join_set(limit=limit)
    for wrong in (1.5, "3", True):
        with pytest.raises(TypeError, match="limit"):
            conc.open_join_set(limit=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="parallel"):
        conc.open_join_set(parallel=1)  # type: ignore[arg-type]


def test_the_text_of_a_set_says_how_it_stands() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            for _ in range(3):
                tasks.start_soon(give, 1, 1)
            await conc.sleep(1.5)
            assert repr(tasks) == "<JoinSet, 1 running, 1 waiting, 1 to be taken>"

    run(main)


def test_a_yield_out_of_the_block_is_found() -> None:
    async def generate() -> AsyncGenerator[JoinSet, None]:
        async with conc.open_join_set() as tasks:
            yield tasks

    async def main() -> None:
        async with contextlib.aclosing(generate()) as generator:
            with pytest.raises(RuntimeError, match="generate"):
                await anext(generator)
                await conc.sleep(1)

    run(main)


def test_a_plain_with_is_told_what_to_write() -> None:
    with pytest.raises(RuntimeError, match=r"use `async with conc\.open_join_set\(\.\.\.\)`, not `with`"):
        with conc.open_join_set():
            raise AssertionError("never entered")
