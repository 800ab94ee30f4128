"""How simulated connections begin and end: refusals, silence, full queues, and addresses that are kept for a while."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource
from conc.net import connect_tcp, listen_tcp
from conc_testing import NotSimulated, SimNetwork, TcpSettings, World
from conc_testing.net.descriptors import SimDescriptor
from tests.testing.net.support import PORT, echo, run_in, run_on, serve_echo


def test_a_host_where_nobody_listens_refuses_after_the_way_there_and_back() -> None:
    world = World()
    world.host("db")

    async def test() -> None:
        with pytest.raises(ConnectionRefusedError):
            await connect_tcp("db", PORT)
        assert conc.current_time() == 0.002

    run_in(world, test)


def test_a_host_behind_a_partition_is_tried_seven_times_in_two_minutes() -> None:
    world = World()
    world.host("db", serve_echo)

    async def test() -> None:
        with world.net.partition("db"), pytest.raises(TimeoutError) as caught:
            await connect_tcp("db", PORT)
        assert caught.value.errno == errno.ETIMEDOUT
        assert conc.current_time() == 127

    run_in(world, test)


def test_a_partition_that_heals_in_between_only_delays_connecting() -> None:
    world = World()
    world.host("db", serve_echo)

    async def heal() -> None:
        await conc.sleep(2)
        partition.heal()

    partition = world.net.partition("db")

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(heal)
            async with await connect_tcp("db", PORT):
                assert conc.current_time() == pytest.approx(3.002)

    run_in(world, test)


def test_an_address_of_nobody_is_told_at_once() -> None:
    async def test() -> None:
        with pytest.raises(OSError, match="No route to host") as caught:
            await connect_tcp("192.0.2.1", 80)
        assert caught.value.errno == errno.EHOSTUNREACH

    run_on(SimNetwork(), test)


def test_an_address_of_another_host_cannot_be_listened_on() -> None:
    world = World()
    world.host("db")

    async def test() -> None:
        with pytest.raises(OSError, match="cannot listen on") as caught:
            await listen_tcp("db", PORT)
        assert caught.value.errno == errno.EADDRNOTAVAIL

    run_in(world, test)


def test_each_host_has_ports_and_a_loopback_of_its_own() -> None:
    world = World()
    world.host("db", serve_echo)
    world.host("web", serve_echo)

    async def test() -> None:
        for name in ("db", "web"):
            async with await connect_tcp(name, PORT) as stream:
                await stream.write_all(name.encode())
                assert await stream.read(10) == name.encode()
        with pytest.raises(ConnectionRefusedError):
            await connect_tcp("127.0.0.1", PORT)

    run_in(world, test)


def test_hosts_are_reached_over_ipv6_too() -> None:
    world = World()
    db = world.host("db", serve_echo)
    assert db.ipv6 is not None
    world.dns.set("both", db.ipv6, db.ipv4)

    async def test() -> None:
        async with await connect_tcp("both", PORT) as stream:
            assert stream.peer_address == (db.ipv6, PORT, 0, 0)
            assert stream.local_address[0] == world.net.host("tester").ipv6

    run_in(world, test)


def test_a_full_queue_keeps_clients_out_until_they_try_again() -> None:
    async def accept_late() -> None:
        async with await listen_tcp(None, PORT, backlog=1) as listener:
            await conc.sleep(0.5)
            async with conc.open_nursery() as nursery:
                nursery.start_soon(listener.serve, echo)

    world = World()
    world.host("db", accept_late)
    connected: list[float] = []

    async def connect() -> None:
        async with await connect_tcp("db", PORT):
            connected.append(conc.current_time())

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(connect)

    run_in(world, test)
    assert connected == pytest.approx([0.002, 0.002, 1.003, 1.003], abs=0.001)


def test_a_handshake_whose_last_part_got_lost_is_completed_later() -> None:
    world = World()
    world.host("db", serve_echo)

    async def test() -> None:
        world.net.link("db", "tester").latency(0.1)
        async with conc.open_nursery() as nursery:
            connecting = nursery.start_soon(connect_tcp, "db", PORT)
            await conc.sleep(0.15)
            with world.net.partition("tester", "db", oneway=True):
                await conc.sleep(0.3)
            async with await connecting.join() as stream:
                assert world.net.netstat("db").count("SYN_RECEIVED") == 1
                await stream.write_all(b"x")
                assert await stream.read(1) == b"x"

    run_in(world, test)


def test_who_gives_up_connecting_leaves_nothing_behind_on_either_side() -> None:
    world = World()
    world.host("db", serve_echo)

    async def test() -> None:
        world.net.link("db", "tester").latency(0.1)
        with conc.move_on_after(0.15):
            await connect_tcp("db", PORT)
        assert len(world.net.netstat("tester")) == 0
        assert world.net.netstat("db").count("SYN_RECEIVED") == 1
        await conc.sleep(1)
        assert world.net.netstat("db").count("SYN_RECEIVED") == 0
        assert world.net.netstat("db").established == 0

    run_in(world, test)


def test_the_states_of_a_connection_are_those_of_netstat() -> None:
    world = World()
    seen: list[tuple[str, str]] = []

    async def answer_and_end() -> None:
        async with await listen_tcp(None, PORT) as listener, await listener.accept() as stream:
            await listener.aclose()
            assert await stream.read(1) == b""
            await conc.sleep(1)

    world.host("db", answer_and_end)

    def look() -> None:
        lines = [[line.state for line in world.net.netstat(name)] for name in ("tester", "db")]
        seen.append(tuple(states[-1] if states else "" for states in lines))  # type: ignore[arg-type]

    async def test() -> None:
        world.net.link("db", "tester").latency(0.1)
        async with await connect_tcp("db", PORT) as stream:
            await conc.sleep(0.2)
            look()
            await stream.close_write()
            look()
            await conc.sleep(0.11)
            look()
            await conc.sleep(0.11)
            look()
            assert await stream.read(1) == b""
            look()
        await conc.sleep(0.2)
        look()
        await conc.sleep(60)
        look()

    run_in(world, test)
    assert seen == [
        ("ESTABLISHED", "ESTABLISHED"),
        ("FIN_WAIT_1", "ESTABLISHED"),
        ("FIN_WAIT_1", "CLOSE_WAIT"),
        ("FIN_WAIT_2", "CLOSE_WAIT"),
        ("TIME_WAIT", "LAST_ACK"),
        ("TIME_WAIT", ""),
        ("", ""),
    ]


def test_two_that_close_at_once_both_keep_their_addresses() -> None:
    async def test() -> None:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            client = await connect_tcp("127.0.0.1", listener.port)
            server = await listener.accept()
        await client.aclose()
        assert network.netstat("local").count("FIN_WAIT_2") == 1
        await server.aclose()
        assert network.netstat("local").time_wait == 1

    network = SimNetwork()
    run_on(network, test)


def test_a_connection_in_time_wait_keeps_its_port_from_those_who_do_not_say_reuse() -> None:
    network = SimNetwork(tcp=TcpSettings(time_wait=30))

    def bind(*, reuse: bool) -> int:
        with_reuse = network.socket(socket.AF_INET, socket.SOCK_STREAM)
        with_reuse.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        try:
            with_reuse.bind(("127.0.0.1", PORT))
            return 0
        except OSError as error:
            return error.errno or -1
        finally:
            with_reuse.close()

    async def test() -> None:
        async with await listen_tcp("127.0.0.1", PORT) as listener:
            client = await connect_tcp("127.0.0.1", PORT)
            await (await listener.accept()).aclose()
        assert await client.read(1) == b""
        await client.aclose()
        assert network.netstat("local").time_wait == 1
        assert bind(reuse=True) == 0
        assert bind(reuse=False) == errno.EADDRINUSE
        await conc.sleep(30)
        assert bind(reuse=False) == 0
        assert len(network.netstat("local")) == 0

    run_on(network, test)


def test_a_host_without_free_ports_says_so() -> None:
    network = SimNetwork()

    async def test() -> None:
        sockets: list[SimDescriptor] = []
        for _ in range(65_536 - 49_152):
            sock = network.socket(socket.AF_INET, socket.SOCK_STREAM)
            sock.bind(("0.0.0.0", 0))
            sockets.append(sock)
        one_more = network.socket(socket.AF_INET, socket.SOCK_STREAM)
        with pytest.raises(OSError, match="Cannot assign requested address"):
            one_more.bind(("0.0.0.0", 0))
        sockets.pop(100).close()
        one_more.bind(("0.0.0.0", 0))
        assert one_more.getsockname()[1] == 49_252
        for sock in [*sockets, one_more]:
            sock.close()

    run_on(network, test)


def test_an_idle_connection_to_who_has_forgotten_it_is_reset_when_it_speaks() -> None:
    async def serve_and_forget() -> None:
        async with await listen_tcp(None, PORT) as listener, await listener.accept() as stream:
            await stream.read(1)

    world = World(tcp=TcpSettings(retries=2))
    world.host("db", serve_and_forget)

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            await conc.sleep(0.1)
            with world.net.partition("db"):
                await world.shutdown("db")
                await conc.sleep(10)
            assert world.net.netstat("tester").established == 1
            assert len(world.net.netstat("db")) == 0
            await stream.write_all(b"are you there?")
            with pytest.raises(BrokenResource, match="reset"):
                await stream.read(1)

    run_in(world, test)


@pytest.mark.parametrize(
    ("family", "kind", "proto"),
    [
        (socket.AF_INET, socket.SOCK_RAW, 0),
        (socket.AF_UNIX, socket.SOCK_SEQPACKET, 0),
        (socket.AF_UNIX, socket.SOCK_STREAM, 1),
        (socket.AF_INET, socket.SOCK_STREAM, 132),
        (socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_TCP),
    ],
)
def test_what_is_not_simulated_is_named(family: int, kind: int, proto: int) -> None:
    network = SimNetwork()
    words = rf"family {int(family)}, type {int(kind)}, protocol {proto}\) is not simulated"

    async def test() -> None:
        with pytest.raises(NotSimulated, match=words):
            network.socket(family, kind, proto)
        with pytest.raises(NotSimulated, match="only streams and datagrams are"):
            network.pair(socket.SOCK_SEQPACKET)

    run_on(network, test)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda sock: sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            NotSimulated,
            "the option 9 of level 1",
        ),
        (lambda sock: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO), NotSimulated, "the option 11 of level 6"),
        (lambda sock: sock.connect_ex(("db", 80)), NotSimulated, "'db' is no address"),
        (lambda sock: sock.bind(("fe80::1%eth0", 80)), NotSimulated, "addresses with a scope"),
        (lambda sock: sock.shutdown(socket.SHUT_RD), NotSimulated, "shutdown is simulated for SHUT_WR only"),
        (lambda sock: sock.recvmsg_into([bytearray(1)]), AttributeError, "socket.recvmsg_into is not simulated"),
        (lambda sock: sock.teleport(), AttributeError, "a socket has no teleport"),
    ],
)
def test_a_call_that_is_not_simulated_is_named(call: Any, error: type[Exception], words: str) -> None:
    network = SimNetwork()

    async def test() -> None:
        sock = network.socket(socket.AF_INET, socket.SOCK_STREAM)
        with pytest.raises(error, match=words):
            call(sock)
        sock.close()

    run_on(network, test)


def test_a_socket_in_a_report_says_whose_it_is_and_how_it_stands() -> None:
    network = SimNetwork()

    async def test() -> None:
        sock = network.socket(socket.AF_INET, socket.SOCK_STREAM)
        assert repr(sock) == "<SimSocket of 'local', 0.0.0.0:0, CLOSED>"
        sock.bind(("127.0.0.1", 80))
        sock.listen(1)
        assert repr(sock) == "<SimSocket of 'local', 127.0.0.1:80, LISTEN>"
        async with await connect_tcp("127.0.0.1", 80) as stream:
            assert repr(stream._socket).endswith(" to 127.0.0.1:80, ESTABLISHED>")
        sock.close()
        assert repr(sock).endswith(", closed>")

    run_on(network, test)
