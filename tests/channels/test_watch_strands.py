"""Watches between strands on several workers and threads outside: no update is lost, and nobody misses the last."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator

import pytest

import conc
from conc.channels import WatchReceiver, WatchSender, watch
from conc.errors import EndOfChannel
from tests.stress.load import load

CHANGES = load(50_000)


@pytest.fixture(autouse=True)
def tiny_switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def increment(value: int) -> int:
    return value + 1


def change(sender: WatchSender[int], number: int) -> None:
    if number % 2:
        sender.send_modify(increment)
    else:
        assert sender.send_if_modified(increment)


def change_outside(sender: WatchSender[int]) -> None:
    with sender:
        for number in range(CHANGES):
            change(sender, number)


async def change_in_a_task(sender: WatchSender[int]) -> None:
    with sender:
        for number in range(CHANGES):
            change(sender, number)
            if number % 10 == 0:
                await conc.checkpoint()


async def follow(receiver: WatchReceiver[int], seen: list[int], dice: random.Random) -> None:
    def note(value: int) -> bool:
        if not seen or value != seen[-1]:  # it looks at the present value first, which was perhaps noted
            seen.append(value)
        return value % 3 == 0

    with receiver:
        while True:
            try:
                way = dice.random()
                if way < 0.4:
                    seen.append(await receiver.changed())
                elif way < 0.6:
                    with conc.move_on_after(dice.choice([0, 0.00002])):
                        seen.append(await receiver.changed())
                elif way < 0.8:
                    index, value = await conc.select(receiver.changing(), conc.after(0.00002))
                    if index == 0:
                        seen.append(value)
                elif seen:
                    with conc.move_on_after(0.0005):
                        await receiver.wait_for(note)
            except EndOfChannel:
                return


def follow_outside(receiver: WatchReceiver[int], seen: list[int]) -> None:
    with receiver:
        while True:
            try:
                seen.append(receiver.changed_blocking(timeout=0.00005 if len(seen) % 3 else None))
            except TimeoutError:
                pass
            except EndOfChannel:
                return


@pytest.mark.parametrize("workers", [1, 3])
def test_no_update_is_lost_and_everybody_sees_growing_values_up_to_the_last(workers: int) -> None:
    logs: list[list[int]] = [[] for _ in range(5)]

    async def main() -> None:
        sender, receiver = watch(0)
        threads = [
            threading.Thread(target=follow_outside, args=(sender.subscribe(), logs[3])),
            threading.Thread(target=follow_outside, args=(receiver.clone(), logs[4])),
            threading.Thread(target=change_outside, args=(sender.clone(),)),
        ]
        async with conc.open_nursery(parallel=True) as nursery:
            for number, log in enumerate(logs[:3]):
                nursery.start_soon(follow, receiver.clone(), log, random.Random(number))
            for _ in range(2):
                nursery.start_soon(change_in_a_task, sender.clone())
            for thread in threads:
                thread.start()
            sender.close()
            receiver.close()
        for thread in threads:
            await conc.to_thread(thread.join)
        sender._check()
        assert sender.statistics() == (3 * CHANGES, 0, 0, 0)
        assert sender.borrow() == 3 * CHANGES

    conc.run(main, workers=workers)
    for log in logs:
        assert log == sorted(set(log)), "a value was told twice, or an older one after a newer"
        assert log[-1] == 3 * CHANGES


def test_receivers_that_wait_for_a_value_all_find_it() -> None:
    goal = 3 * CHANGES

    async def main() -> None:
        sender, receiver = watch(0)
        async with conc.open_nursery(parallel=True) as nursery:
            waits = [nursery.start_soon(sender.subscribe().wait_for, lambda value: value == goal) for _ in range(5)]
            senders = [sender.clone() for _ in range(3)]
            for one in senders:
                nursery.start_soon(change_in_a_task, one)
        assert [task.join_nowait() for task in waits] == [goal] * 5
        sender.close()
        receiver.close()

    conc.run(main, workers=3)
