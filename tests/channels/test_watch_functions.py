"""Functions of the user in a watch: they run without the lock, where they are called from, and harm nobody."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import conc
from conc.channels import WatchSender, watch
from conc.errors import EndOfChannel
from conc_testing import settle
from tests.channels.watched import then
from tests.threads.support import Gate, Stranger

# ---- wait_for ---------------------------------------------------------------------------------------------------


async def test_a_value_that_is_there_already_is_found_and_nobody_else_runs(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(5)
    with sender, receiver:
        nursery.start_soon(then, conc.sleep(0), trace)

        assert await receiver.wait_for(lambda value: value == 5) == 5
        assert trace == []


async def test_waiting_for_a_value_looks_at_each_one_that_comes_to_be_seen(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    looked: list[int] = []

    def at_least_3(value: int) -> bool:
        looked.append(value)
        return value >= 3

    sender, receiver = watch(0)
    with sender, receiver:
        nursery.start_soon(then, receiver.wait_for(at_least_3), trace)
        await settle()
        sender.send_nowait(1)
        sender.send_nowait(2)
        await settle()
        assert trace == []
        sender.send_nowait(3)
        await settle()

        assert trace == [3, "went on"]
        assert looked == [0, 2, 3]
        assert not receiver.has_changed()


async def test_a_value_that_is_sent_while_the_predicate_looks_is_not_missed() -> None:
    sender, receiver = watch(0)

    def send_the_next(value: int) -> bool:
        if value < 3:
            sender.send_nowait(value + 1)  # also: the lock is not held
        return value == 3

    with sender, receiver, conc.fail_after(1):
        assert await receiver.wait_for(send_the_next) == 3


async def test_a_predicate_that_raises_harms_nobody_else(nursery: conc.Nursery) -> None:
    trace: list[object] = []

    def broken(value: int) -> bool:
        if value:
            raise ZeroDivisionError
        return False

    sender, receiver = watch(0)
    other = receiver.clone()
    with sender, receiver, other:
        nursery.start_soon(then, receiver.wait_for(broken), trace)
        nursery.start_soon(then, other.wait_for(bool), trace)
        await settle()

        sender.send_nowait(1)
        await settle()

        assert trace == [ZeroDivisionError, 1, "went on", "went on"]
        sender.send_nowait(2)
        assert await receiver.changed() == 2
        sender._check()


async def test_the_last_value_is_looked_at_before_the_end_is_told() -> None:
    sender, receiver = watch(0)
    with receiver:
        sender.send_nowait(1)
        sender.close()

        assert await receiver.clone().wait_for(bool) == 1
        with pytest.raises(EndOfChannel):
            await receiver.wait_for(lambda value: value > 1)


async def test_an_async_predicate_is_refused_for_it_would_be_true_of_everything() -> None:
    async def predicate(value: int) -> bool:
        return False

    sender, receiver = watch(0)
    with sender, receiver, pytest.raises(TypeError, match=r"plain function is due.*predicate"):
        await receiver.wait_for(predicate)  # type: ignore[arg-type]


async def test_what_is_no_function_is_refused_by_name() -> None:
    sender, receiver = watch(0)
    with sender, receiver:
        with pytest.raises(TypeError, match="predicate must be a function, not True"):
            await receiver.wait_for(True)  # type: ignore[arg-type]
        for send in (sender.send_modify, sender.send_if_modified):
            with pytest.raises(TypeError, match="fn must be a function, not 3"):
                send(3)  # type: ignore[arg-type]


# ---- send_modify and its kin ------------------------------------------------------------------------------------


async def test_a_value_is_replaced_by_what_the_function_makes_of_it(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch(1)
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        sender.send_modify(lambda value: value + 1)
        receiver._check()
        await settle()

        assert trace == [2, "went on"]
        sender.send_modify(lambda value: value)
        assert receiver.has_changed()


async def test_nobody_is_told_if_the_function_returns_what_it_was_given(nursery: conc.Nursery) -> None:
    trace: list[object] = []
    sender, receiver = watch([1])
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        assert not sender.send_if_modified(lambda value: value)
        await settle()
        assert trace == []
        assert sender.send_if_modified(list)  # an equal list, and another one
        await settle()
        assert trace == [[1], "went on"]


async def test_replacing_gives_the_value_that_was_replaced() -> None:
    sender, receiver = watch("a")
    with sender, receiver:
        assert sender.send_replace("b") == "a"
        assert receiver.changed_nowait() == "b"


@pytest.mark.parametrize("send", [WatchSender.send_modify, WatchSender.send_if_modified])
async def test_a_function_that_raises_changes_nothing(
    send: Callable[[WatchSender[int], Callable[[int], int]], object], nursery: conc.Nursery
) -> None:
    trace: list[object] = []
    sender, receiver = watch(0)
    with sender, receiver:
        nursery.start_soon(then, receiver.changed(), trace)
        await settle()

        with pytest.raises(ZeroDivisionError):
            send(sender, lambda value: 1 // value)
        await settle()

        assert trace == []
        assert receiver.borrow() == 0
        sender._check()


@pytest.mark.parametrize("send", [WatchSender.send_modify, WatchSender.send_if_modified])
async def test_an_async_function_is_refused_and_nothing_sent(
    send: Callable[[WatchSender[int], Callable[[int], object]], object],
) -> None:
    async def increment(value: int) -> int:
        return value + 1

    sender, receiver = watch(0)
    with sender, receiver:
        with pytest.raises(TypeError, match=r"plain function is due.*increment"):
            send(sender, increment)
        assert receiver.borrow() == 0


@pytest.mark.parametrize("send", [WatchSender.send_modify, WatchSender.send_if_modified])
def test_the_function_is_called_again_if_another_sender_came_between(
    send: Callable[[WatchSender[int], Callable[[int], int]], object],
) -> None:
    given: list[int] = []
    sender, receiver = watch(0)
    gate = Gate()

    def increment(value: int) -> int:
        given.append(value)
        if value == 0:
            gate()
        return value + 1

    with sender, receiver:
        thread = Stranger(send, sender, increment)
        gate.arrive()
        sender.send_nowait(10)
        gate.open()
        thread.result()

        assert given == [0, 10]
        assert sender.borrow() == 11


async def test_a_function_may_use_the_channel_itself() -> None:
    sender, receiver = watch(0)

    def look(value: int) -> int:
        if value == 0:
            sender.send_nowait(5)  # comes between, so that this is called again
        return value + sender.statistics().version

    with sender, receiver:
        sender.send_modify(look)
        assert receiver.borrow() == 5 + 1
