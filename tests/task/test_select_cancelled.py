"""A select that is cancelled did nothing and keeps nothing; one that was granted returns, whatever comes then."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import conc
from conc.lowlevel import Operation
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import run


def test_a_pending_cancellation_is_raised_before_anything_happened() -> None:
    async def main() -> None:
        semaphore = Semaphore(1)
        with conc.CancelScope() as scope:
            scope.cancel()
            await conc.select(semaphore.acquiring(), conc.after(0))
        assert scope.cancelled_caught
        assert semaphore.value == 1

    run(main)


def test_a_select_that_is_cancelled_while_it_waits_leaves_all_its_lines() -> None:
    async def main() -> None:
        semaphores, event = [Semaphore(0), Semaphore(0)], Event()
        with conc.move_on_after(1) as scope:
            await conc.select(*(semaphore.acquiring() for semaphore in semaphores), event.waiting(), conc.after(5))
        assert scope.cancelled_caught
        for semaphore in semaphores:
            assert semaphore.statistics().tasks_waiting == 0
            semaphore.release()
            assert semaphore.value == 1
            semaphore._check()
        assert event.statistics().tasks_waiting == 0

    run(main)


def granted_then_cancelled(operation: Operation[object], grant: Callable[[], object]) -> tuple[list[object], int]:
    """What a task saw whose select was granted, and which was cancelled before it ran."""
    seen: list[object] = []
    other = Semaphore(0)

    async def wait() -> None:
        seen.append(await conc.select(other.acquiring(), operation))
        await conc.checkpoint()
        seen.append("not reached")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settle()
            grant()
            nursery.cancel_scope.cancel()
            other.release()
        assert other.statistics().tasks_waiting == 0

    run(main)
    return seen, other.value


def test_a_permit_that_was_granted_is_kept_and_the_next_cancel_point_raises() -> None:
    semaphore = Semaphore(0)

    assert granted_then_cancelled(semaphore.acquiring(), semaphore.release) == ([(1, None)], 1)
    assert semaphore.value == 0


def test_an_event_that_was_set_decides_and_the_next_cancel_point_raises() -> None:
    event = Event()

    assert granted_then_cancelled(event.waiting(), event.set) == ([(1, None)], 1)


def test_a_task_that_was_joined_decides_and_the_next_cancel_point_raises() -> None:
    seen: list[object] = []

    async def child() -> int:
        return 7

    async def wait(task: conc.Task[int], scope: conc.CancelScope) -> None:
        with scope:
            seen.append(await conc.select(Event().waiting(), task.joining()))
            await conc.checkpoint()
            seen.append("not reached")

    async def main() -> None:
        scope = conc.CancelScope()
        gate = Event()

        async def late() -> int:
            await gate.wait()
            return await child()

        async def cancel(task: conc.Task[int]) -> None:
            await task.join()  # first in line: it runs before the select, which is resumed already
            scope.cancel()

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(late)
            nursery.start_soon(cancel, task)
            nursery.start_soon(wait, task, scope)
            await settle()
            gate.set()

    run(main)
    assert seen == [(1, 7)]


def test_a_moment_that_has_come_decides_and_the_next_cancel_point_raises() -> None:
    seen: list[object] = []

    async def wait(scope: conc.CancelScope) -> None:
        with scope:
            seen.append(await conc.select(Event().waiting(), conc.after(1)))
            await conc.checkpoint()
            seen.append("not reached")

    async def main() -> None:
        scope = conc.CancelScope()

        async def cancel() -> None:
            await conc.sleep(1)
            scope.cancel()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(cancel)  # its timer is the first of two that are due at the same time
            nursery.start_soon(wait, scope)

    run(main)
    assert seen == [(1, None)]


def test_a_permit_released_after_the_cancellation_stays_free() -> None:
    async def main() -> None:
        one, other = Semaphore(0), Semaphore(0)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, one.acquiring(), other.acquiring())
            await settle()
            task.cancel()
            one.release()
            other.release()
        assert (one.value, other.value) == (1, 1)
        with pytest.raises(conc.TaskCancelled):
            task.join_nowait()

    run(main)


def test_a_cancelled_select_that_wanted_much_lets_those_behind_it_be_served() -> None:
    async def main() -> None:
        semaphore = Semaphore(2)
        async with conc.open_nursery() as nursery:
            select = nursery.start_soon(conc.select, semaphore.acquiring(5), Event().waiting())
            await settle()
            behind = [nursery.start_soon(semaphore.acquire) for _ in range(2)]
            await settle()
            select.cancel()
            for task in behind:
                await task.join()
        assert semaphore.value == 0
        semaphore._check()

    run(main)


def test_a_deadline_and_a_grant_at_the_same_moment_lose_nothing() -> None:
    async def main() -> None:
        for first in ("grant", "deadline"):
            semaphore = Semaphore(0)
            async with conc.open_nursery() as nursery:

                async def release(semaphore: Semaphore = semaphore) -> None:
                    await conc.sleep(1)
                    semaphore.release()

                if first == "grant":
                    nursery.start_soon(release)
                    await settle()
                got = False
                with conc.move_on_after(1) as scope:
                    if first == "deadline":
                        nursery.start_soon(release)
                    await conc.select(semaphore.acquiring(), Event().waiting())
                    got = True
                await settle()
                assert semaphore.value == (0 if got else 1)
                assert got != scope.cancelled_caught

    run(main)


def test_a_select_in_a_shield_is_not_cancelled() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:

            async def wait() -> None:
                with conc.CancelScope(shield=True):
                    assert await conc.select(event.waiting(), Semaphore(0).acquiring()) == (0, None)

            task = nursery.start_soon(wait)
            await settle()
            nursery.cancel_scope.cancel()
            with conc.CancelScope(shield=True):
                await settle()
                assert task.outcome is None
                event.set()
        task.join_nowait()

    run(main)


def test_clean_up_of_a_cancelled_select_may_select_again() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        with conc.move_on_after(1):
            try:
                await conc.select(semaphore.acquiring(), Event().waiting())
            finally:
                with conc.CancelScope(shield=True):
                    assert await conc.select(semaphore.acquiring(), conc.after(2)) == (1, None)
        assert conc.current_time() == 3
        assert semaphore.statistics().tasks_waiting == 0

    run(main)
