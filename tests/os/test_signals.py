from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from conc._os.signals import SIGINT, install_sigint, restore_sigint, sigint_is_default, wake_on_signals


@pytest.fixture(autouse=True)
def default_handler() -> Iterator[None]:
    previous = signal.signal(SIGINT, signal.default_int_handler)
    yield
    signal.signal(SIGINT, previous)


def in_another_thread(question: object) -> bool:
    answers: list[bool] = []
    assert callable(question)
    thread = threading.Thread(target=lambda: answers.append(question()))
    thread.start()
    thread.join()
    return answers[0]


def note(number: int, frame: FrameType | None) -> None:
    """A handler that a program might set."""


def test_ctrl_c_is_ours_where_nobody_has_taken_it() -> None:
    assert sigint_is_default()


@pytest.mark.parametrize("taken", [note, signal.SIG_IGN, signal.SIG_DFL])
def test_ctrl_c_is_not_ours_where_somebody_has_taken_it(taken: signal.Handlers) -> None:
    signal.signal(SIGINT, taken)

    assert not sigint_is_default()


def test_ctrl_c_is_not_ours_on_another_thread() -> None:
    assert not in_another_thread(sigint_is_default)


def test_the_handler_gets_the_signal_until_the_previous_one_is_back() -> None:
    noted: list[int] = []

    previous = install_sigint(lambda number, frame: noted.append(number))
    signal.raise_signal(SIGINT)
    restore_sigint(previous)

    assert noted == [SIGINT]
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(SIGINT)


def test_a_handler_that_the_program_set_meanwhile_stays() -> None:
    class Interrupts:
        def handle(self, number: int, frame: FrameType | None) -> None:
            """Ours."""

    ours = Interrupts()
    previous = install_sigint(ours.handle)
    restore_sigint(previous, ours.handle)
    assert sigint_is_default()

    previous = install_sigint(ours.handle)
    signal.signal(SIGINT, note)
    restore_sigint(previous, ours.handle)

    assert signal.getsignal(SIGINT) is note


def test_a_handler_that_python_did_not_set_becomes_the_one_of_the_system() -> None:
    restore_sigint(None)

    assert signal.getsignal(SIGINT) is signal.SIG_DFL


def test_every_signal_writes_a_byte_to_the_descriptor_that_asked_for_it(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    install_sigint(note)
    previous = wake_on_signals(pair[0].fileno())
    signal.raise_signal(SIGINT)

    assert wake_on_signals(previous) == pair[0].fileno()
    signal.raise_signal(SIGINT)

    assert pair[1].recv(10) == bytes([SIGINT])


def test_a_descriptor_that_blocks_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].setblocking(True)

    with pytest.raises(ValueError, match="non-blocking"):
        wake_on_signals(pair[0].fileno())
