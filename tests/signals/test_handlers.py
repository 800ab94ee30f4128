"""Whose handler is in place: before, during and after, nested and out of order, with those of the program between."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

import conc
from conc.signals import open_receiver, prepare
from tests.signals.support import HUP, USR1, USR2, WINCH, current_wakeup_fd, handlers_come_back, send

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture
def came() -> Iterator[list[int]]:
    """What has come to a handler of the program's own for SIGUSR1."""
    noted: list[int] = []
    former = signal.signal(USR1, lambda number, _: noted.append(number))
    yield noted
    signal.signal(USR1, former)


async def test_the_former_handler_is_back_after_the_block(came: list[int]) -> None:
    own = signal.getsignal(USR1)
    with open_receiver(USR1) as received:
        assert signal.getsignal(USR1) is not own
        send(USR1)
        assert received.receive_nowait() == USR1
    assert came == []
    assert signal.getsignal(USR1) is own
    send(USR1)
    assert came == [USR1]


async def test_an_error_in_the_block_puts_the_handler_back_too() -> None:
    with handlers_come_back(), pytest.raises(ZeroDivisionError), open_receiver(USR1):
        raise ZeroDivisionError


async def test_a_signal_that_nobody_received_goes_to_the_former_handler_when_the_last_receiver_closes(
    came: list[int],
) -> None:
    with open_receiver(USR1) as one:
        with open_receiver(USR1):
            send(USR1, USR1)
        assert came == []  # the other receiver has it
        assert one.receive_nowait() == USR1
        with open_receiver(USR1):
            send(USR1)
    assert came == [USR1]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
async def test_the_last_receiver_puts_the_handler_back_in_whatever_order_they_close(
    order: tuple[int, ...], came: list[int]
) -> None:
    own = signal.getsignal(USR1)
    receivers = [open_receiver(USR1) for _ in range(3)]
    for received in receivers:
        received.__enter__()
    for place in order:
        assert signal.getsignal(USR1) is not own
        send(USR1)
        assert receivers[place].receive_nowait() == USR1
        receivers[place].__exit__(None, None, None)
    assert signal.getsignal(USR1) is own
    assert came == []


async def test_each_signal_is_put_back_by_its_own_last_receiver() -> None:
    with handlers_come_back(), ExitStack() as stack:
        stack.enter_context(open_receiver(USR2))
        with open_receiver(USR1, USR2):
            assert signal.getsignal(USR1) is not signal.SIG_DFL
        assert signal.getsignal(USR1) is signal.SIG_DFL
        assert signal.getsignal(USR2) is not signal.SIG_DFL


async def test_a_handler_that_the_program_sets_inside_is_left_alone() -> None:
    def own(number: int, frame: Any) -> None:
        """Does nothing."""

    try:
        with open_receiver(USR1):
            signal.signal(USR1, own)
        assert signal.getsignal(USR1) is own
    finally:
        signal.signal(USR1, signal.SIG_DFL)


async def test_a_signal_that_was_ignored_is_ignored_again() -> None:
    signal.signal(USR1, signal.SIG_IGN)
    try:
        with open_receiver(USR1) as received:
            send(USR1)
            assert received.receive_nowait() == USR1
        assert signal.getsignal(USR1) is signal.SIG_IGN
        send(USR1)
    finally:
        signal.signal(USR1, signal.SIG_DFL)


def test_a_run_that_is_stopped_inside_the_block_puts_the_handler_back() -> None:
    async def main() -> None:
        received = open_receiver(USR1)
        received.__enter__()  # and no block that would be left
        conc.lowlevel.current_runtime()._stop("the test")

    with handlers_come_back(), pytest.raises(RuntimeError, match="stopped because of the test"):
        conc.run(main)


def test_descriptors_and_the_wakeup_descriptor_are_as_before() -> None:
    async def main() -> None:
        with open_receiver(USR1):
            assert current_wakeup_fd() != before

    before = current_wakeup_fd()
    conc.run(main)
    descriptors = os.listdir("/dev/fd")
    for _ in range(5):
        conc.run(main)
    assert os.listdir("/dev/fd") == descriptors
    assert current_wakeup_fd() == before


def test_a_wakeup_descriptor_that_the_program_sets_inside_is_left_alone() -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)

    async def main() -> None:
        with open_receiver(USR1):
            signal.set_wakeup_fd(write_end)

    former = signal.signal(signal.SIGINT, lambda *_: None)  # so that Ctrl-C is not for the run to care about
    before = current_wakeup_fd()
    try:
        conc.run(main)
        assert current_wakeup_fd() == write_end
    finally:
        signal.signal(signal.SIGINT, former)
        signal.set_wakeup_fd(before)
        os.close(read_end)
        os.close(write_end)


def test_a_signal_wakes_the_main_thread_also_where_ctrl_c_belongs_to_the_program() -> None:
    async def main() -> None:
        assert current_wakeup_fd() == -1
        with open_receiver(USR1):
            assert current_wakeup_fd() != -1

    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handlers_come_back():
            conc.run(main)
    finally:
        signal.signal(signal.SIGINT, former)


# ---- prepared ----


def test_a_prepared_signal_is_treated_as_before_while_nobody_receives_it(came: list[int]) -> None:
    with prepare(USR1):
        send(USR1)
        assert came == [USR1]

        async def main() -> None:
            with open_receiver(USR1) as received:
                send(USR1)
                assert await received.receive() == USR1

        conc.run(main)
        assert came == [USR1]
        send(USR1)
    send(USR1)
    assert came == [USR1, USR1, USR1]


def test_a_prepared_signal_that_does_nothing_by_itself_stays_prepared() -> None:
    with handlers_come_back(), prepare(WINCH, HUP):
        ours = signal.getsignal(HUP)
        send(WINCH)
        assert signal.getsignal(WINCH) is ours


def test_ctrl_c_that_is_prepared_interrupts_the_program_while_nobody_receives_it() -> None:
    with handlers_come_back(), prepare(signal.SIGINT), pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)


@pytest.mark.parametrize("signals", [(), (signal.SIGKILL,)])
def test_what_cannot_be_prepared_is_refused(signals: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"prepare needs at least one signal|SIGKILL cannot be received"):
        prepare(*signals)
