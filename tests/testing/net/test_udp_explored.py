"""UDP under search: what may be lost, doubled, late or refused, and that the search finds what that brings."""

from __future__ import annotations

import pytest

import conc
from conc.errors import WouldBlock
from conc.net import UdpSocket, connect_udp
from conc_testing import Budget, World, explore, replay
from tests.testing.net.udp_programs import PORT, echo

BUDGET = Budget(runs=100, seconds=20)


async def count(sock: UdpSocket, seconds: float) -> int:
    """How many datagrams come within a time."""
    number = 0
    with conc.move_on_after(seconds):
        while True:
            await sock.receive()
            number += 1
    return number


@pytest.mark.parametrize("site", ["net.loss", "net.duplicate"])
def test_a_search_finds_the_datagram_that_is_lost_or_doubled(site: str) -> None:
    async def scenario(world: World) -> None:
        world.host("db", echo)
        world.host("tester")
        link = world.net.link("db", "tester")
        _ = link.loss(0.01) if site == "net.loss" else link.duplication(0.01)
        async with world.client("tester"), await connect_udp("db", PORT) as client:
            await conc.sleep(1)
            await client.send(b"?")
            assert await count(client, 1) == 1

    report = explore(scenario, budget=BUDGET, plan=("delay<=1",), world=World)

    assert report.failure is not None
    assert [deviation.site for deviation in report.failure.deviations] == [site]
    again = replay(scenario, report.failure.token, world=World)
    assert again.failure is not None
    assert isinstance(again.failure.error, AssertionError)


async def ask_twice_and_take_the_first(world: World) -> None:
    """Takes for granted that what was sent first comes first."""
    world.host("db", echo)
    world.net.latency(0.001, 0.1)
    async with world.client("tester"), await connect_udp("db", PORT) as client:
        await conc.sleep(1)
        await client.send(b"first")
        await conc.sleep(0.01)
        await client.send(b"second")
        assert await client.receive() == b"first"


def test_a_search_finds_datagrams_that_overtake_others() -> None:
    report = explore(ask_twice_and_take_the_first, budget=BUDGET, plan=("delay<=1",), world=World)

    assert report.failure is not None
    assert [deviation.site for deviation in report.failure.deviations] == ["net.latency"]


async def ask_until_answered(world: World) -> None:
    """Takes nothing for granted."""
    world.host("db", echo)
    world.host("tester")
    world.net.link("db", "tester").loss(0.01).duplication(0.01)
    async with world.client("tester"), await connect_udp("db", PORT) as client:
        await conc.sleep(1)
        for _ in range(10):
            try:
                await client.send(b"?")
            except OSError:
                continue
            with conc.move_on_after(0.5):
                assert await client.receive() == b"?"
                return
    raise AssertionError("ten times nothing")


def test_who_asks_until_he_is_answered_passes_whatever_gets_lost() -> None:
    explore(ask_until_answered, budget=BUDGET, plan=("delay<=1", "random"), world=World).assert_ok()


async def trusting(world: World) -> None:
    """Takes for granted that sending works."""
    async with world.client("tester"), await connect_udp("127.0.0.1", PORT) as client:
        with pytest.raises(WouldBlock):
            client.receive_nowait()
        await client.send(b"?")


def test_a_sweep_of_faults_tries_sending_without_a_network() -> None:
    report = explore(trusting, budget=BUDGET, faults="sweep", world=World)

    assert report.failure is not None
    assert report.failure.deviations[0].site in ("fault.net.write", "fault.net.socket")
