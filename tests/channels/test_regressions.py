"""What has gone wrong in queues of others, and may not here. Each test says in its name what must hold."""

from __future__ import annotations

import inspect
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.channels import Receiver, Sender, mpmc, mpsc, mpsc_unbounded
from conc.errors import (
    ChannelClosed,
    ChannelEmpty,
    ChannelFull,
    ClosedResource,
    EndOfChannel,
)
from conc_testing import settle
from tests.channels.watched import then
from tests.kernel.support import run
from tests.threads.support import Stranger, hasty_switching

# ---- how many there are ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("capacity", [1, 63, 64, 65, 200])
def test_the_number_of_items_is_right_at_every_fill_level(capacity: int) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](capacity)
        ways: list[tuple[Any, Any]] = [
            (sender.send_nowait, receiver.receive_nowait),
            (sender.send, receiver.receive),
            (sender.send, receiver.__anext__),
            (sender.send_nowait, receiver.receive_nowait),
        ]
        for send, receive in ways:
            for number in range(capacity):
                assert (len(sender), len(receiver)) == (number, number)
                await done(send(number))
                sender._check()
            with pytest.raises(ChannelFull):
                sender.send_nowait(capacity)
            for number in range(capacity, 0, -1):
                assert (len(sender), len(receiver)) == (number, number)
                assert await done(receive()) == capacity - number
                sender._check()
            with pytest.raises(ChannelEmpty):
                receiver.receive_nowait()
        for end in (sender, receiver):
            end.close()

    run(main)


async def done(what: Any) -> Any:
    """What it gives, whether or not it has to be awaited."""
    return await what if inspect.isawaitable(what) else what


def test_the_number_of_items_never_looks_negative_or_too_great_to_another_thread() -> None:
    sender, receiver = mpsc[int](3)
    lengths: set[int] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            lengths.add(len(receiver))
            statistics = receiver.statistics()
            assert 0 <= statistics.items <= 3
            lengths.add(statistics.items)

    async def receive_all() -> None:
        async for _ in receiver:
            pass

    async def send_all() -> None:
        with sender:
            for number in range(5000):
                await sender.send(number)

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(receive_all)
            nursery.start_soon(send_all)

    onlooker = Stranger(look)
    with hasty_switching():
        conc.run(main, workers=2)
    over.set()
    onlooker.result()
    assert lengths <= {0, 1, 2, 3}


def test_places_that_are_reserved_are_no_items() -> None:
    """Also when all items were received: the number of items is what was sent, not what is not free."""
    sender, receiver = mpsc[int](3)
    with sender, receiver, sender.reserve_nowait(2) as permit:
        assert (len(sender), len(receiver)) == (0, 0)
        sender.send_nowait(1)
        permit.send_nowait(2)
        for left in (2, 1):
            assert (len(sender), len(receiver)) == (left, left)
            assert receiver.receive_nowait() == 3 - left
        assert (len(sender), len(receiver), sender.statistics().reserved) == (0, 0, 1)
        sender._check()


# ---- who comes first -------------------------------------------------------------------------------------------------


def test_a_free_place_that_a_large_request_waits_for_is_taken_by_no_newcomer() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](3)
        sender.send_nowait(0)
        async with conc.open_nursery() as nursery:
            large = nursery.start_soon(sender.reserve_many, 3)
            await settle()
            for attempt in (lambda: sender.send_nowait(9), sender.reserve_nowait):
                with pytest.raises(ChannelFull):
                    attempt()
            sends = nursery.start_soon(sender.send, 4)
            selects = nursery.start_soon(conc.select, sender.sending(5))
            reserves = nursery.start_soon(sender.reserve)
            await settle()
            assert [task.outcome for task in (large, sends, selects, reserves)] == [None] * 4
            sender._check()
            assert await receiver.receive() == 0
            with await large.join() as permit:
                for item in (1, 2, 3):
                    permit.send_nowait(item)
            assert await receiver.receive_many(9) == [1, 2, 3, 4, 5]
            (await reserves.join()).release()
        sender._check()
        for end in (sender, receiver):
            end.close()

    run(main)


@pytest.mark.parametrize("cancelled", ["while it waits", "when it was granted"])
def test_places_are_conserved_when_a_permit_is_given_back_and_one_of_two_who_wait_is_cancelled(cancelled: str) -> None:
    trace: list[str] = []

    async def reserve(sender: Sender[int], name: str) -> None:
        with await sender.reserve():
            trace.append(name)
            await conc.checkpoint()
            trace.append(f"{name} went on")

    async def main() -> None:
        sender, receiver = mpsc[int](1)
        permit = sender.reserve_nowait()
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(reserve, sender, "first")
            nursery.start_soon(reserve, sender, "second")
            await settle()
            acts: list[Callable[[], object]] = [first.cancel, permit.release]
            for act in acts if cancelled == "while it waits" else reversed(acts):
                act()
                sender._check()
        assert sender.statistics().reserved == 0
        sender.send_nowait(1)
        sender._check()
        for end in (sender, receiver):
            end.close()

    run(main)
    assert trace == [*(["first"] if cancelled == "when it was granted" else []), "second", "second went on"]


# ---- the same error, whichever way one asks --------------------------------------------------------------------------


def full(sender: Sender[int], receiver: Receiver[int]) -> None:
    sender.send_nowait(0)


def closed_by_the_receiver(sender: Sender[int], receiver: Receiver[int]) -> None:
    receiver.close()


def full_and_closed_by_the_receiver(sender: Sender[int], receiver: Receiver[int]) -> None:
    sender.send_nowait(0)
    receiver.close()


def closed_by_the_sender(sender: Sender[int], receiver: Receiver[int]) -> None:
    sender.close()


def closed_on_both_sides(sender: Sender[int], receiver: Receiver[int]) -> None:
    sender.close()
    receiver.close()


@pytest.mark.parametrize(
    ("come_to", "error"),
    [
        (full, ChannelFull),
        (closed_by_the_receiver, ChannelClosed),
        (full_and_closed_by_the_receiver, ChannelClosed),
        (closed_by_the_sender, ClosedResource),
        (closed_on_both_sides, ClosedResource),
    ],
)
def test_sending_and_reserving_are_refused_for_the_same_reason(
    come_to: Callable[[Sender[int], Receiver[int]], None], error: type[Exception]
) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        come_to(sender, receiver)
        for attempt in (lambda: sender.send_nowait(1), sender.reserve_nowait):
            with pytest.raises(error):
                attempt()
        if error is not ChannelFull:
            for wait in (lambda: sender.send(1), sender.reserve, lambda: conc.select(sender.sending(1))):
                with pytest.raises(error):
                    await wait()
        sender._check()
        receiver.close()

    run(main)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_many_items_of_a_closed_channel_come_in_full_lists_and_then_the_end(limit: int) -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](5)
        with sender:
            for number in range(5):
                sender.send_nowait(number)
        receiver.close()
        got: list[int] = []
        with pytest.raises(EndOfChannel):
            while True:
                batch = await receiver.receive_many(limit)
                assert 1 <= len(batch) <= limit
                got += batch
        assert got == list(range(5))
        with pytest.raises(EndOfChannel):
            receiver.receive_many_nowait(limit)

    run(main)


# ---- closing while others wait ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(["cancel", "release", "close"])), ids=", ".join)
@pytest.mark.parametrize("side", [0, 1])
def test_a_receiver_of_a_closed_channel_is_told_of_the_end_whatever_becomes_of_reservations(
    side: int, order: tuple[str, ...]
) -> None:
    async def reserve_both(sender: Sender[int]) -> None:
        try:
            with await sender.reserve_many(2):
                await conc.checkpoint()
        except (ChannelClosed, ClosedResource):
            pass

    async def main() -> None:
        ends = sender, receiver = mpsc[int](2)
        permit = sender.reserve_nowait()
        trace: list[object] = []
        async with conc.open_nursery() as nursery:
            nursery.start_soon(then, receiver.receive(), trace)
            await settle()
            reserving = nursery.start_soon(reserve_both, sender)
            await settle()
            acts = {"cancel": reserving.cancel, "release": permit.release, "close": ends[side].close}
            for number, act in enumerate(order):
                acts[act]()
                sender._check()
                if number % 2:
                    await settle()
                done = {"release", "close"} <= set(order[: number + 1])
                assert done or trace == []
        assert trace == [EndOfChannel, "went on"]
        for end in ends:
            end.close()

    run(main)


@pytest.mark.parametrize("act", ["last sender", "last receiver"])
@pytest.mark.parametrize("capacity", [0, 1])
def test_all_who_wait_are_told_once_when_a_shared_channel_closes(capacity: int, act: str) -> None:
    """Senders in line when the receivers go; receivers in line when the senders go. What was sent comes first."""

    async def main() -> None:
        sender, receiver = mpmc[int](capacity)
        senders = [sender, sender.clone(), sender.clone()]
        receivers = [receiver, receiver.clone(), receiver.clone()]
        trace: list[object] = []
        async with conc.open_nursery() as nursery:
            if act == "last receiver":
                if capacity:
                    sender.send_nowait(7)
                for end in senders:
                    nursery.start_soon(then, end.send(1), trace)
                    nursery.start_soon(then, conc.select(end.sending(2)), trace)
            else:
                for one in receivers:
                    nursery.start_soon(then, one.receive(), trace)
                    nursery.start_soon(then, conc.select(one.receiving()), trace)
            await settle()
            last, *others = receivers if act == "last receiver" else senders
            for one_of_them in others:
                one_of_them.close()
            await settle()
            assert trace == []
            last.close()
            sender._check()
            assert sender.statistics()[-2:] == (0, 0)
        assert trace.count(ChannelClosed if act == "last receiver" else EndOfChannel) == 6
        assert trace.count("went on") == 6
        assert len(trace) == 12
        if capacity and act == "last receiver":
            assert receiver.receive_nowait() == 7
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        for each in (*senders, *receivers):
            each.close()

    run(main)


@pytest.mark.parametrize("make", [lambda: mpsc[int](2), mpsc_unbounded[int], lambda: mpmc[int](3)])
def test_the_end_comes_neither_too_early_nor_never_while_threads_clone_send_and_close(
    make: Callable[[], tuple[Sender[int], Receiver[int]]],
) -> None:
    """Each thread makes the sender of the next, sends through its own, and closes it: the last to close ends it all."""

    def relay(sender: Sender[int], left: int, threads: list[Stranger]) -> None:
        with sender:
            if left:
                threads.append(Stranger(relay, sender.clone(), left - 1, threads))
            sender.send_blocking(left, timeout=60)

    async def main() -> None:
        for _ in range(15):
            sender, receiver = make()
            threads: list[Stranger] = []
            weak = sender.downgrade()
            threads.append(Stranger(relay, sender, 20, threads))
            with receiver:
                assert sorted([item async for item in receiver]) == list(range(21))
                assert weak.upgrade() is None
                receiver._check()
            for thread in threads:
                await thread.has_ended()

    with hasty_switching():
        conc.run(main)
