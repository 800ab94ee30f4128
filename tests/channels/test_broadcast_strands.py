"""Broadcasts between strands on several workers and threads outside: one order for all, and every loss is counted."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator

import pytest

import conc
from conc.channels import BroadcastReceiver, BroadcastSender, broadcast
from conc.errors import ChannelEmpty, EndOfChannel, Lagged
from tests.stress.load import load

ITEMS = load(50_000)
SENDERS = 3
Item = tuple[int, int]


@pytest.fixture(autouse=True)
def tiny_switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Log:
    """What one receiver got: each item at its position among all that were sent, which it knows from what it lost."""

    def __init__(self) -> None:
        self.position = 0
        self.items: dict[int, Item] = {}

    def got(self, item: Item) -> None:
        self.items[self.position] = item
        self.position += 1

    def lost(self, count: int) -> None:
        assert count > 0
        self.position += count


def assert_all_agree(logs: list[Log], sent: int) -> None:
    """Nothing is missing that was not told; at each position all got the same; items of one sender are in order."""
    order: dict[int, Item] = {}
    for log in logs:
        assert log.position == sent
        for position, item in log.items.items():
            assert order.setdefault(position, item) == item
    assert len(set(order.values())) == len(order)
    for sender in range(SENDERS):
        numbers = [order[position][1] for position in sorted(order) if order[position][0] == sender]
        assert numbers == sorted(numbers)


def send_all(sender: BroadcastSender[Item], name: int, pause: bool) -> None:
    with sender:
        for number in range(ITEMS):
            sender.send_nowait((name, number))
            if pause and number % 10 == 0:
                threading.Event().wait(0.00001)


async def send_from_a_task(sender: BroadcastSender[Item], name: int) -> None:
    with sender:
        for number in range(ITEMS):
            sender.send_nowait((name, number))
            if number % 10 == 0:
                await conc.checkpoint()


async def receive_all(receiver: BroadcastReceiver[Item], log: Log, dice: random.Random) -> None:
    with receiver:
        while True:
            try:
                way = dice.random()
                if way < 0.5:
                    log.got(await receiver.receive())
                elif way < 0.7:
                    with conc.move_on_after(dice.choice([0, 0.00002])):
                        log.got(await receiver.receive())
                elif way < 0.9:
                    _, item = await conc.select(receiver.receiving(), conc.after(0.00002))
                    if item is not None:
                        log.got(item)
                else:
                    log.got(receiver.receive_nowait())
            except ChannelEmpty:
                pass
            except Lagged as lagged:
                log.lost(lagged.count)
            except EndOfChannel:
                return


def receive_all_outside(receiver: BroadcastReceiver[Item], log: Log) -> None:
    with receiver:
        while True:
            try:
                log.got(receiver.receive_blocking(timeout=0.00005 if log.position % 3 else None))
            except TimeoutError:
                pass
            except Lagged as lagged:
                log.lost(lagged.count)
            except EndOfChannel:
                return


@pytest.mark.parametrize("capacity", [1, 8, SENDERS * ITEMS])
@pytest.mark.parametrize("workers", [1, 3])
def test_all_receivers_see_one_order_and_know_what_they_lost(capacity: int, workers: int) -> None:
    logs = [Log() for _ in range(5)]

    async def main() -> None:
        sender, receiver = broadcast[Item](capacity)
        threads = [
            threading.Thread(target=receive_all_outside, args=(sender.subscribe(), logs[3])),
            threading.Thread(target=receive_all_outside, args=(receiver.clone(), logs[4])),
            threading.Thread(target=send_all, args=(sender.clone(), 2, True)),
        ]
        async with conc.open_nursery(parallel=True) as nursery:
            for number, log in enumerate(logs[:3]):
                nursery.start_soon(receive_all, receiver.clone(), log, random.Random(number))
            for name in range(2):
                nursery.start_soon(send_from_a_task, sender.clone(), name)
            for thread in threads:
                thread.start()
            sender.close()
            receiver.close()
        for thread in threads:
            await conc.to_thread(thread.join)
        sender._check()
        assert sender.statistics() == (0, capacity, 0, 0, 0)

    conc.run(main, workers=workers)
    assert_all_agree(logs, SENDERS * ITEMS)
    if capacity > ITEMS:
        assert all(len(log.items) == SENDERS * ITEMS for log in logs)


def test_receivers_that_come_and_go_leave_the_others_whole() -> None:
    logs = [Log() for _ in range(2)]

    async def come_and_go(receiver: BroadcastReceiver[Item], dice: random.Random) -> None:
        with receiver:
            while not receiver.is_closed():
                with receiver.clone() if dice.random() < 0.5 else receiver.resubscribe() as visitor:
                    for _ in range(dice.randint(0, 5)):
                        with conc.move_on_after(dice.choice([0, 0.0001])):
                            try:
                                await visitor.receive()
                            except Lagged:
                                pass
                            except EndOfChannel:
                                return
                await conc.checkpoint()

    async def look(sender: BroadcastSender[Item], receiver: BroadcastReceiver[Item]) -> None:
        with sender, receiver:
            while sender.statistics().open_senders > 1:
                with sender._channel.lock:
                    sender._check()
                await conc.sleep(0.0002)

    async def main() -> None:
        sender, receiver = broadcast[Item](16)
        async with conc.open_nursery(parallel=True) as nursery:
            for number, log in enumerate(logs):
                nursery.start_soon(receive_all, receiver.clone(), log, random.Random(number))
            for number in range(3):
                nursery.start_soon(come_and_go, receiver.clone(), random.Random(number))
            for name in range(SENDERS):
                nursery.start_soon(send_from_a_task, sender.clone(), name)
            nursery.start_soon(look, sender.clone(), receiver.clone())
            sender.close()
            receiver.close()
        sender._check()
        assert sender.statistics() == (0, 16, 0, 0, 0)

    conc.run(main, workers=3)
    assert_all_agree(logs, SENDERS * ITEMS)
