"""assert_checkpoints, assert_no_checkpoints: what counts as a cancel point, and what does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import (
    CheckpointWatch,
    cancel_shielded_checkpoint,
    checkpoint_if_cancelled,
    checkpoint_if_due,
    current_task,
    park,
    unpark,
)
from conc.sync import Event, Mutex, Semaphore
from conc_testing import assert_checkpoints, assert_no_checkpoints, duplex, run, settle

Block = Callable[[], Awaitable[object]]


def an_event_that_is_set() -> Event:
    event = Event()
    event.set()
    return event


async def enter(manager: Any) -> None:
    async with manager:
        pass


async def parallel_children() -> None:
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.checkpoint)
        nursery.start_soon(an_event_that_is_set().wait)


async def cancelled_in(operation: Block) -> None:
    with conc.CancelScope() as scope:
        scope.cancel()
        await operation()
    assert scope.cancelled_caught


async def inside(scope: conc.CancelScope, operation: Block) -> None:
    with scope:
        await operation()


async def parked() -> None:
    class Wait:
        reason = "a test"

        def withdraw(self, task: Any) -> bool:
            return True

    await park(Wait(), unpark)


async def a_generator() -> AsyncIterator[None]:
    await conc.checkpoint()
    yield


async def through_a_generator() -> None:
    async for _ in a_generator():
        pass


async def over_several_steps() -> None:
    for _ in range(100):
        await cancel_shielded_checkpoint()
    await an_event_that_is_set().wait()


async def in_a_thread() -> None:
    await conc.to_thread(int)


@pytest.mark.parametrize(
    "block",
    [
        conc.checkpoint,
        checkpoint_if_cancelled,
        checkpoint_if_due,
        parked,
        settle,
        lambda: conc.sleep(0),
        lambda: conc.sleep(1),
        lambda: an_event_that_is_set().wait(),
        lambda: enter(Mutex()),
        lambda: enter(Semaphore(1)),
        lambda: duplex()[0].write_all(b"x"),
        lambda: conc.select(an_event_that_is_set().waiting()),
        lambda: inside(conc.CancelScope(shield=True), an_event_that_is_set().wait),
        lambda: inside(conc.move_on_after(1), conc.sleep_forever),
        lambda: inside(conc.move_on_after(0), an_event_that_is_set().wait),
        lambda: cancelled_in(conc.sleep_forever),
        lambda: cancelled_in(checkpoint_if_cancelled),
        lambda: cancelled_in(parked),
        through_a_generator,
        over_several_steps,
        in_a_thread,
    ],
)
async def test_a_cancel_point_is_seen_whether_it_waits_or_not(block: Block) -> None:
    with assert_checkpoints():
        await block()
    with pytest.raises(AssertionError, match=r"assert_no_checkpoints: the block passed a cancel point"):
        with assert_no_checkpoints():
            await block()


async def nothing() -> None:
    pass


async def only_scopes() -> None:
    with conc.CancelScope() as scope, conc.move_on_after(1):
        scope.cancel()


@pytest.mark.parametrize("block", [nothing, only_scopes])
async def test_what_passes_no_cancel_point_is_told(block: Block) -> None:
    with assert_no_checkpoints():
        await block()
    with pytest.raises(AssertionError, match=r"assert_checkpoints: the block passed no cancel point\. An async"):
        with assert_checkpoints():
            await block()


@pytest.mark.parametrize("block", [cancel_shielded_checkpoint, parallel_children])
async def test_letting_others_run_is_no_cancel_point_and_no_single_step(block: Block) -> None:
    with pytest.raises(AssertionError, match="passed no cancel point, though it let others run"):
        with assert_checkpoints():
            await block()
    with pytest.raises(AssertionError, match="assert_no_checkpoints: the block let others run"):
        with assert_no_checkpoints():
            await block()


async def test_what_other_tasks_do_meanwhile_does_not_count(nursery: conc.Nursery) -> None:
    async def busy() -> None:
        while True:
            await conc.checkpoint()
            await an_event_that_is_set().wait()

    nursery.start_soon(busy)
    with pytest.raises(AssertionError, match="though it let others run"):
        with assert_checkpoints():
            for _ in range(5):
                await cancel_shielded_checkpoint()


@pytest.mark.parametrize("manager", [assert_checkpoints, assert_no_checkpoints])
async def test_an_error_of_the_block_leaves_as_it_is(manager: Callable[[], Any]) -> None:
    for block in (nothing, conc.checkpoint):
        with pytest.raises(LookupError), manager():
            await block()
            raise LookupError


async def test_blocks_may_be_nested() -> None:
    with assert_checkpoints():
        with assert_no_checkpoints():
            pass
        with assert_checkpoints():
            await an_event_that_is_set().wait()
    with CheckpointWatch() as outer:
        with CheckpointWatch() as inner:
            await conc.checkpoint()
            await an_event_that_is_set().wait()
        await conc.checkpoint()
        with CheckpointWatch() as last:
            pass
    assert (outer.cancel_point, inner.cancel_point, last.cancel_point) == (True, True, False)
    assert (outer.schedule_point, inner.schedule_point, last.schedule_point) == (True, True, False)


async def test_nothing_of_a_watch_is_left_behind() -> None:
    task = current_task()
    before = task.context
    for block in (nothing, conc.checkpoint, an_event_that_is_set().wait):
        with CheckpointWatch() as seen:
            await block()
        assert task.context is before
        seen.cancel_point = False
        await an_event_that_is_set().wait()
        await conc.checkpoint()
        assert not seen.cancel_point


async def test_an_operation_of_ones_own_lets_others_run_only_now_and_then(nursery: conc.Nursery) -> None:
    steps = 0

    async def count() -> None:
        nonlocal steps
        while True:
            steps += 1
            await conc.checkpoint()

    nursery.start_soon(count)
    for _ in range(10):
        await checkpoint_if_due()
    assert steps == 0
    for _ in range(10_000):
        await checkpoint_if_due()
    assert 0 < steps < 5_000
    with conc.CancelScope() as scope:
        scope.cancel()
        await checkpoint_if_due()
    assert scope.cancelled_caught


async def test_a_watch_may_be_left_before_one_that_was_entered_inside_it() -> None:
    task = current_task()
    before = task.context
    outer, inner = CheckpointWatch(), CheckpointWatch()
    outer.__enter__()
    inner.__enter__()
    await cancel_shielded_checkpoint()
    outer.__exit__(None, None, None)
    await an_event_that_is_set().wait()
    inner.__exit__(None, None, None)
    assert task.context is before
    assert (outer.cancel_point, inner.cancel_point) == (False, True)


def test_outside_of_a_task_there_is_nothing_to_look_at() -> None:
    with pytest.raises(RuntimeError, match="needs a running conc program"):
        with assert_checkpoints():
            pytest.fail("entered")


def test_in_a_simulated_run_the_same_is_seen() -> None:
    async def main() -> None:
        with assert_checkpoints():
            await an_event_that_is_set().wait()
        with assert_no_checkpoints():
            await nothing()
        with assert_checkpoints():
            await duplex()[0].write_all(b"x")

    run(main)
