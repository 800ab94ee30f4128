"""Threads at the ends of a broadcast, and what becomes of an item when they are interrupted."""

from __future__ import annotations

import pytest

from conc._kernel.waitqueue import Waiter
from conc.channels import BroadcastReceiver, broadcast
from conc.errors import ChannelEmpty, EndOfChannel, Lagged
from tests.channels.watched import once_waiting
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger


def rest(receiver: BroadcastReceiver[int]) -> list[int]:
    """What is there to be received."""
    items: list[int] = []
    while True:
        try:
            items.append(receiver.receive_nowait())
        except (ChannelEmpty, EndOfChannel):
            return items


def test_threads_may_use_both_ends_without_any_runtime() -> None:
    sender, receiver = broadcast[int](2)
    with receiver:
        thread = Stranger(receiver.receive_blocking)
        until_waiting(receiver)
        sender.send_nowait(1)
        assert thread.result() == 1
        with pytest.raises(TimeoutError):
            receiver.receive_blocking(timeout=0)
        sender.send_nowait(2)
        assert receiver.receive_blocking(timeout=0) == 2
        thread = Stranger(receiver.receive_blocking)
        until_waiting(receiver)
        sender.close()
        with pytest.raises(EndOfChannel):
            thread.result()


@pytest.mark.conc(clock="real")
async def test_a_task_gets_what_a_thread_sends() -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver:
        thread = Stranger(once_waiting, receiver, lambda: sender.send_nowait(1))

        assert await receiver.receive() == 1
        await thread.has_ended()


async def test_a_thread_that_runs_tasks_may_not_block() -> None:
    sender, receiver = broadcast[int](2)
    with sender, receiver, pytest.raises(RuntimeError, match=r"await \.\.\.receive"):
        receiver.receive_blocking()


@pytest.mark.parametrize("sent_since", [0, 1, 2])
def test_an_interrupted_thread_leaves_the_item_to_be_received(sent_since: int, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after_grants(monkeypatch)
    sender, receiver = broadcast[int](2)
    thread = Stranger(receiver.receive_blocking)
    until_waiting(receiver)

    woken: list[Waiter] = []
    with sender._channel.lock:  # the thread cannot give back before all is sent
        for item in range(1 + sent_since):
            sender._channel.put(item, woken)
    for waiter in woken:
        waiter.resume()
    with pytest.raises(KeyboardInterrupt):
        thread.result()

    receiver._check()
    assert receiver.unread == 1 + sent_since
    if sent_since == 2:
        with pytest.raises(Lagged):
            receiver.receive_nowait()
    assert rest(receiver) == list(range(1 + sent_since))[-2:]
    receiver._check()
    sender.close()
    receiver.close()


def test_an_item_that_is_given_back_goes_to_who_has_come_to_wait_since() -> None:
    sender, receiver = broadcast[int](2)
    operation = receiver.receiving()
    sender.send_nowait(1)
    granted = operation.attempt(None, [])  # to a thread that is interrupted
    thread = Stranger(receiver.receive_blocking)
    until_waiting(receiver)

    operation.give_back(granted)

    assert thread.result() == 1
    receiver._check()
    sender.close()
    receiver.close()


def test_a_lag_that_is_given_back_is_told_again() -> None:
    sender, receiver = broadcast[int](2)
    for item in range(5):
        sender.send_nowait(item)
    operation = receiver.receiving()
    granted = operation.attempt(None, [])
    operation.give_back(granted)
    receiver._check()

    with pytest.raises(Lagged) as raised:
        receiver.receive_nowait()
    assert raised.value.count == 3
    assert rest(receiver) == [3, 4]
    sender.close()
    receiver.close()
