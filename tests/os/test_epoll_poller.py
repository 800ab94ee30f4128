"""What is particular to the poller of Linux."""

from __future__ import annotations

import math
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from select import EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP

import pytest

from conc._os.epoll import BATCH, FLAGS, EpollPoller
from conc._os.poller import HUP, READ, WRITE
from tests.os.watching import drain

Sockets = tuple[socket.socket, socket.socket]


@pytest.fixture
def epoll() -> Iterator[EpollPoller]:
    poller = EpollPoller()
    yield poller
    poller.close()


@pytest.mark.parametrize(
    ("mask", "flags"),
    [
        (EPOLLIN, READ),
        (EPOLLOUT, WRITE),
        (EPOLLIN | EPOLLOUT, READ | WRITE),
        (EPOLLIN | EPOLLRDHUP, READ | HUP),
        (EPOLLRDHUP, READ | HUP),
        (EPOLLHUP, READ | WRITE | HUP),
        (EPOLLERR, READ | WRITE | HUP),
        (EPOLLOUT | EPOLLHUP, READ | WRITE | HUP),
    ],
)
def test_every_mask_has_its_flags(mask: int, flags: int) -> None:
    assert FLAGS[mask] == flags


def test_no_mask_is_unknown() -> None:
    everything = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP | EPOLLERR

    assert {mask for mask in range(everything + 1) if mask & everything == mask} == set(FLAGS)


def test_an_edge_is_told_once(epoll: EpollPoller, pair: Sockets) -> None:
    epoll.register(pair[0].fileno())
    pair[1].send(b"x")

    assert epoll.poll(0) == [(pair[0].fileno(), READ | WRITE)]
    assert epoll.poll(0) == []


def test_the_end_behind_the_last_bytes_is_not_told_again(epoll: EpollPoller, pair: Sockets) -> None:
    epoll.register(pair[0].fileno())
    pair[1].send(b"last")
    pair[1].shutdown(socket.SHUT_WR)
    assert epoll.poll(0) == [(pair[0].fileno(), READ | WRITE | HUP)]

    assert pair[0].recv(100) == b"last"

    assert epoll.poll(0) == []


def test_more_ready_descriptors_than_one_answer_holds_come_by_turns(epoll: EpollPoller, opened: ExitStack) -> None:
    for _ in range(2 * BATCH + 1):
        left, right = socket.socketpair()
        opened.enter_context(right)
        epoll.register(opened.enter_context(left).fileno())

    assert [len(epoll.poll(0)) for _ in range(4)] == [BATCH, BATCH, 1, 0]


def test_a_long_wait_is_rounded_down_to_milliseconds_and_the_rest_is_waited_for_exactly(
    epoll: EpollPoller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python turns seconds into nanoseconds and those into milliseconds, rounding up both times."""
    coarse: list[int] = []
    fine: list[float] = []

    def wait(seconds: float, batch: int) -> list[tuple[int, int]]:
        coarse.append(math.ceil(math.ceil(seconds * 1e9) / 1e6))
        return []

    def wait_finely(self: EpollPoller, seconds: float) -> list[tuple[int, int]]:
        fine.append(seconds)
        return []

    monkeypatch.setattr(epoll, "_wait", wait)
    monkeypatch.setattr(EpollPoller, "_wait_finely", wait_finely)
    timeouts = [*(k / 1000 for k in range(2, 500)), *(k / 7919 for k in range(16, 20_000, 7)), 3600.0005, 86_399.9999]

    for timeout in timeouts:
        epoll.poll(timeout)

        assert len(coarse) == len(fine) == 1
        assert coarse[0] / 1000 + fine[0] == pytest.approx(timeout, abs=1e-9)
        assert -1e-9 < fine[0] < 0.001 + 1e-9
        coarse.clear()
        fine.clear()


def test_a_regular_file_cannot_be_watched(epoll: EpollPoller, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, pytest.raises(PermissionError):
        epoll.register(file.fileno())


def test_a_descriptor_closed_under_the_poller_is_silent(epoll: EpollPoller, pair: Sockets) -> None:
    epoll.register(pair[0].fileno())
    pair[0].close()

    assert epoll.poll(0) == []


def test_its_own_descriptor_is_readable_while_events_wait(epoll: EpollPoller, pair: Sockets) -> None:
    outer = EpollPoller()
    outer.register(epoll.fileno())
    assert outer.poll(0) == []

    epoll.register(pair[0].fileno())

    assert outer.poll(0) == [(epoll.fileno(), READ)]
    outer.close()


@pytest.fixture
def high_epoll(opened: ExitStack) -> EpollPoller:
    """A poller whose number is more than select can count."""
    needed = 1100
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < needed:
        pytest.skip(f"needs {needed} open files")
    first = os.open(os.devnull, os.O_RDONLY)
    opened.callback(os.close, first)
    while first < 1024:
        fd = os.dup(first)
        opened.callback(os.close, fd)
        if fd >= 1024:
            break
    poller = EpollPoller()
    opened.callback(poller.close)
    assert poller.fileno() >= 1024
    return poller


def test_short_waits_are_exact_beyond_the_reach_of_select(high_epoll: EpollPoller) -> None:
    took = []
    for _ in range(10):
        began = time.monotonic()
        assert high_epoll.poll(0.0005) == []
        took.append(time.monotonic() - began)

    assert min(took) >= 0.0005
    assert min(took) < 0.0009


def test_short_waits_see_events_beyond_the_reach_of_select(high_epoll: EpollPoller, pair: Sockets) -> None:
    high_epoll.register(pair[0].fileno())
    drain(pair[0])

    assert high_epoll.poll(0.0015) == [(pair[0].fileno(), WRITE)]
