"""Signals that come while their receiver closes: nobody swallows one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

import conc
from conc.errors import WouldBlock
from conc.signals import SignalReceiver, open_receiver
from conc.signals.handlers import watch_of
from tests.signals.support import USR1, USR2, handlers_come_back, send

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture
def came() -> Iterator[list[int]]:
    """What has come to a handler of the program's own."""
    noted: list[int] = []
    former = [signal.signal(signum, lambda number, _: noted.append(number)) for signum in (USR1, USR2)]
    with handlers_come_back():
        yield noted
    for signum, handler in zip((USR1, USR2), former, strict=True):
        signal.signal(signum, handler)


class Closing:
    """A receiver that closes another one, at the moment when a second thread could."""

    def __init__(self, other: SignalReceiver) -> None:
        self.other = other

    def note(self, number: int) -> None:
        del watch_of(number).receivers[self]
        self.other.__exit__(None, None, None)


async def test_a_receiver_that_closes_while_the_handler_runs_swallows_nothing(came: list[int]) -> None:
    receivers = watch_of(USR1).receivers
    with open_receiver(USR1) as received:
        receivers[Closing(received)] = None
        receivers[received] = receivers.pop(received)  # behind the other one
        send(USR1)

        assert came == [USR1]
        received._check()
    assert came == [USR1]


async def test_a_signal_that_comes_back_to_a_closed_receiver_comes_once_more(came: list[int]) -> None:
    with open_receiver(USR1) as received:
        send(USR1)
        receiving = received.receiving()
        granted = receiving.attempt(None, [])
        assert granted == USR1
    assert came == []

    receiving.give_back(granted)
    assert came == [USR1]


async def test_a_signal_that_others_receive_is_not_sent_to_them_twice(came: list[int]) -> None:
    with open_receiver(USR1) as other:
        with open_receiver(USR1):
            send(USR1)
            assert await other.receive() == USR1
        with pytest.raises(WouldBlock):
            other.receive_nowait()
    assert came == []


async def test_who_comes_later_takes_no_signal_that_is_on_its_way_to_another(came: list[int]) -> None:
    got: list[int] = []

    async def receive() -> None:
        got.append(await received.receive())

    with open_receiver(USR1) as received, conc.fail_after(5):
        async with conc.open_nursery() as nursery:
            nursery.start_soon(receive)
            while not len(received._waiters):
                await conc.checkpoint()
            send(USR1)
            with pytest.raises(WouldBlock):
                received.receive_nowait()
    assert got == [USR1]


async def test_a_signal_in_the_last_moment_of_serving_still_wakes_who_waits(
    came: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve = SignalReceiver._serve
    got: list[int] = []

    def serve_and_one_more_comes(self: SignalReceiver) -> None:
        monkeypatch.undo()
        serve(self)
        send(USR2)

    async def receive() -> None:
        got.append(await received.receive())

    with open_receiver(USR1, USR2) as received, conc.fail_after(5):
        async with conc.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(receive)
            while len(received._waiters) < 2:
                await conc.checkpoint()
            monkeypatch.setattr(SignalReceiver, "_serve", serve_and_one_more_comes)
            send(USR1)

    assert got == [USR1, USR2]
