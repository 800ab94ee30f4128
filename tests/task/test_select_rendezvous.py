"""Selects that send and receive on one rendezvous channel: each serves the other, and none serves itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc
from conc_testing import VirtualClock, settle
from tests.kernel.support import run

Party = Callable[[Sender[str], Receiver[str]], Awaitable[Any]]


async def both(sender: Sender[str], receiver: Receiver[str]) -> tuple[int, str | None]:
    return await conc.select(sender.sending("of a select"), receiver.receiving())


async def send(sender: Sender[str], receiver: Receiver[str]) -> None:
    await sender.send("plain")


async def receive(sender: Sender[str], receiver: Receiver[str]) -> str:
    return await receiver.receive()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("other", [both, send, receive])
def test_a_select_that_waits_at_both_ends_is_served_by_whoever_comes(other: Party, seed: int) -> None:
    async def main() -> None:
        sender, receiver = mpmc[str](0)
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(both, sender, receiver)
            await settle()
            assert first.outcome is None  # it never serves itself
            second = nursery.start_soon(other, sender, receiver)
        ends = [first.join_nowait(), second.join_nowait()]
        if other is both:
            assert sorted(ends) == [(0, None), (1, "of a select")]
        else:
            assert ends == ([(1, "plain"), None] if other is send else [(0, None), "of a select"])
        statistics = sender.statistics()
        assert (statistics.tasks_waiting_send, statistics.tasks_waiting_receive) == (0, 0)

    conc.run(main, seed=seed, clock=VirtualClock())


def test_of_many_selects_at_one_rendezvous_no_two_are_left_waiting() -> None:
    async def main() -> None:
        sender, receiver = mpmc[str](0)
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(both, sender, receiver) for _ in range(10)]
        assert sorted(task.join_nowait()[0] for task in tasks) == [0] * 5 + [1] * 5

    run(main)
