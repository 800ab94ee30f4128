"""Races of mpsc and mpmc that were found, each played again: another thread does something at the one wrong moment."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import conc
from conc._kernel.choosing import Choice
from conc._kernel.suspend import GRANTED
from conc.channels import Receiver, Sender, mpmc, mpsc, mpsc_unbounded
from conc.channels.conduit import BATCH
from conc.errors import ChannelClosed, ChannelEmpty, ClosedResource, EndOfChannel
from conc_testing import settle
from tests.channels.staged import Player, Stage
from tests.kernel.support import run


class Watched(deque[Any]):
    """A deque of a channel, or a line, that lets something happen just before or after one of its steps."""

    def __init__(self, of: deque[Any]) -> None:
        super().__init__(of)
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def _at(self, name: str, step: Callable[[], Any]) -> Any:
        self.before.pop(name, lambda: None)()
        try:
            return step()
        finally:
            self.after.pop(name, lambda: None)()

    def append(self, one: Any) -> None:
        self._at("append", lambda: deque.append(self, one))

    def extend(self, many: Any) -> None:
        self._at("extend", lambda: deque.extend(self, many))

    def popleft(self) -> Any:
        return self._at("popleft", lambda: deque.popleft(self))

    def pop(self) -> Any:  # type: ignore[override]
        return self._at("pop", lambda: deque.pop(self))


def watch(owner: object, name: str) -> Watched:
    watched = Watched(getattr(owner, name))
    setattr(owner, name, watched)
    return watched


# ---- sending while it closes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [lambda: mpsc[int](1), mpsc_unbounded[int]])
def test_an_item_that_comes_when_the_end_was_told_is_refused_and_gives_back_its_place(
    make: Callable[[], tuple[Sender[int], Receiver[int]]],
) -> None:
    sender, receiver = make()
    sender.send_nowait(0)
    assert receiver.receive_nowait() == 0

    def close() -> None:
        receiver.close()
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()

    watch(sender._conduit, "items").before["append"] = close
    with pytest.raises(ChannelClosed):
        sender.send_nowait(1)
    assert len(receiver) == 0
    with pytest.raises(EndOfChannel):
        receiver.receive_nowait()
    sender._check()
    sender.close()


def test_an_item_that_comes_when_its_sender_is_closed_and_the_end_was_told_is_refused() -> None:
    sender, receiver = mpsc[int](1)
    sender.send_nowait(0)
    assert receiver.receive_nowait() == 0

    def close() -> None:
        sender.close()
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()

    watch(sender._conduit, "items").before["append"] = close
    with pytest.raises(ClosedResource):
        sender.send_nowait(1)
    sender._check()
    receiver.close()


def test_an_item_that_comes_late_but_before_the_end_was_told_is_received() -> None:
    sender, receiver = mpsc[int](1)
    sender.send_nowait(0)
    assert receiver.receive_nowait() == 0
    watch(sender._conduit, "items").before["append"] = receiver.close

    sender.send_nowait(1)

    assert receiver.receive_nowait() == 1
    with pytest.raises(EndOfChannel):
        receiver.receive_nowait()
    sender._check()
    sender.close()


def test_who_asks_again_after_the_end_is_not_given_what_comes_too_late() -> None:
    sender, receiver = mpsc_unbounded[int]()
    with receiver:
        sender.close()
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        sender._conduit.items.append(1)  # by a thread that looked before it was closed
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
        with pytest.raises(EndOfChannel):
            receiver.receive_many_nowait(5)
        with pytest.raises(ClosedResource):
            sender._settle(1)
        assert len(receiver) == 0


def test_a_sender_that_is_closed_while_it_sends_costs_the_others_no_place() -> None:
    sender, receiver = mpsc[int](1)
    other = sender.clone()
    with other, receiver:
        sender.send_nowait(0)
        assert receiver.receive_nowait() == 0
        watch(sender._conduit, "items").before["append"] = sender.close

        sender.send_nowait(1)

        assert receiver.receive_nowait() == 1
        other.send_nowait(2)
        assert receiver.receive_nowait() == 2
        other._check()


def test_several_items_that_come_when_the_end_was_told_are_each_refused() -> None:
    sender, receiver = mpsc_unbounded[int]()
    receiver.close()
    with pytest.raises(EndOfChannel):
        receiver.receive_nowait()
    conduit = sender._conduit
    conduit.items.extend([1, 2, 3])  # by three threads that looked before it was closed
    for item in (2, 1, 3):
        with pytest.raises(ChannelClosed):
            sender._settle(item)
    assert not conduit.items
    sender._settle(4)  # it was received all the same, by a fourth: all is well
    sender.close()


def test_an_item_that_another_receiver_snatches_from_a_closed_channel_leaves_nobody_waiting() -> None:
    # Who comes finds it empty, then not over, since there is an item after all; and before he stands in line that is
    # gone. Nobody else will tell him of the end.
    def main(player: Player) -> None:
        with pytest.raises(EndOfChannel):
            player.do(receiver.receive_many(2))

    sender, receiver = mpmc[int](1)
    receiver.close()
    conduit = sender._conduit
    items = watch(conduit, "items")
    items.after["popleft"] = lambda: deque.append(items, 1)  # a sender who looked before it was closed
    line = watch(conduit.receiving, "line")
    line.before["append"] = items.clear  # a receiver who looked before it was closed
    stage = Stage([])
    stage.bring(sender)
    stage.add("ben", main)
    stage.play()
    assert not stage.running
    sender.close()


def test_that_all_is_over_is_said_before_it_is_looked_whether_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # Or who appends an item between the two would not learn that it came too late.
    sender, receiver = mpsc[int](1)
    said: list[bool] = []

    def look(items: deque[Any]) -> bool:
        said.append(sender._conduit.ended)
        return not items

    with receiver:
        sender.close()
        monkeypatch.setattr("conc.channels.conduit.is_empty", look)
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()
    assert said == [True]


def test_an_item_that_was_accepted_before_it_was_said_that_all_is_over_is_received() -> None:
    sender, receiver = mpsc[int](1)
    with receiver:
        sender.close()
        items = watch(sender._conduit, "items")
        items.after["popleft"] = lambda: deque.append(items, 1)  # by a sender who looked before it was closed
        with pytest.raises(ChannelEmpty):
            receiver.receive_nowait()
        assert receiver.receive_nowait() == 1
        with pytest.raises(EndOfChannel):
            receiver.receive_nowait()


# ---- standing in line ------------------------------------------------------------------------------------------------


def test_a_line_in_which_somebody_waits_is_never_empty_while_the_dead_are_dropped() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](1)
        line = watch(sender._conduit.receiving, "line")
        seen: list[bool] = []

        def look() -> None:
            seen.append(bool(line))
            line.after["popleft"] = look

        with sender, receiver:
            async with conc.open_nursery() as nursery:
                tasks = [nursery.start_soon(receiver.receive) for _ in range(20)]
                await settle()
                line.after["popleft"] = look
                for task in tasks[1:-1]:  # in the middle, so that their entries stay
                    task.cancel()
                tasks[0].cancel()
                await settle()
                assert len(seen) > 16 and all(seen)
                sender.send_nowait(1)
                assert await tasks[-1].join() == 1

    run(main)


@pytest.mark.parametrize("how", ["receive", "receive_many"])
def test_a_newcomer_does_not_receive_what_came_for_who_waits(how: str) -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](math.inf)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                first = nursery.start_soon(receiver.receive)
                await settle()
                sender._conduit.items.append(1)  # by a sender who has not looked yet who waits
                newcomer = nursery.start_soon(receiver.receive if how == "receive" else partial(many, receiver))
                assert await first.join() == 1
                await settle()
                assert newcomer.outcome is None
                sender.send_nowait(2)
                assert await newcomer.join() == 2

    async def many(receiver: Receiver[int]) -> int:
        (item,) = await receiver.receive_many(5)
        return item

    run(main)


def test_a_task_that_left_a_line_and_received_an_empty_tuple_elsewhere_does_not_disturb_a_close() -> None:
    async def give_up_and_receive(receiver: Receiver[Any], other: Receiver[Any]) -> None:
        with conc.move_on_after(1):
            await receiver.receive()
        await other.receive()

    async def refused(receiver: Receiver[Any]) -> None:
        with pytest.raises(ClosedResource):
            await receiver.receive()

    async def main() -> None:
        sender, receiver = mpmc[tuple[()]](1)
        other_sender, other_receiver = mpsc[tuple[()]](1)
        with sender, receiver.clone(), other_sender, other_receiver:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(refused, receiver)
                await settle()
                nursery.start_soon(give_up_and_receive, receiver, other_receiver)
                await settle()
                nursery.start_soon(refused, receiver)
                await conc.sleep(2)  # its entry in the middle of the line stays, dead
                other_sender.send_nowait(())
                receiver.close()
                assert sender.statistics().open_receivers == 1
            sender._check()

    run(main)


def test_a_sender_does_not_wait_beside_places_that_were_not_made_yet() -> None:
    # Those that it made were all taken by others before it could take one.
    sender, receiver = mpsc[int](10 * BATCH)
    with sender, receiver:
        places = watch(sender._conduit, "places")

        def others_are_faster() -> None:
            sender._conduit.items.extend([0] * len(places))
            places.clear()

        places.after["extend"] = others_are_faster

        sender.send_nowait(1)

        sender._check()
        assert len(sender) == BATCH + 1


def test_an_error_under_the_lock_gives_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*args: object) -> None:
        raise Interrupted

    async def main() -> None:
        sender, receiver = mpsc[int](1)
        lock = sender._conduit.lock
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                waiting = nursery.start_soon(receiver.receive)
                await settle()
                with monkeypatch.context() as patch:
                    patch.setattr(type(sender._conduit.receiving), "grant", interrupt)
                    with pytest.raises(Interrupted):
                        sender.send_nowait(1)
                assert not lock.locked()
                sender.send_nowait(1)
                assert await waiting.join() == 1
            with monkeypatch.context() as patch:
                patch.setattr(type(sender._conduit), "settle", interrupt)
                with pytest.raises(Interrupted):
                    sender._settle(1)
                assert not lock.locked()
                with pytest.raises(Interrupted):
                    receiver._settle()
                assert not lock.locked()

    run(main)


# ---- selects ---------------------------------------------------------------------------------------------------------


def let_another_receiver_snatch_an_item(sender: Sender[int]) -> None:
    """A sender has appended an item and finds somebody waiting; a receiver looked before there was a line."""
    items = watch(sender._conduit, "items")
    items.append(0)
    items.before["popleft"] = items.clear
    sender._settle(0)


def test_a_select_whose_item_another_receiver_snatches_begins_again() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](math.inf)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                choice = nursery.start_soon(conc.select, conc.after(60), receiver.receiving())
                await settle()
                let_another_receiver_snatch_an_item(sender)
                await settle()
                assert choice.outcome is None
                assert sender.statistics().tasks_waiting_receive == 1
                sender.send_nowait(1)
                assert await choice.join() == (1, 1)
            sender._check()

    run(main)


def test_a_select_whose_item_another_receiver_snatches_can_be_cancelled_before_it_begins_again() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](math.inf)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                choice = nursery.start_soon(conc.select, receiver.receiving())
                await settle()
                let_another_receiver_snatch_an_item(sender)
                choice.cancel()
                sender.send_nowait(1)
            with pytest.raises(conc.TaskCancelled):
                choice.join_nowait()
            assert receiver.receive_nowait() == 1
            sender._check()

    run(main)


def test_a_receiver_whose_item_another_one_snatches_goes_on_waiting() -> None:
    async def main() -> None:
        sender, receiver = mpmc[int](math.inf)
        with sender, receiver:
            async with conc.open_nursery() as nursery:
                waiting = nursery.start_soon(receiver.receive)
                await settle()
                let_another_receiver_snatch_an_item(sender)
                await settle()
                assert waiting.outcome is None
                sender.send_nowait(1)
                assert await waiting.join() == 1
            sender._check()

    run(main)


def test_who_gives_back_what_a_select_was_granted_waits_until_that_is_written_down() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            choice = Choice(conc.lowlevel.current_task())
            operation = receiver.receiving()
            assert choice.begin([(0, operation)], [(0, operation)]) is None
            (branch,) = choice.branches
            lock = sender._conduit.lock
            lock.acquire()
            choice.token.pop()  # a grant on its way, in another thread
            giver = threading.Thread(target=choice.give_back)
            giver.start()
            giver.join(0.01)
            assert giver.is_alive()
            sender._conduit.receiving.line.clear()
            sender._conduit.receiving._odd = 0
            choice.winner, branch.wait, branch.value = branch, GRANTED, 7
            lock.release()
            giver.join()
            assert receiver.receive_nowait() == 7
            sender._conduit._debt = 0

    run(main)
