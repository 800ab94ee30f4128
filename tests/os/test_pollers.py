"""What every poller does, with real descriptors."""

from __future__ import annotations

import errno
import math
import os
import socket
import struct
import threading
import time
from contextlib import ExitStack

import pytest

from conc._os.poller import HUP, READ, WRITE, Poller
from tests.os.watching import (
    BOTH,
    Kind,
    ask,
    drain,
    fill,
    forget_first_edges,
    poll_for,
    poll_for_ever,
    poll_now,
    watch,
)

Sockets = tuple[socket.socket, socket.socket]


def test_a_fresh_socket_is_worth_a_write_and_no_read(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno())

    assert poll_now(poller) == {pair[0].fileno(): WRITE}


def test_bytes_that_were_there_before_the_registration_are_reported(poller: Poller, pair: Sockets) -> None:
    pair[1].send(b"early")

    watch(poller, pair[0].fileno())

    assert poll_now(poller) == {pair[0].fileno(): READ | WRITE}


def test_bytes_that_arrive_make_a_socket_worth_a_read(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno(), READ)
    forget_first_edges(poller)

    pair[1].send(b"x")

    assert poll_now(poller).get(pair[0].fileno(), 0) & READ


def test_more_bytes_after_a_drained_socket_are_reported_again(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno(), READ)
    for _ in range(3):
        forget_first_edges(poller)
        pair[1].send(b"x")
        poll_for(poller, pair[0].fileno(), READ, READ)
        assert drain(pair[0]) == b"x"
        ask(poller, pair[0].fileno(), READ)

        assert not poll_now(poller).get(pair[0].fileno(), 0) & READ


def test_a_full_socket_is_worth_a_write_when_the_peer_has_read(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno(), WRITE)
    fill(pair[0])
    forget_first_edges(poller)
    assert poll_now(poller) == {}

    drain(pair[1])

    assert poll_for(poller, pair[0].fileno(), WRITE, WRITE) == WRITE


def test_the_last_bytes_and_the_end_come_with_a_hang_up(poller: Poller, kind: Kind, tcp: Sockets) -> None:
    watch(poller, tcp[0].fileno(), READ)
    forget_first_edges(poller)

    tcp[1].send(b"last")
    tcp[1].shutdown(socket.SHUT_WR)

    flags = poll_for(poller, tcp[0].fileno(), READ | kind.hup, READ)
    assert flags & (READ | HUP) == READ | kind.hup
    assert drain(tcp[0]) == b"last"
    assert tcp[0].recv(1) == b""


def test_an_end_without_bytes_is_worth_a_read(poller: Poller, kind: Kind, pair: Sockets) -> None:
    watch(poller, pair[0].fileno(), READ)
    forget_first_edges(poller)

    pair[1].shutdown(socket.SHUT_WR)

    assert poll_for(poller, pair[0].fileno(), READ | kind.hup, READ) & (READ | HUP) == READ | kind.hup


def test_a_half_closed_peer_can_still_be_written_to(poller: Poller, tcp: Sockets) -> None:
    watch(poller, tcp[0].fileno(), WRITE)
    fill(tcp[0])
    tcp[1].shutdown(socket.SHUT_WR)
    forget_first_edges(poller)

    while not poll_now(poller).get(tcp[0].fileno(), 0) & WRITE:
        drain(tcp[1])

    assert tcp[0].send(b"x") == 1


def test_a_reset_is_worth_a_read_and_a_write(poller: Poller, kind: Kind, tcp: Sockets) -> None:
    fill(tcp[0])
    watch(poller, tcp[0].fileno())
    forget_first_edges(poller)

    tcp[1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    tcp[1].close()

    assert poll_for(poller, tcp[0].fileno(), BOTH | kind.hup) == BOTH | kind.hup
    with pytest.raises(ConnectionResetError):
        tcp[0].recv(1)


def test_a_refused_connection_is_reported(poller: Poller, kind: Kind, opened: ExitStack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    sock = opened.enter_context(socket.socket())
    sock.setblocking(False)

    assert sock.connect_ex(address) == errno.EINPROGRESS
    watch(poller, sock.fileno())

    assert poll_for(poller, sock.fileno(), BOTH | kind.hup) == BOTH | kind.hup
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_a_connection_registered_while_it_is_made_is_reported_without_hang_up(
    poller: Poller, opened: ExitStack
) -> None:
    listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    sock = opened.enter_context(socket.socket())
    sock.setblocking(False)

    assert sock.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    watch(poller, sock.fileno())

    assert poll_for(poller, sock.fileno(), WRITE) == WRITE
    assert sock.getpeername() == listener.getsockname()


def test_an_unconnected_socket_counts_as_hung_up_until_it_connects(
    poller: Poller, kind: Kind, opened: ExitStack
) -> None:
    listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    sock = opened.enter_context(socket.socket())
    sock.setblocking(False)
    watch(poller, sock.fileno(), WRITE)

    assert poll_now(poller)[sock.fileno()] & (WRITE | HUP) == WRITE | kind.hup

    assert sock.connect_ex(listener.getsockname()) == errno.EINPROGRESS
    ask(poller, sock.fileno(), WRITE)
    assert poll_for(poller, sock.fileno(), WRITE, WRITE) == WRITE


def test_a_listener_is_worth_a_read_when_somebody_connects(poller: Poller, opened: ExitStack) -> None:
    listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
    watch(poller, listener.fileno(), READ)
    forget_first_edges(poller)

    opened.enter_context(socket.create_connection(listener.getsockname()))

    assert poll_for(poller, listener.fileno(), READ, READ) & READ


def test_a_pipe_tells_both_its_ends(poller: Poller, kind: Kind, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    watch(poller, reader, READ)
    watch(poller, writer, WRITE)
    assert poll_now(poller) == {writer: WRITE}

    os.write(writer, b"x")
    assert poll_for(poller, reader, READ, READ) & READ
    poller.unregister(writer)
    os.close(writer)
    assert poll_for(poller, reader, READ | kind.hup, READ) & READ


def test_the_writer_of_a_pipe_hears_that_its_reader_is_gone(poller: Poller, kind: Kind, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    os.close(reader)

    watch(poller, writer, WRITE)

    assert poll_for(poller, writer, WRITE | kind.hup, WRITE) & (WRITE | HUP) == WRITE | kind.hup
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"x")


def test_an_eventfd_is_worth_a_read_after_each_write(poller: Poller, counter: int) -> None:
    watch(poller, counter, READ)
    for _ in range(3):
        forget_first_edges(poller)
        os.eventfd_write(counter, 1)

        assert poll_for(poller, counter, READ, READ) & READ
        os.eventfd_read(counter)
        ask(poller, counter, READ)


def test_nothing_is_reported_of_what_was_unregistered(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno())
    poller.unregister(pair[0].fileno())

    pair[1].send(b"x")

    assert poller.poll(0.001) == []


def test_what_was_unregistered_may_be_registered_again(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno())
    poll_now(poller)
    poller.unregister(pair[0].fileno())

    watch(poller, pair[0].fileno())

    assert poll_now(poller) == {pair[0].fileno(): WRITE}


def test_registering_twice_is_an_error_where_it_can_be_told(poller: Poller, kind: Kind, pair: Sockets) -> None:
    watch(poller, pair[0].fileno())

    if kind.notices_twice:
        with pytest.raises(FileExistsError):
            poller.register(pair[0].fileno())
    else:
        poller.register(pair[0].fileno())

    assert poll_now(poller) == {pair[0].fileno(): WRITE}


def test_a_closed_descriptor_cannot_be_registered(poller: Poller) -> None:
    sock = socket.socket()
    fd = sock.fileno()
    sock.close()

    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        poller.register(fd)


def test_a_negative_descriptor_cannot_be_registered(poller: Poller) -> None:
    with pytest.raises((OSError, ValueError)):
        poller.register(-1)

    assert poller.poll(0) == []


def test_unregistering_a_closed_descriptor_is_no_error(poller: Poller, pair: Sockets) -> None:
    fd = pair[0].fileno()
    watch(poller, fd)
    pair[0].close()

    poller.unregister(fd)

    assert poller.poll(0) == []


def test_unregistering_what_was_never_registered_is_no_error(poller: Poller, pair: Sockets) -> None:
    poller.unregister(pair[0].fileno())
    poller.unregister(-1)

    assert poller.poll(0) == []


def test_a_descriptor_closed_under_the_poller_does_not_disturb_the_others(
    poller: Poller, pair: Sockets, tcp: Sockets
) -> None:
    gone = tcp[0].fileno()
    watch(poller, gone, READ)
    watch(poller, pair[0].fileno(), READ)
    forget_first_edges(poller)

    tcp[0].close()
    pair[1].send(b"x")

    assert poll_for(poller, pair[0].fileno(), READ, READ) & READ
    poller.unregister(gone)
    ask(poller, pair[0].fileno(), READ)
    assert set(poll_now(poller)) <= {pair[0].fileno()}


def test_the_next_owner_of_a_number_is_watched_like_any_other(poller: Poller, pair: Sockets, tcp: Sockets) -> None:
    number = tcp[0].fileno()
    watch(poller, number)
    forget_first_edges(poller)
    poller.unregister(number)
    tcp[0].close()
    os.dup2(pair[0].fileno(), number)
    try:
        watch(poller, number, READ)
        pair[1].send(b"x")

        assert poll_for(poller, number, READ, READ) & READ
    finally:
        poller.unregister(number)
        os.close(number)


def test_no_event_is_lost_when_hundreds_of_descriptors_are_ready(poller: Poller, opened: ExitStack) -> None:
    readers = set()
    for _ in range(200):
        reader, writer = socket.socketpair()
        opened.enter_context(reader)
        opened.enter_context(writer).send(b"x")
        watch(poller, reader.fileno(), READ)
        readers.add(reader.fileno())

    told: set[int] = set()
    while told < readers:
        events = poll_now(poller)
        assert events, f"{len(readers - told)} descriptors were not reported"
        told |= {fd for fd, flags in events.items() if flags & READ}

    assert told == readers


@pytest.mark.parametrize("timeout", [0.0, 0.0003, 0.001, 0.0019, 0.002, 0.003, 0.0035, 0.0051])
def test_a_timeout_is_never_early(poller: Poller, pair: Sockets, timeout: float) -> None:
    watch(poller, pair[0].fileno(), READ)
    forget_first_edges(poller)

    for _ in range(3):
        began = time.monotonic()
        events = poller.poll(timeout)
        took = time.monotonic() - began

        assert events == []
        assert took >= timeout


@pytest.mark.parametrize("timeout", [0.0005, 0.0035])
def test_a_timeout_is_not_rounded_up_to_milliseconds(poller: Poller, timeout: float) -> None:
    took = []
    for _ in range(20):
        began = time.monotonic()
        poller.poll(timeout)
        took.append(time.monotonic() - began)

    assert min(took) < timeout + 0.0004


@pytest.mark.parametrize("timeout", [0.0019, 0.0059])
def test_waiting_is_sleeping(poller: Poller, timeout: float) -> None:
    wall, cpu = time.monotonic(), time.process_time()
    for _ in range(10):
        poller.poll(timeout)
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu

    assert cpu < wall / 2


@pytest.mark.parametrize("timeout", [-1.0, -0.0, 0])
def test_a_time_that_has_passed_is_not_waited_for(poller: Poller, timeout: float) -> None:
    assert poller.poll(timeout) == []


@pytest.mark.parametrize("timeout", [None, 1e5, 2.0**31, 1e10, 1e300, math.inf])
def test_any_timeout_ends_with_the_first_event(poller: Poller, pair: Sockets, timeout: float | None) -> None:
    watch(poller, pair[0].fileno())

    assert poller.poll(timeout) == [(pair[0].fileno(), WRITE)]


@pytest.mark.parametrize("timeout", [0.0015, 1.0])
def test_a_wait_with_a_timeout_ends_with_the_first_event(poller: Poller, pair: Sockets, timeout: float) -> None:
    watch(poller, pair[0].fileno(), READ)
    forget_first_edges(poller)
    pair[1].send(b"x")

    began = time.monotonic()
    events = poller.poll(timeout)

    assert events
    assert time.monotonic() - began < max(timeout, 0.5)


def test_an_event_from_another_thread_ends_an_endless_wait(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno(), READ)
    forget_first_edges(poller)
    peer = threading.Timer(0.002, pair[1].send, [b"x"])
    peer.start()

    events = poll_for_ever(poller)

    peer.join()
    assert events[pair[0].fileno()] & READ


def test_closing_leaves_the_descriptors_open_and_may_be_repeated(poller: Poller, pair: Sockets) -> None:
    watch(poller, pair[0].fileno())

    poller.close()
    poller.close()

    pair[1].send(b"x")
    assert pair[0].recv(1) == b"x"
