"""Every poller by turns, and descriptors for them to watch."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from conc._os.epoll import EpollPoller
from conc._os.kqueue import KqueuePoller
from conc._os.poller import Poller
from conc._os.select_poller import SelectPoller
from tests.os.fake_kqueue import EpollAsKqueue
from tests.os.watching import Kind

KINDS = [
    Kind("epoll", EpollPoller),
    Kind("kqueue", lambda: KqueuePoller(EpollAsKqueue), notices_twice=False),
    Kind("poll", SelectPoller),
    Kind("select", lambda: SelectPoller(SimpleNamespace(select=select.select)), tells_hang_ups=False),
]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def kind(request: pytest.FixtureRequest) -> Kind:
    assert isinstance(request.param, Kind)
    return request.param


@pytest.fixture
def poller(kind: Kind) -> Iterator[Poller]:
    poller = kind.make()
    yield poller
    poller.close()


@pytest.fixture
def opened() -> Iterator[ExitStack]:
    """Closes what a test opens."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def pair(opened: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Two connected Unix sockets that do not block."""
    left, right = socket.socketpair()
    for end in (left, right):
        opened.enter_context(end).setblocking(False)
    return left, right


@pytest.fixture
def tcp(opened: ExitStack) -> tuple[socket.socket, socket.socket]:
    """Two connected TCP sockets that do not block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = opened.enter_context(socket.create_connection(listener.getsockname()))
        right = opened.enter_context(listener.accept()[0])
    for end in (left, right):
        end.setblocking(False)
    return left, right


@pytest.fixture
def pipe(opened: ExitStack) -> tuple[int, int]:
    """The read end and the write end of a pipe that does not block."""
    ends = os.pipe()
    for fd in ends:
        os.set_blocking(fd, False)
        opened.callback(close_if_open, fd)
    return ends


@pytest.fixture
def counter(opened: ExitStack) -> int:
    """An eventfd."""
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    opened.callback(os.close, fd)
    return fd


def close_if_open(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:
        pass  # the test has closed it
