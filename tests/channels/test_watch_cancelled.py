"""Waits in a watch that are cancelled: before the grant, and in the window between the grant and the resumption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.channels import WatchReceiver, watch
from conc.errors import ClosedResource, EndOfChannel
from conc_testing import settle
from tests.channels.watched import once_waiting, stop_just_after_the_grant, then
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger

Wait = Callable[[WatchReceiver[int]], Awaitable[Any]]

WAITS: list[Wait] = [
    WatchReceiver.changed,
    anext,
    lambda receiver: receiver.wait_for(lambda value: value > 0),
    lambda receiver: conc.select(receiver.changing(), conc.after(60)),
    lambda receiver: conc.select(receiver.changing(), receiver.changing()),
]


@pytest.mark.parametrize("wait", WAITS)
async def test_a_wait_that_is_cancelled_has_seen_nothing(wait: Wait, nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        task = nursery.start_soon(then, wait(receiver), trace)
        await settle()

        task.cancel()
        sender.send_nowait(1)
        receiver._check()
        await settle()

        assert trace == []
        assert receiver.has_changed()
        assert await receiver.changed() == 1


@pytest.mark.parametrize("wait", WAITS)
async def test_a_wait_that_was_granted_before_it_was_cancelled_returns_and_has_seen_the_value(
    wait: Wait, nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        task = nursery.start_soon(then, wait(receiver), trace)
        await settle()

        sender.send_nowait(1)
        task.cancel()
        receiver._check()
        await settle()

        assert trace in ([1], [(0, 1)], [(1, 1)])
        assert not receiver.has_changed()


async def test_a_wait_for_a_value_that_is_woken_by_another_and_cancelled_has_seen_that_one(
    nursery: conc.Nursery,
) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        task = nursery.start_soon(then, receiver.wait_for(lambda value: value > 1), trace)
        await settle()

        sender.send_nowait(1)
        task.cancel()
        await settle()

        assert trace == []
        assert not receiver.has_changed()
        sender.send_nowait(2)
        assert await receiver.wait_for(lambda value: value > 1) == 2


@pytest.mark.parametrize(("closed", "error"), [(0, EndOfChannel), (1, ClosedResource)])
async def test_a_wait_that_was_ended_before_it_was_cancelled_tells_of_the_end(
    closed: int, error: type[Exception], nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = ends = watch(0)
    with sender, receiver:
        task = nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        ends[closed].close()
        task.cancel()
        await settle()

        assert trace == [error]
        sender._check()


async def test_a_wait_in_a_cancelled_scope_does_not_see_what_is_there() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        sender.send_nowait(1)
        for wait in WAITS:
            with conc.CancelScope() as scope:
                scope.cancel()
                await wait(receiver)
            assert scope.cancelled_caught
            assert receiver.has_changed()


@pytest.mark.parametrize("granted", [True, False])
async def test_a_wait_for_the_receivers_to_close_is_cancelled_or_returns(granted: bool, nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        task = nursery.start_soon(then, sender.closed(), trace)
        await settle()
        if granted:
            receiver.close()
        task.cancel()
        await settle()
        receiver.close()

        assert trace == ([None] if granted else [])
        sender._check()


async def test_in_a_select_a_change_that_lost_is_told_later(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    one, first = watch(0)
    two, second = watch(0)
    with one, first, two, second:
        nursery.start_soon(then, conc.select(first.changing(), second.changing()), trace)
        await settle()

        two.send_nowait(2)
        one.send_nowait(1)
        await settle()

        assert trace == [(1, 2), "went on"]
        assert first.has_changed()
        assert first.changed_nowait() == 1
        first._check()
        second._check()


@pytest.mark.parametrize("wait", [WAITS[0], WAITS[3]])
def test_a_change_told_to_a_task_whose_run_is_stopped_by_force_counts_as_not_seen(wait: Wait) -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        stop_just_after_the_grant(lambda: wait(receiver), lambda: sender.send_nowait(1))

        receiver._check()
        assert receiver.changed_nowait() == 1


# ---- threads ----------------------------------------------------------------------------------------------------


def test_threads_may_use_both_ends_without_any_runtime() -> None:
    sender, receiver = watch(0)
    with receiver:
        thread = Stranger(receiver.changed_blocking)
        until_waiting(receiver)
        sender.send_nowait(1)
        assert thread.result() == 1
        with pytest.raises(TimeoutError):
            receiver.changed_blocking(timeout=0)
        sender.send_nowait(2)
        assert receiver.changed_blocking(timeout=0) == 2
        thread = Stranger(receiver.changed_blocking)
        until_waiting(receiver)
        sender.close()
        with pytest.raises(EndOfChannel):
            thread.result()


@pytest.mark.conc(clock="real")
async def test_a_task_sees_what_a_thread_sends() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        thread = Stranger(once_waiting, receiver, lambda: sender.send_modify(lambda value: value + 1))

        assert await receiver.changed() == 1
        await thread.has_ended()


async def test_a_thread_that_runs_tasks_may_not_block() -> None:
    sender, receiver = watch(0)
    with sender, receiver, pytest.raises(RuntimeError, match=r"await \.\.\.changed"):
        receiver.changed_blocking()


def test_an_interrupted_thread_leaves_the_value_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after_grants(monkeypatch)
    sender, receiver = watch(0)
    with sender, receiver:
        thread = Stranger(receiver.changed_blocking)
        until_waiting(receiver)

        sender.send_nowait(1)

        with pytest.raises(KeyboardInterrupt):
            thread.result()
        receiver._check()
        assert receiver.changed_nowait() == 1


def test_a_value_that_is_given_back_goes_to_who_has_come_to_wait_since() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        operation = receiver.changing()
        sender.send_nowait(1)
        granted = operation.attempt(None, [])  # to a thread that is interrupted
        thread = Stranger(receiver.changed_blocking)
        until_waiting(receiver)

        operation.give_back(granted)

        assert thread.result() == 1
        receiver._check()
