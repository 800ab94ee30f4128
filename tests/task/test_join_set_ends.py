"""How the tasks of a JoinSet end: errors that stay in them, that nobody took, and cancellations."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import current_runtime
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock, settle
from tests.kernel.support import all_told, messages, run
from tests.task.support import Log, cancel_myself, fail, give, resist, values_of

# ---- errors --------------------------------------------------------------------------------------------------------


def test_an_error_cancels_nobody_and_is_in_the_task() -> None:
    seen: list[str] = []

    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(fail, "no", 1)
            tasks.start_soon(give, "yes", 2)
            async for task in tasks:
                try:
                    seen.append(task.join_nowait())
                except conc.TaskFailed as error:
                    seen.append(f"failed: {error.__cause__}")

    run(main)
    assert seen == ["failed: no", "yes"]


def test_errors_that_nobody_took_leave_at_the_exit_as_a_group() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup, match="JoinSet") as caught:
            async with conc.open_join_set() as tasks:
                for seconds in (3, 1, 2):
                    tasks.start_soon(fail, f"after {seconds}", seconds)
                tasks.start_soon(give, "a value", 4)
        assert messages(caught.value) == ["after 1", "after 2", "after 3"]
        assert conc.current_time() == 4

    run(main)


def test_an_error_that_was_taken_does_not_leave() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_join_set() as tasks:
                tasks.start_soon(fail, "taken", 1)
                tasks.start_soon(fail, "left", 2)
                await tasks.join_next()
        assert messages(caught.value) == ["left"]

    run(main)


def test_an_error_of_the_block_cancels_all_and_leaves_with_those_that_nobody_took() -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_join_set() as tasks:
                tasks.start_soon(fail, "of a task")
                tasks.start_soon(log.give, "a", 5)
                await conc.sleep(1)
                raise KeyError("of the block")
        assert [type(error) for error in caught.value.exceptions] == [KeyError, ValueError]
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "a is cancelled"]


def test_what_is_no_exception_cancels_all_as_in_a_nursery() -> None:
    log = Log()

    async def leave() -> None:
        await conc.sleep(1)
        raise SystemExit(3)

    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(log.give, "a", 5)
            tasks.start_soon(leave)
            async for _ in tasks:
                pass

    with pytest.raises(SystemExit):
        run(main)
    assert log.lines == ["a begins", "a is cancelled"]


def test_a_task_that_cancelled_itself_is_given_without_a_value() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(cancel_myself)
            task = await tasks.join_next()
            assert task is not None
            with pytest.raises(conc.TaskCancelled):
                task.join_nowait()
            tasks.start_soon(cancel_myself)  # which nobody takes, and which is no error

    run(main)


def test_errors_that_nobody_took_are_reported_when_the_run_is_stopped_by_force() -> None:
    async def hold_on() -> None:
        with conc.CancelScope(shield=True):
            await Event().wait()

    async def child() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(fail, "untaken")
            tasks.start_soon(hold_on)

    async def main() -> None:
        current_runtime().root_nursery.start_soon(child)
        await settle()

    with pytest.raises(RuntimeError, match="shutdown_timeout") as caught:
        conc.run(main, clock=VirtualClock(), shutdown_timeout=5)
    assert "untaken" in all_told(caught.value)


# ---- cancelling -----------------------------------------------------------------------------------------------------


def test_cancel_all_cancels_the_tasks_and_not_the_block() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            for _ in range(3):
                tasks.start_soon(conc.sleep_forever)
            await settle()
            tasks.cancel_all("enough")
            seen = [task async for task in tasks]
            for task in seen:
                with pytest.raises(conc.TaskCancelled, match="enough"):
                    task.join_nowait()
            tasks.start_soon(give, "another")
            assert await values_of(tasks) == ["another"]

    run(main)


def test_cancelling_the_scope_ends_the_block_too() -> None:
    async def main() -> None:
        async with conc.open_join_set() as tasks:
            tasks.start_soon(conc.sleep_forever)
            tasks.cancel_scope.cancel("enough")
            async for _ in tasks:
                pytest.fail("the block is cancelled")
        assert tasks.cancel_scope.cancelled_caught

    run(main)


def test_a_cancelled_block_waits_for_the_clean_up_of_its_tasks() -> None:
    async def main() -> None:
        with conc.move_on_after(1):
            async with conc.open_join_set() as tasks:
                tasks.start_soon(resist, 3)
        assert conc.current_time() == 4

    run(main)


def test_a_permit_granted_to_a_task_that_is_cancelled_before_it_runs_is_kept_or_given_back() -> None:
    async def use(semaphore: Semaphore) -> None:
        async with semaphore:
            await conc.sleep(1)

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_join_set() as tasks:
            tasks.start_soon(use, semaphore)
            await settle()
            semaphore.release()
            tasks.cancel_all()
        assert semaphore.value == 1

    run(main)
