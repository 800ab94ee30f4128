"""Those who receive from a delay queue: each item goes to one, in order, and a cancelled wait takes none."""

from __future__ import annotations

import pytest

import conc
from conc._kernel.current import current_worker
from conc.errors import ChannelEmpty, EndOfChannel
from conc.lowlevel import current_task
from conc.sync import Event
from conc.task.selects import select
from conc.time import DelayKey, DelayQueue
from conc.time.alarms import after
from conc_testing import VirtualClock, settle
from tests.time.support import Received, drain, filled, receive, receive_two

# Receivers.


async def test_who_came_first_receives_first() -> None:
    received: dict[int, str] = {}
    queue = filled(c=3, a=1, b=2)

    async def take(number: int) -> None:
        received[number] = await queue.receive()

    async with conc.open_nursery() as nursery:
        for number in range(3):
            nursery.start_soon(take, number)

    assert received == {0: "a", 1: "b", 2: "c"}


async def test_a_newcomer_does_not_overtake_who_waits(clock: VirtualClock) -> None:
    received: Received = []
    queue = filled(a=5, b=6)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await settle()
        clock.jump(5)  # it is due, and the alarm has not rung yet
        with pytest.raises(ChannelEmpty):
            queue.receive_nowait()
        await receive(queue, received)

    assert received == [("a", 5), ("b", 6)]


async def test_without_waiting_only_what_is_due_is_received() -> None:
    queue = DelayQueue[str]()
    with pytest.raises(ChannelEmpty, match="nothing is due"):
        queue.receive_nowait()
    queue.insert("a", 1)
    with pytest.raises(ChannelEmpty):
        queue.receive_nowait()

    await conc.sleep(1)

    assert queue.receive_nowait() == "a"


# Cancellation.


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_wait_that_is_cancelled_takes_no_item_and_gives_up_its_place(which: int) -> None:
    received: Received = []
    queue = filled(a=5, b=7, c=9)

    async with conc.open_nursery() as nursery:
        tasks = [nursery.start_soon(receive, queue, received) for _ in range(3)]
        await conc.sleep(1)
        tasks[which].cancel()
        await settle()
        queue._check()

    assert received == [("a", 5), ("b", 7)]
    assert await drain(queue) == [("c", 9)]


async def test_an_item_that_was_given_before_the_cancellation_is_received() -> None:
    received: Received = []
    queue = DelayQueue[str]()

    async def waiter() -> None:
        await receive(queue, received)
        await conc.checkpoint()
        received.append(("not reached", 0))

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(waiter)
        await settle()
        queue.insert("a", 0)
        task.cancel()

    assert received == [("a", 0)]


async def test_an_item_whose_alarm_rang_before_the_cancellation_is_received() -> None:
    received: Received = []
    queue = filled(a=10)

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(receive, queue, received)
        await settle()
        await conc.sleep(10)  # set later than the alarm, so that rang just before
        task.cancel()

    assert received == [("a", 10)]


async def test_an_item_that_comes_after_the_cancellation_stays() -> None:
    received: Received = []
    queue = DelayQueue[str]()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(receive, queue, received)
        await settle()
        task.cancel()
        queue.insert("a", 0)

    assert received == []
    assert queue.receive_nowait() == "a"


async def test_a_cancelled_task_takes_nothing_although_it_is_due() -> None:
    queue = filled(a=0)

    with conc.CancelScope() as scope:
        scope.cancel()
        await queue.receive()

    assert scope.cancelled_caught
    assert await drain(queue) == [("a", 0)]


async def test_a_cancelled_wait_leaves_no_timer_behind() -> None:
    queue = filled(a=1000)

    for _ in range(3):
        with conc.move_on_after(1):
            await queue.receive()
        assert not current_worker().timers


@pytest.mark.parametrize("waiting", [False, True])
async def test_an_item_of_which_nobody_learnt_is_put_back_in_its_place(waiting: bool) -> None:
    queue = DelayQueue[str]()
    first = queue.insert("first", 0)
    queue.insert("second", 0)
    operation = queue.receiving()
    granted = operation.attempt(current_task(), [])  # as when the run of a task is stopped that was just granted
    assert len(queue) == 1

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(receive_two, queue) if waiting else None
        await settle()
        operation.give_back(granted)
        queue._check()

    if task is None:
        assert queue.peek() is first
        assert await receive_two(queue) == ["first", "second"]
    else:
        assert task.join_nowait() == ["second", "first"]


# In a select.


async def test_receiving_may_be_one_branch_of_a_select() -> None:
    queue = filled(a=5, b=20)
    event = Event()

    assert await select(queue.receiving(), event.waiting()) == (0, "a")
    assert await select(event.waiting(), after(2), queue.receiving()) == (1, None)
    assert conc.current_time() == 7
    event.set()
    assert await select(queue.receiving(), event.waiting()) == (1, None)
    assert await drain(queue) == [("b", 20)]


async def test_a_select_that_took_another_branch_leaves_no_alarm_behind() -> None:
    queue = filled(a=1000)

    await select(queue.receiving(), after(1))
    with conc.move_on_after(1):
        await select(queue.receiving(), Event().waiting())

    assert not current_worker().timers
    queue._check()


async def test_a_select_that_was_given_an_earlier_item_leaves_no_alarm_behind() -> None:
    queue = DelayQueue[str]()
    queue.insert("late", 1000)

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(select, queue.receiving(), Event().waiting())
        await settle()
        queue.insert("now", 0)

    assert task.join_nowait() == (0, "now")
    assert not current_worker().timers


async def test_the_end_of_a_queue_is_the_error_of_its_branch() -> None:
    queue = filled(a=5)
    assert await select(after(100), queue.receiving()) == (1, "a")

    with pytest.raises(EndOfChannel) as caught:
        await select(after(100), queue.receiving())

    assert caught.value.branch == 1
    assert conc.current_time() == 5


async def test_a_select_waits_in_line_with_the_others() -> None:
    received: Received = []
    queue = filled(a=5, b=6, c=7)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(receive, queue, received)
        await settle()
        task = nursery.start_soon(select, queue.receiving(), Event().waiting())
        await settle()
        nursery.start_soon(receive, queue, received)

    assert task.join_nowait() == (0, "b")
    assert received == [("a", 5), ("c", 7)]


async def test_a_select_between_two_queues_takes_from_one_only() -> None:
    queues = [filled(a=5), filled(b=5)]

    index, item = await select(*(queue.receiving() for queue in queues))

    assert item == "ab"[index]
    assert [len(queue) for queue in queues] == [int(index == 1), int(index == 0)]
    for queue in queues:
        queue._check()


async def test_an_item_is_passed_on_when_its_select_was_decided_elsewhere() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    event = Event()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(select, queue.receiving(), event.waiting())
        await settle()
        nursery.start_soon(receive, queue, received)
        await settle()
        event.set()  # decides the select, which has not left the line yet
        queue.insert("a", 0)

    assert task.join_nowait() == (1, None)
    assert received == [("a", 0)]


async def test_the_alarm_passes_on_when_a_select_was_decided_elsewhere() -> None:
    received: Received = []
    queue = DelayQueue[str]()
    event = Event()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(select, queue.receiving(), event.waiting())
        await settle()
        nursery.start_soon(receive, queue, received)
        await settle()
        event.set()
        with pytest.raises(ChannelEmpty):
            queue.receive_nowait()  # drops the select from the line
        queue.insert("a", 3)

    assert received == [("a", 3)]


async def test_receiving_is_not_awaited_by_itself() -> None:
    with pytest.raises(TypeError, match=r"conc\.select"):
        await filled(a=0).receiving()


class Reset:
    """A timer that resets an item when it expires."""

    def __init__(self, queue: DelayQueue[str], key: DelayKey, deadline: float) -> None:
        self.queue, self.key, self.deadline = queue, key, deadline

    def expire(self) -> None:
        self.queue.reset_at(self.key, self.deadline)


async def test_an_alarm_that_is_reset_as_it_is_about_to_ring_leaves_no_timer_behind() -> None:
    timers = current_task().strand.worker.timers  # type: ignore[union-attr]
    queue = DelayQueue[str]()
    key = queue.insert("late", 5)
    timers.add(5, Reset(queue, key, 8))  # both are due together, and this one is the first
    async with conc.open_nursery() as nursery:
        receiver = nursery.start_soon(queue.receive)
        await conc.sleep(5.5)
        queue._check()
        assert timers.next_deadline() == 8
        queue.reset(key, 1)
        assert await receiver.join() == "late"
    assert conc.current_time() == 6.5
    assert not timers
