"""Waits for a oneshot that are cancelled: before the grant, and in the window between the grant and the resumption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.channels import OneshotReceiver, oneshot
from conc.errors import EndOfChannel
from conc_testing import settle
from tests.channels.watched import stop_just_after_the_grant, then

Receive = Callable[[OneshotReceiver[int]], Awaitable[Any]]

RECEIVES: list[Receive] = [
    OneshotReceiver.receive,
    anext,
    lambda receiver: conc.select(receiver.receiving(), conc.after(60)),
    lambda receiver: conc.select(receiver.receiving(), receiver.receiving()),
]


@pytest.mark.parametrize("receive", RECEIVES)
async def test_a_receive_that_is_cancelled_while_it_waits_leaves_the_item(
    receive: Receive, nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    task = nursery.start_soon(then, receive(receiver), trace)
    await settle()

    task.cancel()
    sender.send_nowait(1)
    await settle()

    assert trace == []
    sender._check()
    assert receiver.receive_nowait() == 1


@pytest.mark.parametrize("receive", RECEIVES)
async def test_a_receive_that_was_granted_before_it_was_cancelled_returns_the_item(
    receive: Receive, nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    task = nursery.start_soon(then, receive(receiver), trace)
    await settle()

    sender.send_nowait(1)
    task.cancel()
    await settle()

    assert trace in ([1], [(0, 1)], [(1, 1)])
    sender._check()
    assert receiver.statistics().state == "received"


@pytest.mark.parametrize("closed", [0, 1])
async def test_a_receive_that_was_ended_before_it_was_cancelled_tells_of_the_end(
    closed: int, nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = ends = oneshot[int]()
    task = nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    ends[closed].close()
    task.cancel()
    await settle()

    assert trace == [EndOfChannel]
    sender._check()


async def test_a_receive_in_a_cancelled_scope_takes_nothing_that_is_there() -> None:
    sender, receiver = oneshot[int]()
    sender.send_nowait(1)

    with conc.CancelScope() as scope:
        scope.cancel()
        await receiver.receive()

    assert scope.cancelled_caught
    assert receiver.receive_nowait() == 1


async def test_after_a_cancelled_receive_another_task_may_wait(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    with conc.move_on_after(1):
        await receiver.receive()

    nursery.start_soon(then, receiver.receive(), trace)
    await settle()
    sender.send_nowait(1)
    await settle()

    assert trace == [1, "went on"]


@pytest.mark.parametrize("granted", [True, False])
async def test_a_wait_for_the_receiver_to_close_is_cancelled_or_returns(granted: bool, nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    with sender:
        task = nursery.start_soon(then, sender.closed(), trace)
        await settle()
        if granted:
            receiver.close()
        task.cancel()
        await settle()
        receiver.close()

        assert trace == ([None] if granted else [])
        sender._check()


async def test_of_two_oneshots_in_a_select_the_loser_keeps_its_item(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    one, first = oneshot[int]()
    two, second = oneshot[int]()
    nursery.start_soon(then, conc.select(first.receiving(), second.receiving()), trace)
    await settle()

    two.send_nowait(2)
    one.send_nowait(1)
    await settle()

    assert trace == [(1, 2), "went on"]
    assert first.receive_nowait() == 1
    one._check()
    two._check()


@pytest.mark.parametrize("receive", [RECEIVES[0], RECEIVES[2]])
def test_an_item_granted_to_a_task_whose_run_is_stopped_by_force_can_still_be_received(receive: Receive) -> None:
    sender, receiver = oneshot[int]()

    stop_just_after_the_grant(lambda: receive(receiver), lambda: sender.send_nowait(1))

    sender._check()
    assert receiver.receive_nowait() == 1
