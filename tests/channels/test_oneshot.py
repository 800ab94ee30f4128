"""A oneshot: one item, which arrives or is known not to."""

from __future__ import annotations

import gc
import inspect
import weakref
from typing import assert_type

import pytest

import conc
from conc.channels import OneshotReceiver, OneshotSender, OneshotStatistics, oneshot
from conc.errors import BusyResource, ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from conc_testing import settle
from tests.channels.watched import dropped, no_warning, once_waiting, then
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger


class Thing:
    """Something that can be seen to go."""


# ---- sending and receiving --------------------------------------------------------------------------------------


async def test_an_item_that_was_sent_is_received_and_nobody_else_runs(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[str]()

    nursery.start_soon(then, conc.sleep(0), trace)
    sender.send_nowait("item")

    assert await receiver.receive() == "item"
    assert trace == []
    sender._check()


async def test_a_receiver_that_waits_gets_the_item(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[str]()
    nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    sender.send_nowait("item")
    sender._check()
    await settle()

    assert trace == ["item", "went on"]


@pytest.mark.parametrize("item", [None, False, EndOfChannel, conc.Cancelled])
async def test_any_object_may_be_the_item(item: object) -> None:
    sender, receiver = oneshot[object]()
    sender.send_nowait(item)

    assert await receiver.receive() is item


async def test_who_asks_for_an_item_that_was_not_sent_is_told_without_waiting() -> None:
    sender, receiver = oneshot[str]()

    with sender, receiver, pytest.raises(ChannelEmpty, match="nothing was sent yet"):
        receiver.receive_nowait()
    sender, receiver = oneshot()
    sender.send_nowait("item")
    assert receiver.receive_nowait() == "item"


async def test_a_second_item_is_an_error_whether_or_not_the_first_was_received() -> None:
    sender, receiver = oneshot[int]()
    sender.send_nowait(1)

    with pytest.raises(RuntimeError, match="one item, and that was sent"):
        sender.send_nowait(2)
    assert receiver.receive_nowait() == 1
    with pytest.raises(RuntimeError, match="one item, and that was sent"):
        sender.send_nowait(2)


async def test_to_receive_twice_is_an_error() -> None:
    sender, receiver = oneshot[int]()
    sender.send_nowait(1)
    assert await receiver.receive() == 1

    assert repr(receiver) == "<OneshotReceiver (closed) of a oneshot, received>"
    with pytest.raises(RuntimeError, match="one item, and that was received"):
        await receiver.receive()
    with pytest.raises(RuntimeError, match="one item, and that was received"):
        receiver.receive_nowait()
    with pytest.raises(RuntimeError, match="one item, and that was received") as raised:
        await conc.select(conc.after(60), receiver.receiving())
    assert raised.value.branch == 1  # type: ignore[attr-defined]


async def test_a_second_task_that_waits_is_refused_and_the_first_gets_the_item(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[str]()
    nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    with pytest.raises(BusyResource):
        await receiver.receive()
    with pytest.raises(BusyResource):
        receiver.receive_nowait()
    with pytest.raises(BusyResource):
        await conc.select(receiver.receiving())
    sender.send_nowait("item")
    await settle()

    assert trace == ["item", "went on"]


async def test_iterating_gives_the_item_and_ends() -> None:
    sender, receiver = oneshot[int]()
    sender.send_nowait(1)

    assert [item async for item in receiver] == [1]
    assert [item async for item in receiver] == []
    sender, receiver = oneshot()
    sender.close()
    assert [item async for item in receiver] == []


# ---- closing ----------------------------------------------------------------------------------------------------


async def test_a_sender_that_is_closed_without_sending_ends_the_wait(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    sender.close()
    sender.close()
    sender._check()
    await settle()

    assert trace == [EndOfChannel, "went on"]
    with pytest.raises(EndOfChannel, match="nothing was sent"):
        await receiver.receive()
    with pytest.raises(EndOfChannel):
        receiver.receive_nowait()
    with pytest.raises(ClosedResource):
        sender.send_nowait(1)


async def test_what_was_sent_before_the_sender_closed_is_received() -> None:
    sender, receiver = oneshot[int]()
    with sender:
        sender.send_nowait(1)

    assert await receiver.receive() == 1


async def test_nothing_can_be_sent_to_a_receiver_that_is_closed() -> None:
    sender, receiver = oneshot[int]()
    with sender:
        receiver.close()

        with pytest.raises(ChannelClosed):
            sender.send_nowait(1)
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
    with pytest.raises(ClosedResource):
        sender.send_nowait(1)


@pytest.mark.parametrize("waits", [True, False])
async def test_what_was_sent_before_the_receiver_closed_can_still_be_received(waits: bool) -> None:
    sender, receiver = oneshot[int]()
    with receiver:
        sender.send_nowait(1)
    assert sender.is_closed()

    assert (await receiver.receive() if waits else receiver.receive_nowait()) == 1


async def test_closing_a_receiver_ends_the_wait_of_its_task(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    receiver.close()
    sender._check()
    await settle()

    assert trace == [EndOfChannel, "went on"]


async def test_a_receiver_may_be_closed_after_it_has_got_its_item() -> None:
    sender, receiver = oneshot[int]()
    sender.send_nowait(1)
    with receiver:
        assert receiver.receive_nowait() == 1

    sender.close()
    receiver.close()
    sender._check()


async def test_a_sender_learns_that_its_receiver_was_closed(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    with sender:
        nursery.start_soon(then, sender.closed(), trace)
        await settle()
        assert not sender.is_closed()
        assert trace == []

        receiver.close()
        sender._check()
        await settle()

        assert trace == [None, "went on"]
        assert sender.is_closed()
        await sender.closed()
        assert await conc.select(sender.closing()) == (0, None)


@pytest.mark.parametrize("parked", [True, False])
async def test_a_sender_learns_that_its_item_was_received(nursery: conc.Nursery, parked: bool) -> None:
    trace: list[object] = []
    sender, receiver = oneshot[int]()
    nursery.start_soon(then, sender.closed(), trace)
    if parked:
        nursery.start_soon(receiver.receive)
    await settle()

    sender.send_nowait(1)
    await settle()
    if not parked:
        assert trace == []
        receiver.receive_nowait()
    sender._check()
    await settle()

    assert trace == [None, "went on"]


async def test_both_ends_say_whether_anything_can_still_be_sent() -> None:
    def seen() -> tuple[bool, bool]:
        return sender.is_closed(), receiver.is_closed()

    sender, receiver = oneshot[int]()
    assert seen() == (False, False)
    sender.send_nowait(1)
    assert seen() == (False, True)
    receiver.receive_nowait()
    assert seen() == (True, True)
    sender, receiver = oneshot()
    sender.close()
    assert seen() == (False, True)
    sender, receiver = oneshot()
    receiver.close()
    assert seen() == (True, True)


# ---- threads ----------------------------------------------------------------------------------------------------


def test_threads_may_use_both_ends_without_any_runtime() -> None:
    sender, receiver = oneshot[int]()
    thread = Stranger(receiver.receive_blocking)
    until_waiting(receiver)

    sender.send_nowait(1)

    assert thread.result() == 1
    sender, receiver = oneshot()
    thread = Stranger(receiver.receive_blocking)
    until_waiting(receiver)
    sender.close()
    with pytest.raises(EndOfChannel):
        thread.result()


@pytest.mark.conc(clock="real")
async def test_a_task_gets_what_a_thread_sends() -> None:
    sender, receiver = oneshot[int]()
    thread = Stranger(once_waiting, receiver, lambda: sender.send_nowait(1))

    assert await receiver.receive() == 1
    await thread.has_ended()


def test_a_thread_that_waited_too_long_has_taken_nothing() -> None:
    sender, receiver = oneshot[int]()

    with pytest.raises(TimeoutError):
        receiver.receive_blocking(timeout=0)
    sender._check()
    sender.send_nowait(1)
    assert receiver.receive_blocking(timeout=0) == 1


def test_an_interrupted_thread_leaves_the_item_to_be_received(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after_grants(monkeypatch)
    sender, receiver = oneshot[int]()
    thread = Stranger(receiver.receive_blocking)
    until_waiting(receiver)

    sender.send_nowait(1)

    with pytest.raises(KeyboardInterrupt):
        thread.result()
    sender._check()
    assert not sender.is_closed()
    assert receiver.receive_nowait() == 1


async def test_a_thread_that_runs_tasks_may_not_block() -> None:
    sender, receiver = oneshot[int]()
    with sender, receiver, pytest.raises(RuntimeError, match=r"await \.\.\.receive"):
        receiver.receive_blocking()


# ---- looking, and dropping --------------------------------------------------------------------------------------


async def test_a_oneshot_tells_how_it_stands(nursery: conc.Nursery) -> None:
    sender, receiver = oneshot[int]()
    nursery.start_soon(receiver.receive)
    await settle()
    assert sender.statistics() == receiver.statistics() == OneshotStatistics("open", True, 1)
    assert repr(sender) == "<OneshotSender of a oneshot, open, 1 waiting>"

    sender.send_nowait(1)
    assert sender.statistics() == OneshotStatistics("received", False, 0)
    sender, receiver = oneshot()
    sender.send_nowait(1)
    assert receiver.statistics() == OneshotStatistics("sent", True, 0)
    assert repr(receiver) == "<OneshotReceiver of a oneshot, sent>"
    sender, receiver = oneshot()
    sender.close()
    receiver.close()
    assert receiver.statistics() == OneshotStatistics("closed", False, 0)
    assert repr(receiver) == "<OneshotReceiver (closed) of a oneshot, closed>"


async def test_the_item_goes_with_the_channel_and_is_not_kept_by_who_received_it() -> None:
    gc.disable()
    try:
        sender, receiver = oneshot[Thing]()
        item = Thing()
        seen = weakref.ref(item)
        sender.send_nowait(item)
        del item
        assert seen() is not None
        del sender, receiver
        assert seen() is None  # without the help of the garbage collector

        sender, receiver = oneshot()
        item = Thing()
        seen = weakref.ref(item)
        sender.send_nowait(item)
        del item
        assert isinstance(await receiver.receive(), Thing)
        assert seen() is None
    finally:
        gc.enable()


async def test_ends_that_nobody_waits_for_are_dropped_in_silence() -> None:
    with no_warning():
        oneshot()
        sender, receiver = oneshot[int]()
        sender.send_nowait(1)
        del sender
        assert await receiver.receive() == 1
        del receiver
        sender, receiver = oneshot()
        del receiver
        sender.send_nowait(1)


async def test_a_sender_that_is_dropped_while_its_receiver_waits_warns(nursery: conc.Nursery) -> None:
    sender, receiver = oneshot[int]()
    nursery.start_soon(receiver.receive)
    await settle()

    line = inspect.getsourcelines(test_a_sender_that_is_dropped_while_its_receiver_waits_warns)[1] + 1
    with pytest.warns(ResourceWarning, match=dropped("sender", __file__)) as caught:
        del sender
    assert f":{line} was dropped" in str(caught[0].message)


async def test_waiting_for_an_end_that_was_dropped_warns(nursery: conc.Nursery) -> None:
    sender, receiver = oneshot[int]()
    del sender
    with pytest.warns(ResourceWarning, match=dropped("sender", __file__)), conc.move_on_after(1):
        await receiver.receive()

    sender, receiver = oneshot()
    del receiver
    with sender, pytest.warns(ResourceWarning, match=dropped("receiver", __file__)), conc.move_on_after(1):
        await sender.closed()

    sender, receiver = oneshot()
    nursery.start_soon(sender.closed)
    await settle()
    with pytest.warns(ResourceWarning, match=dropped("receiver", __file__)):
        del receiver


def test_a_oneshot_can_be_made_with_and_without_a_type() -> None:
    for sender, receiver in (oneshot[int](), oneshot[int | None](), oneshot["Thing"](), oneshot()):
        assert type(sender) is OneshotSender
        assert type(receiver) is OneshotReceiver
    typed_sender, typed_receiver = oneshot[int]()
    assert_type(typed_sender, OneshotSender[int])
    assert_type(typed_receiver, OneshotReceiver[int])
