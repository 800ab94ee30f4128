"""What a broadcast keeps: an item until the last receiver has got it, and nothing for those who are gone."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest

import conc
from conc.channels import broadcast
from conc_testing import settle
from tests.channels.watched import dropped, no_warning, then


class Thing:
    """Something that can be seen to go."""


async def test_an_item_is_kept_until_the_last_receiver_has_got_it(nursery: conc.Nursery) -> None:
    gc.disable()
    try:
        sender, first = broadcast[Thing](10)
        second, third = first.clone(), first.clone()
        item = Thing()
        seen = weakref.ref(item)
        sender.send_nowait(item)
        del item

        first.receive_nowait()
        second.close()
        assert seen() is not None
        assert sender.statistics().items == 1
        third.receive_nowait()
        assert seen() is None
        assert sender.statistics().items == 0

        sender.send_nowait(item := Thing())
        seen = weakref.ref(item)
        del item
        first.close()
        third.close()
        assert seen() is None
    finally:
        gc.enable()
    sender.close()


async def test_a_finaliser_of_an_item_may_use_the_channel() -> None:
    sender, receiver = broadcast[object](2)
    noted: list[int] = []

    class Loud:
        """Looks at the channel when it goes."""

        def __del__(self) -> None:
            noted.append(sender.statistics().items)

    with sender:
        for _ in range(4):
            sender.send_nowait(Loud())  # the third overwrites the first
        assert noted == [2, 2]
        receiver.close()  # gives up the others
        assert noted == [2, 2, 0, 0]


async def test_a_finaliser_that_fails_does_not_keep_others_from_being_woken(
    nursery: conc.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", failures.append)

    class Broken:
        """Fails when it goes."""

        def __del__(self) -> None:
            raise RuntimeError("broken")

    trace: list[object] = []
    sender, slow = broadcast[object](1)
    sender.send_nowait(Broken())
    receivers = [sender.subscribe() for _ in range(3)]
    for receiver in receivers:
        nursery.start_soon(then, receiver.receive(), trace)
    await settle()

    sender.send_nowait("next")
    await settle()

    assert len(failures) == 1
    assert trace.count("next") == 3
    for end in (sender, slow, *receivers):
        end.close()


async def test_receivers_that_come_and_go_while_nothing_is_sent_leave_nothing_behind() -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        for _ in range(100):
            with sender.subscribe() as visitor, conc.move_on_after(1):
                await visitor.receive()

        assert len(sender._channel.attentive) == 0
        sender._check()


async def test_a_send_costs_nothing_for_receivers_that_do_not_wait(nursery: conc.Nursery) -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        nursery.start_soon(receiver.receive)
        await settle()
        assert len(sender._channel.attentive) == 1
        sender.send_nowait(1)
        assert len(sender._channel.attentive) == 0  # it does not even look at them


async def test_ends_that_nobody_waits_for_are_dropped_in_silence() -> None:
    with no_warning():
        broadcast[int](1)
        sender, receiver = broadcast[int](1)
        sender.send_nowait(1)
        del sender
        assert await receiver.receive() == 1
        del receiver


async def test_waiting_for_ends_that_were_dropped_warns(nursery: conc.Nursery) -> None:
    sender, receiver = broadcast[int](1)
    with receiver:
        nursery.start_soon(then, receiver.receive(), [])
        await settle()
        with pytest.warns(ResourceWarning, match=dropped("sender", __file__)):
            del sender

    sender, receiver = broadcast(1)
    del sender
    with receiver, pytest.warns(ResourceWarning, match=dropped("sender", __file__)), conc.move_on_after(1):
        await receiver.receive()

    sender, receiver = broadcast(1)
    del receiver
    with sender, pytest.warns(ResourceWarning, match=dropped("receiver", __file__)), conc.move_on_after(1):
        await sender.closed()
