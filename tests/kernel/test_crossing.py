"""What crosses from strand to strand, on several workers: cancellation, errors, values, and the start of tasks."""

import threading
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock, settle
from tests.kernel.strands import Counter, Meeting, many, raced

# ---- cancellation -----------------------------------------------------------------------------------------------


@raced
@many
async def test_cancelling_reaches_parked_unstarted_and_running_strands() -> None:
    ends: dict[str, list[str]] = {"parked": [], "running": [], "unstarted": []}
    running = Semaphore(0)

    async def strand(kind: str, wait: Callable[[], Awaitable[object]]) -> None:
        try:
            await wait()
        except conc.Cancelled as cancelled:
            ends[kind].append(str(cancelled))
            raise

    async def spin() -> None:
        running.release()
        while True:
            await conc.checkpoint()

    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(8):
            nursery.start_soon(strand, "parked", Event().wait)
        await settle()
        for _ in range(8):
            nursery.start_soon(strand, "running", spin)
        await running.acquire(8)
        for _ in range(8):
            nursery.start_soon(strand, "unstarted", Event().wait)
        nursery.cancel_scope.cancel("enough")

    assert ends == {kind: ["cancelled (explicit): enough"] * 8 for kind in ends}


@raced
@many
async def test_an_unstarted_strand_of_a_cancelled_nursery_runs_to_its_first_cancel_point() -> None:
    log = Counter()

    async def strand() -> None:
        log.add()
        await conc.checkpoint()
        log.add(1000)

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.cancel_scope.cancel()
        for _ in range(20):
            nursery.start_soon(strand)

    assert log.value == 20


@raced
@many
async def test_a_deadline_of_the_parent_reaches_strands_and_what_they_started(clock: VirtualClock) -> None:
    ended = Counter()

    async def leaf() -> None:
        try:
            await conc.sleep_forever()
        finally:
            ended.add()

    async def strand() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(leaf)
            async with conc.open_nursery(parallel=True) as strands:
                strands.start_soon(leaf)

    with conc.move_on_after(2.0) as scope:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(5):
                nursery.start_soon(strand)

    assert scope.cancelled_caught
    assert (ended.value, clock.now()) == (10, 2.0)


@raced
@many
async def test_a_shield_in_a_strand_keeps_the_cancellation_of_the_parent_out(clock: VirtualClock) -> None:
    log = []

    async def strand() -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep(1.0)
            log.append("slept")
        await conc.checkpoint()
        log.append("not reached")

    with conc.move_on_after(0.5):
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(strand)
            nursery.start_soon(strand)

    assert log == ["slept", "slept"]
    assert clock.now() == 1.0


@raced
@many
async def test_one_strand_may_be_cancelled_alone_from_another(clock: VirtualClock) -> None:
    meet = Meeting(2)

    async def victim() -> None:
        meet()
        await conc.sleep_forever()

    async def other(task: conc.Task[None]) -> str:
        meet()
        task.cancel("by a sibling")
        with pytest.raises(conc.TaskCancelled, match="by a sibling"):
            await task.join()
        await conc.sleep(1.0)
        return "went on"

    async with conc.open_nursery(parallel=True) as nursery:
        task = nursery.start_soon(victim)
        sibling = nursery.start_soon(other, task)

    assert sibling.join_nowait() == "went on"


# ---- errors, values and starts ----------------------------------------------------------------------------------


@raced
@many
async def test_errors_of_parallel_children_leave_together_in_a_group_and_cancel_the_rest() -> None:
    meet = Meeting(3)
    cancelled = Counter()

    async def fail(number: int) -> None:
        meet()
        raise ValueError(number)

    async def wait() -> None:
        try:
            await Event().wait()
        finally:
            cancelled.add()

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(5):
                nursery.start_soon(wait)
            await settle()
            for number in range(3):
                nursery.start_soon(fail, number)

    assert sorted(str(error) for error in caught.value.exceptions) == ["0", "1", "2"]
    assert cancelled.value == 5


@many
async def test_a_call_that_does_not_fit_fails_in_the_parallel_child() -> None:
    async def takes_nothing() -> None: ...

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(takes_nothing, 1)  # type: ignore[arg-type]

    assert [type(error) for error in caught.value.exceptions] == [TypeError]


@raced
@many
async def test_a_task_of_another_strand_may_be_joined_before_and_after_its_end() -> None:
    async def square(number: int) -> int:
        for _ in range(number):
            await conc.checkpoint()
        return number * number

    async def add(tasks: list[conc.Task[int]]) -> int:
        total = sum([await task.join() for task in tasks])
        assert total == sum([await task.join() for task in tasks])
        return total

    async with conc.open_nursery(parallel=True) as nursery:
        squares = [nursery.start_soon(square, number) for number in range(20)]
        sums = [nursery.start_soon(add, squares) for _ in range(4)]

    assert {task.join_nowait() for task in sums} == {sum(number * number for number in range(20))}


@raced
@many
async def test_a_join_over_strands_that_is_cancelled_leaves_the_task_alone() -> None:
    go = Event()

    async def slow() -> str:
        await go.wait()
        return "done"

    async def impatient(task: conc.Task[str]) -> bool:
        with conc.move_on_after(1.0) as scope:
            await task.join()
        return scope.cancelled_caught

    async with conc.open_nursery(parallel=True) as nursery:
        task = nursery.start_soon(slow)
        joiners = [nursery.start_soon(impatient, task) for _ in range(6)]
        for joiner in joiners:
            assert await joiner.join()
        go.set()

    assert task.join_nowait() == "done"


@raced
@many
async def test_a_failed_strand_is_told_to_its_joiner_and_reported_once() -> None:
    async def fail() -> None:
        raise ValueError("once")

    async def join(task: conc.Task[None]) -> None:
        with conc.CancelScope(shield=True), pytest.raises(conc.TaskFailed) as failed:
            await task.join()
        assert repr(failed.value.__cause__) == "ValueError('once')"

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery(parallel=True) as nursery:
            task = nursery.start_soon(fail)
            nursery.start_soon(join, task)
            nursery.start_soon(join, task)

    assert [repr(error) for error in caught.value.exceptions] == ["ValueError('once')"]


@raced
@many
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_strand_may_start_tasks_in_the_nurseries_around_it(parallel: bool) -> None:
    home = threading.get_ident()
    started = {"outer": Counter(), "inner": Counter()}
    at_home = Counter()

    async def late(nursery: str) -> None:
        started[nursery].add()
        at_home.add(nursery == "outer" and threading.get_ident() == home)

    async def strand(outer: conc.Nursery, inner: conc.Nursery) -> None:
        for _ in range(5):
            outer.start_soon(late, "outer")
            inner.start_soon(late, "inner")
            await conc.checkpoint()

    async with conc.open_nursery(parallel=parallel) as outer:
        async with conc.open_nursery(parallel=True) as inner:
            for _ in range(8):
                inner.start_soon(strand, outer, inner)

    assert (started["outer"].value, started["inner"].value) == (40, 40)
    assert parallel or at_home.value == 40


@raced
@many
async def test_what_a_strand_starts_outside_as_its_last_act_still_runs_before_the_nursery_closes() -> None:
    log = Counter()

    async def late() -> None:
        await conc.checkpoint()
        log.add()

    async def strand(outer: conc.Nursery) -> None:
        outer.start_soon(late)

    for round_ in range(50):
        async with conc.open_nursery() as outer, conc.open_nursery(parallel=True) as inner:
            inner.start_soon(strand, outer)
            inner.start_soon(strand, inner)
        assert log.value == 2 * (round_ + 1)


@many
async def test_a_nursery_that_is_not_around_the_strand_is_refused_with_the_reason() -> None:
    not_around: list[conc.Nursery] = []
    opened, refused = Event(), Event()

    async def opens() -> None:
        async with conc.open_nursery() as nursery:
            not_around.append(nursery)
            opened.set()
            await refused.wait()

    async def intrudes() -> None:
        await opened.wait()
        with pytest.raises(RuntimeError, match="at home in another strand and not around the caller"):
            not_around[0].start_soon(conc.sleep, 0.0)
        with pytest.raises(RuntimeError, match="start: "):
            await not_around[0].start(conc.sleep)
        refused.set()

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(opens)
        nursery.start_soon(intrudes)

    async def too_late() -> None:
        with pytest.raises(RuntimeError, match="this nursery has ended"):
            not_around[0].start_soon(conc.sleep, 0.0)

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(too_late)
