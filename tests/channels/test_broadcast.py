"""A broadcast: everybody gets everything that is sent while he is there, in order, and nobody holds up the sender."""

from __future__ import annotations

from typing import assert_type

import pytest

import conc
from conc.channels import BroadcastReceiver, BroadcastSender, BroadcastStatistics, broadcast
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from conc_testing import settle
from tests.channels.watched import then


async def collect(receiver: BroadcastReceiver[int], items: list[int]) -> None:
    items += [item async for item in receiver]


def rest(receiver: BroadcastReceiver[int]) -> list[int]:
    """What is there to be received."""
    items: list[int] = []
    while True:
        try:
            items.append(receiver.receive_nowait())
        except (ChannelEmpty, EndOfChannel):
            return items


# ---- sending and receiving --------------------------------------------------------------------------------------


async def test_every_receiver_gets_every_item_in_order(nursery: conc.Nursery) -> None:
    sender, first = broadcast[int](10)
    receivers = [first, sender.subscribe(), sender.subscribe()]
    seen: list[list[int]] = [[] for _ in receivers]
    for receiver, items in zip(receivers[:2], seen, strict=False):
        nursery.start_soon(collect, receiver, items)
    await settle()

    for item in range(5):
        assert sender.send_nowait(item) == 3
        sender._check()
    sender.close()
    nursery.start_soon(collect, receivers[2], seen[2])
    await settle()

    assert seen == [[0, 1, 2, 3, 4]] * 3
    sender._check()


async def test_receiving_what_is_there_lets_nobody_else_run(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](3)
    with sender, receiver:
        nursery.start_soon(then, conc.sleep(0), trace)
        sender.send_nowait(1)

        assert await receiver.receive() == 1
        assert trace == []


async def test_receiving_what_is_there_lets_others_run_when_the_budget_is_spent(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](10_000)
    for item in range(10_000):
        sender.send_nowait(item)
    sender.close()
    nursery.start_soon(then, conc.sleep(0), trace)

    assert [item async for item in receiver] == list(range(10_000))
    assert trace == [None, "went on"]


async def test_receivers_that_wait_are_woken_in_the_order_in_which_they_came(nursery: conc.Nursery) -> None:
    order: list[int] = []

    async def wait(receiver: BroadcastReceiver[int], number: int) -> None:
        await receiver.receive()
        order.append(number)

    sender, first = broadcast[int](1)
    with sender, first:
        receivers = [sender.subscribe() for _ in range(5)]
        for number in (3, 0, 4, 1, 2):
            nursery.start_soon(wait, receivers[number], number)
        await settle()
        sender.send_nowait(1)
        await settle()
        for receiver in receivers:
            receiver.close()

    assert order == [3, 0, 4, 1, 2]


async def test_a_slow_receiver_holds_up_neither_the_sender_nor_the_others(nursery: conc.Nursery) -> None:
    items: list[int] = []
    sender, slow = broadcast[int](2)
    with slow:
        nursery.start_soon(collect, sender.subscribe(), items)
        await settle()
        for item in range(100):
            sender.send_nowait(item)
            await conc.checkpoint()
        sender.close()
        await settle()

        assert items == list(range(100))
        assert slow.unread == 100


async def test_who_asks_when_nothing_is_there_is_told_without_waiting() -> None:
    sender, receiver = broadcast[int](2)

    with sender, receiver:
        with pytest.raises(ChannelEmpty, match="nothing new"):
            receiver.receive_nowait()
        sender.send_nowait(1)
        assert receiver.receive_nowait() == 1
        with pytest.raises(ChannelEmpty):
            receiver.receive_nowait()


async def test_a_second_task_in_one_receiver_is_refused_and_the_first_goes_on(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        nursery.start_soon(then, receiver.receive(), trace)
        await settle()

        with pytest.raises(BusyResource, match="clone"):
            await receiver.receive()
        with pytest.raises(BusyResource):
            receiver.receive_nowait()
        with pytest.raises(BusyResource):
            await conc.select(receiver.receiving())
        with receiver.clone() as another:
            nursery.start_soon(then, another.receive(), trace)
            await settle()
            sender.send_nowait(1)
            await settle()

    assert trace == [1, "went on"] * 2 or trace == [1, 1, "went on", "went on"]


# ---- joining ----------------------------------------------------------------------------------------------------


async def test_a_subscriber_gets_only_what_is_sent_after_it_came() -> None:
    sender, first = broadcast[int](10)
    sender.send_nowait(1)
    second = sender.subscribe()
    third = first.resubscribe()
    sender.send_nowait(2)
    sender.close()

    assert [rest(receiver) for receiver in (first, second, third)] == [[1, 2], [2], [2]]


async def test_a_clone_stands_where_the_original_does() -> None:
    sender, first = broadcast[int](3)
    for item in range(3):
        sender.send_nowait(item)
    first.receive_nowait()
    second = first.clone()
    sender._check()
    sender.send_nowait(3)

    assert (rest(first), rest(second)) == ([1, 2, 3], [1, 2, 3])
    sender._check()
    assert sender.statistics().items == 0
    for end in (sender, first, second):
        end.close()


async def test_several_senders_reach_all_receivers_until_the_last_is_closed() -> None:
    one, receiver = broadcast[int](10)
    two = one.clone()
    with receiver:
        one.send_nowait(1)
        one.close()
        one.close()
        two.send_nowait(2)
        assert not receiver.is_closed()
        assert rest(receiver) == [1, 2]
        with pytest.raises(ChannelEmpty):
            receiver.receive_nowait()

        two.close()

        assert receiver.is_closed()
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        for refused in (one.clone, one.subscribe):
            with pytest.raises(ClosedResource):
                refused()


# ---- closing ----------------------------------------------------------------------------------------------------


async def test_the_end_comes_after_all_that_was_sent() -> None:
    sender, receiver = broadcast[int](10)
    for item in range(3):
        sender.send_nowait(item)
    sender.close()
    late = receiver.resubscribe()

    assert [await receiver.receive() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(EndOfChannel):
        await receiver.receive()
    assert [item async for item in receiver] == []
    assert [item async for item in late] == []
    with pytest.raises(ClosedResource):
        sender.send_nowait(4)


async def test_all_who_wait_are_told_once_when_the_last_sender_closes(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, first = broadcast[int](2)
    receivers = [first, sender.subscribe(), sender.subscribe()]
    for receiver in receivers:
        nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    sender.close()
    sender._check()
    await settle()

    assert trace.count(EndOfChannel) == 3
    assert len(trace) == 6


async def test_nothing_can_be_sent_without_receivers_until_somebody_subscribes(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](2)
    with sender:
        receiver.close()
        assert sender.is_closed()
        with pytest.raises(ChannelClosed):
            sender.send_nowait(1)
        assert sender.statistics().items == 0

        receiver = sender.subscribe()
        assert not sender.is_closed()
        nursery.start_soon(then, receiver.receive(), trace)
        await settle()
        assert sender.send_nowait(2) == 1
        await settle()

        assert trace == [2, "went on"]


async def test_a_closed_receiver_gets_nothing_and_counts_no_more(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](2)
    other = sender.subscribe()
    with sender, other:
        nursery.start_soon(then, receiver.receive(), trace)
        await settle()

        receiver.close()
        receiver.close()
        sender._check()
        await settle()

        assert trace == [ClosedResource, "went on"]
        assert sender.send_nowait(1) == 1
        for refused in (receiver.receive_nowait, receiver.clone, receiver.resubscribe):
            with pytest.raises(ClosedResource):
                refused()
        with pytest.raises(ClosedResource):
            await receiver.receive()


async def test_a_sender_learns_when_the_last_receiver_has_closed(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, first = broadcast[int](2)
    second = first.clone()
    with sender:
        nursery.start_soon(then, sender.closed(), trace)
        await settle()
        first.close()
        await settle()
        assert trace == []

        second.close()
        sender._check()
        await settle()

        assert trace == [None, "went on"]
        await sender.closed()
        with sender.subscribe():
            assert (await conc.select(sender.closing(), conc.after(1)))[0] == 1
        assert (await conc.select(sender.closing(), conc.after(1)))[0] == 0


# ---- making and looking -----------------------------------------------------------------------------------------


async def test_a_broadcast_tells_how_it_stands(nursery: conc.Nursery) -> None:
    sender, first = broadcast[int](2)
    second = sender.subscribe()
    nursery.start_soon(first.receive)
    await settle()
    assert sender.statistics() == first.statistics() == BroadcastStatistics(0, 2, 1, 2, 1)

    sender.send_nowait(1)
    assert second.statistics() == BroadcastStatistics(1, 2, 1, 2, 0)
    assert repr(sender) == "<BroadcastSender of a broadcast with 1 of 2 items, 1 sender(s), 2 receiver(s)>"
    assert repr(second).startswith("<BroadcastReceiver, 1 unread, of a broadcast")
    for end in (sender, first, second):
        end.close()
    assert repr(sender).startswith("<BroadcastSender (closed) of")
    assert repr(second).startswith("<BroadcastReceiver (closed),")


async def test_a_wait_says_what_it_waits_for(nursery: conc.Nursery) -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        receiving, closing = nursery.start_soon(receiver.receive), nursery.start_soon(sender.closed)
        await settle()

        assert "waits for BroadcastReceiver.receive" in repr(receiving)
        assert "waits for BroadcastSender.closed" in repr(closing)
        nursery.cancel_scope.cancel()


def test_a_broadcast_can_be_made_with_and_without_a_type() -> None:
    for sender, receiver in (broadcast[int](1), broadcast[int | None](1), broadcast(1)):
        assert type(sender) is BroadcastSender
        assert type(receiver) is BroadcastReceiver
    typed_sender, typed_receiver = broadcast[int](1)
    assert_type(typed_sender, BroadcastSender[int])
    assert_type(typed_receiver, BroadcastReceiver[int])


@pytest.mark.parametrize("capacity", [0, -1, 1.5, True, None])
def test_a_bad_capacity_is_refused_by_name(capacity: int) -> None:
    with pytest.raises((ValueError, TypeError), match="capacity"):
        broadcast(capacity)
