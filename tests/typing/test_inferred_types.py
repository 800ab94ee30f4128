"""What a type checker knows of a program: mypy reads these lines with all others, so a type that got lost fails there.

Running them tells that the values are what the types say.
"""

from __future__ import annotations

from typing import Any, assert_type

import conc
from conc import Task
from conc.channels import (
    BroadcastReceiver,
    BroadcastSender,
    OneshotReceiver,
    OneshotSender,
    Permit,
    ReceiveChannel,
    Receiver,
    SendChannel,
    Sender,
    WatchReceiver,
    WatchSender,
    WeakSender,
    broadcast,
    mpmc,
    mpsc,
    mpsc_unbounded,
    oneshot,
    watch,
)
from conc.errors import EndOfChannel
from conc.lowlevel import Operation
from conc.sync import AtomicInt, AtomicRef, Event, OnceCell, SetOnce
from tests.kernel.support import run


async def number(of: int = 1) -> int:
    return of


async def word(of: str = "a") -> str:
    return of


def test_ends_of_channels_know_what_they_carry() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](4)
        assert_type(sender, Sender[int])
        assert_type(receiver, Receiver[int])
        with assert_type(sender.clone(), Sender[int]):
            assert_type(sender.downgrade(), WeakSender[int])
        with sender, receiver, await sender.reserve() as permit:
            assert_type(permit, Permit[int])
            permit.send_nowait(1)
            await sender.send(2)
            assert_type(await receiver.receive(), int)
            assert_type(await receiver.receive_many(3), list[int])
            sender.close()
            async for item in receiver:
                assert_type(item, int)
        assert_type(mpsc_unbounded[str]()[0], Sender[str])
        assert_type(mpmc[bytes](1)[1].clone(), Receiver[bytes])

    run(main)


def test_a_oneshot_knows_what_it_carries() -> None:
    async def main() -> None:
        sender, receiver = oneshot[str]()
        assert_type(sender, OneshotSender[str])
        assert_type(receiver, OneshotReceiver[str])
        sender.send_nowait("a")
        assert assert_type(await receiver.receive(), str) == "a"

    run(main)


def test_a_broadcast_knows_what_it_carries() -> None:
    async def main() -> None:
        sender, receiver = broadcast[int](4)
        assert_type(sender, BroadcastSender[int])
        assert_type(receiver, BroadcastReceiver[int])
        assert_type(sender.subscribe(), BroadcastReceiver[int])
        with sender, receiver:
            assert_type(sender.send_nowait(1), int)
            assert assert_type(await receiver.receive(), int) == 1

    run(main)


def test_a_watch_knows_its_value_by_the_first() -> None:
    async def main() -> None:
        sender, receiver = watch(0)
        assert_type(sender, WatchSender[int])
        assert_type(receiver, WatchReceiver[int])
        with sender, receiver:
            sender.send_modify(lambda value: value + 1)
            assert assert_type(await receiver.changed(), int) == 1
            assert_type(receiver.borrow(), int)
            assert assert_type(await receiver.wait_for(lambda value: value > 0), int) == 1
        typed, _ = watch[int | None](None)
        assert_type(typed, WatchSender[int | None])

    run(main)


def test_tasks_know_what_they_return_and_what_they_are_given() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(number, 1)
            assert_type(task, Task[int])
            assert assert_type(await task.join(), int) == 1
            assert_type(nursery.start_soon(word), Task[str])
            family = [task, nursery.start_soon(word)]
            assert_type(family, list[Task[object]])
        async with conc.open_join_set() as tasks:
            assert_type(tasks.start_soon(number), Task[int])
            async for ended in tasks:
                assert_type(ended, Task[Any])

    run(main)


def test_combinations_give_the_types_of_their_parts() -> None:
    async def main() -> None:
        assert assert_type(await conc.join(number(), word()), tuple[int, str]) == (1, "a")
        assert assert_type(await conc.join(number(), word(), number(2)), tuple[int, str, int]) == (1, "a", 2)
        assert assert_type(await conc.race(number()), int) == 1
        assert assert_type(await conc.first_ok(word(), word()), str) == "a"
        assert assert_type(await conc.race(number(), word()), int | str) == 1
        assert assert_type(await conc.first_ok(word(), number(), word()), int | str) == "a"
        async with conc.open_map(number, [1, 2], limit=2) as results:
            async for value in results:
                assert_type(value, int)

    run(main)


def test_a_select_gives_the_number_of_the_branch_and_a_value_of_whatever_type_that_has() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sending: Operation[None] = sender.sending(2)
            receiving: Operation[int] = receiver.receiving()
            result = await conc.select(sending, receiving, conc.after(1), None, biased=True)
            assert_type(result, tuple[int, Any])
            assert result == (0, None)

    run(main)


async def drain(receiver: ReceiveChannel[object]) -> list[object]:
    with receiver:
        return [item async for item in receiver]


async def fill(sender: SendChannel[bool]) -> None:
    with sender:
        await sender.send(True)
        assert await conc.select(sender.sending(False)) == (0, None)


def test_a_protocol_takes_the_ends_of_several_channels_and_knows_who_may_stand_in_for_whom() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](2)
        await fill(sender)
        assert await drain(receiver) == [True, False]
        for ends in (oneshot[str](), broadcast[str](1)):
            with ends[0] as speaker:
                speaker.send_nowait("a")
            listener: ReceiveChannel[str] = ends[1]
            assert await drain(listener) == ["a"]

    run(main)


def test_who_sends_all_sends_some_and_who_receives_some_receives_things() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        narrow: Sender[bool] = sender
        wide: Receiver[object] = receiver
        with narrow, wide:
            await narrow.send(True)
            assert await wide.receive() is True
        narrow_reply: OneshotSender[bool] = oneshot[int]()[0]
        wide_answer: OneshotReceiver[object] = oneshot[int]()[1]
        wide_news: BroadcastReceiver[object] = broadcast[int](1)[1]
        wide_state: WatchReceiver[object] = watch(0)[1]
        for end in (narrow_reply, wide_answer, wide_news, wide_state):
            end.close()

    run(main)


def test_an_error_of_a_select_knows_its_branch() -> None:
    async def main() -> None:
        sender, receiver = mpsc[int](1)
        with sender, receiver:
            sender.close()
            try:
                await conc.select(None, receiver.receiving())
            except EndOfChannel as error:
                assert assert_type(error.branch, int | None) == 1
            assert EndOfChannel().branch is None

    run(main)


async def refused(nursery: conc.Nursery, sender: Sender[int], event: Event) -> None:
    """Never called: a type checker refuses each of these, or its silence would be an error."""
    nursery.start_soon(number, "a")  # type: ignore[arg-type]
    nursery.start_soon(number, 1, 2)  # type: ignore[arg-type]
    nursery.start_soon(number())  # type: ignore[arg-type]
    sender.send_nowait("a")  # type: ignore[arg-type]
    conc.run(number, "a")  # type: ignore[arg-type]
    mpsc[int]("a")  # type: ignore[arg-type]
    await conc.select(event.wait())  # type: ignore[arg-type]
    await fill(mpsc[str](1)[0])  # type: ignore[arg-type]
    await drain(watch(1)[1])  # type: ignore[arg-type]
    operation: Operation[str] = SetOnce[int]().waiting()  # type: ignore[assignment]
    await conc.select(operation)


def test_cells_and_atomics_know_their_values() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        assert assert_type(await cell.get_or_init(number), int) == 1
        answer = SetOnce[str]()
        answer.set("a")
        assert assert_type(await answer.wait(), str) == "a"
        operation: Operation[str] = answer.waiting()
        assert await conc.select(operation) == (0, "a")
        assert assert_type(AtomicInt(1).fetch_add(1), int) == 1
        assert assert_type(AtomicRef("a").load(), str) == "a"

    run(main)
