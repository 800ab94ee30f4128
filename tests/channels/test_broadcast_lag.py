"""A receiver that is too slow is told how much it lost, exactly, and goes on with the oldest that is left."""

from __future__ import annotations

import pytest

import conc
from conc.channels import BroadcastReceiver, broadcast
from conc.errors import ChannelEmpty, EndOfChannel, Lagged
from conc_testing import settle
from tests.channels.watched import then


async def lag(receiver: BroadcastReceiver[int]) -> int:
    """How much it lost."""
    with pytest.raises(Lagged) as raised:
        await receiver.receive()
    return raised.value.count


async def test_a_receiver_that_is_overtaken_lost_exactly_what_was_overwritten() -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        for item in range(5):
            sender.send_nowait(item)

        assert receiver.unread == 5
        assert await lag(receiver) == 3
        assert receiver.unread == 2
        assert await receiver.receive() == 3
        assert await receiver.receive() == 4
        with pytest.raises(ChannelEmpty):
            receiver.receive_nowait()


@pytest.mark.parametrize("capacity", [1, 2, 3, 7])
@pytest.mark.parametrize("sent", range(1, 16))
async def test_a_capacity_holds_as_many_items_as_it_says(capacity: int, sent: int) -> None:
    sender, receiver = broadcast[int](capacity)
    for item in range(sent):
        sender.send_nowait(item)
        sender._check()
    sender.close()
    lost = max(sent - capacity, 0)

    if lost:
        assert await lag(receiver) == lost
    assert [item async for item in receiver] == list(range(lost, sent))


async def test_a_receiver_that_lags_again_before_it_reads_on_is_told_again() -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        for item in range(3):
            sender.send_nowait(item)
        assert await lag(receiver) == 1
        sender.send_nowait(3)
        assert await lag(receiver) == 1
        for item in range(4, 10):
            sender.send_nowait(item)
        assert await lag(receiver) == 6

        assert [receiver.receive_nowait() for _ in range(2)] == [8, 9]


async def test_a_receiver_that_lags_through_many_rounds_of_the_ring_recovers() -> None:
    sender, slow = broadcast[int](3)
    quick = slow.clone()
    for item in range(100):
        sender.send_nowait(item)
        assert quick.receive_nowait() == item
        sender._check()
    sender.close()

    assert await lag(slow) == 97
    assert [item async for item in slow] == [97, 98, 99]


async def test_a_lag_comes_before_the_end_of_a_closed_channel() -> None:
    sender, receiver = broadcast[int](2)
    for item in range(3):
        sender.send_nowait(item)
    sender.close()

    assert await lag(receiver) == 1
    assert [item async for item in receiver] == [1, 2]
    with pytest.raises(EndOfChannel):
        await receiver.receive()


async def test_only_the_slow_receiver_is_told() -> None:
    sender, slow = broadcast[int](2)
    quick = sender.subscribe()
    with sender, slow, quick:
        for item in range(4):
            sender.send_nowait(item)
            assert await quick.receive() == item
        late = sender.subscribe()

        assert await lag(slow) == 2
        assert late.unread == 0
        late.close()


async def test_a_clone_of_a_receiver_that_lags_lags_as_far() -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        for item in range(5):
            sender.send_nowait(item)
        with receiver.clone() as clone:
            sender._check()
            assert await lag(clone) == await lag(receiver) == 3
            assert clone.receive_nowait() == receiver.receive_nowait() == 3
            sender._check()


async def test_a_receiver_that_closes_while_it_lags_leaves_the_others_in_order() -> None:
    sender, first = broadcast[int](2)
    second = first.clone()
    with sender, second:
        for item in range(5):
            sender.send_nowait(item)
        first.close()
        sender._check()

        assert await lag(second) == 3
        assert second.receive_nowait() == 3
        sender._check()


async def test_the_last_receiver_may_close_while_items_are_overwritten() -> None:
    sender, receiver = broadcast[int](2)
    with sender:
        for item in range(5):
            sender.send_nowait(item)
        receiver.close()
        sender._check()
        assert sender.statistics().items == 0

        with sender.subscribe() as late:
            for item in range(3):
                sender.send_nowait(item)
            assert await lag(late) == 1
            assert late.receive_nowait() == 1


async def test_iterating_goes_on_after_a_lag(nursery: conc.Nursery) -> None:
    got: list[object] = []

    async def follow(receiver: BroadcastReceiver[int]) -> None:
        while not receiver.is_closed() or receiver.unread:
            try:
                async for item in receiver:
                    got.append(item)
                    await conc.sleep(1)
            except Lagged as lagged:
                got.append(f"{lagged.count} lost")

    sender, receiver = broadcast[int](2)
    nursery.start_soon(follow, receiver)
    await settle()
    for item in range(5):
        sender.send_nowait(item)
    await conc.sleep(10)
    sender.close()
    await settle()

    assert got == [0, "2 lost", 3, 4]


async def test_a_select_tells_which_receiver_lagged_and_the_other_keeps_its_item() -> None:
    sender, receiver = broadcast[int](1)
    other_sender, other = broadcast[int](1)
    with sender, receiver, other_sender, other:
        sender.send_nowait(1)
        sender.send_nowait(2)
        other_sender.send_nowait(3)

        with pytest.raises(Lagged) as raised:
            await conc.select(receiver.receiving(), other.receiving(), biased=True)

        assert raised.value.branch == 0
        assert other.receive_nowait() == 3
        assert receiver.receive_nowait() == 2


async def test_who_waits_never_lags_however_late_it_runs(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = broadcast[int](1)
    with sender, receiver:
        nursery.start_soon(then, receiver.receive(), trace)
        await settle()

        for item in range(5):
            sender.send_nowait(item)
        await settle()

        assert trace == [0, "went on"]  # it was granted that before the others were sent
        assert await lag(receiver) == 3
