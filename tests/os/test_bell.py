"""Waking a sleeper."""

from __future__ import annotations

import errno
import gc
import os
import signal
import threading
from collections.abc import Callable

import pytest

from conc._os.bell import Bell, EventfdBell, SocketBell
from conc._os.poller import READ, Poller
from conc._os.signals import wake_on_signals
from tests.os.watching import ask, forget_first_edges, poll_for, poll_for_ever, watch

AnyBell = EventfdBell | SocketBell


@pytest.fixture(params=[EventfdBell, SocketBell])
def make(request: pytest.FixtureRequest) -> Callable[[Poller | None], AnyBell]:
    make: Callable[[Poller | None], AnyBell] = request.param
    return make


@pytest.fixture
def bell(make: Callable[[Poller | None], AnyBell], poller: Poller) -> AnyBell:
    """A bell that the poller watches."""
    bell = make(poller)
    watch(poller, bell.fileno(), READ)
    forget_first_edges(poller)
    return bell


def test_a_ring_from_another_thread_ends_an_endless_wait(poller: Poller, bell: AnyBell) -> None:
    ringer = threading.Timer(0.002, bell.ring)
    ringer.start()

    events = poll_for_ever(poller)

    ringer.join()
    assert events == {bell.fileno(): events[bell.fileno()]}
    assert events[bell.fileno()] & READ


def test_a_ring_from_a_signal_handler_ends_an_endless_wait(poller: Poller, bell: AnyBell) -> None:
    previous = signal.signal(signal.SIGALRM, lambda number, frame: bell.ring())
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    try:
        events = poll_for_ever(poller)
    finally:
        signal.signal(signal.SIGALRM, previous)

    assert events[bell.fileno()] & READ


def test_a_ring_before_the_sleep_is_not_lost(poller: Poller, bell: AnyBell) -> None:
    bell.ring()

    assert poll_for_ever(poller)[bell.fileno()] & READ


def test_a_ring_before_the_registration_is_not_lost(poller: Poller, make: Callable[[Poller | None], AnyBell]) -> None:
    bell = make(poller)
    bell.ring()

    watch(poller, bell.fileno(), READ)

    assert poll_for_ever(poller)[bell.fileno()] & READ


def test_every_ring_after_a_quiet_wakes_again(poller: Poller, bell: AnyBell) -> None:
    for _ in range(5):
        bell.ring()
        poll_for(poller, bell.fileno(), READ, READ)
        bell.quiet()
        ask(poller, bell.fileno(), READ)

        assert poller.poll(0) == []


def test_many_rings_are_one_waking(poller: Poller, bell: AnyBell) -> None:
    for _ in range(10):
        bell.ring()
    poll_for(poller, bell.fileno(), READ, READ)
    bell.quiet()
    ask(poller, bell.fileno(), READ)

    assert poller.poll(0) == []


def test_a_quiet_bell_may_be_quieted(poller: Poller, bell: AnyBell) -> None:
    bell.quiet()

    assert poller.poll(0) == []


def test_ringing_without_end_never_blocks_and_never_deafens(poller: Poller, bell: AnyBell) -> None:
    for _ in range(20_000):
        bell.ring()
    poll_for(poller, bell.fileno(), READ, READ)
    bell.quiet()
    ask(poller, bell.fileno(), READ)
    assert poller.poll(0) == []

    bell.ring()

    assert poll_for(poller, bell.fileno(), READ, READ) & READ


def test_threads_that_ring_as_they_like_lose_no_message(poller: Poller, bell: AnyBell) -> None:
    """Each message is said, then rung; the sleeper quiets, then looks."""
    said: list[int] = []

    def speak() -> None:
        for _ in range(200):
            said.append(1)
            bell.ring()

    threads = [threading.Thread(target=speak) for _ in range(3)]
    for thread in threads:
        thread.start()

    heard = 0
    while heard < 600:
        assert poller.poll(10), f"asleep with {600 - heard} messages left"
        bell.quiet()
        ask(poller, bell.fileno(), READ)
        heard = len(said)

    for thread in threads:
        thread.join()


def test_a_bell_for_any_poller_is_emptied_by_quiet(make: Callable[[Poller | None], AnyBell]) -> None:
    bell = make(None)
    bell.ring()

    bell.quiet()

    with pytest.raises(BlockingIOError):
        os.read(bell.fileno(), 8)


def test_the_descriptor_is_closed_with_the_last_reference(make: Callable[[Poller | None], AnyBell]) -> None:
    bell = make(None)
    fd = bell.fileno()
    ring = bell.ring

    del bell
    ring()
    os.fstat(fd)
    del ring
    gc.collect()

    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(fd)


def test_a_finaliser_in_one_cycle_with_the_bell_may_ring(make: Callable[[Poller | None], AnyBell]) -> None:
    """The collector finalises a cycle in any order, so the bell may be closed by then: no stranger's file is hit."""
    bell = make(None)
    fd = bell.fileno()
    bell.__del__()
    stranger = os.memfd_create("stranger")
    try:
        assert stranger == fd, "the first free number is the one just closed"
        bell.ring()
        bell.quiet()
        bell.__del__()

        assert os.fstat(stranger).st_size == 0
    finally:
        os.close(stranger)


def test_a_child_process_does_not_inherit_the_bell(make: Callable[[Poller | None], AnyBell]) -> None:
    assert not os.get_inheritable(make(None).fileno())


def test_the_bell_of_linux_is_an_eventfd() -> None:
    assert Bell is EventfdBell


def test_a_signal_wakes_a_sleeper_before_any_python_handler_rings(poller: Poller) -> None:
    """The handler does nothing, and the interpreter goes on with the interrupted system call: only the byte wakes."""
    bell = SocketBell(poller)
    watch(poller, bell.fileno(), READ)
    forget_first_edges(poller)
    previous_fd = wake_on_signals(bell.write_fileno())
    previous = signal.signal(signal.SIGALRM, lambda number, frame: None)
    signal.setitimer(signal.ITIMER_REAL, 0.002)
    try:
        events = poll_for_ever(poller)
    finally:
        signal.signal(signal.SIGALRM, previous)
        assert wake_on_signals(previous_fd) == bell.write_fileno()

    assert events[bell.fileno()] & READ
    bell.quiet()
    ask(poller, bell.fileno(), READ)
    assert poller.poll(0) == []


@pytest.mark.parametrize("kind", [EventfdBell, SocketBell])
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_bell_whose_making_was_interrupted_at_once_goes_in_peace(kind: type[AnyBell]) -> None:
    half_made = kind.__new__(kind)

    half_made.__del__()

    del half_made
    gc.collect()
