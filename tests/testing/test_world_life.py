"""How programs of a world die, are started anew, stop for a while, and what their peers see of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
import conc_testing
from conc.errors import BrokenResource
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import World
from tests.testing.net.support import PORT, echo, serve_echo

Test = Callable[[World], Awaitable[Any]]


def in_a_world(test: Test) -> Callable[[], None]:
    """A test that is run as a simulation, in a world of its own, as its client."""

    async def as_client(world: World) -> None:
        async with world.client("tester"):
            await test(world)
        world._check()

    def run() -> None:
        conc_testing.run(as_client, world=World)

    run.__name__ = run.__qualname__ = test.__name__
    return run


async def ask(stream: TcpStream, question: bytes = b"?") -> bytes:
    await stream.write_all(question)
    return await stream.read(100)


@in_a_world
async def test_a_killed_program_does_not_clean_up_and_its_peers_see_the_end(world: World) -> None:
    steps: list[str] = []

    async def serve() -> None:
        try:
            async with await listen_tcp(None, PORT) as listener, conc.open_nursery() as nursery:
                nursery.start_soon(listener.serve, echo)
                await conc.sleep_forever()
        except BaseException:
            steps.append("except")
            raise
        finally:
            steps.append("finally")

    world.host("db", serve)
    async with await connect_tcp("db", PORT) as stream:
        assert await ask(stream) == b"?"
        world.kill("db")
        assert await stream.read(1) == b""
        with pytest.raises(ConnectionRefusedError):
            await connect_tcp("db", PORT)
        with pytest.raises(BrokenResource):
            while True:
                await stream.write_all(b"is anybody there?")
                await conc.sleep(1)
    await conc.sleep(100)
    assert steps == []
    assert len(world.net.netstat("db")) == 0


@in_a_world
async def test_a_killed_program_that_had_bytes_to_read_resets(world: World) -> None:
    async def accept_and_wait() -> None:
        async with await listen_tcp(None, PORT) as listener:
            await listener.serve(lambda stream: conc.sleep_forever())

    world.host("db", accept_and_wait)
    async with await connect_tcp("db", PORT) as stream:
        await stream.write_all(b"unread")
        await conc.sleep(1)
        world.kill("db")
        with pytest.raises(BrokenResource, match="reset by peer"):
            await stream.read(1)


@in_a_world
async def test_what_a_killed_program_had_written_arrives_and_what_it_had_not_is_lost(world: World) -> None:
    world.net.link("local", world.host("db").name).bandwidth(1e9)
    world.net.link("db", "tester").bandwidth(1_000)

    async def write() -> None:
        async with await listen_tcp(None, PORT) as listener, await listener.accept() as stream:
            await stream.write_all(bytes(100_000))

    world.host("writer", write)
    world.net.link("writer", "tester").bandwidth(10_000)
    async with await connect_tcp("writer", PORT) as stream:
        await conc.sleep(1)
        world.kill("writer")
        got = 0
        while part := await stream.read(65_536):
            got += len(part)
        assert 65_536 <= got < 100_000


@in_a_world
async def test_a_restarted_program_begins_anew_at_the_same_address(world: World) -> None:
    lives: list[float] = []

    async def serve() -> None:
        lives.append(conc.current_time())
        await serve_echo()

    db = world.host("db", serve)
    async with await connect_tcp("db", PORT) as stream:
        assert await ask(stream) == b"?"
        await conc.sleep(5)
        world.kill("db")
        await world.restart("db")
        await conc.sleep(0)
        async with await connect_tcp("db", PORT) as second:
            assert await ask(second) == b"?"
            assert second.peer_address == stream.peer_address == (db.ipv4, PORT)
        assert await stream.read(1) == b""
    assert lives == [0, pytest.approx(5.004)]


@in_a_world
async def test_a_program_that_runs_is_shut_down_before_it_is_restarted(world: World) -> None:
    steps: list[tuple[str, float]] = []

    async def serve() -> None:
        steps.append(("begins", conc.current_time()))
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(1)
            steps.append(("ends", conc.current_time()))

    world.host("db", serve)
    await conc.sleep(1)
    await world.restart("db")
    await conc.sleep(1)
    await world.shutdown("db")
    await world.shutdown("db")
    with pytest.raises(RuntimeError, match="the program of host 'db' does not run"):
        world.kill("db")
    assert steps == [("begins", 0), ("ends", 2), ("begins", 2), ("ends", 4)]


@in_a_world
async def test_a_cancelled_restart_starts_nothing(world: World) -> None:
    begun = 0

    async def linger() -> None:
        nonlocal begun
        begun += 1
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(10)

    world.host("db", linger)
    await conc.sleep(1)
    with conc.move_on_after(1) as scope:
        await world.restart("db")
    assert scope.cancelled_caught
    await conc.sleep(100)
    assert begun == 1


@in_a_world
async def test_a_paused_program_does_nothing_while_its_kernel_goes_on(world: World) -> None:
    ticks: list[float] = []

    async def tick() -> None:
        while True:
            await conc.sleep(1)
            ticks.append(conc.current_time())

    async def serve() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(tick)
            await serve_echo()

    world.host("db", serve)
    async with await connect_tcp("db", PORT) as stream:
        assert await ask(stream) == b"?"
        await conc.sleep(2)
        world.pause("db")
        world.pause("db")
        await stream.write_all(b"paused?")
        async with await connect_tcp("db", PORT):
            with conc.move_on_after(10) as scope:
                await stream.read(100)
        assert scope.cancelled_caught
        assert world.net.netstat("tester").lines[0].unsent == 0
        assert ticks == [1, 2]
        world.resume("db")
        world.resume("db")
        assert await stream.read(100) == b"paused?"
        await conc.sleep(2)
        assert len(ticks) > 3


@in_a_world
async def test_a_paused_program_can_be_killed_and_restarted(world: World) -> None:
    world.host("db", serve_echo)
    async with await connect_tcp("db", PORT) as stream:
        await conc.sleep(1)
        world.pause("db")
        await stream.write_all(b"unread")
        await conc.sleep(1)
        world.kill("db")
        with pytest.raises(BrokenResource):
            await stream.read(1)
    await world.restart("db")
    await conc.sleep(1)
    async with await connect_tcp("db", PORT) as stream:
        assert await ask(stream) == b"?"


@in_a_world
async def test_a_paused_program_ends_with_its_world(world: World) -> None:
    world.host("db", serve_echo)
    await conc.sleep(1)
    world.pause("db")
    await conc.sleep(1)


@in_a_world
async def test_a_paused_program_goes_on_to_shut_down(world: World) -> None:
    world.host("db", serve_echo)
    await conc.sleep(1)
    world.pause("db")
    await world.shutdown("db")
    with pytest.raises(RuntimeError, match="does not run"):
        world.pause("db")


@in_a_world
async def test_a_program_cannot_kill_itself(world: World) -> None:
    refused: list[str] = []

    async def kill_myself() -> None:
        with pytest.raises(RuntimeError) as caught:
            world.kill("db")
        refused.append(str(caught.value))

    world.host("db", kill_myself)
    await conc.sleep(1)
    assert len(refused) == 1
    assert refused[0].startswith("kill: ")


def test_pausing_needs_somebody_who_directs_the_run() -> None:
    world = World()
    world.host("db", serve_echo)

    async def main() -> None:
        async with world.running():
            await conc.sleep(1)
            with pytest.raises(RuntimeError, match=r"in conc_testing\.run and explore"):
                world.pause("db")

    conc.run(main, clock=conc_testing.VirtualClock(), network=world.net)


def test_the_policy_of_a_world_lets_it_pause_hosts_in_a_plain_run() -> None:
    world = World()
    world.host("db", serve_echo)

    async def main() -> None:
        async with world.running(), await connect_tcp("db", PORT) as stream:
            assert await ask(stream) == b"?"
            world.pause("db")
            with conc.move_on_after(10) as scope:
                await ask(stream)
            assert scope.cancelled_caught
            world.resume("db")
            assert await stream.read(1) == b"?"

    conc.run(main, clock=conc_testing.VirtualClock(), network=world.net, policy=world.policy)


def test_a_world_that_does_not_run_restarts_nothing() -> None:
    world = World()
    world.host("db", serve_echo)

    async def main() -> None:
        with pytest.raises(RuntimeError, match="the world does not run"):
            await world.restart("db")

    conc.run(main, clock=conc_testing.VirtualClock(), network=world.net)


@in_a_world
async def test_starting_and_ending_are_cancel_points(world: World) -> None:
    world.host("db", serve_echo)
    for operation in (world.shutdown, world.restart):
        with conc.CancelScope() as scope:
            scope.cancel()
            await operation("db")
        assert scope.cancelled_caught
    async with await connect_tcp("db", PORT) as stream:
        assert await ask(stream) == b"?"
