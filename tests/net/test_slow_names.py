"""connect_tcp where the name service is slow to tell of some addresses: RFC 8305, section 3, on a simulated network."""

from __future__ import annotations

import socket
from typing import Any

import pytest

import conc
from conc.net import connect_tcp, listen_tcp
from conc_testing import SimNetwork
from tests.net.support import run

V6, V4 = "fd99::1", "10.99.0.1"


class SlowNames(SimNetwork):
    """As getaddrinfo does it: what is asked for all families takes as long as the slowest of them.

    Args:
        ipv4, ipv6: how many seconds the name service takes to tell of that family.
    """

    slow_names = True

    def __init__(self, ipv4: float, ipv6: float) -> None:
        super().__init__()
        self.times = {socket.AF_INET: ipv4, socket.AF_INET6: ipv6, 0: max(ipv4, ipv6)}
        self.asked: list[int] = []
        self.names.set("both", V6, V4)
        for address in (V6, V4):
            self.add_address("local", address)

    async def resolve(self, host: str | None, port: int, *, family: int = 0, **options: Any) -> Any:
        if host in ("both", "nobody"):
            self.asked.append(family)
            await conc.sleep(self.times[socket.AddressFamily(family) if family else 0])
        return await super().resolve(host, port, family=family, **options)


async def connect(host: str = "both", *, listening: tuple[str, ...] = (V6, V4), **options: Any) -> tuple[str, float]:
    """Who is connected to, and after how many seconds."""
    listeners = [await listen_tcp(address, 80) for address in listening]
    start = conc.current_time()
    try:
        async with await connect_tcp(host, 80, **options) as stream:
            return stream.peer_address[0], conc.current_time() - start
    finally:
        for listener in listeners:
            await listener.aclose()


def test_a_quick_name_service_is_asked_once() -> None:
    network = SlowNames(ipv4=0.02, ipv6=0.03)

    host, took = run(connect, network=network)
    assert (host, round(took, 3)) == (V6, 0.03)
    assert network.asked == [0]


def test_an_answer_for_ipv6_that_is_slow_does_not_hold_up_the_connection() -> None:
    network = SlowNames(ipv4=0.02, ipv6=5)

    host, took = run(connect, network=network)
    assert (host, round(took, 3)) == (V4, 0.07)
    assert network.asked == [0, socket.AF_INET]


def test_an_answer_that_comes_while_ipv4_is_tried_joins_the_race() -> None:
    network = SlowNames(ipv4=0.02, ipv6=0.15)
    network.add_host("silent")
    network.partition("silent")
    network.names.set("both", V6, "10.99.0.9")
    network.add_address("silent", "10.99.0.9")

    async def main() -> tuple[str, float]:
        return await connect(listening=(V6,))

    host, took = run(main, network=network)
    assert host == V6
    assert took == pytest.approx(0.07 + 0.25)  # a quarter of a second after the attempt by IPv4


def test_an_address_that_was_tried_is_not_tried_again() -> None:
    network = SlowNames(ipv4=0.02, ipv6=0.5)

    async def main() -> None:
        with pytest.raises(ConnectionRefusedError) as caught:
            await connect(listening=())
        group = caught.value.__cause__
        assert isinstance(group, ExceptionGroup)
        assert [str(error).split(" to ")[1] for error in group.exceptions] == [
            "10.99.0.1:80: Connection refused",
            "[fd99::1]:80: Connection refused",
        ]
        assert conc.current_time() == pytest.approx(0.5)

    run(main, network=network)


def test_if_everything_is_slow_the_first_answer_counts() -> None:
    network = SlowNames(ipv4=3, ipv6=1)

    host, took = run(connect, network=network)
    assert (host, round(took, 3)) == (V6, 3)


def test_a_name_that_is_slow_and_does_not_exist_is_an_error_of_the_name() -> None:
    network = SlowNames(ipv4=1, ipv6=2)

    async def main() -> None:
        with pytest.raises(socket.gaierror, match="host 'nobody' has no address: the names of this world"):
            await connect("nobody", listening=())
        assert conc.current_time() == pytest.approx(2)

    run(main, network=network)


def test_who_connects_from_an_address_of_one_family_does_not_ask_for_the_other() -> None:
    network = SlowNames(ipv4=0.02, ipv6=1)

    async def main() -> tuple[str, float]:
        return await connect(local_host=V6)

    host, took = run(main, network=network)
    assert (host, round(took, 3)) == (V6, 1)
    assert network.asked == [0]


def test_a_cancelled_look_up_leaves_nothing() -> None:
    network = SlowNames(ipv4=5, ipv6=5)

    async def main() -> None:
        with conc.move_on_after(1) as scope:
            await connect(listening=())
        assert scope.cancelled_caught
        assert conc.current_time() == 1

    run(main, network=network)
