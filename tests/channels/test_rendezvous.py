"""Capacity 0: an item goes from hand to hand."""

from __future__ import annotations

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc, mpsc
from conc.errors import ChannelClosed, ChannelEmpty, ChannelFull, EndOfChannel
from conc_testing import settle
from tests.kernel.support import run


def test_a_send_ends_when_a_receiver_has_taken_the_item() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](0)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                sending = nursery.start_soon(sender.send, 1)
                await settle()
                assert sending.outcome is None
                assert len(receiver) == 0
                sender._check()
                assert await receiver.receive() == 1
                await sending.join()
                sender._check()

    run(main)


def test_a_receiver_who_waits_takes_the_item_at_once() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](0)
        with sender, receiver:
            with pytest.raises(ChannelFull, match="nobody waits to receive from <mpsc capacity 0"):
                sender.send_nowait(0)
            with pytest.raises(ChannelEmpty):
                receiver.receive_nowait()
            async with conc.open_nursery() as nursery:
                receiving = nursery.start_soon(receiver.receive)
                await settle()
                sender.send_nowait(1)
                with pytest.raises(ChannelFull):
                    sender.send_nowait(2)
                assert await receiving.join() == 1

    run(main)


def test_many_receivers_and_senders_meet_in_the_order_in_which_they_came() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](0)
        got: list[tuple[int, int]] = []

        async def take(name: int) -> None:
            got.append((name, await receiver.receive()))

        with sender, receiver:
            async with conc.open_nursery() as nursery:
                for name in range(3):
                    nursery.start_soon(take, name)
                await settle()
                for item in range(5):
                    nursery.start_soon(sender.send, item)
                await settle()
                assert await receiver.receive_many(10) == [3, 4]
                sender._check()
            assert got == [(0, 0), (1, 1), (2, 2)]

    run(main)


def test_a_cancelled_send_takes_its_item_with_it() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](0)
        with sender, receiver:
            with conc.move_on_after(1) as scope:
                await sender.send(1)
            assert scope.cancelled_caught
            with pytest.raises(ChannelEmpty):
                receiver.receive_nowait()
            sender._check()

    run(main)


def test_a_select_never_meets_itself() -> None:
    async def main() -> None:
        sender, receiver = mpsc[str](0)
        with sender, receiver:
            index, _ = await conc.select(sender.sending("mine"), receiver.receiving(), conc.after(1))
            assert index == 2
            sender._check()

    run(main)


@pytest.mark.parametrize("first", ["sender", "receiver"])
def test_two_selects_meet_and_both_happen(first: str) -> None:
    async def send(sender: Sender[str], quiet: Receiver[str]) -> tuple[int, object]:
        return await conc.select(quiet.receiving(), sender.sending("item"))

    async def receive(receiver: Receiver[str], quiet: Receiver[str]) -> tuple[int, object]:
        return await conc.select(receiver.receiving(), quiet.receiving())

    async def main() -> None:
        sender, receiver = mpsc[str](0)
        quiet_sender, quiet = mpmc[str](0)
        with sender, receiver, quiet_sender, quiet:
            async with conc.open_nursery() as nursery:
                if first == "sender":
                    sending = nursery.start_soon(send, sender, quiet)
                    await settle()
                    receiving = nursery.start_soon(receive, receiver, quiet)
                else:
                    receiving = nursery.start_soon(receive, receiver, quiet)
                    await settle()
                    sending = nursery.start_soon(send, sender, quiet)
                assert await sending.join() == (1, None)
                assert await receiving.join() == (0, "item")
            sender._check()
            quiet_sender._check()

    run(main)


def test_closing_ends_the_waits_of_the_other_side() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](0)

        async def send() -> None:
            with pytest.raises(ChannelClosed):
                await sender.send(1)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(send)
            await settle()
            receiver.close()
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        sender.close()

    run(main)


def test_there_are_no_places_to_reserve() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](0)
        with sender, receiver, pytest.raises(RuntimeError, match=r"use conc.select with sending\(item\)"):
            await sender.reserve()

    run(main)
