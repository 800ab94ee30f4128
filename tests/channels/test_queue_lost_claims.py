"""A select that another line decides in the very moment in which a channel is about to: it neither gave nor took."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

import conc
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc.channels import Receiver, Sender, mpmc, mpsc
from conc.errors import ChannelEmpty, ChannelFull
from conc.lowlevel import Operation
from conc_testing import settle
from tests.kernel.support import run


@contextmanager
def just_before_somebody_is_taken(act: Callable[[], object]) -> Iterator[None]:
    """Once, as another thread would: after it was seen who is first in line, and before that one is claimed."""
    take = WaitQueue.take
    acts = [act]

    def take_late(queue: WaitQueue, head: Waiter, value: Any = None) -> bool:
        if acts:
            acts.pop()()
        return take(queue, head, value)

    with mock.patch.object(WaitQueue, "take", take_late):
        yield
    assert not acts, "nobody was taken"


async def lose(
    sender: Sender[int], receiver: Receiver[int], operation: Operation[Any], then: Callable[[], object]
) -> None:
    """Let a select that waits for the operation be decided elsewhere when `then` is about to."""
    other, elsewhere = mpsc[int](1)
    with other, elsewhere, sender, receiver:
        async with conc.open_nursery() as nursery:
            choice = nursery.start_soon(conc.select, operation, elsewhere.receiving())
            await settle()
            with just_before_somebody_is_taken(lambda: other.send_nowait(7)):
                then()
            assert await choice.join() == (1, 7)
        sender._check()
        assert sender.statistics()[-2:] == (0, 0)


def test_a_select_that_does_not_send_hands_nothing_over() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](0)

        def receive() -> None:
            with pytest.raises(ChannelEmpty):
                receiver.receive_nowait()

        await lose(sender, receiver, sender.sending(1), receive)

    run(main)


@pytest.mark.parametrize("reserves", [False, True])
def test_the_place_of_a_select_that_does_not_send_can_be_taken_by_others(reserves: bool) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        sender.send_nowait(0)

        def receive_send_and_receive() -> None:
            assert receiver.receive_nowait() == 0
            sender.send_nowait(2)
            with pytest.raises(ChannelFull):
                sender.send_nowait(3)
            assert receiver.receive_many_nowait(5) == [2]

        operation = sender.reserving() if reserves else sender.sending(1)
        await lose(sender, receiver, operation, receive_send_and_receive)

    run(main)


@pytest.mark.parametrize("how", ["at once", "from a permit"])
@pytest.mark.parametrize("many", [False, True])
def test_what_a_select_does_not_receive_others_do(how: str, many: bool) -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](1)
        permit = sender.reserve_nowait() if how == "from a permit" else None

        def send() -> None:
            (permit or sender).send_nowait(1)
            with pytest.raises(ChannelFull):
                sender.send_nowait(2)
            assert receiver.receive_many_nowait(5) == [1]
            sender.send_nowait(3)
            assert receiver.receive_nowait() == 3

        await lose(sender, receiver, receiver.receiving_many(2) if many else receiver.receiving(), send)

    run(main)
