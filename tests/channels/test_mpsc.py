"""mpsc: many senders, one receiver, first in, first out, with backpressure."""

from __future__ import annotations

import math

import pytest

import conc
from conc.channels import Receiver, Sender, mpsc, mpsc_unbounded
from conc.errors import BusyResource, ChannelEmpty, ChannelFull, EndOfChannel
from conc_testing import settle
from tests.kernel.support import run


def test_items_come_out_in_the_order_in_which_they_were_sent() -> None:
    async def main() -> list[int]:
        sender, receiver = mpsc[int](100)
        with sender, receiver:
            for number in range(70):
                await sender.send(number)
            sender.close()
            return [number async for number in receiver]

    assert run(main) == list(range(70))


def test_a_channel_keeps_its_items_and_any_object_can_be_one() -> None:
    async def main() -> None:
        things = [None, 0, False, "", EndOfChannel("an item, no error"), object()]
        sender, receiver = mpsc[object](len(things))
        with sender, receiver:
            for thing in things:
                sender.send_nowait(thing)
            for thing in things:
                assert await receiver.receive() is thing

    run(main)


def test_a_full_channel_holds_the_sender_until_an_item_is_received() -> None:
    trace: list[str] = []

    async def produce(sender: Sender[int]) -> None:
        for number in range(3):
            await sender.send(number)
            trace.append(f"sent {number}")

    async def main() -> None:
        sender, receiver = mpsc[int](2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(produce, sender)
            await settle()
            assert trace == ["sent 0", "sent 1"]
            assert sender.statistics().tasks_waiting_send == 1
            sender._check()
            assert await receiver.receive() == 0
            await settle()
            assert trace == ["sent 0", "sent 1", "sent 2"]
            assert len(receiver) == 2
            receiver._check()
        sender.close()
        receiver.close()

    run(main)


def test_an_empty_channel_holds_the_receiver_until_an_item_is_sent() -> None:
    got: list[int] = []

    async def consume(receiver: Receiver[int]) -> None:
        got.append(await receiver.receive())

    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(consume, receiver)
                await settle()
                assert receiver.statistics().tasks_waiting_receive == 1
                await sender.send(7)
                assert len(sender) == 0  # from hand to hand
                sender._check()
            assert got == [7]

    run(main)


def test_to_send_and_to_receive_let_nobody_else_run_while_there_are_places_and_items() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        sender, receiver = mpsc[int](4)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(other)
                await sender.send(1)
                await receiver.receive()
                trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_who_only_sends_and_receives_gives_way_after_a_while() -> None:
    async def exchange(sender: Sender[int], receiver: Receiver[int]) -> None:
        while True:
            await sender.send(1)
            await receiver.receive()

    async def main() -> None:
        sender, receiver = mpsc_unbounded[int]()
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(exchange, sender, receiver)
                for _ in range(3):
                    await conc.checkpoint()
                nursery.cancel_scope.cancel()

    run(main)


def test_a_cancelled_task_neither_sends_nor_receives_although_it_would_not_have_to_wait() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](4)
        with sender, receiver:
            sender.send_nowait(1)
            for operation in (sender.send(2), receiver.receive(), anext(receiver), receiver.receive_many(3)):
                with conc.CancelScope() as scope:
                    scope.cancel()
                    await operation
                assert scope.cancelled_caught
                assert len(receiver) == 1
            with conc.CancelScope() as scope:
                scope.cancel()
                await sender.reserve()
            assert scope.cancelled_caught
            receiver._check()

    run(main)


def test_what_does_not_wait_says_so_instead() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            with pytest.raises(ChannelEmpty, match="nothing in <mpsc capacity 1, 0 items>"):
                receiver.receive_nowait()
            with pytest.raises(ChannelEmpty):
                receiver.receive_many_nowait(3)
            sender.send_nowait(1)
            with pytest.raises(ChannelFull, match="no free place in <mpsc capacity 1, 1 items>"):
                sender.send_nowait(2)
            with pytest.raises(ChannelFull):  # as try_send, so try_reserve
                sender.reserve_nowait()
            assert receiver.receive_nowait() == 1

    run(main)


def test_a_newcomer_does_not_overtake_those_who_wait_for_a_place() -> None:
    async def main() -> None:
        sender, receiver = mpsc[str](1)
        with sender, receiver:
            sender.send_nowait("first")
            async with conc.open_nursery() as nursery:
                nursery.start_soon(sender.send, "second")
                nursery.start_soon(sender.send, "third")
                await settle()
                assert await receiver.receive() == "first"
                with pytest.raises(ChannelFull):  # the place is that of "second", who has not run since
                    sender.send_nowait("newcomer")
                assert [await receiver.receive() for _ in range(2)] == ["second", "third"]

    run(main)


def test_items_of_one_sender_stay_in_order_when_several_wait() -> None:
    async def produce(sender: Sender[tuple[str, int]], name: str) -> None:
        for number in range(50):
            await sender.send((name, number))

    async def main() -> None:
        sender, receiver = mpsc[tuple[str, int]](3)
        got: dict[str, list[int]] = {"a": [], "b": [], "c": []}
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for name in got:
                    nursery.start_soon(produce, sender, name)
                for _ in range(150):
                    name, number = await receiver.receive()
                    got[name].append(number)
        assert all(numbers == list(range(50)) for numbers in got.values())

    run(main)


def test_many_items_are_taken_at_once_as_many_as_there_are_and_at_most_the_limit() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](10)
        with sender, receiver:
            for number in range(7):
                sender.send_nowait(number)
            assert await receiver.receive_many(5) == [0, 1, 2, 3, 4]
            assert await receiver.receive_many(5) == [5, 6]
            async with conc.open_nursery() as nursery:
                waiting = nursery.start_soon(receiver.receive_many, 5)
                await settle()
                sender.send_nowait(7)
                assert await waiting.join() == [7]
            receiver._check()

    run(main)


def test_taking_many_items_lets_those_in_who_wait_for_places() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for number in range(5):
                    nursery.start_soon(sender.send, number)
                await settle()
                assert await receiver.receive_many(10) == [0, 1, 2, 3, 4]
                receiver._check()

    run(main)


def test_the_receiver_of_an_mpsc_channel_is_for_one_task_at_a_time() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                first = nursery.start_soon(receiver.receive)
                await settle()
                with pytest.raises(BusyResource, match="make an mpmc channel"):
                    await receiver.receive()
                with pytest.raises(BusyResource):
                    receiver.receive_nowait()
                sender.send_nowait(1)
                assert await first.join() == 1
                sender.send_nowait(2)
                assert await receiver.receive() == 2

    run(main)


def test_an_mpsc_receiver_has_no_clones() -> None:
    sender, receiver = mpsc[int](1)
    with sender, receiver, pytest.raises(RuntimeError, match="make an mpmc channel"):
        receiver.clone()


def test_a_channel_without_a_limit_never_holds_the_sender() -> None:
    async def main() -> None:
        sender, receiver = mpsc_unbounded[int]()
        with sender, receiver:
            assert sender.capacity == math.inf
            for number in range(1000):
                sender.send_nowait(number)
            with await sender.reserve_many(5000) as permit:
                assert sender.statistics().reserved == 5000
                permit.send_nowait(1000)
            assert await receiver.receive_many(2000) == list(range(1001))
            receiver._check()

    run(main)


@pytest.mark.parametrize("capacity", [-1, 1.0, True, "1", None])
def test_a_bad_capacity_is_refused_by_name(capacity: object) -> None:
    with pytest.raises((ValueError, TypeError), match="capacity must be"):
        mpsc(capacity)  # type: ignore[arg-type]


def test_who_wants_no_limit_is_told_what_to_write() -> None:
    with pytest.raises(ValueError, match=r"without a limit is mpsc_unbounded\(\)"):
        mpsc(math.inf)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_a_bad_limit_is_refused_before_anything_is_taken(limit: int) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sender.send_nowait(1)
            with pytest.raises((ValueError, TypeError), match="limit must be"):
                await receiver.receive_many(limit)
            assert len(receiver) == 1

    run(main)


def test_a_large_channel_costs_nothing_before_it_is_used() -> None:
    sender, receiver = mpsc[int](10**9)
    with sender, receiver:
        for number in range(200):
            sender.send_nowait(number)
        sender._check()
        assert len(sender._conduit.places) < 200


def test_what_an_end_looks_like_tells_how_the_channel_stands() -> None:
    sender, receiver = mpsc[int](3)
    sender.send_nowait(1)
    assert repr(sender) == "<Sender of <mpsc capacity 3, 1 items>>"
    assert repr(receiver) == "<Receiver of <mpsc capacity 3, 1 items>>"
    statistics = receiver.statistics()
    assert statistics == sender.statistics()
    assert statistics._asdict() == {
        "items": 1,
        "capacity": 3,
        "reserved": 0,
        "open_senders": 1,
        "open_receivers": 1,
        "tasks_waiting_send": 0,
        "tasks_waiting_receive": 0,
    }
    sender.close()
    receiver.close()
    assert repr(sender) == "<Sender (closed) of <mpsc capacity 3, 1 items, closed>>"
    assert bool(sender)
    assert bool(receiver)


def test_a_select_receives_from_the_channel_that_has_something_and_takes_nothing_from_the_other() -> None:
    async def main() -> None:
        first, second = mpsc[str](1), mpsc[str](1)
        with first[0], first[1], second[0], second[1]:
            second[0].send_nowait("item")
            assert await conc.select(first[1].receiving(), second[1].receiving()) == (1, "item")
            async with conc.open_nursery() as nursery:
                choice = nursery.start_soon(conc.select, first[1].receiving(), second[1].receiving())
                await settle()
                first[0].send_nowait("now")
                second[0].send_nowait("left alone")
                assert await choice.join() == (0, "now")
            assert await second[1].receive() == "left alone"
            first[0]._check()
            second[0]._check()

    run(main)


def test_a_select_sends_to_the_channel_that_has_a_place_and_nothing_to_the_other() -> None:
    async def main() -> None:
        first, second = mpsc[str](1), mpsc[str](1)
        with first[0], first[1], second[0], second[1]:
            first[0].send_nowait("full")
            second[0].send_nowait("full")
            async with conc.open_nursery() as nursery:
                choice = nursery.start_soon(conc.select, first[0].sending("a"), second[0].sending("b"))
                await settle()
                assert await second[1].receive() == "full"
                assert await first[1].receive() == "full"
                assert await choice.join() == (1, None)
            assert len(first[0]) == 0
            assert await second[1].receive() == "b"
            first[0]._check()
            second[0]._check()

    run(main)


def test_a_select_on_a_channel_that_is_over_says_which_branch_failed() -> None:
    async def main() -> None:
        sender, receiver = mpsc[str](1)
        quiet_sender, quiet = mpsc[str](1)
        with quiet_sender, quiet, receiver:
            sender.close()
            with pytest.raises(EndOfChannel) as caught:
                await conc.select(quiet.receiving(), receiver.receiving())
            assert caught.value.branch == 1

    run(main)
