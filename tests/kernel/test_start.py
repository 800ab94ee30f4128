"""`nursery.start`: until the child says that it is ready it belongs to the caller, from then on to the nursery."""

from __future__ import annotations

import contextvars
from typing import Any

import pytest

import conc
from conc.lowlevel import current_task
from conc_testing import settle
from tests.kernel.support import run


async def serve(*, task_status: conc.TaskStatus) -> None:
    task_status.started("ready")
    await conc.sleep_forever()


def test_start_returns_what_the_child_said() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start(serve) == "ready"
            nursery.cancel_scope.cancel()

    run(main)


def test_start_waits_until_the_child_is_ready() -> None:
    async def slow(*, task_status: conc.TaskStatus) -> None:
        await conc.sleep(5)
        task_status.started()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start(slow) is None
            assert conc.current_time() == 5

    run(main)


def test_the_arguments_and_the_name_reach_the_child() -> None:
    async def child(first: int, second: int, *, task_status: conc.TaskStatus) -> None:
        task_status.started((first, second, current_task().name))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start(child, 1, 2, name="the child") == (1, 2, "the child")

    run(main)


def test_the_child_sees_a_copy_of_the_callers_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    async def child(*, task_status: conc.TaskStatus) -> None:
        task_status.started(variable.get())
        variable.set("child")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            variable.set("caller")
            assert await nursery.start(child) == "caller"
            await settle()
            assert variable.get() == "caller"

    run(main)


def test_a_function_that_is_started_may_also_be_called() -> None:
    async def child(*, task_status: conc.TaskStatus = conc.TASK_STATUS_IGNORED) -> str:
        task_status.started("nobody listens")
        return "value"

    async def main() -> None:
        assert await child() == "value"

    run(main)


def test_an_error_before_started_is_raised_by_start_bare() -> None:
    error = ValueError("the port is taken")

    async def child(*, task_status: conc.TaskStatus) -> None:
        await conc.checkpoint()
        raise error

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with pytest.raises(ValueError, match="the port is taken") as caught:
                await nursery.start(child)
            assert caught.value is error
            assert not nursery.cancel_scope.cancel_called

    run(main)


def test_the_cause_and_context_of_an_error_before_started_are_kept() -> None:
    async def child(*, task_status: conc.TaskStatus) -> None:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with pytest.raises(ValueError, match="outer") as caught:
                await nursery.start(child)
            assert isinstance(caught.value.__cause__, KeyError)

    run(main)


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit])
def test_an_exit_before_started_leaves_run_bare(error_type: type[BaseException]) -> None:
    async def child(*, task_status: conc.TaskStatus) -> None:
        raise error_type

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            await nursery.start(child)

    with pytest.raises(error_type):
        run(main)


def test_an_error_after_started_goes_to_the_nursery() -> None:
    async def child(*, task_status: conc.TaskStatus) -> None:
        task_status.started()
        await conc.checkpoint()
        raise ValueError("later")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                await nursery.start(child)
                await conc.sleep_forever()
        assert [str(error) for error in caught.value.exceptions] == ["later"]

    run(main)


def test_a_child_that_fails_in_the_step_in_which_it_was_ready_fails_the_nursery_and_start_returns() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        task_status.started("ready")
        raise ValueError("at once")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                trace.append(await nursery.start(child))
        assert [str(error) for error in caught.value.exceptions] == ["at once"]

    run(main)
    assert trace == ["ready"]


def test_a_child_that_returns_without_being_ready_is_an_error_that_names_it() -> None:
    async def forgetful(*, task_status: conc.TaskStatus) -> None:
        await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with pytest.raises(RuntimeError, match=r"forgetful.*started"):
                await nursery.start(forgetful)

    run(main)


def test_a_child_that_is_cancelled_alone_before_it_is_ready_is_an_error_that_names_it() -> None:
    tasks: list[conc.Task[Any]] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        tasks.append(current_task())
        await conc.sleep_forever()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            async with conc.open_nursery() as side:
                side.start_soon(cancel_it)
                with pytest.raises(RuntimeError, match=r"child.*started"):
                    await nursery.start(child)

    async def cancel_it() -> None:
        await settle()
        tasks[0].cancel()

    run(main)


def test_being_ready_a_second_time_is_an_error() -> None:
    async def child(*, task_status: conc.TaskStatus) -> None:
        task_status.started("first")
        with pytest.raises(RuntimeError, match="started"):
            task_status.started("second")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start(child) == "first"

    run(main)


def test_a_helper_of_the_child_may_say_that_it_is_ready() -> None:
    async def helper(task_status: conc.TaskStatus) -> None:
        await conc.sleep(1)
        task_status.started("by the helper")

    async def child(*, task_status: conc.TaskStatus) -> None:
        async with conc.open_nursery() as inner:
            inner.start_soon(helper, task_status)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start(child) == "by the helper"

    run(main)


def test_a_function_that_takes_no_task_status_is_refused_by_start() -> None:
    async def child() -> None:
        """Cannot be told."""

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with pytest.raises(TypeError, match="task_status"):
                await nursery.start(child)
            assert not nursery.cancel_scope.cancel_called

    run(main)


def test_a_child_that_is_ready_belongs_to_the_nursery() -> None:
    tasks: list[conc.Task[Any]] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        tasks.append(current_task())
        task_status.started()
        await conc.sleep_forever()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            await nursery.start(child)
            assert tasks[0].parent_nursery is nursery
            nursery.cancel_scope.cancel()

    run(main)
