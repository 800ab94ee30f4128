"""The end of an mpsc or mpmc channel: who closes what, and what becomes of items, permits and those who wait."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc, mpsc, mpsc_unbounded
from conc.errors import ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from conc_testing import settle
from tests.kernel.support import run


async def collect(receiver: Receiver[int], into: list[object]) -> None:
    """Receive until the end, and say how it ended."""
    try:
        while True:
            into.append(await receiver.receive())
    except (EndOfChannel, ClosedResource) as error:
        into.append(type(error))


def test_the_end_comes_after_what_was_sent_before_the_last_sender_closed() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](5)
        other = sender.clone()
        sender.send_nowait(1)
        sender.close()
        other.send_nowait(2)
        assert not receiver.is_closed()
        other.close()
        assert receiver.is_closed()
        got: list[object] = []
        await collect(receiver, got)
        assert got == [1, 2, EndOfChannel]
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        with pytest.raises(EndOfChannel):
            await receiver.receive_many(5)
        receiver.close()

    run(main)


def test_the_last_sender_that_closes_wakes_who_waits_to_receive() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](5)
        other = sender.clone()
        got: list[object] = []
        with receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(collect, receiver, got)
                await settle()
                sender.close()
                sender.close()
                await settle()
                assert got == []
                other.close()
                sender._check()
            assert got == [EndOfChannel]

    run(main)


def test_a_receiver_that_closes_refuses_what_comes_and_keeps_what_has_come() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        sender.send_nowait(1)
        sender.send_nowait(2)
        async with conc.open_nursery() as nursery:
            waiting = nursery.start_soon(refused, sender, 3)
            await settle()
            receiver.close()
            receiver.close()
            assert sender.is_closed()
            sender._check()
            await waiting.join()
            await refused(sender, 4)
            with pytest.raises(ChannelClosed):
                sender.send_nowait(5)
            with pytest.raises(ChannelClosed):
                await sender.reserve()
            got: list[object] = []
            await collect(receiver, got)  # although a sender is open
            assert got == [1, 2, EndOfChannel]
        sender.close()

    run(main)


async def refused(sender: Sender[int], item: int) -> None:
    with pytest.raises(ChannelClosed, match="all receivers are closed"):
        await sender.send(item)


def test_an_end_that_is_closed_is_not_used_any_more() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](2)
        with sender.clone(), receiver.clone():
            sender.close()
            receiver.close()
            with pytest.raises(ClosedResource, match=r"this end of the channel is closed: <Sender \(closed\)"):
                await sender.send(1)
            with pytest.raises(ClosedResource):
                sender.send_nowait(1)
            with pytest.raises(ClosedResource):
                await sender.reserve()
            with pytest.raises(ClosedResource):
                sender.clone()
            with pytest.raises(ClosedResource, match="Receiver"):
                await receiver.receive()
            with pytest.raises(ClosedResource):
                receiver.receive_nowait()
            with pytest.raises(ClosedResource):
                receiver.clone()

    run(main)


@pytest.mark.parametrize("closes", ["a sender", "the receiver"])
@pytest.mark.parametrize("items", [1, 2])
def test_nothing_is_accepted_after_a_close_whether_there_are_places_or_not(items: int, closes: str) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver, sender.clone() as closed:
            for item in range(items):
                sender.send_nowait(item)
            if closes == "a sender":
                closed.close()
            else:
                receiver.close()
            error = ClosedResource if closes == "a sender" else ChannelClosed
            with pytest.raises(error):
                closed.send_nowait(7)
            for attempt in (closed.send(7), closed.reserve(), conc.select(closed.sending(7))):
                with pytest.raises(error):
                    await attempt
            assert receiver.receive_many_nowait(5) == list(range(items))
            sender._check()

    run(main)


@pytest.mark.parametrize("capacity", [0, 1, math.inf])
def test_a_closed_sender_hands_nothing_to_who_waits_to_receive(capacity: float) -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](capacity)
        closed = sender.clone()
        closed.close()
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                waiting = nursery.start_soon(receiver.receive)
                await settle()
                with pytest.raises(ClosedResource):
                    closed.send_nowait(1)
                with pytest.raises(ClosedResource):
                    await closed.send(2)
                with pytest.raises(ClosedResource):
                    await conc.select(closed.sending(3))
                await settle()
                assert waiting.outcome is None
                sender.send_nowait(4)
                assert await waiting.join() == 4
            sender._check()

    run(main)


def test_nothing_is_received_through_a_closed_receiver_while_others_are_open() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](1)
        closed = receiver.clone()
        closed.close()
        with sender, receiver:
            sender.send_nowait(1)
            for _ in range(2):
                with pytest.raises(ClosedResource):
                    await closed.receive()
                with pytest.raises(ClosedResource):
                    await closed.receive_many(2)
                with pytest.raises(ClosedResource):
                    async for _ in closed:
                        pass
                with suppress(ChannelEmpty):
                    assert receiver.receive_nowait() == 1
            sender._check()

    run(main)


def test_tasks_that_wait_in_an_end_are_told_when_it_is_closed_and_others_are_not() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        other = sender.clone()
        sender.send_nowait(0)
        async with conc.open_nursery() as nursery:

            async def send(end: Sender[int], item: int) -> str:
                try:
                    await end.send(item)
                except ClosedResource:
                    return "closed"
                return "sent"

            tasks = [nursery.start_soon(send, end, number) for number, end in enumerate([other, sender, other])]
            await settle()
            sender.close()
            await settle()
            sender._check()
            assert await tasks[1].join() == "closed"
            assert [await receiver.receive() for _ in range(3)] == [0, 0, 2]
            assert [await task.join() for task in tasks] == ["sent", "closed", "sent"]
        other.close()
        receiver.close()

    run(main)


def test_a_reservation_that_waited_in_a_closed_end_lets_those_behind_it_in() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](3)
        other = sender.clone()
        sender.send_nowait(0)
        async with conc.open_nursery() as nursery:

            async def reserve() -> None:
                with pytest.raises(ClosedResource):
                    await sender.reserve_many(3)

            nursery.start_soon(reserve)
            await settle()
            behind = nursery.start_soon(other.send, 1)
            await settle()
            assert behind.outcome is None
            sender.close()
            await behind.join()
            other._check()
        other.close()
        receiver.close()

    run(main)


def test_async_for_ends_with_the_channel() -> None:
    async def main() -> None:
        sender, receiver = mpsc_unbounded[int]()
        got: list[int] = []

        async def consume() -> None:
            async for item in receiver:
                got.append(item)  # noqa: PERF401

        with receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(consume)
                await settle()
                with sender:
                    sender.send_nowait(1)
                    await settle()
                    sender.send_nowait(2)
            assert got == [1, 2]

    run(main)


def test_a_sender_can_wait_until_nobody_receives_any_more() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](1)
        other = receiver.clone()
        async with conc.open_nursery() as nursery:
            gone = nursery.start_soon(sender.closed)
            choice = nursery.start_soon(conc.select, sender.closing(), conc.after(60))
            await settle()
            receiver.close()
            await settle()
            assert gone.outcome is None
            other.close()
            await gone.join()
            assert await choice.join() == (0, None)
            await sender.closed()
        sender.close()

    run(main)


def test_a_cancelled_wait_for_the_receivers_to_go_leaves_nothing_behind() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            with conc.move_on_after(1) as scope:
                await sender.closed()
            assert scope.cancelled_caught
            sender._check()

    run(main)


def test_a_weak_sender_makes_senders_only_while_there_are_some() -> None:
    sender, receiver = mpsc[int](1)
    weak = sender.downgrade()
    strong = weak.upgrade()
    assert strong is not None
    assert receiver.statistics().open_senders == 2
    assert strong.same_channel(sender)
    sender.close()
    strong.send_nowait(1)
    strong.close()
    assert weak.upgrade() is None
    assert receiver.is_closed()  # a weak sender alone does not keep it open
    assert receiver.receive_nowait() == 1
    receiver.close()


def test_a_weak_sender_makes_no_senders_when_nobody_receives() -> None:
    sender, receiver = mpsc[int](1)
    weak = sender.downgrade()
    receiver.close()
    assert weak.upgrade() is None
    assert repr(weak) == "<WeakSender of <mpsc capacity 1, 0 items, closed>>"
    sender.close()


def test_senders_of_two_channels_are_not_of_the_same() -> None:
    (first, receiver), (second, other) = mpsc[int](1), mpsc[int](1)
    with first, second, receiver, other:
        assert not first.same_channel(second)


def test_a_closed_channel_with_a_permit_is_empty_and_not_over() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        permit = await sender.reserve()
        receiver.close()
        with pytest.raises(ChannelEmpty):
            receiver.receive_nowait()
        async with conc.open_nursery() as nursery:
            got = nursery.start_soon(receiver.receive)
            await settle()
            assert got.outcome is None
            permit.send_nowait(1)  # never refused
            assert await got.join() == 1
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        receiver._check()
        sender.close()

    run(main)


def test_the_last_permit_that_is_given_back_wakes_the_receiver_of_a_closed_channel() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        first, second = await sender.reserve(), await sender.reserve()
        sender.close()
        got: list[object] = []
        async with conc.open_nursery() as nursery:
            nursery.start_soon(collect, receiver, got)
            await settle()
            first.release()
            await settle()
            assert got == []
            second.release()
            receiver._check()
        assert got == [EndOfChannel]
        receiver.close()

    run(main)


def test_a_closed_receiver_that_waits_for_what_a_permit_sends_is_handed_nothing_else() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        permit = sender.reserve_nowait()
        receiver.close()
        async with conc.open_nursery() as nursery:
            waiting = nursery.start_soon(receiver.receive)
            await settle()
            await refused(sender, 1)
            with pytest.raises(ChannelClosed):
                sender.send_nowait(2)
            await settle()
            assert waiting.outcome is None
            permit.send_nowait(3)
            assert await waiting.join() == 3
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        sender._check()
        sender.close()

    run(main)


def test_a_cancelled_reservation_does_not_keep_a_closed_channel_from_its_end() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        sender.send_nowait(1)
        other = sender.clone()
        async with conc.open_nursery() as nursery:
            reserving = nursery.start_soon(other.reserve)
            await settle()
            got: list[object] = []
            sender.close()
            reserving.cancel()
            await settle()
            other.close()
            await collect(receiver, got)
            assert got == [1, EndOfChannel]
            receiver._check()
        receiver.close()

    run(main)
