"""A delay queue between strands and threads: whoever waits learns at once that something comes earlier."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

import conc
from conc.errors import EndOfChannel
from conc.time import DelayKey, DelayQueue
from tests.time.support import Received, receive

many = pytest.mark.conc(workers=4)
real = pytest.mark.conc(workers=4, clock="real")


@pytest.fixture
def switching() -> Iterator[None]:
    """The interpreter switches between threads as often as it can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@many
@pytest.mark.parametrize("earlier", [0, 2])
async def test_an_earlier_item_from_another_strand_is_waited_for_instead(earlier: float) -> None:
    received: Received = []
    queue = DelayQueue[str]()
    queue.insert("late", 100)

    async def insert() -> None:
        await conc.sleep(1)
        queue.insert("early", earlier)

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(receive, queue, received)
        nursery.start_soon(insert)

    assert received == [("early", 1 + earlier)]


@many
async def test_a_removal_by_another_strand_moves_the_alarm() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    first = queue.insert("first", 10)
    queue.insert("second", 20)

    async def remove() -> None:
        await conc.sleep(1)
        assert queue.remove(first) == "first"

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(receive, queue, received)
        nursery.start_soon(remove)

    assert received == [("second", 20)]


@many
async def test_when_the_first_in_line_is_cancelled_the_next_strand_gets_the_alarm() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    queue.insert("a", 10)

    async def wait(seconds: float, patience: float) -> None:
        await conc.sleep(seconds)
        with conc.move_on_after(patience):
            await receive(queue, received)

    async with conc.open_nursery(parallel=True) as nursery:
        for number in range(8):
            nursery.start_soon(wait, number / 10, 5 if number < 7 else 1000)

    assert received == [("a", 10)]
    queue._check()


@real
@pytest.mark.parametrize("delay", [0, 0.01])
async def test_an_earlier_item_from_a_thread_is_waited_for_instead(delay: float) -> None:
    received: Received = []
    queue = DelayQueue[str]()
    queue.insert("late", 100)
    start = conc.current_time()

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(receive, queue, received)
        await conc.sleep(0.01)
        await conc.to_thread(queue.insert, "early", delay)

    assert received[0][0] == "early"
    assert received[0][1] >= start + 0.01 + delay


@many
async def test_items_of_all_strands_come_once_and_in_order_on_virtual_time() -> None:
    queue = DelayQueue[float]()

    async def producer(number: int) -> None:
        for step in range(50):
            await conc.sleep(0.5)
            queue.insert_at(at := conc.current_time() + (7 * number + 13 * step) % 10, at)

    async def consumer() -> list[tuple[float, float]]:
        return [(deadline, conc.current_time()) async for deadline in queue]

    async with conc.open_nursery(parallel=True) as consumers:
        tasks = [consumers.start_soon(consumer) for _ in range(3)]
        async with conc.open_nursery(parallel=True) as producers:
            for number in range(4):
                producers.start_soon(producer, number)
        queue.close()

    received = [task.join_nowait() for task in tasks]
    everything = sorted(deadline for own in received for deadline, _ in own)
    assert len(everything) == 200
    for own in received:
        assert own == sorted(own)
        assert all(deadline == moment for deadline, moment in own)


class Churn:
    """Threads that insert, reset and remove, and what became of each item: it is received or removed, once."""

    def __init__(self, queue: DelayQueue[int], threads: int, rounds: int) -> None:
        self.queue = queue
        self.rounds = rounds
        self.removed: list[list[int]] = [[] for _ in range(threads)]
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(threads)]

    def run(self, number: int) -> None:
        keys: list[tuple[DelayKey, int]] = []
        for step in range(self.rounds):
            item = number * self.rounds + step
            key = self.queue.insert(item, (item * 7919 % 11) / 1000)
            keys.append((key, item))
            other, other_item = keys[step * 31 % len(keys)]
            try:
                if step % 3 == 0:
                    assert self.queue.remove(other) == other_item
                    self.removed[number].append(other_item)
                elif step % 3 == 1:
                    self.queue.reset(other, (step % 8) / 1000)
            except KeyError:
                pass  # it was received in the meantime, or removed before


@real
@pytest.mark.usefixtures("switching")
async def test_with_threads_that_insert_reset_and_remove_nothing_is_lost_or_comes_twice() -> None:
    queue = DelayQueue[int]()
    churn = Churn(queue, threads=3, rounds=1000)
    received: list[list[int]] = [[] for _ in range(4)]

    async def consumer(own: list[int], patience: float) -> None:
        while True:
            try:
                with conc.move_on_after(patience):  # some waits are cancelled, at any moment
                    own.append(await queue.receive())
            except EndOfChannel:
                return

    async with conc.open_nursery(parallel=True) as nursery:
        for number, own in enumerate(received):
            nursery.start_soon(consumer, own, 0.0001 * 4**number)
        for thread in churn.threads:
            thread.start()
        for thread in churn.threads:
            await conc.to_thread(thread.join)
        queue.close()

    queue._check()
    assert len(queue) == 0
    everything = [item for own in [*received, *churn.removed] for item in own]
    assert sorted(everything) == list(range(3000))
