"""mpmc: several receivers share one queue, and each item goes to one of them."""

from __future__ import annotations

import math
from collections import Counter

import pytest

import conc
from conc.channels import Receiver, mpmc
from conc.errors import ClosedResource, EndOfChannel
from conc_testing import settle
from tests.kernel.support import run


def test_each_item_goes_to_one_receiver() -> None:
    async def consume(receiver: Receiver[int], got: Counter[int]) -> None:
        with receiver:
            async for item in receiver:
                got[item] += 1
                await conc.checkpoint()

    async def main() -> None:
        sender, receiver = mpmc[int](5)
        got: Counter[int] = Counter()
        async with conc.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(consume, receiver.clone(), got)
            receiver.close()
            with sender:
                for number in range(200):
                    await sender.send(number)
        assert got == Counter(range(200))

    run(main)


def test_receivers_who_wait_are_served_in_the_order_in_which_they_came() -> None:
    async def main() -> None:
        sender, receiver = mpmc[str](5)
        order: list[tuple[int, str]] = []

        async def take(number: int) -> None:
            order.append((number, await receiver.receive()))

        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(take, number)
                await settle()
                for item in "abc":
                    sender.send_nowait(item)
        assert order == [(0, "a"), (1, "b"), (2, "c")]

    run(main)


def test_tasks_may_share_one_receiver() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](5)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                tasks = [nursery.start_soon(receiver.receive) for _ in range(2)]
                await settle()
                sender.send_nowait(1)
                sender.send_nowait(2)
                assert [await task.join() for task in tasks] == [1, 2]

    run(main)


def test_the_channel_is_closed_when_its_last_receiver_is() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](5)
        other = receiver.clone()
        sender.send_nowait(1)
        receiver.close()
        assert not sender.is_closed()
        sender.send_nowait(2)
        other.close()
        assert sender.is_closed()
        assert [receiver.receive_nowait(), other.receive_nowait()] == [1, 2]  # what was sent can be fetched by both
        with pytest.raises(EndOfChannel):
            await receiver.receive()
        sender.close()

    run(main)


def test_tasks_that_wait_in_a_receiver_are_told_when_it_is_closed_and_those_in_others_are_not() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](5)
        other = receiver.clone()

        async def take(end: Receiver[int]) -> object:
            try:
                return await end.receive()
            except ClosedResource:
                return "closed"

        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(take, end) for end in (receiver, other, receiver)]
            await settle()
            receiver.close()
            sender.send_nowait(1)
            assert [await task.join() for task in tasks] == ["closed", 1, "closed"]
            sender._check()
        other.close()
        sender.close()

    run(main)


def test_an_mpmc_channel_may_be_without_a_limit() -> None:
    sender, receiver = mpmc[int](math.inf)
    with sender, receiver:
        for number in range(500):
            sender.send_nowait(number)
        assert receiver.receive_many_nowait(1000) == list(range(500))


def test_a_clone_of_a_receiver_sees_what_the_others_left() -> None:
    sender, receiver = mpmc[int](5)
    sender.send_nowait(1)
    sender.send_nowait(2)
    with sender, receiver, receiver.clone() as clone:
        assert receiver.receive_nowait() == 1
        assert clone.receive_nowait() == 2
        assert repr(clone) == "<Receiver of <mpmc capacity 5, 0 items>>"
