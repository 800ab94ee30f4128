"""Partitions, holds and resets: what they stop, and how it goes on."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc.errors import BrokenResource
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import TcpSettings, World
from tests.testing.net.support import PORT, run_in, serve_echo


def three_hosts(*, tcp: TcpSettings | None = None) -> World:
    """Hosts "db" and "web" with programs that send back what comes, and "tester"."""
    world = World(tcp=tcp)
    world.host("db", serve_echo)
    world.host("web", serve_echo)
    world.host("tester")
    return world


async def ask(stream: TcpStream, question: bytes = b"?") -> float:
    """How long an answer takes."""
    before = conc.current_time()
    await stream.write_all(question)
    assert await stream.read(100) == question
    return conc.current_time() - before


def test_what_is_written_into_a_partition_comes_out_after_it() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            with world.net.partition({"db"}, {"tester"}):
                await stream.write_all(b"early")
                with conc.move_on_after(5) as scope:
                    await stream.read(100)
                assert scope.cancelled_caught
            assert await stream.read(100) == b"early"
            assert 5 < conc.current_time() < 10
            assert await ask(stream) == pytest.approx(0.002)

    run_in(world, test)


def test_a_partition_concerns_those_it_names_only() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as to_db, await connect_tcp("web", PORT) as to_web:
            with world.net.partition("db", ["tester"]), conc.move_on_after(1) as scope:
                assert await ask(to_web) == pytest.approx(0.002)
                await ask(to_db)
            assert scope.cancelled_caught
            assert await to_db.read(100) == b"?"

    run_in(world, test)


def test_a_partition_of_one_group_cuts_it_off_from_all_others_and_not_from_itself() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as to_db, await connect_tcp("web", PORT) as to_web:
            with world.net.partition({"tester", "web"}):
                assert await ask(to_web) == pytest.approx(0.002)
                with conc.move_on_after(1) as scope:
                    await ask(to_db)
                assert scope.cancelled_caught
            assert await to_db.read(100) == b"?"

    run_in(world, test)


def test_what_is_under_way_when_a_partition_comes_is_lost() -> None:
    world = three_hosts()
    world.net.link("db", "tester").latency(1)

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            await stream.write_all(b"?")
            await conc.sleep(0.5)
            with world.net.partition("db", "tester"):
                await conc.sleep(1)
            assert await stream.read(1) == b"?"
            # Lost at 3 s, where it would have arrived, and 0.2 s later; sent for the third time another 0.4 s later.
            assert conc.current_time() == pytest.approx(3 + 0.2 + 0.4 + 2)

    run_in(world, test)


@pytest.mark.parametrize("towards", ["db", "tester"])
def test_a_one_way_partition_stops_either_the_question_or_the_answer(towards: str) -> None:
    world = three_hosts()
    other = "tester" if towards == "db" else "db"

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            await ask(stream)
            await conc.sleep(1)
            with world.net.partition(other, towards, oneway=True), conc.move_on_after(1):
                await ask(stream, b"again")
            sent_back = world.net.netstat("db").lines[-1].unsent
            assert sent_back == (0 if towards == "db" else 5)
            assert await stream.read(100) == b"again"

    run_in(world, test)


def test_a_partition_that_does_not_end_breaks_a_connection_that_speaks_and_not_one_that_listens() -> None:
    world = three_hosts(tcp=TcpSettings(retries=3))

    async def test() -> None:
        speaking = await connect_tcp("db", PORT)
        silent = await connect_tcp("db", PORT)
        await conc.sleep(1)
        world.net.partition("db")
        await speaking.write_all(b"hello?")
        with pytest.raises(BrokenResource, match="timed out"):
            await speaking.read(1)
        assert conc.current_time() == pytest.approx(1.002 + 0.2 + 0.4 + 0.8 + 1.6, abs=0.01)
        with conc.move_on_after(10_000) as scope:
            await silent.read(1)
        assert scope.cancelled_caught
        await speaking.aclose()
        await silent.aclose()

    run_in(world, test)


def test_a_partition_ends_when_it_is_healed_however_often() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            with world.net.partition("db") as partition:
                assert repr(partition) == "<Partition between db and all others>"
                partition.heal()
                partition.heal()
                assert await ask(stream) == pytest.approx(0.002)

    run_in(world, test)


def test_of_two_partitions_each_has_to_heal() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            first, second = world.net.partition("db"), world.net.partition("db", "tester")
            first.heal()
            with conc.move_on_after(1) as scope:
                await ask(stream)
            assert scope.cancelled_caught
            second.heal()
            assert await stream.read(100) == b"?"

    run_in(world, test)


def test_what_is_held_arrives_in_order_when_it_is_released() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            hold = world.net.hold("db", "tester")
            for part in (b"one", b"two", b"three"):
                await stream.write_all(part)
                await conc.sleep(100)
            hold.release()
            got = b""
            while len(got) < 11:
                got += await stream.read(100)
            assert got == b"onetwothree"
            assert conc.current_time() == pytest.approx(300.003)

    run_in(world, test)


def test_a_hold_is_released_by_its_groups_too() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            world.net.hold("db", "tester")
            with conc.move_on_after(1):
                await ask(stream)
            world.net.release("tester", "db")
            assert await stream.read(100) == b"?"
            with pytest.raises(ValueError, match="nothing is held there"):
                world.net.release("tester", "db")

    run_in(world, test)


def test_a_hold_that_becomes_a_partition_loses_what_it_held() -> None:
    world = three_hosts()

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            with world.net.hold("db"):
                await stream.write_all(b"?")
                partition = world.net.partition("db")
            await conc.sleep(1)
            assert world.net.netstat("tester").lines[-1].unsent == 1
            partition.heal()
            assert await stream.read(1) == b"?"

    run_in(world, test)


def test_a_reset_breaks_the_connections_between_two_hosts_on_both_sides_and_no_others() -> None:
    world = World()
    broken: list[str] = []

    async def handle(stream: TcpStream) -> None:
        try:
            await stream.read(1)
        except BrokenResource:
            broken.append(stream.peer_address[0])

    async def serve() -> None:
        async with await listen_tcp(None, PORT) as listener:
            await listener.serve(handle)

    for name in ("db", "web"):
        world.host(name, serve)
    world.host("tester")

    async def test() -> None:
        streams = [await connect_tcp(name, PORT) for name in ("db", "db", "web")]
        await conc.sleep(1)
        assert world.net.reset("tester", "db") == 2
        for stream in streams[:2]:
            with pytest.raises(BrokenResource, match="reset by peer"):
                await stream.read(1)
        await conc.sleep(1)
        assert broken == [world.net.host("tester").ipv4] * 2
        assert world.net.netstat("web").established == 1
        assert world.net.reset("tester") == 1
        assert world.net.reset("tester") == 0
        for stream in streams:
            await stream.aclose()

    run_in(world, test)


@pytest.mark.parametrize("call", ["partition", "hold", "reset", "link"])
def test_a_host_that_is_not_there_is_named_with_those_that_are(call: str) -> None:
    world = three_hosts()
    fault: Any = getattr(world.net, call)

    with pytest.raises(ValueError, match=r"^there is no host 'bd' in this world; there are: local, db, web, tester"):
        fault("tester", "bd")


def test_a_link_has_two_ends() -> None:
    world = three_hosts()

    assert repr(world.net.link("db", "web")) == "<Link between 'db' and 'web'>"
    with pytest.raises(ValueError, match="not from 'db' to itself"):
        world.net.link("db", "db")
