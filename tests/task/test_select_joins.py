"""`task.joining()`: the end of a task as a branch of a select, within a strand and across."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import current_task
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import fail, run


async def give(value: int, event: Event | None = None) -> int:
    if event is not None:
        await event.wait()
    await conc.checkpoint()
    return value


async def join(*tasks: conc.Task[int]) -> tuple[int, int]:
    """The first of several tasks that has ended: which, and its value."""
    return await conc.select(*(task.joining() for task in tasks))


def test_the_first_task_that_ends_decides() -> None:
    async def main() -> None:
        events = [Event() for _ in range(3)]
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(give, number, event) for number, event in enumerate(events)]
            first = nursery.start_soon(join, *tasks)
            await settle()
            assert first.outcome is None
            events[1].set()
            assert await first.join() == (1, 1)
            events[0].set()
            events[2].set()

    run(main)


def test_a_task_that_has_ended_is_ready() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
        for _ in range(2):
            assert await conc.select(Event().waiting(), task.joining()) == (1, 7)

    run(main)


def test_of_two_tasks_that_end_at_once_one_is_returned_and_the_other_can_be_joined() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(give, number, event) for number in range(2)]
            first = nursery.start_soon(join, *tasks)
            await settle()
            event.set()
            assert await first.join() == (0, 0)
            assert await tasks[1].join() == 1

    run(main)


def test_a_select_over_many_tasks_leaves_nothing_behind_in_those_that_lose() -> None:
    async def main() -> None:
        event, gates = Event(), [Event() for _ in range(20)]
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(give, number, gate) for number, gate in enumerate(gates)]
            await settle()
            for gate in (*gates[:3], event):
                select = nursery.start_soon(conc.select, event.waiting(), *(t.joining() for t in tasks if not t.ended))
                await settle()
                gate.set()
                await select.join()
                assert not any(task._joiners for task in tasks)
            with conc.move_on_after(1):
                await join(*tasks[5:])
            assert not any(task._joiners for task in tasks)
            nursery.cancel_scope.cancel()

    run(main)


def test_the_failure_of_a_task_is_an_error_with_its_branch() -> None:
    tasks: list[conc.Task[None]] = []
    event = Event()

    async def child() -> None:
        await event.wait()
        raise ValueError("no")

    async def inner() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                tasks.append(nursery.start_soon(child))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(inner)
            await settle()
            nursery.start_soon(event_set)
            for _ in range(2):  # while it runs, and when it has ended
                with pytest.raises(conc.TaskFailed) as caught:
                    await conc.select(Semaphore(0).acquiring(), tasks[0].joining())
                assert caught.value.branch == 1
                assert str(caught.value.__cause__) == "no"

    async def event_set() -> None:
        event.set()

    run(main)


def test_the_cancellation_of_a_task_is_an_error_with_its_branch() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep_forever)
            await settle()
            task.cancel()
            for _ in range(2):
                with pytest.raises(conc.TaskCancelled) as caught:
                    await conc.select(Semaphore(0).acquiring(), None, task.joining())
                assert caught.value.branch == 2

    run(main)


def test_a_task_cannot_join_itself_in_a_select() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="joins itself") as caught:
            await conc.select(Event().waiting(), current_task().joining())
        assert caught.value.branch == 1  # type: ignore[attr-defined]

    run(main)


def test_an_error_cancels_the_nursery_before_a_sibling_that_selects_hears_of_it() -> None:
    seen: list[type[BaseException]] = []

    async def sibling(task: conc.Task[None]) -> None:
        try:
            await conc.select(Event().waiting(), task.joining())
        except BaseException as error:
            seen.append(type(error))
            raise

    async def main() -> None:
        event = Event()

        async def child() -> None:
            await event.wait()
            raise ValueError("once")

        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(child)
                nursery.start_soon(sibling, task)
                await settle()
                event.set()
        assert [str(error) for error in caught.value.exceptions] == ["once"]

    run(main)
    assert seen == [conc.Cancelled]


def test_one_task_in_two_branches_is_one_decision() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7, event)
            first = nursery.start_soon(join, task, task)
            await settle()
            event.set()
            assert await first.join() == (0, 7)

    run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_strand_that_ends_decides(workers: int) -> None:
    async def main() -> None:
        events = [Event() for _ in range(3)]
        async with conc.open_nursery(parallel=True) as nursery:
            tasks = [nursery.start_soon(give, number, event) for number, event in enumerate(events)]
            waiting: list[conc.Task[int] | None] = list(tasks)
            for number in (2, 0, 1):
                events[number].set()
                index, value = await conc.select(*(None if task is None else task.joining() for task in waiting))
                assert index == value == number
                waiting[number] = None
        assert await conc.select(tasks[1].joining()) == (0, 1)

    conc.run(main, workers=workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_strand_keeps_nothing_of_a_select_that_lost(workers: int) -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery(parallel=True) as nursery:
            tasks = [nursery.start_soon(give, number, event) for number in range(3)]
            while not all(task.started for task in tasks):
                await conc.sleep(0.001)
            for _ in range(20):
                await conc.select(conc.after(0.0001), *(task.joining() for task in tasks))
            with conc.move_on_after(0.001):
                await join(*tasks)
            limit = conc.current_time() + 10
            while any(task._joiners for task in tasks):  # the message that takes the last one back is on its way
                assert conc.current_time() < limit
                await conc.sleep(0.001)
            event.set()
        assert [task.join_nowait() for task in tasks] == [0, 1, 2]

    conc.run(main, workers=workers)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_failure_of_a_strand_is_told_behind_its_nursery(workers: int) -> None:
    seen: list[object] = []

    async def main() -> None:
        async with conc.open_nursery() as outer:
            event = Event()

            async def child() -> None:
                await event.wait()
                await fail(ValueError("once"))

            async def family() -> None:
                with pytest.raises(ExceptionGroup) as caught:
                    async with conc.open_nursery(parallel=True) as nursery:
                        task = nursery.start_soon(child)
                        outer.start_soon(outsider, task)
                        await settle_a_little()
                        event.set()
                        try:
                            await conc.select(Semaphore(0).acquiring(), task.joining())
                        except conc.Cancelled:
                            seen.append("inside: cancelled")
                            raise
                assert [str(error) for error in caught.value.exceptions] == ["once"]

            async def outsider(task: conc.Task[None]) -> None:
                with pytest.raises(conc.TaskFailed) as caught:
                    await conc.select(task.joining(), Semaphore(0).acquiring())
                seen.append(f"outside: {caught.value.__cause__}, branch {caught.value.branch}")

            outer.start_soon(family)

    async def settle_a_little() -> None:
        for _ in range(10):
            await conc.checkpoint()

    conc.run(main, workers=workers)
    assert sorted(map(str, seen)) == ["inside: cancelled", "outside: once, branch 0"]


@pytest.mark.parametrize("workers", [1, 3])
def test_ends_of_strands_and_grants_that_meet_are_one_decision(workers: int) -> None:
    async def main() -> None:
        for _ in range(100):
            semaphore = Semaphore(0)

            async def release(semaphore: Semaphore = semaphore) -> int:
                semaphore.release()
                return 7

            async with conc.open_nursery(parallel=True) as nursery:
                task = nursery.start_soon(release)
                index, value = await conc.select(task.joining(), semaphore.acquiring())
                assert (index, value) in [(0, 7), (1, None)]
                assert semaphore.value <= 1 - index
            assert semaphore.value == 1 - index
            semaphore._check()

    conc.run(main, workers=workers)
