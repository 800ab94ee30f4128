"""What is particular to the level-triggered poller."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from conc._os.poller import HUP, READ, WRITE
from conc._os.select_poller import SelectPoller
from tests.os.watching import merged, poll_now

Sockets = tuple[socket.socket, socket.socket]


@pytest.fixture(params=["poll", "select"])
def leveled(request: pytest.FixtureRequest) -> Iterator[SelectPoller]:
    poller = SelectPoller(select if request.param == "poll" else SimpleNamespace(select=select.select))
    yield poller
    poller.close()


def test_nothing_is_told_to_those_who_did_not_ask(leveled: SelectPoller, pair: Sockets) -> None:
    leveled.register(pair[0].fileno())
    pair[1].close()

    assert leveled.poll(0) == []


def test_who_asked_once_is_told_once(leveled: SelectPoller, pair: Sockets) -> None:
    leveled.register(pair[0].fileno())
    leveled.arm(pair[0].fileno(), READ)
    pair[1].send(b"x")

    assert poll_now(leveled) == {pair[0].fileno(): READ}
    assert leveled.poll(0) == []


def test_who_asks_again_before_reading_is_told_again(leveled: SelectPoller, pair: Sockets) -> None:
    leveled.register(pair[0].fileno())
    pair[1].send(b"x")

    for _ in range(3):
        leveled.arm(pair[0].fileno(), READ)
        assert poll_now(leveled) == {pair[0].fileno(): READ}


def test_telling_one_direction_leaves_the_other_asked_for(leveled: SelectPoller, pair: Sockets) -> None:
    leveled.register(pair[0].fileno())
    leveled.arm(pair[0].fileno(), WRITE)
    leveled.arm(pair[0].fileno(), READ)
    assert poll_now(leveled) == {pair[0].fileno(): WRITE}

    pair[1].send(b"x")

    assert poll_now(leveled) == {pair[0].fileno(): READ}


def test_a_hang_up_tells_only_the_direction_that_was_asked_for(pair: Sockets) -> None:
    leveled = SelectPoller()
    leveled.register(pair[0].fileno())
    leveled.arm(pair[0].fileno(), READ)
    pair[1].close()
    assert leveled.poll(0) == [(pair[0].fileno(), READ | HUP)]

    leveled.arm(pair[0].fileno(), WRITE)

    assert leveled.poll(0) == [(pair[0].fileno(), WRITE | HUP)]


def test_a_descriptor_closed_under_the_poller_is_told_as_ready_once(leveled: SelectPoller, pair: Sockets) -> None:
    fd = pair[0].fileno()
    leveled.register(fd)
    leveled.arm(fd, READ)
    leveled.arm(fd, WRITE)
    pair[0].close()

    assert merged(leveled.poll(None)) == {fd: READ | WRITE | HUP}
    assert leveled.poll(0) == []


def test_a_wait_for_what_is_not_registered_is_an_error(leveled: SelectPoller, pair: Sockets) -> None:
    with pytest.raises(KeyError):
        leveled.arm(pair[0].fileno(), READ)


def test_a_registration_taken_back_takes_back_what_was_asked(leveled: SelectPoller, pair: Sockets) -> None:
    leveled.register(pair[0].fileno())
    leveled.arm(pair[0].fileno(), WRITE)
    leveled.unregister(pair[0].fileno())

    leveled.register(pair[0].fileno())

    assert leveled.poll(0) == []


def test_a_regular_file_is_always_ready(leveled: SelectPoller, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+") as file:
        leveled.register(file.fileno())
        leveled.arm(file.fileno(), READ)

        assert poll_now(leveled) == {file.fileno(): READ}
        leveled.unregister(file.fileno())


def test_a_number_beyond_the_reach_of_select_is_refused_at_once(pair: Sockets) -> None:
    leveled = SelectPoller(SimpleNamespace(select=select.select))
    try:
        os.dup2(pair[0].fileno(), 1500)
    except OSError:
        pytest.skip("needs 1,501 open files")
    try:
        with pytest.raises(ValueError, match="out of range"):
            leveled.register(1500)
    finally:
        os.close(1500)

    assert leveled.poll(0) == []
