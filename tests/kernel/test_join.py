"""Joining: the value any number of times, errors with their cause, and each error reported once."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import current_task
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run


async def give(value: int) -> int:
    await conc.checkpoint()
    return value


async def fail(message: str) -> None:
    await conc.checkpoint()
    raise ValueError(message)


def test_join_gives_the_value_any_number_of_times() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
            assert [await task.join(), await task.join(), task.join_nowait()] == [7, 7, 7]
        assert await task.join() == 7

    run(main)


def test_all_who_join_are_told() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
            joiners = [nursery.start_soon(task.join) for _ in range(10)]
        assert [await joiner.join() for joiner in joiners] == [7] * 10

    run(main)


def test_joiners_go_on_in_the_order_in_which_they_came() -> None:
    order: list[int] = []

    async def join(task: conc.Task[None], number: int) -> None:
        await task.join()
        order.append(number)

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(event.wait)
            for number in range(5):
                nursery.start_soon(join, task, number)
            await settle()
            event.set()

    run(main)
    assert order == [0, 1, 2, 3, 4]


def test_join_of_a_failed_task_has_the_error_as_its_cause() -> None:
    error = ValueError("no")

    async def child() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(child, name="the failing one")
        for _ in range(2):
            with pytest.raises(conc.TaskFailed, match="the failing one") as caught:
                await task.join()
            assert caught.value.__cause__ is error
        with pytest.raises(conc.TaskFailed):
            task.join_nowait()

    run(main)


def test_join_of_a_cancelled_task_is_refused_a_value() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep_forever, name="the sleeper")
            await settle()
            task.cancel("no time")
            with pytest.raises(conc.TaskCancelled, match="the sleeper"):
                await task.join()
        with pytest.raises(conc.TaskCancelled):
            task.join_nowait()

    run(main)


def test_task_cancelled_is_an_ordinary_error_and_no_cancellation() -> None:
    assert issubclass(conc.TaskCancelled, Exception)
    assert not issubclass(conc.TaskCancelled, conc.Cancelled)


def test_a_task_whose_own_scope_was_cancelled_is_not_cancelled() -> None:
    async def child() -> str:
        with conc.move_on_after(1):
            await conc.sleep_forever()
        return "went on"

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            assert await task.join() == "went on"

    run(main)


def test_a_task_that_joins_itself_is_told_so() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="itself"):
            await current_task().join()

    run(main)


def test_two_tasks_that_join_each_other_are_a_deadlock() -> None:
    async def main() -> None:
        tasks: list[conc.Task[None]] = []

        async def join_other(number: int) -> None:
            await tasks[1 - number].join()

        async with conc.open_nursery() as nursery:
            tasks += [nursery.start_soon(join_other, number) for number in range(2)]

    with pytest.raises(conc.Deadlock, match="join"):
        run(main)


def test_join_nowait_of_a_task_that_runs_would_block() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
            with pytest.raises(conc.errors.WouldBlock):
                task.join_nowait()

    run(main)


def test_a_cancelled_join_ends_only_the_waiting() -> None:
    async def main() -> None:
        event = Event()

        async def child() -> str:
            await event.wait()
            return "value"

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            with conc.move_on_after(1) as scope:
                await task.join()
            assert scope.cancelled_caught
            assert task.outcome is None
            event.set()
            assert await task.join() == "value"

    run(main)


def test_a_joiner_that_leaves_does_not_keep_the_others_from_being_told() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(event.wait)
            joiners = [nursery.start_soon(task.join) for _ in range(3)]
            await settle()
            joiners[1].cancel()
            await settle()
            event.set()
            for number in (0, 2):
                await joiners[number].join()
            with pytest.raises(conc.TaskCancelled):
                joiners[1].join_nowait()

    run(main)


def test_join_is_a_cancel_point_also_when_the_task_has_ended() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
        with conc.CancelScope() as scope:
            scope.cancel()
            await task.join()
        assert scope.cancelled_caught

    run(main)


def test_a_join_that_was_answered_returns_although_a_cancellation_comes_before_it_runs() -> None:
    got: list[int] = []

    async def join(task: conc.Task[int], scope: conc.CancelScope) -> None:
        with scope:
            got.append(await task.join())
            await conc.checkpoint()
            got.append(-1)

    async def main() -> None:
        scope = conc.CancelScope()

        async def child() -> int:
            await conc.sleep(1)
            return 7

        async def canceller(task: conc.Task[int]) -> None:
            await task.join()  # first in line: runs before the other joiner, which is resumed already
            scope.cancel()

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            nursery.start_soon(canceller, task)
            nursery.start_soon(join, task, scope)
        assert scope.cancelled_caught

    run(main)
    assert got == [7]


def test_an_error_is_reported_once_although_a_sibling_joins() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(fail, "once")
                nursery.start_soon(task.join)
                await task.join()
        assert [type(error) for error in caught.value.exceptions] == [ValueError]

    run(main)


def test_the_nursery_is_cancelled_before_its_joiners_are_told() -> None:
    seen: list[type[BaseException]] = []

    async def sibling(task: conc.Task[None]) -> None:
        try:
            await task.join()
        except BaseException as error:
            seen.append(type(error))
            raise

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(fail, "once")
                nursery.start_soon(sibling, task)

    run(main)
    assert seen == [conc.Cancelled]


def test_a_joiner_outside_of_the_nursery_is_told_of_the_failure() -> None:
    tasks: list[conc.Task[None]] = []

    async def inner() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                tasks.append(nursery.start_soon(fail, "no"))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(inner)
            await conc.checkpoint()
            with pytest.raises(conc.TaskFailed) as caught:
                await tasks[0].join()
            assert str(caught.value.__cause__) == "no"

    run(main)


def test_a_joiner_behind_a_shield_is_told_of_the_failure_although_its_nursery_is_cancelled() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(fail, "no")
                with conc.CancelScope(shield=True):
                    with pytest.raises(conc.TaskFailed):
                        await task.join()
        assert [str(error) for error in caught.value.exceptions] == ["no"]

    run(main)


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit])
def test_join_of_a_task_that_ended_with_an_exit_has_failed(error_type: type[BaseException]) -> None:
    tasks: list[conc.Task[None]] = []

    async def leave() -> None:
        raise error_type

    async def main() -> None:
        try:
            async with conc.open_nursery() as nursery:
                tasks.append(nursery.start_soon(leave))
        finally:
            with pytest.raises(conc.TaskFailed) as failed:
                tasks[0].join_nowait()
            assert isinstance(failed.value.__cause__, error_type)

    with pytest.raises(error_type):
        run(main)
