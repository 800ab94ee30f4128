"""Cancelled operations of mpsc and mpmc: while they wait, and in the window between the grant and the resumption."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc, mpsc
from conc.errors import ChannelEmpty
from conc_testing import settle
from tests.kernel.support import run

Ends = tuple[Sender[int], Receiver[int]]
Operation = Callable[[Sender[int], Receiver[int]], Awaitable[Any]]

RECEIVES: list[Operation] = [
    lambda _, receiver: receiver.receive(),
    lambda _, receiver: anext(receiver),
    lambda _, receiver: receiver.receive_many(5),
    lambda _, receiver: conc.select(receiver.receiving(), conc.after(60)),
    lambda _, receiver: conc.select(receiver.receiving_many(5)),
]
SENDS: list[Operation] = [
    lambda sender, _: sender.send(9),
    lambda sender, _: sender.reserve(),
    lambda sender, _: sender.reserve_many(1),
    lambda sender, _: conc.select(sender.sending(9), conc.after(60)),
    lambda sender, _: conc.select(sender.reserving()),
]


async def then(operation: Awaitable[Any], trace: list[object]) -> None:
    """Do the operation, then pass a cancel point, and note how far it comes."""
    trace.append(await operation)
    await conc.checkpoint()
    trace.append("went on")


@pytest.mark.parametrize("make", [mpsc, mpmc])
@pytest.mark.parametrize("receive", RECEIVES)
def test_a_receive_that_is_cancelled_while_it_waits_takes_nothing(make: Any, receive: Operation) -> None:
    async def main() -> None:
        sender, receiver = make(3)
        with sender, receiver:
            trace: list[object] = []
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(then, receive(sender, receiver), trace)
                await settle()
                task.cancel()
                sender.send_nowait(1)  # it is cancelled and has not run since
                await settle()
            assert trace == []
            sender._check()
            assert receiver.receive_nowait() == 1

    run(main)


@pytest.mark.parametrize("make", [mpsc, mpmc])
@pytest.mark.parametrize("receive", RECEIVES)
def test_a_receive_that_was_granted_before_it_was_cancelled_returns_the_item(make: Any, receive: Operation) -> None:
    async def main() -> None:
        sender, receiver = make(3)
        with sender, receiver:
            trace: list[object] = []
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(then, receive(sender, receiver), trace)
                await settle()
                sender.send_nowait(1)
                task.cancel()
                sender.send_nowait(2)
                await settle()
            assert trace in ([1], [[1]], [(0, 1)], [(0, [1])])
            sender._check()
            assert receiver.receive_nowait() == 2

    run(main)


@pytest.mark.parametrize("send", SENDS)
def test_a_send_that_is_cancelled_while_it_waits_has_not_happened(send: Operation) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sender.send_nowait(1)
            trace: list[object] = []
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(then, send(sender, receiver), trace)
                await settle()
                task.cancel()
                assert receiver.receive_nowait() == 1
                await settle()
            assert trace == []
            with pytest.raises(ChannelEmpty):
                receiver.receive_nowait()
            assert sender.statistics().reserved == 0
            sender._check()

    run(main)


@pytest.mark.parametrize("send", SENDS)
def test_a_send_that_was_granted_before_it_was_cancelled_has_happened(send: Operation) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sender.send_nowait(1)
            trace: list[Any] = []
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(then, send(sender, receiver), trace)
                await settle()
                assert receiver.receive_nowait() == 1
                task.cancel()
                await settle()
            (result,) = trace
            permit = result[1] if isinstance(result, tuple) else result
            if permit is not None:
                permit.send_nowait(9)
            assert receiver.receive_nowait() == 9
            sender._check()

    run(main)


def test_a_cancelled_send_in_the_middle_of_the_line_keeps_the_order_of_the_others() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sender.send_nowait(0)
            async with conc.open_nursery() as nursery:
                tasks = [nursery.start_soon(sender.send, number) for number in range(1, 6)]
                await settle()
                tasks[1].cancel()
                tasks[3].cancel()
                await settle()
                assert [await receiver.receive() for _ in range(4)] == [0, 1, 3, 5]
                sender._check()

    run(main)


def test_a_select_that_loses_in_one_channel_gives_up_its_place_for_the_next() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        with sender, receiver:
            sender.send_nowait(0)
            async with conc.open_nursery() as nursery:
                choice = nursery.start_soon(conc.select, sender.reserving(2), conc.after(1))
                await settle()
                behind = nursery.start_soon(sender.send, 1)
                await settle()
                assert behind.outcome is None
                assert await choice.join() == (1, None)
                await behind.join()
                sender._check()

    run(main)
