"""Signals that come while their receiver closes: nobody swallows one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from conc.signals import SignalReceiver, open_receiver
from conc.signals.handlers import watch_of
from tests.signals.support import USR1, handlers_come_back, send

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture
def came() -> Iterator[list[int]]:
    """What has come to a handler of the program's own."""
    noted: list[int] = []
    former = signal.signal(USR1, lambda number, _: noted.append(number))
    with handlers_come_back():
        yield noted
    signal.signal(USR1, former)


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
    receivers = watch_of(USR1).receivers
    with open_receiver(USR1) as other, open_receiver(USR1) as received:
        receivers[Closing(received)] = None
        receivers[received] = receivers.pop(received)
        send(USR1)

        assert await other.receive() == USR1
        assert not other._arrived
    assert came == []
