"""What the poller of macOS and the BSDs says to its system, and how it reads the answers."""

from __future__ import annotations

import errno
import math

import pytest

from conc._os.kqueue import BATCH, KqueuePoller
from conc._os.patience import LONGEST_S
from conc._os.poller import HUP
from conc._os.poller import READ as WORTH_A_READ
from conc._os.poller import WRITE as WORTH_A_WRITE
from tests.os.fake_kqueue import ADD, CLEAR, DELETE, EOF, ERROR, READ, WRITE, Control, Kevent, Transcript, failure


def change(fd: int, direction: int, action: int) -> Control:
    return Control((Kevent(fd, direction, action),), 0, 0)


def wait(timeout: float | None) -> Control:
    return Control((), BATCH, timeout)


def test_a_registration_adds_both_filters_edge_triggered() -> None:
    system = Transcript()

    KqueuePoller(system).register(5)

    assert system.calls == [change(5, READ, ADD | CLEAR), change(5, WRITE, ADD | CLEAR)]


def test_the_end_of_a_registration_deletes_both_filters() -> None:
    system = Transcript()

    KqueuePoller(system).unregister(5)

    assert system.calls == [change(5, READ, DELETE), change(5, WRITE, DELETE)]


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EBADF])
def test_filters_that_are_gone_already_are_no_error(number: int) -> None:
    system = Transcript(failure(number), failure(number))

    KqueuePoller(system).unregister(5)

    assert len(system.calls) == 2


def test_a_registration_that_is_refused_raises_what_the_system_says() -> None:
    system = Transcript(failure(errno.EBADF))

    with pytest.raises(OSError, match="Bad file descriptor"):
        KqueuePoller(system).register(5)

    assert len(system.calls) == 1


def test_a_registration_that_is_half_refused_is_taken_back() -> None:
    system = Transcript([], failure(errno.EINVAL))

    with pytest.raises(OSError, match="Invalid argument"):
        KqueuePoller(system).register(5)

    assert system.calls[2:] == [change(5, READ, DELETE), change(5, WRITE, DELETE)]


def test_a_pipe_without_a_reader_is_reported_as_hung_up_by_the_next_poll() -> None:
    system = Transcript([], failure(errno.EPIPE))
    poller = KqueuePoller(system)
    poller.register(5)

    assert poller.poll(None) == [(5, WORTH_A_READ | WORTH_A_WRITE | HUP)]
    assert poller.poll(0) == []


def test_a_pipe_without_a_reader_that_is_unregistered_is_not_reported() -> None:
    system = Transcript([], failure(errno.EPIPE))
    poller = KqueuePoller(system)
    poller.register(5)

    poller.unregister(5)

    assert poller.poll(0) == []


@pytest.mark.parametrize(
    ("event", "flags"),
    [
        (Kevent(5, READ, CLEAR), WORTH_A_READ),
        (Kevent(5, WRITE, CLEAR), WORTH_A_WRITE),
        (Kevent(5, READ, CLEAR | EOF), WORTH_A_READ | HUP),
        (Kevent(5, WRITE, CLEAR | EOF), WORTH_A_WRITE | HUP),
        (Kevent(5, READ, ERROR), WORTH_A_READ | WORTH_A_WRITE | HUP),
    ],
)
def test_every_event_has_its_flags(event: Kevent, flags: int) -> None:
    assert KqueuePoller(Transcript([event])).poll(0) == [(5, flags)]


def test_the_two_directions_of_a_descriptor_come_as_two_events() -> None:
    system = Transcript([Kevent(5, READ, CLEAR), Kevent(5, WRITE, CLEAR)])

    assert KqueuePoller(system).poll(0) == [(5, WORTH_A_READ), (5, WORTH_A_WRITE)]


@pytest.mark.parametrize(
    ("timeout", "waits"),
    [
        (None, [wait(None)]),
        (0, [wait(0)]),
        (-1.0, [wait(0)]),
        (0.0005, [wait(0.0005)]),
        (0.25, [wait(0.25), wait(0.0)]),
    ],
)
def test_a_wait_lasts_as_long_as_was_asked(timeout: float | None, waits: list[Control]) -> None:
    system = Transcript()

    assert KqueuePoller(system).poll(timeout) == []
    assert system.calls == waits


def test_a_wait_without_end_is_cut_into_waits_that_the_system_can_count() -> None:
    system = Transcript([], [], [Kevent(5, READ, CLEAR)])

    assert KqueuePoller(system).poll(math.inf) == [(5, WORTH_A_READ)]
    assert system.calls == [wait(LONGEST_S)] * 3


def test_closing_closes_the_kqueue() -> None:
    system = Transcript()
    poller = KqueuePoller(system)
    assert poller.fileno() == system.fileno()

    poller.close()

    assert system.closed
