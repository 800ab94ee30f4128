"""Oneshots between strands on several workers and threads outside: an item arrives once, or both ends know why not."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

import conc
from conc.channels import OneshotReceiver, OneshotSender, mpsc_unbounded, oneshot
from conc.errors import ChannelClosed, EndOfChannel
from tests.stress.load import load
from tests.stress.watchdog import in_threads

ROUNDS = load(50_000)
Pair = tuple[OneshotSender[int], OneshotReceiver[int]]


@pytest.fixture(autouse=True)
def tiny_switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def send_or_close(sender: OneshotSender[int], number: int, sent: set[int]) -> None:
    """Every seventh sender breaks its promise."""
    with sender:
        if number % 7:
            try:
                sender.send_nowait(number)
                sent.add(number)
            except ChannelClosed:
                pass


async def receive_or_close(receiver: OneshotReceiver[int], dice: random.Random, got: list[int]) -> None:
    """Try for a while, in one of several ways; then close, and take what came before that."""
    with receiver:
        while dice.random() < 0.9:
            with conc.move_on_after(dice.choice([0, 0.00002, 0.0005])) as scope:
                try:
                    if dice.random() < 0.5:
                        got.append(await receiver.receive())
                    else:
                        got.append((await conc.select(conc.after(60), receiver.receiving()))[1])
                except EndOfChannel:
                    pass
            if not scope.cancelled_caught:
                return
    try:
        got.append(receiver.receive_nowait())
    except EndOfChannel:
        pass


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("from_threads", [False, True])
def test_what_was_sent_is_received_once_and_everything_else_is_known_not_to_come(
    workers: int, from_threads: bool
) -> None:
    sent: list[set[int]] = [set(), set()]
    got: list[list[int]] = [[], []]

    async def main() -> None:
        ways: list[Any] = [mpsc_unbounded[tuple[int, OneshotSender[int]]]() for _ in sent]

        async def ask(half: int) -> None:
            dice = random.Random(half)
            with ways[half][0] as way:
                for number in range(half, ROUNDS, 2):
                    sender, receiver = oneshot[int]()
                    way.send_nowait((number, sender))
                    await receive_or_close(receiver, dice, got[half])
                    sender._check()

        async def answer(half: int) -> None:
            async for number, sender in ways[half][1]:
                send_or_close(sender, number, sent[half])

        def answer_outside(half: int) -> None:
            while True:
                try:
                    number, sender = ways[half][1].receive_blocking()
                except EndOfChannel:
                    return
                send_or_close(sender, number, sent[half])

        async with conc.open_nursery(parallel=True) as nursery:
            threads = []
            for half in range(2):
                nursery.start_soon(ask, half)
                if from_threads:
                    threads += in_threads(partial(answer_outside, half))
                else:
                    nursery.start_soon(answer, half)
        for thread in threads:
            await conc.to_thread(thread.join)

    conc.run(main, workers=workers)
    for half in range(2):
        assert sorted(got[half]) == sorted(sent[half])
        assert len(got[half]) > ROUNDS / 10


def test_a_sender_that_waits_for_the_end_sees_it_whatever_that_is() -> None:
    async def ask(box: list[Pair], dice: random.Random) -> None:
        for _, receiver in box:
            with receiver:
                if dice.random() < 0.5:
                    with conc.move_on_after(dice.choice([0, 0.0001])):
                        await receiver.receive()

    async def answer(box: list[Pair], dice: random.Random) -> None:
        for sender, _ in box:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(sender.closed)
                if dice.random() < 0.5:
                    await conc.checkpoint()
                try:
                    sender.send_nowait(1)
                except ChannelClosed:
                    sender.close()
            assert sender.is_closed()
            sender._check()

    async def main() -> None:
        box = [oneshot[int]() for _ in range(ROUNDS // 4)]
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(ask, box, random.Random(1))
            nursery.start_soon(answer, box, random.Random(2))

    conc.run(main, workers=3)
