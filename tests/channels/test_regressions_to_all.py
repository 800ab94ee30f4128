"""What has gone wrong in broadcasts, watches and oneshots of others, and may not here. Names say what must hold."""

from __future__ import annotations

from functools import partial
from operator import eq
from typing import Any

import pytest

import conc
from conc.channels import broadcast, oneshot, watch
from conc.errors import (
    ChannelClosed,
    EndOfChannel,
    Lagged,
)
from conc_testing import settle
from tests.channels.watched import then
from tests.kernel.support import run
from tests.threads.support import Stranger, hasty_switching

# ---- broadcast -------------------------------------------------------------------------------------------------------


def test_a_broadcast_is_open_from_the_beginning_and_again_when_somebody_subscribes() -> None:
    async def main() -> None:
        sender, receiver = broadcast[int](2)
        assert not sender.is_closed()
        trace: list[object] = []
        async with conc.open_nursery() as nursery:
            nursery.start_soon(then, sender.closed(), trace)
            await settle()
            sender.send_nowait(1)
            receiver.close()
            late = sender.subscribe()  # before the one who waits has run: it is told all the same, and nobody hangs
            assert not sender.is_closed()
            await settle()
            assert trace == [None, "went on"]
            nursery.start_soon(then, late.receive(), trace)
            await settle()
            sender.send_nowait(2)
            await settle()
            assert trace[2:] == [2, "went on"]
            sender.close()
            with pytest.raises(EndOfChannel):
                await late.receive()
        late.close()

    run(main)


def test_who_waits_in_a_reopened_broadcast_is_told_of_its_end() -> None:
    async def main() -> None:
        sender, receiver = broadcast[int](2)
        other = sender.clone()
        receiver.close()
        receivers = [sender.subscribe() for _ in range(3)]
        trace: list[object] = []
        async with conc.open_nursery() as nursery:
            for late in receivers:
                nursery.start_soon(then, late.receive(), trace)
            await settle()
            sender.close()
            await settle()
            assert trace == []
            other.close()
        assert trace.count(EndOfChannel) == 3
        for late in receivers:
            late.close()

    run(main)


@pytest.mark.parametrize("closes", [False, True])
def test_a_receiver_that_lags_is_told_exactly_how_much_it_lost_and_goes_on_with_the_oldest(closes: bool) -> None:
    async def main() -> None:
        sender, receiver = broadcast[int](2)
        with receiver:
            for item in range(5):
                sender.send_nowait(item)
            if closes:
                sender.close()
            with pytest.raises(Lagged) as lagged:
                await receiver.receive()
            assert lagged.value.count == 3
            if not closes:
                for item in range(5, 8):
                    sender.send_nowait(item)  # again before it has read on
                with pytest.raises(Lagged) as lagged:
                    await receiver.receive()
                assert lagged.value.count == 3
                sender.close()
            assert [item async for item in receiver] == ([3, 4] if closes else [6, 7])

    run(main)


# ---- watch -----------------------------------------------------------------------------------------------------------


def test_who_waits_for_a_change_is_not_woken_by_anything_else() -> None:
    """Neither by receivers that come, go and mark, nor by senders that come and go while there are others."""

    async def main() -> None:
        sender, receiver = watch(0)
        trace: list[object] = []
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(then, receiver.changed(), trace)
            await settle()
            other = sender.subscribe()
            clone = receiver.clone()
            other.mark_changed()
            other.mark_unchanged()
            receiver.mark_unchanged()
            assert not clone.has_changed()
            assert not sender.send_if_modified(lambda value: value)
            for end in (other, clone, sender.clone()):
                end.close()
            assert task.wait is not None
            assert receiver.statistics().tasks_waiting == 1  # it was not even woken to look
            await settle()
            assert trace == []
            sender.send_nowait(1)
        assert trace == [1, "went on"]
        sender.close()
        receiver.close()

    run(main)


def test_no_change_is_told_after_the_value_was_seen() -> None:
    async def main() -> None:
        sender, receiver = watch(0)
        with sender, receiver:
            for see in (receiver.borrow_and_update, receiver.mark_unchanged, receiver.changed_nowait):
                sender.send_nowait(receiver.borrow() + 1)
                assert receiver.has_changed()
                see()
                assert not receiver.has_changed()
                assert await conc.select(receiver.changing(), conc.after(1)) == (1, None)
            sender.send_nowait(9)
            receiver.borrow()  # only looks
            assert receiver.has_changed()
            assert await receiver.wait_for(lambda value: value == 9) == 9
            assert not receiver.has_changed()

    run(main)


def test_the_last_update_is_seen_by_who_looks_just_before_it_and_then_waits() -> None:
    """Another thread sends, and closes, while the receiver is between its look and its wait."""

    async def main() -> None:
        for last in range(1, 300):
            sender, receiver = watch(0)

            def send(sender: Any = sender, last: int = last) -> None:
                with sender:
                    sender.send_nowait(last)

            with receiver:
                thread = Stranger(send)
                assert await receiver.wait_for(partial(eq, last)) == last
                with pytest.raises(EndOfChannel):
                    await receiver.changed()
            await thread.has_ended()

    with hasty_switching():
        conc.run(main)


def test_the_last_update_is_told_before_the_end_although_both_come_between_a_look_and_the_wait() -> None:
    async def main() -> None:
        sender, receiver = watch(0)

        def look(value: int) -> bool:
            if value == 0:
                with sender:  # closed, when it has sent
                    sender.send_nowait(1)
            return value == 1

        with receiver:
            assert await receiver.wait_for(look) == 1
            with pytest.raises(EndOfChannel):
                await receiver.changed()

    run(main)


def test_what_a_function_of_the_user_raises_at_its_first_look_spoils_nothing() -> None:
    def broken(value: int) -> Any:
        raise ZeroDivisionError

    async def main() -> None:
        sender, receiver = watch(0)
        with sender, receiver:
            for _ in range(2):
                with pytest.raises(ZeroDivisionError):
                    await receiver.wait_for(broken)
                for send in (sender.send_modify, sender.send_if_modified):
                    with pytest.raises(ZeroDivisionError):
                        send(broken)
                assert Stranger(sender.statistics).result() == (0, 1, 1, 0)  # a lock that was kept would hold it up
            assert not receiver.has_changed()
            sender.send_modify(lambda value: value + 1)
            assert await receiver.changed() == 1

    run(main)


# ---- oneshot ---------------------------------------------------------------------------------------------------------


def test_a_sender_that_waits_for_the_end_and_sends_at_that_moment_is_told_the_truth() -> None:
    """The receiver closes in a thread before, while or after the sender sends: sent is receivable, refused is not, what
    is sent after the end is refused, and closed() returns."""
    accepted: dict[str, set[bool]] = {"before": set(), "while": set(), "after": set()}

    async def main() -> None:
        for number in range(300):
            sender, receiver = oneshot[int]()
            closes = list(accepted)[number % 3]
            async with conc.open_nursery() as nursery:
                told = nursery.start_soon(sender.closed)
                await conc.checkpoint()
                closing = [Stranger(receiver.close)] if closes != "after" else []
                if closes == "before":
                    await closing.pop().has_ended()
                for _ in range(number % 7):
                    await conc.checkpoint()
                try:
                    sender.send_nowait(number)
                except ChannelClosed:
                    sent = False
                else:
                    sent = True
                for thread in closing:
                    await thread.has_ended()
                receiver.close()
                with conc.fail_after(10):
                    await told.join()
            if sent:
                assert receiver.receive_nowait() == number
            else:
                with pytest.raises(EndOfChannel):
                    receiver.receive_nowait()
            sender.close()
            accepted[closes].add(sent)

    conc.run(main)
    assert accepted["before"] == {False}
    assert accepted["after"] == {True}
