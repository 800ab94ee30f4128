"""A delay queue: items come in the order of their times and never early, and in the end there is an end."""

from __future__ import annotations

import math

import pytest

import conc
from conc.errors import ClosedResource, EndOfChannel
from conc.time import DelayQueue
from conc_testing import VirtualClock, settle
from tests.kernel.support import run
from tests.time.support import Received, drain, filled, receive

# Order and time.


async def test_items_come_in_the_order_of_their_times() -> None:
    queue = filled(c=3, a=1, d=4, b=2)

    assert await drain(queue) == [("a", 1), ("b", 2), ("c", 3), ("d", 4)]


async def test_items_of_one_time_come_in_the_order_in_which_they_were_inserted() -> None:
    queue = filled(c=5, a=5, b=5)

    assert await drain(queue) == [("c", 5), ("a", 5), ("b", 5)]


async def test_items_that_were_not_asked_for_in_time_come_at_once_and_in_order() -> None:
    queue = filled(b=2, a=1, c=30)
    await conc.sleep(10)

    assert await drain(queue) == [("a", 10), ("b", 10), ("c", 30)]


async def test_an_item_may_be_due_at_a_moment_or_at_once_or_never() -> None:
    queue = DelayQueue[str]()
    await conc.sleep(7)
    queue.insert_at("a moment", 9)
    queue.insert("never", math.inf)
    queue.insert("now", 0)
    queue.insert_at("long ago", -math.inf)

    received: Received = []
    with conc.move_on_after(1e12):
        while True:
            await receive(queue, received)

    assert received == [("long ago", 7), ("now", 7), ("a moment", 9)]
    assert len(queue) == 1


async def test_receiving_what_is_due_lets_nobody_else_run() -> None:
    trace: list[str] = []
    queue = filled(a=0)

    async def other() -> None:
        trace.append("other")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(other)
        trace.append(await queue.receive())

    assert trace == ["a", "other"]


@pytest.mark.conc(clock="real")
async def test_on_the_real_clock_no_item_comes_early() -> None:
    queue = DelayQueue[float]()
    for delay in (0.02, 0.0001, 0.011, 0.0005, 0.0101):
        deadline = conc.current_time() + delay
        queue.insert_at(deadline, deadline)
    queue.close()

    async for deadline in queue:
        assert conc.current_time() >= deadline


# What goes in while somebody waits.


async def test_an_earlier_item_is_waited_for_instead() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    queue.insert("late", 100)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await conc.sleep(1)
        queue.insert("early", 2)
        queue.insert("later", 50)
        queue._check()

    assert received == [("early", 3)]


async def test_an_item_that_is_due_at_once_goes_to_who_waits() -> None:
    received: Received = []
    queue = DelayQueue[str]()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await conc.sleep(1)
        queue.insert("now", 0)
        assert len(queue) == 0

    assert received == [("now", 1)]


async def test_an_empty_queue_is_waited_for_until_something_comes() -> None:
    received: Received = []
    queue = DelayQueue[str]()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await conc.sleep(10)
        queue.insert("a", 5)

    assert received == [("a", 15)]


@pytest.mark.parametrize("delay", [0, 2, 50])
async def test_a_reset_item_is_waited_for_anew(delay: float) -> None:
    received: Received = []
    queue = DelayQueue[str]()
    key = queue.insert("a", 10)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await conc.sleep(1)
        queue.reset(key, delay)
        assert delay == 0 or queue.deadline(key) == 1 + delay
        queue._check()

    assert received == [("a", 1 + delay)]


async def test_a_reset_to_the_past_wakes_who_waits() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    key = queue.insert("a", math.inf)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await conc.sleep(3)
        queue.reset_at(key, 2)

    assert received == [("a", 3)]


async def test_a_reset_puts_an_item_behind_others_of_the_same_time() -> None:
    queue = DelayQueue[str]()
    first = queue.insert_at("first", 5)
    queue.insert_at("second", 5)

    queue.reset_at(first, 5)
    queue.close()

    assert await drain(queue) == [("second", 5), ("first", 5)]


async def test_an_item_that_was_put_off_again_and_again_comes_once() -> None:
    queue = DelayQueue[str]()
    key = queue.insert("a", 10)

    for _ in range(500):
        await conc.sleep(9)
        queue.reset(key, 10)
        queue._check()
    queue.close()

    assert await drain(queue) == [("a", 4510)]


def test_the_time_of_a_removed_item_is_waited_for_by_nobody() -> None:
    clock = VirtualClock()

    async def main() -> None:
        queue = DelayQueue[str]()
        key = queue.insert("a", 1000)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(queue.receive)
            await conc.sleep(1)
            assert queue.remove(key) == "a"
            queue._check()

    with pytest.raises(conc.Deadlock, match=r"DelayQueue\.receive"):
        conc.run(main, clock=clock)
    assert clock.now() == 1


async def test_when_the_first_is_removed_the_second_is_waited_for() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    first = queue.insert("first", 10)
    queue.insert("second", 20)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await settle()
        assert queue.remove(first) == "first"

    assert received == [("second", 20)]


async def test_a_cleared_queue_gives_nothing_of_what_was_in_it() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    keys = [queue.insert(name, 5) for name in "abc"]

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await settle()
        queue.clear()
        assert len(queue) == 0
        assert queue.peek() is None
        assert not any(key in queue for key in keys)
        queue._check()
        await conc.sleep(10)
        queue.insert("later", 1)

    assert received == [("later", 11)]


# The end.


async def test_a_closed_queue_takes_nothing_more_and_gives_what_it_has() -> None:
    queue = filled(a=1, b=2)
    queue.close()

    with pytest.raises(ClosedResource, match="is closed"):
        queue.insert("c", 1)
    with pytest.raises(ClosedResource, match="is closed"):
        queue.insert_at("c", 1)
    assert await queue.receive() == "a"
    assert await queue.receive() == "b"
    with pytest.raises(EndOfChannel, match="nothing more will come"):
        await queue.receive()
    with pytest.raises(EndOfChannel):
        queue.receive_nowait()


async def test_items_of_a_closed_queue_may_still_be_reset_and_removed() -> None:
    queue = DelayQueue[str]()
    keys = {name: queue.insert(name, 1) for name in "abc"}
    queue.close()

    queue.reset(keys["a"], 5)
    queue.remove(keys["b"])

    assert await drain(queue) == [("c", 1), ("a", 5)]


@pytest.mark.parametrize("last", ["close", "remove", "clear"])
async def test_the_end_reaches_all_who_wait(last: str) -> None:
    queue = DelayQueue[str]()
    key = queue.insert("a", 100)

    async with conc.open_nursery() as nursery:
        tasks = [nursery.start_soon(drain, queue) for _ in range(3)]
        await settle()
        if last == "close":
            queue.remove(key)
            queue.close()
        else:
            queue.close()
            await settle()
            assert all(task.outcome is None for task in tasks)
            queue.remove(key) if last == "remove" else queue.clear()
        queue._check()

    assert [task.join_nowait() for task in tasks] == [[], [], []]
    assert conc.current_time() == 0


async def test_the_last_item_of_a_closed_queue_goes_to_the_first_and_the_end_to_the_others() -> None:
    queue = filled(a=5)

    async with conc.open_nursery() as nursery:
        tasks = [nursery.start_soon(drain, queue) for _ in range(3)]

    assert [task.join_nowait() for task in tasks] == [[("a", 5)], [], []]


# Misuse, and looking.


def test_a_queue_is_made_in_a_running_program() -> None:
    with pytest.raises(RuntimeError, match="running conc program"):
        DelayQueue[str]()


async def test_a_queue_of_another_program_is_refused_because_its_clock_is_another() -> None:
    queue = filled(a=1)

    with pytest.raises(RuntimeError, match="another clock"):
        await conc.to_thread(run, queue.receive)
    assert await drain(queue) == [("a", 1)]


@pytest.mark.parametrize(("delay", "error"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError)])
async def test_a_delay_that_is_no_length_of_time_is_refused(delay: float, error: type[Exception]) -> None:
    queue = DelayQueue[str]()
    key = queue.insert("a", 1)

    with pytest.raises(error, match="delay"):
        queue.insert("b", delay)
    with pytest.raises(error, match="delay"):
        queue.reset(key, delay)
    assert len(queue) == 1
    assert queue.deadline(key) == 1


async def test_a_deadline_that_is_no_moment_is_refused() -> None:
    queue = DelayQueue[str]()
    key = queue.insert("a", 1)

    with pytest.raises(ValueError, match="deadline"):
        queue.insert_at("b", math.nan)
    with pytest.raises(ValueError, match="deadline"):
        queue.reset_at(key, math.nan)


async def test_a_queue_says_how_it_stands() -> None:
    queue = DelayQueue[str]()
    async with conc.open_nursery() as nursery:
        nursery.start_soon(queue.receive)
        await settle()
        queue.insert("a", 3)
        assert repr(queue) == "<DelayQueue of 1 items, 1 waiting>"
        assert queue.statistics() == (1, 1, False)
        queue.close()

    assert repr(queue) == "<DelayQueue of 0 items, 0 waiting, closed>"
    assert queue.statistics() == (0, 0, True)
