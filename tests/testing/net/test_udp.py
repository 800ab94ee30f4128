"""UDP in a simulated world: what gets lost, doubled, overtaken and refused, and who is reached."""

from __future__ import annotations

import errno
import socket

import pytest

import conc
from conc.net import bind_udp, connect_udp
from conc_testing import NotSimulated, SimNetwork, VirtualClock, World
from tests.net.datagram_support import received_now
from tests.testing.net.support import run_in, run_on
from tests.testing.net.udp_programs import PORT, collect, echo

GROUP = "239.192.7.7"


def test_hosts_talk_to_each_other_by_both_families_and_by_name() -> None:
    world = World()
    db = world.host("db", echo)

    async def test() -> None:
        await conc.sleep(1)
        tester = world.net.host("tester")
        assert db.ipv6 is not None
        for host, mine in ((db.ipv4, tester.ipv4), (db.ipv6, tester.ipv6), ("db", tester.ipv4)):
            async with await connect_udp(host, PORT) as client:
                before = conc.current_time()
                await client.send(b"hello")
                assert await client.receive() == b"hello"
                assert client.local_address[0] == mine
                assert conc.current_time() - before == pytest.approx(0.002)

    run_in(world, test)


def test_a_socket_for_both_families_hears_both_from_elsewhere() -> None:
    world = World()
    got: list[tuple[bytes, str]] = []

    async def server() -> None:
        async with await bind_udp(None, PORT) as sock:
            async for data, address in sock:
                got.append((data, address[0]))

    db = world.host("db", server)

    async def test() -> None:
        await conc.sleep(1)
        assert db.ipv6 is not None
        for host in (db.ipv4, db.ipv6):
            async with await connect_udp(host, PORT) as client:
                await client.send(b"x")
        await conc.sleep(1)
        tester = world.net.host("tester")
        assert got == [(b"x", f"::ffff:{tester.ipv4}"), (b"x", tester.ipv6)]

    run_in(world, test)


def test_loss_is_loss() -> None:
    world = World()
    got: list[bytes] = []
    world.host("db", collect, got)
    world.host("tester")
    world.net.link("db", "tester").loss(0.3)

    async def test() -> None:
        async with await connect_udp("db", PORT) as client:
            for number in range(1000):
                await client.send(b"%d" % number)
                if number % 100 == 0:
                    await conc.sleep(0.1)  # or the receiver has no room
        await conc.sleep(1)
        assert 600 < len(got) < 800
        assert got == sorted(got, key=int)

    run_in(world, test)


def test_what_takes_different_times_arrives_in_another_order() -> None:
    world = World()
    got: list[bytes] = []
    world.host("db", collect, got)
    world.net.latency(0.001, 0.1)

    async def test() -> None:
        await conc.sleep(1)
        async with await connect_udp("db", PORT) as client:
            for number in range(50):
                await client.send(b"%d" % number)
        await conc.sleep(1)
        assert got != sorted(got, key=int)
        assert sorted(got, key=int) == [b"%d" % number for number in range(50)]

    run_in(world, test)


def test_some_datagrams_arrive_twice() -> None:
    world = World()
    got: list[bytes] = []
    world.host("db", collect, got)
    world.host("tester")
    world.net.link("db", "tester").duplication(0.5)

    async def test() -> None:
        await conc.sleep(1)
        async with await connect_udp("db", PORT) as client:
            for number in range(100):
                await client.send(b"%d" % number)
        await conc.sleep(1)
        assert 120 < len(got) < 180
        assert set(got) == {b"%d" % number for number in range(100)}

    run_in(world, test)
    for wrong in (-0.1, 1.1):
        with pytest.raises(ValueError, match="probability must be 0 to 1"):
            world.net.link("db", "tester").duplication(wrong)


def test_the_same_seed_loses_and_doubles_the_same() -> None:
    def run(seed: int) -> list[bytes]:
        world = World()
        got: list[bytes] = []
        world.host("db", collect, got)
        world.host("tester")
        world.net.link("db", "tester").loss(0.3).duplication(0.3).latency(0.001, 0.5)

        async def test() -> None:
            async with await connect_udp("db", PORT) as client:
                for number in range(100):
                    await client.send(b"%d" % number)
            await conc.sleep(1)

        run_in(world, test, seed=seed)
        return got

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_receiver_that_is_too_slow_loses_what_does_not_fit() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await bind_udp("127.0.0.1", PORT) as slow, await connect_udp("127.0.0.1", PORT) as sender:
            for number in range(1000):
                await sender.send(b"%3d" % number + bytes(1_000))
            assert network.netstat("local").lines[0].unread > 100_000
            got = received_now(slow)
            assert 100 < len(got) < 130
            assert [int(data[:3]) for data in got] == list(range(len(got)))
            await sender.send(b"room again")
            assert await slow.receive() == b"room again"

    run_on(network, test)


def test_a_live_host_says_that_nobody_is_there_and_a_cut_off_one_says_nothing() -> None:
    world = World()
    world.host("db")

    async def test() -> None:
        async with await connect_udp("db", PORT) as client:
            await client.send(b"anybody?")
            with pytest.raises(ConnectionRefusedError):
                await client.receive()
            assert conc.current_time() == pytest.approx(0.002)
            with world.net.partition("db"):
                await client.send(b"anybody?")
                with conc.move_on_after(100) as scope:
                    await client.receive()
                assert scope.cancelled_caught

    run_in(world, test)


def test_a_partition_loses_what_is_under_way_and_a_hold_keeps_it() -> None:
    world = World()
    got: list[bytes] = []
    world.host("db", collect, got)
    world.net.latency(0.1)

    async def test() -> None:
        await conc.sleep(1)
        async with await connect_udp("db", PORT) as client:
            await client.send(b"lost under way")
            await conc.sleep(0.05)
            with world.net.partition("db"):
                await conc.sleep(1)
                await client.send(b"lost")
            with world.net.hold("db"):
                for word in (b"held", b"held too"):
                    await client.send(word)
                await conc.sleep(1)
                assert got == []
            await client.send(b"last")
            await conc.sleep(1)
        assert got == [b"held", b"held too", b"last"]

    run_in(world, test)


def test_a_slow_link_lets_datagrams_wait_for_those_before_them() -> None:
    world = World()
    got: list[bytes] = []
    world.host("db", collect, got)
    world.host("tester")
    world.net.link("db", "tester").bandwidth(10_000)

    async def test() -> None:
        await conc.sleep(1)
        async with await connect_udp("db", PORT) as client:
            for _ in range(10):
                await client.send(bytes(972))
        await conc.sleep(0.55)
        assert len(got) == 5

    run_in(world, test)


def test_all_hosts_hear_a_broadcast() -> None:
    world = World()
    got: dict[str, list[bytes]] = {name: [] for name in ("a", "b", "c")}
    for name, words in got.items():
        world.host(name, collect, words)

    async def test() -> None:
        await conc.sleep(1)
        async with await bind_udp("0.0.0.0", PORT, broadcast=True) as sender:
            await sender.send_to(b"to all", ("255.255.255.255", PORT))
            assert await sender.receive_from() == (b"to all", (world.net.host("tester").ipv4, PORT))
            await conc.sleep(1)
            assert got == {"a": [b"to all"], "b": [b"to all"], "c": [b"to all"]}
            sender.broadcast = False
            with pytest.raises(PermissionError, match="broadcast=True"):
                await sender.send_to(b"x", ("255.255.255.255", PORT))

    run_in(world, test)


def test_a_group_is_heard_by_its_members() -> None:
    world = World()
    got: dict[str, list[bytes]] = {name: [] for name in ("a", "b", "c")}
    for name, words in got.items():
        world.host(name, collect, words, None if name == "c" else GROUP)

    async def test() -> None:
        await conc.sleep(1)
        async with await bind_udp("0.0.0.0", PORT) as sender:
            sender.join(GROUP)
            await sender.send_to(b"to members", (GROUP, PORT))
            assert await sender.receive() == b"to members"
            sender.multicast_loop = False
            await sender.send_to(b"to others", (GROUP, PORT))
            sender.multicast_loop = True
            sender.multicast_ttl = 0
            await sender.send_to(b"to this host", (GROUP, PORT))
            assert await sender.receive() == b"to this host"
            sender.leave(GROUP)
            await sender.send_to(b"to nobody", (GROUP, PORT))
            await conc.sleep(1)
            assert got == {"a": [b"to members", b"to others"], "b": [b"to members", b"to others"], "c": []}
            assert received_now(sender) == []

    run_in(world, test)


def test_senders_are_shared_out_among_those_who_share_a_port() -> None:
    network = SimNetwork()

    async def test() -> None:
        servers = [await bind_udp("127.0.0.1", PORT, reuse_port=True) for _ in range(3)]
        clients = [await connect_udp("127.0.0.1", PORT) for _ in range(30)]
        for _ in range(2):
            for client in clients:
                await client.send(b"%d" % client.local_address[1])
        got = [received_now(server) for server in servers]
        assert all(len(words) > 6 for words in got)
        assert sum(len(set(words)) for words in got) == 30
        for sock in [*servers, *clients]:
            await sock.aclose()

    run_on(network, test)


def test_the_ports_of_a_killed_program_are_free_and_its_sockets_closed() -> None:
    world = World()
    world.host("db", echo)

    async def test() -> None:
        async with await connect_udp("db", PORT) as client:
            await conc.sleep(1)
            world.kill("db")
            await client.send(b"x")
            with pytest.raises(ConnectionRefusedError):
                await client.receive()
            await world.restart("db")
            await conc.sleep(1)
            await client.send(b"y")
            assert await client.receive() == b"y"

    run_in(world, test)


def test_what_comes_for_a_paused_program_waits() -> None:
    world = World()
    got: list[bytes] = []
    world.host("db", collect, got)

    async def test() -> None:
        await conc.sleep(1)
        world.pause("db")
        async with await connect_udp("db", PORT) as client:
            await client.send(b"x")
            await conc.sleep(1)
            assert got == []
            world.resume("db")
            await conc.sleep(1)
            assert got == [b"x"]

    async def main() -> None:
        async with world.running(), world.client("tester"):
            await test()

    conc.run(main, clock=VirtualClock(), network=world.net, policy=world.policy)


def test_an_address_of_nobody_is_told_at_once() -> None:
    world = World()

    async def test() -> None:
        async with await bind_udp(None, 0) as sock:
            for _ in range(2):
                with pytest.raises(OSError, match="cannot send 1 bytes") as found:
                    await sock.send_to(b"x", ("192.0.2.1", 9))
                assert found.value.errno == errno.EHOSTUNREACH
        with pytest.raises(OSError, match="cannot connect"):
            await connect_udp("192.0.2.1", 9)

    run_in(world, test)


def test_without_ipv6_one_socket_has_all_addresses_there_are() -> None:
    network = SimNetwork(ipv6=False)

    async def test() -> None:
        async with await bind_udp(None, PORT) as sock:
            assert sock.local_address == ("0.0.0.0", PORT)

    run_on(network, test)


def test_a_host_without_free_ports_says_so() -> None:
    network = SimNetwork()

    async def test() -> None:
        socks = [await bind_udp("127.0.0.1", 0) for _ in range(65_536 - 49_152)]
        with pytest.raises(OSError, match="cannot bind") as found:
            await bind_udp("127.0.0.1", 0)
        assert found.value.errno == errno.EADDRNOTAVAIL
        for sock in socks:
            await sock.aclose()

    run_on(network, test)


def test_netstat_shows_sockets_of_udp() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await bind_udp("127.0.0.1", PORT), await connect_udp("127.0.0.1", PORT) as client:
            await client.send(b"hello")
            assert str(network.netstat("local")).splitlines() == [
                "state  local            remote          unread  unsent",
                "UDP    127.0.0.1:5353   *               5       0",
                "UDP    127.0.0.1:49152  127.0.0.1:5353  0       0",
            ]
            server, connected = map(str, network.open_sockets())
            assert server.startswith("of host 'local' at 127.0.0.1:5353 (UDP) is open, made in ")
            assert connected.startswith("of host 'local' at 127.0.0.1:49152 to 127.0.0.1:5353 (UDP) is open, made in ")

    run_on(network, test)


def test_what_has_no_model_says_so() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await connect_udp("127.0.0.1", PORT) as sock:
            for call in (
                lambda: sock.set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
                lambda: sock.get_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                lambda: sock._socket.recvfrom(1, socket.MSG_OOB),
                lambda: sock._socket.shutdown(socket.SHUT_RDWR),
            ):
                with pytest.raises(NotSimulated, match="not simulated"):
                    call()

    run_on(network, test)
