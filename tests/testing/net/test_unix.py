"""Unix sockets in a simulated world: names of each host, streams, pairs, and what outlives whom."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

import conc
from conc.errors import BrokenResource
from conc.net import (
    UnixStream,
    bind_unix_datagram,
    connect_unix,
    connect_unix_datagram,
    listen_unix,
    unix_datagram_pair,
    unix_pair,
)
from conc_testing import Budget, NotSimulated, SimNetwork, VirtualClock, World, check_stream, explore
from tests.net.support import LARGE, run
from tests.testing.net.support import run_in, run_on

PATH = "/run/server"
BUDGET = Budget(runs=100, seconds=20)


async def echo(stream: UnixStream) -> None:
    while data := await stream.read(65_536):
        await stream.write_all(data)


async def serve(path: str = PATH) -> None:
    """A program that sends back what comes."""
    async with await listen_unix(path) as listener:
        await listener.serve(echo)


def test_a_connection_keeps_all_promises_of_a_stream() -> None:
    async def main() -> None:
        async with await listen_unix(PATH) as listener:

            async def make() -> tuple[UnixStream, UnixStream]:
                client = await connect_unix(PATH)
                return client, await listener.accept()

            await check_stream(make)

    run(main, network=SimNetwork())


def test_a_pair_keeps_all_promises_of_a_stream() -> None:
    async def main() -> None:
        async def make() -> tuple[UnixStream, UnixStream]:
            return unix_pair()

        await check_stream(make)

    run(main, network=SimNetwork())


def test_the_real_file_system_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "no folder" / "server"

    async def main() -> None:
        async with await listen_unix(path, mode=0o600) as listener, await connect_unix(path) as client:
            assert client.peer_address == str(path)
            async with await listener.accept() as server:
                await client.write_all(b"hello")
                assert await server.read(10) == b"hello"
            assert not path.exists()
            assert os.listdir(tmp_path) == []
            assert listener.path == str(path)

    run(main, network=SimNetwork())


@pytest.mark.parametrize("path", [PATH, "\0server"])
def test_each_host_has_names_of_its_own(path: str) -> None:
    world = World()
    world.host("a", serve, path)
    world.host("b", serve, path)

    async def test() -> None:
        await conc.sleep(1)
        kind = FileNotFoundError if path == PATH else ConnectionRefusedError
        with pytest.raises(kind, match="cannot connect to"):
            await connect_unix(path)
        async with await listen_unix(path):
            pass

    run_in(world, test)


def test_tasks_of_one_host_talk_to_each_other() -> None:
    world = World()

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(serve)
            await conc.checkpoint()
            async with await connect_unix(PATH) as client:
                async with conc.open_nursery() as inner:
                    inner.start_soon(client.write_all, LARGE)
                    got = bytearray()
                    while len(got) < len(LARGE):
                        got += await client.read(65_536)
                assert bytes(got) == LARGE
                assert conc.current_time() == 0
            nursery.cancel_scope.cancel()

    run_in(world, test)


def test_what_a_killed_server_leaves_is_replaced_by_the_next() -> None:
    world = World()

    async def client() -> None:
        async with await connect_unix(PATH) as stream:
            await conc.sleep(1.5)
            await stream.write_all(b"x")

    async def server_and_client() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(serve)
            await conc.sleep(0.5)
            await client()
            nursery.cancel_scope.cancel()

    db = world.host("db", server_and_client)

    async def test() -> None:
        await conc.sleep(1)
        before = db.unix.identify(PATH)
        assert before is not None
        world.kill("db")
        assert db.unix.identify(PATH) == before
        with pytest.raises(ConnectionRefusedError):
            db.unix.find(PATH)
        await world.restart("db")
        await conc.sleep(1)
        assert db.unix.identify(PATH) not in (before, None)
        await conc.sleep(10)
        assert db.unix.identify(PATH) is None

    run_in(world, test)


def test_a_client_hears_of_the_death_of_its_server() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await listen_unix(PATH) as listener, await connect_unix(PATH) as client:
            server = await listener.accept()
            await client.write_all(b"unread")
            await server.aclose()
            with pytest.raises(BrokenResource, match="reset"):
                await client.read(1)
            assert await client.read(1) == b""
            with pytest.raises(BrokenResource):
                await client.write_all(b"x")

    run_on(network, test)


def test_who_connects_while_the_queue_is_full_waits_for_a_place() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await listen_unix(PATH, backlog=1) as listener:
            clients = [await connect_unix(PATH) for _ in range(2)]
            async with conc.open_nursery() as nursery:
                connecting = nursery.start_soon(connect_unix, PATH)
                await conc.sleep(1)
                assert connecting.outcome is None
                clients.append(await listener.accept())
            clients.append(await connecting.join())
            for stream in clients:
                await stream.aclose()

    run_on(network, test)


def test_what_was_not_closed_is_a_leak() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await listen_unix("\0server") as listener, await bind_unix_datagram(PATH) as box:
            client = await connect_unix("\0server")
            shown = [str(one).partition(", made in")[0] for one in network.open_sockets()]
            assert shown == [
                "of host 'local' at @server (LISTEN) is open",
                "of host 'local' at /run/server (UNCONNECTED) is open",
                "of host 'local' at (no name) to @server (CONNECTED) is open",
            ]
            assert "@server, LISTEN" in repr(listener._queues[0]._socket)
            await client.aclose()
            async with await connect_unix_datagram(PATH):
                pass
            assert box.local_address == PATH

    run_on(network, test)


def test_names_that_are_taken_by_another_kind_of_socket_are_taken() -> None:
    network = SimNetwork()

    async def test() -> None:
        async with await listen_unix(PATH):
            with pytest.raises(OSError, match="another socket has it") as found:
                await bind_unix_datagram(PATH)
            assert found.value.errno == errno.EADDRINUSE
            with pytest.raises(OSError, match="cannot connect") as found:
                await connect_unix_datagram(PATH)
            assert found.value.errno == errno.EPROTOTYPE

    run_on(network, test)


def test_what_has_no_model_says_so() -> None:
    network = SimNetwork()

    async def test() -> None:
        one, other = unix_pair()
        left, right = unix_datagram_pair()
        async with one, other, left, right:
            for send in (one.send_fds, left.send_fds):
                with pytest.raises(NotSimulated, match="passing descriptors"):
                    await send(b"x", [0])
            with pytest.raises(NotSimulated, match="passing descriptors"):
                await one.receive_fds(1, 1)
            with pytest.raises(NotSimulated, match="not simulated"):
                assert one.peer_credentials
            for sock in (one._socket, left._socket):
                with pytest.raises(NotSimulated, match="flags"):
                    sock.recv(1, socket.MSG_OOB)
                with pytest.raises(TypeError, match="a string or bytes"):
                    sock.bind(5)
            with pytest.raises(NotSimulated, match="SHUT_WR"):
                one._socket.shutdown(socket.SHUT_RD)
            for value in (10_000, 1):
                one.send_buffer = value
                assert one.send_buffer == max(2 * value, 4_608)

    run_on(network, test)


async def take_pieces_for_messages(world: World) -> None:
    """Takes for granted that what is written in one piece is read in one."""
    one, other = unix_pair()
    async with one, other:
        await one.write_all(b"hello")
        assert await other.read(100) == b"hello"


def test_a_search_finds_who_takes_pieces_for_messages() -> None:
    report = explore(take_pieces_for_messages, budget=BUDGET, plan=("delay<=1",), world=World)

    assert report.failure is not None
    assert [deviation.site for deviation in report.failure.deviations] == ["net.chunk"]


async def read_whole_messages(world: World) -> None:
    one, other = unix_pair()
    async with one, other:
        await one.write_all(b"hello")
        await one.close_write()
        got = b""
        while data := await other.read(100):
            got += data
        assert got == b"hello"


def test_no_byte_is_lost_whatever_the_pieces() -> None:
    explore(read_whole_messages, budget=BUDGET, plan=("delay<=1", "random"), world=World).assert_ok()


async def trusting(world: World) -> None:
    """Takes for granted that nothing fails."""
    async with await listen_unix(PATH) as listener, await connect_unix(PATH) as client:
        async with await listener.accept() as server:
            await client.write_all(b"?")
            assert await server.read(1) == b"?"


def test_a_sweep_of_faults_breaks_unix_sockets_too() -> None:
    report = explore(trusting, budget=BUDGET, faults="sweep", world=World)

    assert report.failure is not None
    assert report.failure.deviations[0].site.startswith("fault.net.")


def test_the_names_of_a_run_are_those_of_the_next() -> None:
    def once() -> list[str]:
        network = SimNetwork()
        names: list[str] = []

        async def test() -> None:
            for _ in range(3):
                async with await bind_unix_datagram(None) as sock:
                    names.append(sock.local_address)

        conc.run(test, clock=VirtualClock(), network=network)
        return names

    assert once() == once() == ["\x0000000", "\x0000001", "\x0000002"]
