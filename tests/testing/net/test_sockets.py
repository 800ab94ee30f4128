"""Simulated sockets in situations that a real system makes hard to come by."""

from __future__ import annotations

import errno
import socket
import struct
from typing import Any

import pytest

import conc
from conc.net import connect_tcp, listen_tcp
from conc_testing import NotSimulated, SimNetwork, World
from tests.testing.net.support import PORT, run_in, run_on, serve_echo


def tcp_socket(network: SimNetwork, port: int | None = None, *, family: int = socket.AF_INET) -> Any:
    """A new socket of the current host, bound to a port that it shares if one is given."""
    sock = network.socket(family, socket.SOCK_STREAM)
    if port is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("0.0.0.0", port))
    return sock


def test_a_socket_that_is_still_connecting_asks_for_patience() -> None:
    world = World()
    db = world.host("db", serve_echo)

    async def test() -> None:
        sock = tcp_socket(world.net)
        assert sock.connect_ex((db.ipv4, PORT)) == errno.EINPROGRESS
        assert sock.connect_ex((db.ipv4, PORT)) == errno.EALREADY
        for call, argument in ((sock.send, b"x"), (sock.recv, 1)):
            with pytest.raises(BlockingIOError):
                call(argument)
        assert sock.flags() == 0
        await conc.sleep(1)
        assert sock.connect_ex((db.ipv4, PORT)) == 0
        assert sock.connect_ex((db.ipv4, PORT)) == errno.EISCONN
        sock.close()

    run_in(world, test)


def test_a_host_without_free_ports_cannot_connect() -> None:
    network = SimNetwork()

    async def test() -> None:
        sockets = [tcp_socket(network) for _ in range(49_152, 65_536)]
        for sock in sockets:
            sock.bind(("0.0.0.0", 0))
        one_more = tcp_socket(network)
        assert one_more.connect_ex(("127.0.0.1", 80)) == errno.EADDRNOTAVAIL
        for sock in [*sockets, one_more]:
            sock.close()

    run_on(network, test)


def test_a_new_connection_may_take_the_place_of_one_in_time_wait() -> None:
    world = World()

    async def close_at_once() -> None:
        async with await listen_tcp(None, PORT) as listener:
            await listener.serve(lambda stream: conc.sleep(0))

    db = world.host("db", close_at_once)

    async def test() -> None:
        for _ in range(2):
            sock = tcp_socket(world.net, 4_000)
            assert sock.connect_ex((db.ipv4, PORT)) == errno.EINPROGRESS
            await conc.sleep(1)
            assert sock.recv(1) == b""
            sock.close()
            await conc.sleep(1)
            assert world.net.netstat("db").time_wait == 1
            assert len(world.net.netstat("tester")) == 0

    run_in(world, test)


def test_a_connection_that_the_other_side_has_forgotten_makes_way_for_a_new_one() -> None:
    world = World()
    db = world.host("db", serve_echo)

    async def test() -> None:
        old = tcp_socket(world.net, 4_000)
        old.connect_ex((db.ipv4, PORT))
        await conc.sleep(1)
        with world.net.partition("db"):
            old.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            old.close()  # with a reset, which gets lost
        assert world.net.netstat("db").established == 1
        new = tcp_socket(world.net, 4_000)
        new.connect_ex((db.ipv4, PORT))
        await conc.sleep(2)
        assert new.state == "ESTABLISHED"
        assert world.net.netstat("db").established == 1
        new.send(b"x")
        await conc.sleep(1)
        assert new.recv(1) == b"x"
        new.close()

    with pytest.raises(ExceptionGroup, match="'db'") as caught:  # who served the old one is told of the reset
        run_in(world, test)
    assert "reset by peer" in repr(caught.value.exceptions[0])


def test_a_socket_that_connects_to_itself_is_refused() -> None:
    network = SimNetwork()

    async def test() -> None:
        sock = tcp_socket(network)
        sock.bind(("127.0.0.1", 4_000))
        assert sock.connect_ex(("127.0.0.1", 4_000)) == errno.EINPROGRESS
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        sock.close()

    run_on(network, test)


def test_listening_for_both_families_with_one_socket_is_not_simulated() -> None:
    network = SimNetwork()

    async def test() -> None:
        sock = tcp_socket(network, family=socket.AF_INET6)
        sock.bind(("::", 80, 0, 0))
        with pytest.raises(NotSimulated, match="set IPV6_V6ONLY"):
            sock.listen(1)
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.listen(1)
        sock.close()

    run_on(network, test)


def test_lingering_for_a_time_is_not_simulated() -> None:
    network = SimNetwork()

    async def test() -> None:
        sock = tcp_socket(network)
        with pytest.raises(NotSimulated, match="SO_LINGER"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 5))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 0, 0))
        sock.close()

    run_on(network, test)


def test_a_link_without_latency_delivers_at_once() -> None:
    world = World()
    world.host("db", serve_echo)
    world.net.latency(0)

    async def test() -> None:
        await conc.checkpoint()
        async with await connect_tcp("db", PORT) as stream:
            await stream.write_all(b"x")
            assert await stream.read(1) == b"x"
        assert conc.current_time() == 0

    run_in(world, test)


def test_netstat_is_a_table_for_people() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await listen_tcp("127.0.0.1", 80), await connect_tcp("127.0.0.1", 80) as stream:
            await stream.write_all(b"hello")
            found = network.netstat("local")
            assert str(found).splitlines() == [
                "state        local            remote           unread  unsent",
                "LISTEN       127.0.0.1:80     *                1       0",
                "ESTABLISHED  127.0.0.1:49152  127.0.0.1:80     0       0",
                "ESTABLISHED  127.0.0.1:80     127.0.0.1:49152  5       0",
            ]
            assert (len(found), found.listening, found.established) == (3, 1, 2)

    run_on(network, test)
