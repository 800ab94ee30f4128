"""A watch: the latest value, and no change that is missed or told twice."""

from __future__ import annotations

import gc
import weakref
from typing import assert_type

import pytest

import conc
from conc.channels import WatchReceiver, WatchSender, WatchStatistics, watch
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from conc_testing import settle
from tests.channels.watched import dropped, no_warning, then


class Thing:
    """Something that can be seen to go."""


# ---- seen and not seen ------------------------------------------------------------------------------------------


async def test_the_first_value_and_that_at_subscribing_count_as_seen() -> None:
    sender, first = watch("a")
    with sender, first:
        assert first.borrow() == sender.borrow() == "a"
        assert not first.has_changed()
        sender.send_nowait("b")
        with sender.subscribe() as second:
            assert second.borrow() == "b"
            assert (first.has_changed(), second.has_changed()) == (True, False)


async def test_a_change_is_told_once_and_at_once_if_it_came_before(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        sender.send_nowait(1)
        nursery.start_soon(then, conc.sleep(0), trace)
        assert await receiver.changed() == 1
        assert trace == []  # nobody else has run

        with conc.move_on_after(1) as scope:
            await receiver.changed()
        assert scope.cancelled_caught


async def test_a_receiver_that_waits_is_told_of_a_change(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()
        assert trace == []

        sender.send_nowait(1)
        receiver._check()
        await settle()

        assert trace == [1, "went on"]
        assert not receiver.has_changed()


async def test_of_several_changes_only_the_latest_is_told() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        for value in range(1, 5):
            sender.send_nowait(value)

        assert await receiver.changed() == 4
        with pytest.raises(ChannelEmpty):
            receiver.changed_nowait()


async def test_a_change_between_the_wake_up_and_the_task_is_told_with_the_first(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        sender.send_nowait(1)
        sender.send_nowait(2)
        receiver._check()
        await settle()

        assert trace == [2, "went on"]
        assert not receiver.has_changed()


async def test_looking_marks_a_value_as_seen_only_if_it_is_said() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        sender.send_nowait(1)
        assert receiver.borrow() == 1
        assert receiver.has_changed()
        assert receiver.borrow_and_update() == 1
        assert not receiver.has_changed()
        with pytest.raises(ChannelEmpty):
            receiver.changed_nowait()


async def test_a_value_may_be_marked_as_seen_and_as_not_seen() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        receiver.mark_changed()
        receiver._check()
        assert receiver.has_changed()
        assert await receiver.changed() == 0

        sender.send_nowait(1)
        receiver.mark_unchanged()
        assert not receiver.has_changed()
        sender.send_nowait(2)
        receiver.mark_changed()
        assert receiver.changed_nowait() == 2


async def test_who_waits_for_a_change_is_told_when_the_value_is_marked_as_not_seen(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        receiver.mark_changed()
        receiver._check()
        await settle()

        assert trace == [0, "went on"]
        assert not receiver.has_changed()


async def test_an_equal_value_is_a_change_too() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        sender.send_nowait(0)
        assert receiver.has_changed()


async def test_a_clone_has_seen_what_the_original_has() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        with receiver.clone() as clone:
            assert not clone.has_changed()
        sender.send_nowait(1)
        with receiver.clone() as clone:
            assert clone.has_changed()
            assert clone.changed_nowait() == 1
            assert receiver.has_changed()


async def test_all_who_wait_are_told_in_the_order_in_which_they_came(nursery: conc.Nursery) -> None:
    order: list[int] = []

    async def follow(receiver: WatchReceiver[int], number: int) -> None:
        await receiver.changed()
        order.append(number)

    sender, first = watch(0)
    receivers = [first, *(sender.subscribe() for _ in range(4))]
    for number in (3, 0, 4, 1, 2):
        nursery.start_soon(follow, receivers[number], number)
    await settle()
    assert sender.statistics().tasks_waiting == 5
    sender.send_nowait(1)
    await settle()

    assert order == [3, 0, 4, 1, 2]
    for end in (sender, *receivers):
        end.close()


async def test_iterating_gives_each_value_that_comes_to_be_seen(nursery: conc.Nursery) -> None:
    values: list[int] = []

    async def follow(receiver: WatchReceiver[int]) -> None:
        async for value in receiver:
            values.append(value)
            await conc.sleep(1)

    sender, receiver = watch(0)
    nursery.start_soon(follow, receiver)
    await settle()
    for value in range(1, 5):
        sender.send_nowait(value)
        await conc.sleep(0.4)
    sender.close()
    await conc.sleep(5)

    assert values == [1, 3, 4]


async def test_a_second_task_in_one_receiver_is_refused_and_the_first_goes_on(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        with pytest.raises(BusyResource, match="clone"):
            await receiver.changed()
        with pytest.raises(BusyResource):
            await receiver.wait_for(bool)
        with pytest.raises(BusyResource):
            receiver.changed_nowait()
        sender.send_nowait(1)
        await settle()

        assert trace == [1, "went on"]


# ---- closing ----------------------------------------------------------------------------------------------------


async def test_a_value_that_was_not_seen_is_told_before_the_end() -> None:
    sender, receiver = watch(0)
    with receiver:
        sender.send_nowait(1)
        sender.close()
        sender.close()

        assert receiver.is_closed()
        assert receiver.has_changed()
        assert await receiver.changed() == 1
        with pytest.raises(EndOfChannel):
            await receiver.changed()
        with pytest.raises(EndOfChannel):
            receiver.changed_nowait()
        assert [value async for value in receiver] == []
        assert receiver.borrow() == 1
        assert not receiver.has_changed()


async def test_all_who_wait_are_told_once_when_the_last_sender_closes(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    one, first = watch(0)
    two = one.clone()
    second = one.subscribe()
    for receiver in (first, second):
        nursery.start_soon(then, receiver.changed(), trace)
    await settle()

    one.close()
    await settle()
    assert trace == []
    two.close()
    two._check()
    await settle()

    assert trace.count(EndOfChannel) == 2
    assert len(trace) == 4


async def test_nothing_is_stored_when_nobody_receives_unless_it_is_insisted_on() -> None:
    sender, receiver = watch(0)
    with sender:
        receiver.close()
        assert sender.is_closed()
        with pytest.raises(ChannelClosed):
            sender.send_nowait(1)
        assert sender.borrow() == 0

        assert sender.send_replace(2) == 0
        sender.send_modify(lambda value: value + 1)
        assert sender.send_if_modified(lambda value: value + 1)
        with sender.subscribe() as late:
            assert late.borrow() == 4
            assert not late.has_changed()
            sender.send_nowait(5)
            assert late.changed_nowait() == 5


async def test_a_closed_receiver_is_told_so_and_counts_no_more(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, sender.subscribe():
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        receiver.close()
        receiver.close()
        sender._check()
        await settle()

        assert trace == [ClosedResource, "went on"]
        assert sender.statistics().open_receivers == 1
        for refused in (
            receiver.borrow,
            receiver.borrow_and_update,
            receiver.has_changed,
            receiver.mark_changed,
            receiver.mark_unchanged,
            receiver.changed_nowait,
            receiver.clone,
        ):
            with pytest.raises(ClosedResource):
                refused()
        for awaited in (receiver.changed(), receiver.wait_for(lambda _: True)):
            with pytest.raises(ClosedResource):
                await awaited


async def test_a_closed_sender_sends_nothing() -> None:
    sender, receiver = watch(0)
    with receiver:
        sender.close()
        for refused in (
            lambda: sender.send_nowait(1),
            lambda: sender.send_replace(1),
            lambda: sender.send_modify(lambda value: value),
            lambda: sender.send_if_modified(lambda value: value),
            lambda: sender.send_if_modified(lambda value: value + 1),
            sender.clone,
            sender.subscribe,
        ):
            with pytest.raises(ClosedResource):
                refused()
        assert receiver.borrow() == 0


async def test_a_sender_learns_when_the_last_receiver_has_closed(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, first = watch(0)
    second = first.clone()
    with sender:
        nursery.start_soon(then, sender.closed(), trace)
        await settle()
        first.close()
        await settle()
        assert trace == []

        second.close()
        sender._check()
        await settle()

        assert trace == [None, "went on"]
        with sender.subscribe():
            assert not sender.is_closed()
            assert (await conc.select(sender.closing(), conc.after(1)))[0] == 1
        assert (await conc.select(sender.closing(), conc.after(1)))[0] == 0


# ---- looking, and dropping --------------------------------------------------------------------------------------


async def test_a_watch_tells_how_it_stands(nursery: conc.Nursery) -> None:
    sender, first = watch(0)
    second = sender.subscribe()
    nursery.start_soon(first.changed)
    waiting = nursery.start_soon(second.wait_for, bool)
    await settle()
    assert sender.statistics() == first.statistics() == WatchStatistics(0, 1, 2, 2)
    assert "waits for WatchReceiver.changed" in repr(waiting)

    sender.send_nowait(1)
    assert sender.statistics() == WatchStatistics(1, 1, 2, 0)
    assert repr(sender) == "<WatchSender of a watch at version 1, 1 sender(s), 2 receiver(s)>"
    await settle()
    sender.send_nowait(2)
    assert repr(first) == "<WatchReceiver, not seen, of a watch at version 2, 1 sender(s), 2 receiver(s)>"
    for end in (sender, first, second):
        end.close()
    assert repr(sender).startswith("<WatchSender (closed) of")
    assert repr(second).startswith("<WatchReceiver (closed), not seen, of")


async def test_a_value_goes_when_it_is_replaced_also_while_somebody_has_not_seen_the_next() -> None:
    gc.disable()
    try:
        sender, receiver = watch(Thing())
        with sender, receiver:
            seen = weakref.ref(sender.borrow())
            sender.send_nowait(Thing())
            assert seen() is None
    finally:
        gc.enable()


async def test_a_finaliser_of_a_value_may_use_the_channel() -> None:
    noted: list[int] = []

    class Loud:
        """Looks at the channel when it goes."""

        def __del__(self) -> None:
            noted.append(sender.statistics().version)

    sender, receiver = watch[object](Loud())
    with sender, receiver:
        sender.send_nowait(Loud())
        sender.send_replace(Loud())
        sender.send_modify(lambda _: None)
        assert noted == [1, 2, 3]


async def test_receivers_that_come_and_go_while_nothing_changes_leave_nothing_behind() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        for _ in range(100):
            with sender.subscribe() as visitor, conc.move_on_after(1):
                await visitor.changed()

        assert len(sender._channel.attentive) == 0
        sender._check()


async def test_ends_that_nobody_waits_for_are_dropped_in_silence() -> None:
    with no_warning():
        watch(0)
        sender, receiver = watch(0)
        sender.send_nowait(1)
        del sender
        assert await receiver.changed() == 1
        del receiver


async def test_waiting_for_ends_that_were_dropped_warns(nursery: conc.Nursery) -> None:
    sender, receiver = watch(0)
    with receiver:
        nursery.start_soon(then, receiver.changed(), [])
        await settle()
        with pytest.warns(ResourceWarning, match=dropped("sender", __file__)):
            del sender

    sender, receiver = watch(0)
    del sender
    with receiver, pytest.warns(ResourceWarning, match=dropped("sender", __file__)), conc.move_on_after(1):
        await receiver.wait_for(bool)

    sender, receiver = watch(0)
    del receiver
    with sender, pytest.warns(ResourceWarning, match=dropped("receiver", __file__)), conc.move_on_after(1):
        await sender.closed()


def test_a_watch_can_be_made_with_and_without_a_type() -> None:
    for sender, receiver in (watch[int](0), watch[int | None](None), watch(0)):
        assert type(sender) is WatchSender
        assert type(receiver) is WatchReceiver
    typed_sender, typed_receiver = watch[int | None](0)
    assert_type(typed_sender, WatchSender[int | None])
    assert_type(typed_receiver.borrow(), int | None)
    assert_type(watch("")[1], WatchReceiver[str])
