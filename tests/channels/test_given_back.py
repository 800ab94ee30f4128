"""What comes back to a channel: granted to a thread that was interrupted, or to a task that was stopped by force."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest

import conc
from conc.channels import mpmc, mpsc
from conc.errors import ChannelEmpty, ChannelFull, ClosedResource, EndOfChannel
from conc_testing import settle
from tests.kernel.support import run


def test_an_item_that_comes_back_to_a_rendezvous_makes_no_place_in_it() -> None:
    sender, receiver = mpsc[int](0)
    with sender, receiver:
        receiver.receiving().give_back(1)  # its thread was interrupted
        sender._check()
        assert receiver.receive_nowait() == 1
        with pytest.raises(ChannelFull):
            sender.send_nowait(2)
        sender._check()


def test_an_item_that_comes_back_takes_a_place_if_one_is_free() -> None:
    sender, receiver = mpsc[int](2)
    with sender, receiver:
        sender.send_nowait(1)
        receiver.receiving().give_back(receiver.receive_nowait())
        sender.send_nowait(2)
        with pytest.raises(ChannelFull):
            sender.send_nowait(3)
        assert receiver.receive_many_nowait(5) == [1, 2]
        sender._check()


def test_places_are_right_when_an_item_comes_back_again_before_the_place_of_the_first_was_paid() -> None:
    sender, receiver = mpsc[int](1)
    with sender, receiver:
        sender.send_nowait(1)
        first = receiver.receive_nowait()
        sender.send_nowait(2)
        receiver.receiving().give_back(first)  # two items are there now, and one place is owed
        assert receiver.receive_many_nowait(5) == [1, 2]
        receiver.receiving().give_back(2)  # there are places for both
        sender._check()
        assert receiver.receive_nowait() == 2
        sender.send_nowait(3)
        with pytest.raises(ChannelFull):
            sender.send_nowait(4)
        sender._check()


def test_who_waits_to_send_waits_until_no_place_is_owed_any_more() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sender.send_nowait(1)
            first = receiver.receive_nowait()
            sender.send_nowait(2)
            receiver.receiving().give_back(first)
            async with conc.open_nursery() as nursery:
                waiting = nursery.start_soon(sender.send, 3)
                await settle()
                assert await receiver.receive() == 1
                await settle()
                assert waiting.outcome is None
                assert await receiver.receive() == 2
                await waiting.join()
                with pytest.raises(ChannelFull):
                    sender.send_nowait(4)
            sender._check()

    run(main)


def test_what_comes_back_to_a_channel_that_has_ended_can_be_received() -> None:
    sender, receiver = mpsc[int](1)
    with receiver:
        sender.close()
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        receiver.receiving().give_back(1)
        assert receiver.receive_nowait() == 1
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        receiver._check()


def test_several_items_come_back_at_once_so_that_nobody_gets_the_last_first() -> None:
    sender, receiver = mpmc[int](3)
    with sender, receiver:
        for item in range(3):
            sender.send_nowait(item)
        operation = receiver.receiving_many(3)
        granted = operation.attempt(None, [])
        appended: list[Any] = []

        class Items(deque[Any]):
            def appendleft(self, item: Any) -> None:
                appended.append(item)

        sender._conduit.items = Items()
        operation.give_back(granted)

        assert not appended
        assert receiver.receive_many_nowait(3) == [0, 1, 2]
        sender._check()


def test_who_was_only_told_of_the_end_gives_nothing_back() -> None:
    sender, receiver = mpmc[int](1)
    closed = receiver.clone()
    closed.close()
    with receiver:
        refused = closed.receiving()
        refused.give_back(refused.attempt(None, []))
        with pytest.raises(ChannelEmpty):
            receiver.receive_nowait()
        sender.close()
        over = receiver.receiving_many(2)
        over.give_back(over.attempt(None, []))
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        receiver._check()


def test_places_that_come_back_can_be_taken_by_others() -> None:
    sender, receiver = mpsc[int](2)
    with sender, receiver:
        reservation = sender.reserving(2)
        reservation.give_back(reservation.attempt(None, []))
        sender.send_nowait(1)
        sender.send_nowait(2)
        sender._check()
        assert sender.statistics().reserved == 0


def test_who_was_refused_a_place_gives_none_back() -> None:
    sender, receiver = mpsc[int](1)
    other = sender.clone()
    sender.close()
    with other, receiver:
        reservation = sender.reserving()
        granted = reservation.attempt(None, [])
        with pytest.raises(ClosedResource):
            reservation.finish(granted)
        reservation.give_back(granted)
        other.send_nowait(1)
        with pytest.raises(ChannelFull):
            other.send_nowait(2)
        other._check()
