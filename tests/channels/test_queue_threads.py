"""mpsc and mpmc between strands on several workers and threads outside: nothing lost, nothing twice, in order."""

from __future__ import annotations

import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc, mpsc, mpsc_unbounded
from conc.errors import ChannelClosed, ChannelFull, EndOfChannel

ITEMS = 2000
Item = tuple[int, int]


@pytest.fixture(autouse=True)
def tiny_switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


async def produce(sender: Sender[Item], name: int) -> None:
    with sender:
        for number in range(ITEMS):
            if number % 3 == 0:
                with await sender.reserve() as permit:
                    permit.send_nowait((name, number))
            elif number % 7 == 0:
                await conc.select(sender.sending((name, number)), conc.after(60))
            else:
                await sender.send((name, number))


async def consume(receiver: Receiver[Item], got: list[Item]) -> None:
    with receiver:
        while True:
            try:
                if len(got) % 3 == 0:
                    got += await receiver.receive_many(5)
                elif len(got) % 7 == 0:
                    _, item = await conc.select(receiver.receiving(), conc.after(60))
                    got.append(item)
                else:
                    got.append(await receiver.receive())
            except EndOfChannel:
                return


def assert_all_came_once_and_in_order(producers: int, batches: list[list[Item]]) -> None:
    """Each consumer sees the items of each producer in order, and each item was seen once."""
    seen: dict[int, list[int]] = defaultdict(list)
    for batch in batches:
        of_this: dict[int, list[int]] = defaultdict(list)
        for name, number in batch:
            of_this[name].append(number)
        for name, numbers in of_this.items():
            assert numbers == sorted(numbers)
            seen[name] += numbers
    assert {name: sorted(numbers) for name, numbers in seen.items()} == {
        name: list(range(ITEMS)) for name in range(producers)
    }


@pytest.mark.parametrize("capacity", [1, 3, 64])
@pytest.mark.parametrize("workers", [1, 3])
def test_strands_exchange_every_item_once_and_in_order(capacity: int, workers: int) -> None:
    batches: list[list[Item]] = [[], []]

    async def main() -> None:
        sender, receiver = mpmc[Item](capacity)
        async with conc.open_nursery(parallel=True) as nursery:
            for name in range(3):
                nursery.start_soon(produce, sender.clone(), name)
            for batch in batches:
                nursery.start_soon(consume, receiver.clone(), batch)
            sender.close()
            receiver.close()
        sender._check()
        assert len(sender) == 0

    conc.run(main, workers=workers)
    assert_all_came_once_and_in_order(3, batches)


def test_strands_meet_in_a_rendezvous_and_lose_nothing() -> None:
    batches: list[list[Item]] = [[], []]

    async def send_all(sender: Sender[Item], name: int) -> None:
        with sender:
            for number in range(ITEMS):
                await sender.send((name, number))

    async def main() -> None:
        sender, receiver = mpmc[Item](0)
        async with conc.open_nursery(parallel=True) as nursery:
            for name in range(3):
                nursery.start_soon(send_all, sender.clone(), name)
            for batch in batches:
                nursery.start_soon(consume, receiver.clone(), batch)
            sender.close()
            receiver.close()

    conc.run(main, workers=3)
    assert_all_came_once_and_in_order(3, batches)


@pytest.mark.parametrize("make", [lambda: mpsc[Item](5), mpsc_unbounded[Item]])
def test_threads_send_and_a_task_receives_every_item_once_and_in_order(make: Any) -> None:
    got: list[Item] = []

    def produce_outside(sender: Sender[Item], name: int) -> None:
        with sender:
            for number in range(ITEMS):
                try:
                    sender.send_nowait((name, number))
                except ChannelFull:
                    sender.send_blocking((name, number))

    async def main() -> None:
        sender, receiver = make()
        threads = [threading.Thread(target=produce_outside, args=(sender.clone(), name)) for name in range(3)]
        sender.close()
        for thread in threads:
            thread.start()
        await consume(receiver, got)
        for thread in threads:
            await conc.to_thread(thread.join)
        sender._check()

    conc.run(main)
    assert_all_came_once_and_in_order(3, [got])


def test_tasks_send_and_threads_receive_every_item_once_and_in_order() -> None:
    batches: list[list[Item]] = [[], [], []]

    def consume_outside(receiver: Receiver[Item], got: list[Item]) -> None:
        with receiver:
            while True:
                try:
                    got += receiver.receive_many_blocking(3) if len(got) % 2 else [receiver.receive_blocking()]
                except EndOfChannel:
                    return

    async def main() -> None:
        sender, receiver = mpmc[Item](5)
        threads = [threading.Thread(target=consume_outside, args=(receiver.clone(), batch)) for batch in batches]
        receiver.close()
        for thread in threads:
            thread.start()
        async with conc.open_nursery(parallel=True) as nursery:
            for name in range(2):
                nursery.start_soon(produce, sender.clone(), name)
            sender.close()
        for thread in threads:
            await conc.to_thread(thread.join)
        sender._check()

    conc.run(main, workers=2)
    assert_all_came_once_and_in_order(2, batches)


def test_cancelled_sends_and_receives_lose_nothing_and_double_nothing() -> None:
    sent: list[Item] = []
    batches: list[list[Item]] = [[], []]

    async def send_some(sender: Sender[Item], name: int) -> None:
        with sender:
            for number in range(ITEMS):
                with conc.CancelScope() as scope:
                    if number % 5 == 0:
                        scope.deadline = conc.current_time()
                    await sender.send((name, number))
                    sent.append((name, number))

    async def receive_some(receiver: Receiver[Item], got: list[Item]) -> None:
        with receiver:
            while True:
                try:
                    with conc.move_on_after(0.00005):
                        got.append(await receiver.receive())
                except EndOfChannel:
                    return

    async def main() -> None:
        sender, receiver = mpmc[Item](2)
        async with conc.open_nursery(parallel=True) as nursery:
            for name in range(3):
                nursery.start_soon(send_some, sender.clone(), name)
            for batch in batches:
                nursery.start_soon(receive_some, receiver.clone(), batch)
            sender.close()
            receiver.close()
        sender._check()

    conc.run(main, workers=3)
    assert sorted(item for batch in batches for item in batch) == sorted(sent)


def test_a_channel_that_closes_while_threads_send_gets_every_item_that_was_accepted() -> None:
    async def main() -> None:
        for attempt in range(20):
            sender, receiver = mpsc_unbounded[Item]()
            accepted: list[list[Item]] = [[], []]

            def flood(sender: Sender[Item], name: int, into: list[Item]) -> None:
                with sender:
                    try:
                        for number in range(100_000):
                            sender.send_nowait((name, number))
                            into.append((name, number))
                    except ChannelClosed:
                        pass

            threads = [
                threading.Thread(target=flood, args=(sender.clone(), name, into)) for name, into in enumerate(accepted)
            ]
            sender.close()
            for thread in threads:
                thread.start()
            got = [await receiver.receive() for _ in range(10 + attempt)]
            receiver.close()
            for thread in threads:
                await conc.to_thread(thread.join)
            got += [item async for item in receiver]
            assert sorted(got) == sorted(item for items in accepted for item in items)
            receiver._check()

    conc.run(main)


def test_a_thread_that_runs_tasks_may_not_block() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            with pytest.raises(RuntimeError, match="send_blocking"):
                sender.send_blocking(1)
            with pytest.raises(RuntimeError, match="receive_blocking"):
                receiver.receive_blocking()

    conc.run(main)


def test_a_thread_waits_no_longer_than_its_timeout() -> None:
    sender, receiver = mpsc[int](1)
    with sender, receiver:
        with pytest.raises(TimeoutError, match="receive"):
            receiver.receive_blocking(timeout=0.001)
        sender.send_blocking(1)
        with pytest.raises(TimeoutError, match="send"):
            sender.send_blocking(2, timeout=0)
        with pytest.raises(TimeoutError, match="reserve"):
            sender.reserve_blocking(timeout=0.001)
        assert receiver.receive_blocking(timeout=1) == 1
        with sender.reserve_blocking(timeout=1) as permit:
            permit.send_nowait(2)
        assert receiver.receive_many_blocking(5, timeout=1) == [2]
        sender._check()
