"""connect_tcp: which address is tried when, who wins, and what becomes of the others."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from outcome import Value

import conc
import conc.net.network
from conc.net import connect_tcp, listen_tcp
from conc.net.happy_eyeballs import interleave
from conc_testing import SimNetwork
from tests.net.support import connected, on_every_network, run

V6, V4 = ["fd99::1", "fd99::2"], ["10.99.0.1", "10.99.0.2"]


def everybody(*addresses: str, silent: tuple[str, ...] = (), ipv6: bool = True) -> SimNetwork:
    """A network, where all times are exact, in which the name "everybody" stands for these addresses of this host; but
    `silent` ones never answer."""
    network = SimNetwork(ipv6=ipv6)
    network.names.set("everybody", *addresses)
    network.add_host("silent")
    network.partition("silent")
    for address in addresses:
        network.add_address("silent" if address in silent else "local", address)
    return network


async def race(listening: list[str], **options: Any) -> tuple[str, float]:
    """Who wins a race for "everybody", and when; those in `listening` answer."""
    listeners = [await listen_tcp(host, 80) for host in listening]
    start = conc.current_time()
    async with await connect_tcp("everybody", 80, **options) as stream:
        host: str = stream.peer_address[0]
        took = conc.current_time() - start
    for listener in listeners:
        await listener.aclose()
    return host, took


def test_the_first_address_that_answers_is_taken_at_once() -> None:
    network = everybody(*V6, *V4)

    assert run(race, V4 + V6, network=network) == (V6[0], 0)


def test_an_address_that_does_not_answer_holds_up_the_next_for_a_quarter_of_a_second() -> None:
    network = everybody(*V6, *V4, silent=(V6[0],))

    assert run(race, V4, network=network) == (V4[0], 0.25)


def test_an_address_that_refuses_holds_up_nobody() -> None:
    network = everybody(*V6, *V4)

    assert run(race, V4[1:], network=network) == (V4[1], 0)


def test_the_families_take_turns() -> None:
    network = everybody(*V6, *V4, silent=(*V6, V4[0]))

    assert run(race, V4[1:], network=network) == (V4[1], 0.75)


def test_the_delay_can_be_chosen() -> None:
    network = everybody(*V6, *V4, silent=(*V6, V4[0]))

    async def main() -> tuple[str, float]:
        return await race(V4[1:], happy_eyeballs_delay=0.05)

    host, took = run(main, network=network)
    assert host == V4[1]
    assert took == pytest.approx(0.15)


def test_if_nobody_answers_the_errors_of_all_are_told() -> None:
    network = everybody(*V6, *V4)

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError, match="no address of 'everybody' port 80 answers: cannot") as caught:
            await connect_tcp("everybody", 80)
        group = caught.value.__cause__
        assert isinstance(group, ExceptionGroup)
        assert [str(error).split(" to ")[1] for error in group.exceptions] == [
            f"{host}: Connection refused" for host in ("[fd99::1]:80", "10.99.0.1:80", "[fd99::2]:80", "10.99.0.2:80")
        ]

    run(main, network=network)


def test_different_errors_make_an_error_without_a_number() -> None:
    network = everybody(V6[0], V4[0], ipv6=False)

    async def main() -> None:
        with pytest.raises(OSError, match=r"Address family not supported.*; .*refused") as caught:
            await connect_tcp("everybody", 80)
        assert caught.value.errno is None

    run(main, network=network)


def test_a_cancelled_race_leaves_no_connection() -> None:
    network = everybody(*V6, *V4, silent=(*V6, *V4))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(connect_tcp, "everybody", 80)
            await conc.sleep(0.6)
            assert network.netstat("local").count("SYN_SENT") == 3
            nursery.cancel_scope.cancel()
        assert len(network.netstat("local")) == 0

    run(main, network=network)


def test_a_race_that_is_won_and_cancelled_in_one_moment_leaves_no_connection() -> None:
    network = everybody(*V6, *V4)

    async def main() -> None:
        async with await listen_tcp(V6[0], 80):
            for steps in range(30):
                with conc.CancelScope() as scope:
                    async with conc.open_nursery() as nursery:
                        task = nursery.start_soon(connect_tcp, "everybody", 80)
                        for _ in range(steps):
                            await conc.checkpoint()
                        scope.cancel()
                if isinstance(task.outcome, Value):
                    await task.outcome.value.aclose()

    run(main, network=network)


def test_two_that_answer_in_one_moment_leave_one_connection() -> None:
    network = everybody(V6[0], V4[0])

    async def main() -> tuple[str, float]:
        return await race([V6[0], V4[0]], happy_eyeballs_delay=0)

    assert run(main, network=network) == (V6[0], 0)


def test_a_connection_from_a_given_address_uses_the_families_that_it_has() -> None:
    network = everybody(*V6, *V4)
    network.add_address("local", "10.9.9.9")

    async def main() -> None:
        async with await listen_tcp(V4[1], 80):
            async with await connect_tcp("everybody", 80, local_host="10.9.9.9") as stream:
                assert stream.peer_address == (V4[1], 80)
                assert stream.local_address[0] == "10.9.9.9"
            with pytest.raises(OSError, match="have no address family in common"):
                await connect_tcp(V4[1], 80, local_host="fd00::9")

    run(main, network=network)


def test_interleaving_keeps_the_order_within_each_family_and_drops_what_comes_twice() -> None:
    infos: list[Any] = [(family, 1, 6, "", (number,)) for number, family in enumerate([10, 10, 10, 2, 2, 10])]

    assert [info[4][0] for info in interleave([*infos, infos[0]])] == [0, 3, 1, 4, 2, 5]


@on_every_network
async def test_a_port_where_nobody_listens_refuses_and_the_error_names_it() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        port = listener.port

    with pytest.raises(ConnectionRefusedError, match=f"cannot connect to 127.0.0.1:{port}: Connection refused"):
        await connect_tcp("127.0.0.1", port)


@on_every_network
async def test_connecting_is_a_cancel_point_that_connects_nobody() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        with conc.CancelScope() as scope:
            scope.cancel()
            await connect_tcp("127.0.0.1", listener.port)

        assert scope.cancelled_caught
        with conc.move_on_after(0.02) as scope:
            await listener.accept()
        assert scope.cancelled_caught


@on_every_network
async def test_a_connection_is_there_before_it_is_accepted() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        async with await connect_tcp("127.0.0.1", listener.port) as client:
            await client.write_all(b"early")
            async with await listener.accept() as server:
                assert await server.read(10) == b"early"


@pytest.mark.parametrize(
    ("change", "kind", "names"),
    [
        ({"host": 5}, TypeError, "host"),
        ({"host": None}, TypeError, "host"),
        ({"port": "80"}, TypeError, "port"),
        ({"port": True}, TypeError, "port"),
        ({"port": 0}, ValueError, "port"),
        ({"port": 65_536}, ValueError, "port"),
        ({"local_host": b"::1"}, TypeError, "local_host"),
        ({"happy_eyeballs_delay": -1}, ValueError, "happy_eyeballs_delay"),
        ({"happy_eyeballs_delay": "soon"}, TypeError, "happy_eyeballs_delay"),
        ({"host": "a" * 70 + ".example"}, ValueError, "host"),
        ({"host": "127.0.0.1\0.example"}, ValueError, "host"),
        ({"host": ""}, ValueError, "host"),
    ],
)
def test_a_bad_argument_is_named(change: dict[str, Any], kind: type[Exception], names: str) -> None:
    arguments: dict[str, Any] = {"host": "127.0.0.1", "port": 9, **change}

    async def main() -> None:
        with pytest.raises(kind, match=f"^{names} "):
            await connect_tcp(**arguments)

    run(main)


def test_a_name_without_an_address_is_named_in_the_error() -> None:
    async def main() -> None:
        with pytest.raises(socket.gaierror, match=r"host 'nobody\.invalid' has no address"):
            await connect_tcp("nobody.invalid", 80)

    run(main)


def test_an_address_that_is_written_out_needs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_thread(*args: object, **kwargs: object) -> None:
        raise AssertionError("a thread was used")

    monkeypatch.setattr(conc.net.network, "to_thread", no_thread)

    async def main() -> None:
        async with connected() as (client, _):
            assert client.peer_address[0] == "127.0.0.1"
        async with await listen_tcp(None, 0):
            pass
        with pytest.raises(AssertionError, match="a thread was used"):
            await connect_tcp("localhost", 9)

    run(main)


def test_a_name_is_looked_up_in_a_thread() -> None:
    async def main() -> None:
        async with await listen_tcp("localhost", 0) as listener:
            async with await connect_tcp("localhost", listener.port) as stream:
                assert stream.peer_address in listener.addresses

    run(main)


def test_no_descriptor_for_a_connection_is_an_error_of_the_system_with_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(*args: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("conc._os.sockets.create", none_left)

    async def main() -> None:
        with pytest.raises(OSError, match="Too many open files") as caught:
            await connect_tcp("127.0.0.1", 80)
        assert caught.value.errno == errno.EMFILE

    run(main)
