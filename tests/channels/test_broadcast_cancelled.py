"""Waits in a broadcast that are cancelled: before the grant, and in the window between the grant and the resumption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.channels import BroadcastReceiver, broadcast
from conc.errors import ClosedResource, EndOfChannel
from conc_testing import settle
from tests.channels.watched import stop_just_after_the_grant, then

Receive = Callable[[BroadcastReceiver[int]], Awaitable[Any]]

RECEIVES: list[Receive] = [
    BroadcastReceiver.receive,
    anext,
    lambda receiver: conc.select(receiver.receiving(), conc.after(60)),
    lambda receiver: conc.select(receiver.receiving(), receiver.receiving()),
]


@pytest.mark.parametrize("receive", RECEIVES)
async def test_a_receive_that_is_cancelled_while_it_waits_takes_nothing(
    receive: Receive, nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](3)
    with sender, receiver:
        task = nursery.start_soon(then, receive(receiver), trace)
        await settle()

        task.cancel()
        sender.send_nowait(1)
        receiver._check()
        await settle()

        assert trace == []
        assert receiver.receive_nowait() == 1
        receiver._check()


@pytest.mark.parametrize("receive", RECEIVES)
async def test_a_receive_that_was_granted_before_it_was_cancelled_returns_the_item(
    receive: Receive, nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](3)
    with sender, receiver:
        task = nursery.start_soon(then, receive(receiver), trace)
        await settle()

        sender.send_nowait(1)
        task.cancel()
        sender.send_nowait(2)
        receiver._check()
        await settle()

        assert trace in ([1], [(0, 1)], [(1, 1)])
        assert receiver.receive_nowait() == 2
        receiver._check()


@pytest.mark.parametrize(("closed", "error"), [(0, EndOfChannel), (1, ClosedResource)])
async def test_a_receive_that_was_ended_before_it_was_cancelled_tells_of_the_end(
    closed: int, error: type[Exception], nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = ends = broadcast[int](3)
    with sender, receiver:
        task = nursery.start_soon(then, receiver.receive(), trace)
        await settle()

        ends[closed].close()
        task.cancel()
        await settle()

        assert trace == [error]
        sender._check()


@pytest.mark.parametrize("lost", [0, 2])
async def test_a_receive_in_a_cancelled_scope_takes_nothing_and_forgets_no_lag(lost: int) -> None:
    sender, receiver = broadcast[int](1)
    with sender, receiver:
        for item in range(1 + lost):
            sender.send_nowait(item)

        with conc.CancelScope() as scope:
            scope.cancel()
            await receiver.receive()

        assert scope.cancelled_caught
        assert receiver.unread == 1 + lost


@pytest.mark.parametrize("granted", [True, False])
async def test_a_wait_for_the_receivers_to_close_is_cancelled_or_returns(granted: bool, nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](1)
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


async def test_a_cancelled_receiver_costs_the_others_nothing(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, first = broadcast[int](3)
    receivers = [first, first.clone(), first.clone()]
    tasks = [nursery.start_soon(then, receiver.receive(), trace) for receiver in receivers]
    await settle()

    tasks[1].cancel()
    sender.send_nowait(1)
    await settle()

    assert trace == [1, 1, "went on", "went on"]
    assert [receiver.unread for receiver in receivers] == [0, 1, 0]
    assert sender.statistics().items == 1
    for end in (sender, *receivers):
        end._check()
        end.close()


async def test_of_two_broadcasts_in_a_select_the_loser_keeps_its_item(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    one, first = broadcast[int](1)
    two, second = broadcast[int](1)
    with one, first, two, second:
        nursery.start_soon(then, conc.select(first.receiving(), second.receiving()), trace)
        await settle()

        two.send_nowait(2)
        one.send_nowait(1)
        await settle()

        assert trace == [(1, 2), "went on"]
        assert first.receive_nowait() == 1
        first._check()
        second._check()


async def test_of_two_receivers_of_one_broadcast_in_a_select_the_loser_keeps_the_item(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, first = broadcast[int](2)
    second = first.clone()
    with sender, first, second:
        nursery.start_soon(then, conc.select(first.receiving(), second.receiving(), biased=True), trace)
        await settle()

        sender.send_nowait(1)
        sender._check()
        await settle()

        assert trace == [(0, 1), "went on"]
        assert (first.unread, second.unread) == (0, 1)
        assert second.receive_nowait() == 1
        sender._check()


@pytest.mark.parametrize("receive", [RECEIVES[0], RECEIVES[2]])
def test_an_item_granted_to_a_task_whose_run_is_stopped_by_force_can_still_be_received(receive: Receive) -> None:
    sender, receiver = broadcast[int](1)
    with sender, receiver:
        stop_just_after_the_grant(lambda: receive(receiver), lambda: sender.send_nowait(1))

        receiver._check()
        assert receiver.receive_nowait() == 1
