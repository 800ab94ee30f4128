"""The name service of a world."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import conc
from conc.net import connect_tcp, listen_tcp
from conc_testing import NotSimulated, SimNetwork
from tests.testing.net.support import run_on


def addresses_of(network: SimNetwork, host: str | None, **options: Any) -> list[str]:
    async def look_up() -> list[str]:
        return [info[4][0] for info in await network.resolve(host, 80, **options)]

    return run_on(network, look_up)


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        ("db", {}, ["10.0.0.2"]),
        ("DB.", {}, ["10.0.0.2"]),
        ("localhost", {}, ["::1", "127.0.0.1"]),
        ("localhost", {"family": socket.AF_INET}, ["127.0.0.1"]),
        ("10.1.2.3", {}, ["10.1.2.3"]),
        ("FD00:0::9", {}, ["fd00::9"]),
        (None, {}, ["127.0.0.1", "::1"]),
        (None, {"flags": socket.AI_PASSIVE}, ["0.0.0.0", "::"]),
        ("10.1.2.3", {"flags": socket.AI_NUMERICHOST}, ["10.1.2.3"]),
    ],
)
def test_a_name_stands_for_its_addresses(host: str | None, options: dict[str, Any], expected: list[str]) -> None:
    network = SimNetwork()
    network.add_host("db")

    assert addresses_of(network, host, **options) == expected


@pytest.mark.parametrize(
    ("host", "options"),
    [("db", {"family": socket.AF_INET6}), ("nobody", {}), ("db", {"flags": socket.AI_NUMERICHOST})],
)
def test_a_name_without_an_address_is_an_error_that_knows_the_others(host: str, options: dict[str, Any]) -> None:
    network = SimNetwork()
    network.add_host("db")

    with pytest.raises(socket.gaierror, match=f"host '{host}' has no address.*: the names of this world are .*db"):
        addresses_of(network, host, **options)


def test_a_name_can_be_changed_and_taken_away() -> None:
    network = SimNetwork()
    db = network.add_host("db")
    assert db.ipv6 is not None
    network.names.set("db", db.ipv6, db.ipv4)
    network.names.set("db.example", "10.0.0.2")

    async def test() -> None:
        for name, expected in (("db", [db.ipv6, db.ipv4]), ("db.example", [db.ipv4])):
            assert [info[4][0] for info in await network.resolve(name, 80)] == expected
        network.names.remove("db")
        with pytest.raises(socket.gaierror):
            await network.resolve("db", 80)
        with pytest.raises(ValueError, match="there is no name 'db'"):
            network.names.remove("db")

    run_on(network, test)


def test_a_look_up_takes_as_long_as_it_is_told_to_and_can_be_cancelled() -> None:
    network = SimNetwork()
    network.add_host("db")
    network.names.latency = 3.0

    async def test() -> None:
        await network.resolve("10.0.0.2", 80)
        assert conc.current_time() == 0
        await network.resolve("db", 80)
        assert conc.current_time() == 3
        with conc.move_on_after(1) as scope:
            await network.resolve("db", 80)
        assert scope.cancelled_caught
        with conc.CancelScope() as scope:
            scope.cancel()
            await network.resolve("10.0.0.2", 80)
        assert scope.cancelled_caught

    run_on(network, test)


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64, "."])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    network = SimNetwork()

    with pytest.raises(ValueError, match="cannot be a name"):
        network.names.set(name, "10.0.0.1")
    with pytest.raises(ValueError, match="cannot be a name"):
        network.add_host(name)
    with pytest.raises(ValueError, match="cannot be a name"):
        addresses_of(network, name)


def test_bad_arguments_are_named() -> None:
    network = SimNetwork()

    with pytest.raises(ValueError, match=r"^addresses: at least one"):
        network.names.set("db")
    with pytest.raises(ValueError, match="'web' is none"):
        network.names.set("db", "web")
    with pytest.raises(NotSimulated, match="flags"):
        addresses_of(network, "localhost", flags=socket.AI_CANONNAME)


def test_a_network_without_ipv6_has_none_of_it() -> None:
    network = SimNetwork(ipv6=False)
    assert network.host("local").ipv6 is None

    async def test() -> None:
        async with await listen_tcp(None, 80) as listener:
            assert [address[0] for address in listener.addresses] == ["0.0.0.0"]
            async with await connect_tcp("localhost", 80) as stream:
                assert stream.peer_address == ("127.0.0.1", 80)
        with pytest.raises(OSError, match="not supported"):
            await connect_tcp("::1", 80)

    run_on(network, test)
