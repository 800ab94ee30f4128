"""Permits: places that are kept for items to come."""

from __future__ import annotations

import gc
import warnings

import pytest

import conc
from conc.channels import Permit, mpsc
from conc.errors import ChannelFull
from conc_testing import settle
from tests.kernel.support import run


def test_a_permit_keeps_a_place_and_sends_without_waiting() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver:
            permit = await sender.reserve()
            sender.send_nowait(1)
            with pytest.raises(ChannelFull):
                sender.send_nowait(2)
            permit.send_nowait(2)
            with pytest.raises(RuntimeError, match="no place left: each is for one item"):
                permit.send_nowait(3)
            assert [await receiver.receive(), await receiver.receive()] == [1, 2]
            sender._check()

    run(main)


def test_a_permit_that_is_not_used_gives_its_place_to_the_next_who_waits() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                with await sender.reserve() as permit:
                    waiting = nursery.start_soon(sender.send, 1)
                    await settle()
                    assert waiting.outcome is None
                    assert len(permit) == 1
                assert len(permit) == 0
                await waiting.join()
                permit.release()
                sender._check()
            assert await receiver.receive() == 1

    run(main)


def test_several_places_are_kept_at_once_or_none() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](4)
        with sender, receiver:
            sender.send_nowait(0)
            sender.send_nowait(0)
            async with conc.open_nursery() as nursery:
                reserving = nursery.start_soon(sender.reserve_many, 3)
                await settle()
                assert sender.statistics().reserved == 0
                with pytest.raises(ChannelFull):  # no small request overtakes a large one
                    sender.reserve_nowait(1)
                await receiver.receive()
                permit = await reserving.join()
            with permit:
                assert len(permit) == sender.statistics().reserved == 3
                permit.send_nowait(1)
                permit.send_nowait(2)
                sender._check()
                permit._check()
            assert sender.statistics().reserved == 0
            assert await receiver.receive_many(9) == [0, 1, 2]
            sender._check()

    run(main)


def test_a_large_request_that_is_cancelled_lets_the_small_ones_behind_it_in() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](4)
        with sender, receiver:
            sender.send_nowait(0)
            async with conc.open_nursery() as nursery:
                large = nursery.start_soon(sender.reserve_many, 4)
                small = nursery.start_soon(sender.send, 1)
                await settle()
                assert small.outcome is None
                large.cancel()
                await small.join()
                sender._check()

    run(main)


def test_an_item_that_a_freed_place_lets_in_reaches_the_receiver_who_waits() -> None:
    # The head of the line leaves while somebody waits to receive: whoever is let in then must not lie beside him.
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                with await sender.reserve():
                    large = nursery.start_soon(sender.reserve_many, 2)
                    await settle()
                    behind = nursery.start_soon(sender.send, 7)
                    got = nursery.start_soon(receiver.receive)
                    await settle()
                    large.cancel()
                    assert await got.join() == 7
                    await behind.join()
                    sender._check()

    run(main)


def test_a_request_for_more_than_there_can_be_is_refused() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver:
            with pytest.raises(ValueError, match=r"places must be at most the capacity \(2\), not 3"):
                await sender.reserve_many(3)
            with pytest.raises(ValueError, match="places must be at least 1"):
                sender.reserve_nowait(0)
            with pytest.raises(TypeError, match="places must be a whole number"):
                sender.reserving(1.5)  # type: ignore[arg-type]

    run(main)


def test_a_permit_is_a_branch_of_a_select() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        full_sender, full = mpsc[int](1)
        with sender, receiver, full_sender, full:
            full_sender.send_nowait(0)
            index, permit = await conc.select(full_sender.reserving(), sender.reserving())
            assert index == 1
            with permit:
                permit.send_nowait(1)
            assert full_sender.statistics().reserved == 0
            full_sender._check()

    run(main)


def test_a_permit_outlives_the_sender_that_reserved_it() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        permit = await sender.reserve()
        sender.close()
        permit.send_nowait(1)
        assert [item async for item in receiver] == [1]
        receiver.close()

    run(main)


def test_a_permit_that_is_dropped_warns_with_the_line_that_reserved_it() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            permit: Permit[int] | None = await sender.reserve()
            expected = rf"a permit made at {__file__}:\d+ was dropped with places left \(1\)"
            with pytest.warns(ResourceWarning, match=expected):  # noqa: PT031
                del permit
                gc.collect()

    run(main)


def test_a_permit_that_was_used_or_given_back_is_dropped_in_silence() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver, warnings.catch_warnings():
            warnings.simplefilter("error")
            (await sender.reserve()).send_nowait(1)
            (await sender.reserve()).release()
            gc.collect()

    run(main)
