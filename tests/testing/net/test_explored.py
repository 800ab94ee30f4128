"""Networks under search: what the search may decide, that it finds what that brings, and that runs repeat."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import conc
from conc.errors import BrokenResource
from conc.io import BufReader
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import Budget, VirtualClock, World, explore, replay
from conc_testing.sim.choices import Chooser
from tests.repo.sources import ROOT
from tests.testing.net.support import PORT, read_all, serve_echo

BUDGET = Budget(runs=200, seconds=20)


async def ask_in_one_read(world: World) -> None:
    """Takes for granted that what is written in one piece is read in one."""
    world.host("db", serve_echo)
    async with world.client("tester"), await connect_tcp("db", PORT) as stream:
        await stream.write_all(b"question")
        assert await stream.read(100) == b"question"


def test_a_search_finds_who_takes_pieces_for_messages() -> None:
    report = explore(ask_in_one_read, budget=BUDGET, plan=("delay<=1",), world=World)

    assert report.failure is not None
    assert [deviation.site for deviation in report.failure.deviations] == ["net.chunk"]
    again = replay(ask_in_one_read, report.failure.token, world=World)
    assert again.failure is not None
    assert isinstance(again.failure.error, AssertionError)


async def ask_by_lines(world: World) -> None:
    """Takes nothing for granted."""
    world.host("db", serve_echo)
    async with world.client("tester"), await connect_tcp("db", PORT) as stream:
        await stream.write_all(b"question\n")
        assert await BufReader(stream).read_until(b"\n") == b"question\n"


def test_who_waits_for_whole_messages_passes_whatever_the_pieces() -> None:
    report = explore(ask_by_lines, budget=BUDGET, plan=("delay<=1", "random"), world=World)

    report.assert_ok()


async def two_writers(world: World) -> None:
    """Takes for granted that who writes first is heard first."""
    heard: list[bytes] = []

    async def hear(stream: TcpStream) -> None:
        heard.append(await read_all(stream))

    async def serve() -> None:
        async with await listen_tcp(None, PORT) as listener:
            await listener.serve(hear)

    async def say(word: bytes, at: float) -> None:
        async with world.client(word.decode()), await connect_tcp("db", PORT) as stream:
            await conc.sleep(at)
            await stream.write_all(word)

    world.host("db", serve)
    world.net.latency(0.001, 0.1)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(say, b"first", 1)
        nursery.start_soon(say, b"second", 1.01)
    await conc.sleep(1)
    assert heard == [b"first", b"second"]


def test_a_search_finds_packets_that_overtake_others() -> None:
    report = explore(two_writers, budget=BUDGET, plan=("delay<=1",), world=World)

    assert report.failure is not None
    assert [deviation.site for deviation in report.failure.deviations] == ["net.latency"]


async def impatient(world: World) -> None:
    """Takes for granted that an answer comes in time."""
    world.host("db", serve_echo)
    world.host("tester")
    world.net.link("db", "tester").loss(0.01)
    async with world.client("tester"), await connect_tcp("db", PORT) as stream:
        await stream.write_all(b"?")
        with conc.fail_after(0.1):
            await stream.read(1)


def test_a_search_finds_the_packet_whose_loss_hurts() -> None:
    report = explore(impatient, budget=BUDGET, plan=("delay<=1",), world=World)

    assert report.failure is not None
    assert isinstance(report.failure.error, TimeoutError)
    assert [deviation.site for deviation in report.failure.deviations] == ["net.loss"]


async def trusting(world: World) -> None:
    """Takes for granted that nothing fails."""
    world.host("db", serve_echo)
    async with world.client("tester"), await connect_tcp("db", PORT) as stream:
        await stream.write_all(b"?")
        assert await stream.read(1) == b"?"


async def prepared(world: World) -> None:
    """Expects that anything may fail, in all its programs."""

    async def answer(stream: TcpStream) -> None:
        try:
            await stream.write_all(await stream.read(1))
        except BrokenResource:
            pass

    async def serve() -> None:
        while True:
            try:
                async with await listen_tcp(None, PORT) as listener:
                    await listener.serve(answer)
            except OSError:
                await conc.sleep(1)

    world.host("db", serve)
    async with world.client("tester"):
        while True:
            try:
                async with await connect_tcp("db", PORT) as stream:
                    await stream.write_all(b"?")
                    if await stream.read(1) == b"?":
                        return
            except (OSError, BrokenResource):
                await conc.sleep(1)


class Asked:
    """In the place of a search: calm, and it keeps what it was asked."""

    def __init__(self) -> None:
        self.sites: set[str] = set()

    def choose(self, site: str, n: int) -> int:
        self.sites.add(site)
        return 0


def test_each_call_of_the_network_may_be_made_to_fail() -> None:
    world, asked = World(), Asked()

    async def main() -> None:
        conc.lowlevel.current_runtime().extensions[Chooser] = asked
        async with world.running():
            await trusting(world)

    conc.run(main, clock=VirtualClock(), network=world.net)
    calls = ("socket", "resolve", "connect", "accept", "read", "write")
    assert asked.sites == {f"fault.net.{call}" for call in calls}


def test_a_sweep_makes_each_of_them_fail_and_finds_who_is_not_prepared() -> None:
    report = explore(trusting, budget=BUDGET, plan=("delay<=1",), faults="sweep", world=World)

    assert report.failure is not None
    assert report.failure.deviations[0].site.startswith("fault.net.")


def test_who_is_prepared_for_failures_passes_the_sweep_over_all_of_them() -> None:
    report = explore(prepared, budget=BUDGET, plan=("delay<=1",), faults="sweep", world=World)

    report.assert_ok()


PROGRAM = textwrap.dedent("""
    import conc
    from conc.net import connect_tcp, listen_tcp
    from conc_testing import VirtualClock, World

    events = []

    async def echo(stream):
        while data := await stream.read(1_000):
            events.append((conc.current_time(), "echo", len(data)))
            await stream.write_all(data)

    async def serve():
        async with await listen_tcp(None, 80) as listener:
            await listener.serve(echo)

    async def talk(world, name):
        async with world.client(name), await connect_tcp("db", 80) as stream:
            for size in (10, 5_000, 1):
                await stream.write_all(bytes(size))
                while size:
                    size -= len(await stream.read(2_000))
                events.append((conc.current_time(), name))

    async def main():
        world = net.world
        world.host("db", serve)
        names = ["a", "b", "c", "d"]
        for name in names:
            world.host(name)
            world.net.link("db", name).latency(0.001, 0.1).loss(0.1)
        async with world.running(), conc.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(talk, world, name)
            await conc.sleep(0.1)
            with world.net.partition({"a", "b"}, {"db", "c"}):
                await conc.sleep(1)
            events.append(str(net.netstat("db")))
            world.kill("db")
            await world.restart("db")

    world = World()
    net = world.net
    net.world = world
    try:
        conc.run(main, clock=VirtualClock(), network=net, seed=7)
    except BaseException as error:
        events.append(repr(error))
    print(events)
""")


def test_a_seed_gives_the_same_events_whatever_the_hashes_of_the_interpreter() -> None:
    outputs = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(outputs) == 1
    assert outputs.pop().count("echo") > 3
