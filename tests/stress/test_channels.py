"""Invariant: an item whose sending succeeded is received once, in the order of its sender, and no other; places are
neither lost nor made; whoever waits is told of the end. Whatever strands, threads, cancellations and closings do."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import conc
from conc import CancelScope
from conc._kernel.outsider import Outsider
from conc.channels import Receiver, Sender, WeakSender, mpsc
from conc.errors import EndOfChannel
from conc.lowlevel import current_runtime
from tests.stress.arena import Order
from tests.stress.churn import Run
from tests.stress.load import Dice, load
from tests.stress.ownership import ownership
from tests.stress.storm import Account, Ends, Item, Storm, make
from tests.stress.watchdog import in_threads


@pytest.mark.parametrize("capacity", [0, 1, 3, math.inf])
@pytest.mark.parametrize("workers", [1, 3])
def test_every_item_is_received_once_in_the_order_of_its_sender_and_all_are_told_of_the_end(
    run: Run, dice: Dice, capacity: float, workers: int
) -> None:
    received = 0
    for turn in range(load(200)):
        with ownership():
            account = Storm(dice.another(), capacity, threads=turn % 2 * 2).run(run, workers, 100)
        account.check()
        assert account.conduit._debt == 0
        received += len(account.sent)
    assert received > 0


# ---- who waits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
def test_nobody_gets_past_those_who_wait_to_send(run: Run, dice: Dice, workers: int) -> None:
    async def produce(name: str, account: Account, order: Order, dice: Dice, items: int) -> None:
        with account.sender.clone() as sender:
            for number in range(items):
                with conc.move_on_after(dice.seconds(0, 0.002) if dice.chance() < 0.2 else math.inf):
                    with order.newcomer() as is_inside:
                        if dice.chance() < 0.3:
                            with await sender.reserve_many(dice.between(1, 3)) as permit:
                                is_inside()
                                permit.send_nowait((name, number))
                        else:
                            await sender.send((name, number))
                            is_inside()
                    account.sent.append((name, number))

    async def consume(account: Account) -> None:
        got = account.consumer()
        async for item in account.receiver:
            got.append(item)
            if len(got) % 5 == 0:
                await conc.checkpoint()

    async def main(account: Account, order: Order) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(consume, account)
            async with conc.open_nursery(parallel=True) as producers:
                for number in range(6):
                    producers.start_soon(produce, f"task {number}", account, order, dice.another(), 100)
            account.sender.close()

    for _ in range(load(200)):
        account = Account(mpsc[Item](3), dice)
        order = Order(account.conduit.sending)
        run(main, account, order, workers=workers)
        account.receiver.close()
        account.check()
        assert not order.overtaken


def test_an_answer_to_every_item_means_that_no_wake_up_was_lost(run: Run, dice: Dice) -> None:
    """Strands that wait for one another, in turn: a wake-up that is lost is a run that hangs."""
    turns = load(20_000)

    def channel(capacity: int) -> Ends:
        account = Account(mpsc[Item](capacity), dice)
        return account.sender, account.receiver

    async def answer(receiver: Receiver[Item], sender: Sender[Item]) -> None:
        with sender, receiver:
            async for item in receiver:
                await sender.send(item)

    async def ask(sender: Sender[Item], receiver: Receiver[Item]) -> None:
        with sender, receiver:
            for number in range(turns):
                await sender.send(("ask", number))
                assert await receiver.receive() == ("ask", number)

    async def fill(sender: Sender[Item]) -> None:
        with sender:
            for number in range(turns):
                if number % 3:
                    await sender.send(("fill", number))
                else:
                    await conc.select(sender.sending(("fill", number)))

    async def empty(receiver: Receiver[Item]) -> None:
        with receiver:
            for number in range(0, turns, 2):
                assert await receiver.receive() == ("fill", number)
                if number + 1 < turns:
                    assert await conc.select(receiver.receiving()) == (0, ("fill", number + 1))

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for capacity in (0, 1):
                there, back = channel(capacity), channel(capacity)
                nursery.start_soon(answer, there[1], back[0])
                nursery.start_soon(ask, there[0], back[1])
            for capacity in (1, 2):
                sender, receiver = channel(capacity)
                nursery.start_soon(fill, sender)
                nursery.start_soon(empty, receiver)

    for _ in range(3):
        run(main)


@pytest.mark.parametrize("workers", [1, 3])
def test_selects_that_send_and_receive_at_one_rendezvous_find_one_another(run: Run, dice: Dice, workers: int) -> None:
    async def exchange(name: str, account: Account, got: list[Item], dice: Dice) -> None:
        number = 0
        while True:
            number += 1
            item = name, number
            with conc.move_on_after(dice.seconds(0, 0.001) if dice.chance() < 0.1 else math.inf):
                chance = dice.chance()
                if chance < 0.7:
                    index, value = await conc.select(account.sender.sending(item), account.receiver.receiving())
                elif chance < 0.85:
                    index, value = 0, await account.sender.send(item)  # type: ignore[func-returns-value]
                else:
                    index, value = 1, await account.receiver.receive()
                if index == 0:
                    account.sent.append(item)
                else:
                    got.append(value)

    async def main(account: Account) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(7):
                nursery.start_soon(exchange, f"task {number}", account, account.consumer(), dice.another())
            while len(account.sent) < 200:
                await conc.sleep(0.0005)
            nursery.cancel_scope.cancel()

    for _ in range(load(100)):
        account = Account(make(0), dice)
        run(main, account, workers=workers)
        account.sender.close()
        account.receiver.close()
        account.check()


# ---- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, math.inf])
def test_the_end_comes_behind_the_last_item_of_weak_senders_that_come_to_life(
    run: Run, dice: Dice, capacity: float
) -> None:
    def revive(name: str, weak: WeakSender[Item], account: Account, times: int) -> Callable[[], None]:
        def run() -> None:
            with account.noting_errors():
                for number in range(times):
                    sender = weak.upgrade()
                    if sender is None:
                        return
                    with sender:
                        sender.send_blocking((name, number))
                        account.sent.append((name, number))

        return run

    async def consume(account: Account) -> None:
        got = account.consumer()
        async for item in account.receiver:
            got.append(item)
        assert account.sender.downgrade().upgrade() is None

    async def main(account: Account, seconds: float) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(2):
                nursery.start_soon(consume, account)
            await conc.sleep(seconds)
            account.sender.close()

    for _ in range(load(500)):
        account = Account(make(capacity), dice)
        weak = account.sender.downgrade()
        threads = in_threads(*(revive(f"thread {n}", weak, account, dice.between(1, 30)) for n in range(2)))
        run(main, account, dice.seconds(0, 0.002), workers=2)
        for thread in threads:
            thread.join()
        account.receiver.close()
        account.check()


@pytest.mark.parametrize("workers", [1, 3])
def test_a_run_that_is_stopped_by_force_loses_no_item(run: Run, dice: Dice, workers: int) -> None:
    """What was granted to a task that never learns of it comes back to the channel."""

    async def consume(account: Account, got: list[Item], dice: Dice) -> None:
        with CancelScope(shield=True):
            while True:
                chance = dice.chance()
                if chance < 0.4:
                    got.append(await account.receiver.receive())
                elif chance < 0.7:
                    got += await account.receiver.receive_many(2)
                else:
                    got.append((await conc.select(account.receiver.receiving(), conc.after(60)))[1])

    async def strands(account: Account) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(5):
                nursery.start_soon(consume, account, account.consumer(), dice.another())

    async def main(account: Account, threads: list[threading.Thread]) -> None:
        current_runtime().root_nursery.start_soon(strands, account)
        threads += in_threads(lambda: send_all(account))
        await conc.sleep(0.002)

    def send_all(account: Account) -> None:
        with account.noting_errors(), account.sender:
            for number in range(100_000):
                try:
                    account.sender.send_blocking(("thread", number), 0.01)
                except TimeoutError:  # nobody is left who receives
                    return
                account.sent.append(("thread", number))

    for _ in range(load(300)):
        account = Account(make(3), dice)
        threads: list[threading.Thread] = []
        with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout"):
            run(main, account, threads, workers=workers, shutdown_timeout=dice.seconds(0, 0.003))
        for thread in threads:
            thread.join()
        account.receiver.close()
        account.drain()
        for got in account.got:
            got.sort()  # what came back was received late
        account.check()


def test_threads_that_are_interrupted_after_a_grant_lose_no_item_and_no_place(
    run: Run, dice: Dice, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for_grant = Outsider.wait_for_grant

    def sometimes_interrupted(outsider: Outsider, *args: Any) -> None:
        wait_for_grant(outsider, *args)
        if dice.chance() < 0.3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Outsider, "wait_for_grant", sometimes_interrupted)

    def receive_all(account: Account, got: list[Item]) -> None:
        with account.noting_errors():
            while True:
                try:
                    got.append(account.receiver.receive_blocking(dice.seconds(0, 0.002)))
                except (TimeoutError, KeyboardInterrupt):
                    continue
                except EndOfChannel:
                    return

    def reserve(account: Account, sender: Sender[Item]) -> None:
        with account.noting_errors(), sender:
            for _ in range(50):
                try:
                    sender.reserve_blocking(2, dice.seconds(0, 0.002)).release()
                except (TimeoutError, KeyboardInterrupt):
                    continue

    async def produce(account: Account, name: str) -> None:
        with account.sender.clone() as sender:
            for number in range(100):
                await sender.send((name, number))
                account.sent.append((name, number))

    async def main(account: Account) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for n in range(3):
                nursery.start_soon(produce, account, f"task {n}")
        account.sender.close()

    for _ in range(load(100)):
        account = Account(make(2), dice)
        receivers = [partial(receive_all, account, account.consumer()) for _ in range(2)]
        threads = in_threads(*receivers, partial(reserve, account, account.sender.clone()))
        run(main, account)
        for thread in threads:
            thread.join()
        account.receiver.close()
        for got in account.got:
            got.sort()  # what came back was received late
        account.check()
