"""The poller of a simulated network: edges in order, no system call while there is work, bells from other threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import Poller
from conc.net import connect_tcp, listen_tcp
from conc_testing import SimNetwork, VirtualClock
from conc_testing.net.descriptors import HUP, READ, WRITE
from conc_testing.net.poller import FIRST_FD, SimPoller
from tests.testing.net.support import run_on


class CountingPoller:
    """In the place of the poller of the system."""

    arm: Callable[[int, int], None] | None = None

    def __init__(self) -> None:
        self.waits: list[float | None] = []
        self.registered: list[int] = []
        self.closed = False

    def register(self, fd: int) -> None:
        self.registered.append(fd)

    def unregister(self, fd: int) -> None:
        self.registered.remove(fd)

    def poll(self, timeout: float | None) -> list[tuple[int, int]]:
        self.waits.append(timeout)
        return [(7, READ)]

    def close(self) -> None:
        self.closed = True


class AskedPoller(CountingPoller):
    """One that wants to be asked each time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []
        self.arm = lambda fd, direction: self.asked.append((fd, direction))


def poller_and_pair(real: Poller) -> tuple[SimPoller, Any, Any]:
    """A poller, and the two ends of a connection that it can watch."""
    network = SimNetwork()
    poller = network._poller = SimPoller(network._sockets, lambda: real)
    sockets: list[Any] = []

    async def connect() -> None:
        listener = network.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.bind(("127.0.0.1", 80))
        listener.listen(1)
        client = network.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.connect_ex(("127.0.0.1", 80))
        sockets.extend([client, listener.accept()[0]])

    conc.run(connect, clock=VirtualClock())
    return poller, sockets[0], sockets[1]


def test_edges_are_reported_once_and_in_order() -> None:
    async def test() -> None:
        poller.register(server.fileno())
        poller.register(client.fileno())
        assert poller.poll(None) == [(server.fileno(), WRITE), (client.fileno(), WRITE)]
        assert poller.poll(0) == []
        client.send(b"x")
        client.send(b"y")
        assert poller.poll(0) == [(server.fileno(), READ | WRITE)]
        assert poller.poll(0) == []
        server.shutdown(socket.SHUT_WR)
        assert poller.poll(0) == [(client.fileno(), READ | WRITE | HUP)]
        poller.unregister(server.fileno())
        client.send(b"z")
        assert poller.poll(0) == []
        poller._check()

    poller, client, server = poller_and_pair(CountingPoller())
    conc.run(test, clock=VirtualClock())


def test_the_system_is_asked_only_by_who_waits_and_while_nothing_is_there() -> None:
    real = CountingPoller()
    poller, client, _ = poller_and_pair(real)

    assert poller.poll(0) == []
    assert real.waits == []
    poller.register(client.fileno())
    assert poller.poll(None) == [(client.fileno(), WRITE)]
    assert real.waits == []
    assert poller.poll(1.5) == poller.poll(None) == [(7, READ)]
    assert real.waits == [1.5, None]


def test_descriptors_of_the_system_are_left_to_the_system() -> None:
    real = CountingPoller()
    poller, client, _ = poller_and_pair(real)

    poller.register(5)
    poller.register(client.fileno())
    assert real.registered == [5]
    poller.unregister(5)
    poller.unregister(client.fileno())
    poller.unregister(client.fileno())
    assert real.registered == []
    poller.close()
    assert real.closed


def test_a_poller_that_wants_to_be_asked_is_asked() -> None:
    real = AskedPoller()
    poller, client, _ = poller_and_pair(real)

    assert poller.arm is not None
    poller.register(client.fileno())
    poller.poll(0)
    poller.arm(5, READ)
    assert real.asked == [(5, READ)]
    assert poller.poll(0) == []
    poller.arm(client.fileno(), WRITE)
    assert poller.poll(0) == [(client.fileno(), WRITE)]


def test_what_is_registered_twice_or_not_there_is_refused() -> None:
    poller, client, _ = poller_and_pair(CountingPoller())
    poller.register(client.fileno())

    with pytest.raises(FileExistsError):
        poller.register(client.fileno())
    with pytest.raises(OSError, match="Bad file descriptor"):
        poller.register(FIRST_FD + 1_000)


def test_threads_wake_a_program_that_waits_on_the_network() -> None:
    async def test() -> str:
        async with await listen_tcp("127.0.0.1", 0) as listener, conc.open_nursery() as nursery:
            nursery.start_soon(listener.accept)
            main = threading.current_thread()
            assert await conc.to_thread(threading.current_thread) is not main

            def call_in() -> str:
                return str(portal.run(greet, listener.port))

            with conc.lowlevel.expect_wakeup():
                portal = conc.lowlevel.current_runtime().portal
                greeting = str(await conc.to_thread(call_in))
            nursery.cancel_scope.cancel()
            return greeting
        raise AssertionError("nothing is raised here")

    async def greet(port: int) -> str:
        async with await connect_tcp("127.0.0.1", port) as stream:
            return f"connected to {stream.peer_address[0]}"

    assert run_on(SimNetwork(), test) == "connected to 127.0.0.1"


def test_a_network_serves_one_run_with_one_worker_on_virtual_time() -> None:
    async def connect() -> None:
        with pytest.raises(OSError, match="refused"):
            await connect_tcp("127.0.0.1", 80)

    network = SimNetwork()
    run_on(network, connect)
    with pytest.raises(RuntimeError, match="for one run with one worker"):
        run_on(network, connect)
    with pytest.raises(RuntimeError, match="for one run with one worker"):
        conc.run(connect, network=SimNetwork(), clock=VirtualClock(), workers=2)
    with pytest.raises(RuntimeError, match="needs virtual time"):
        conc.run(connect, network=SimNetwork())
    with pytest.raises(RuntimeError, match="brings its own poller"):
        conc.run(connect, network=SimNetwork(), clock=VirtualClock(), poller=conc.lowlevel.default_poller)
