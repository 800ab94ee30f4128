"""Worlds: which code runs on which host, how a world begins and ends, and whose errors are told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
import conc_testing
from conc.lowlevel import current_task
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import VirtualClock, World


def run(world: World, test: Callable[[], Awaitable[Any]]) -> Any:
    """Run a test in a world, on its host "local"."""

    async def main() -> Any:
        async with world.running():
            return await test()
        raise AssertionError("a world lets nothing pass")

    result = conc.run(main, clock=VirtualClock(), network=world.net)
    world._check()
    return result


async def tell_who_calls(stream: TcpStream) -> None:
    await stream.write_all(stream.peer_address[0].encode())


async def serve_who_calls() -> None:
    async with await listen_tcp(None, 80) as listener:
        await listener.serve(tell_who_calls)


async def ask_who_calls(host: str = "db") -> str:
    async with await connect_tcp(host, 80) as stream:
        return (await stream.read(100)).decode()
    raise AssertionError("a stream lets nothing pass")


def test_code_runs_on_the_host_that_it_was_started_on() -> None:
    world = World()
    db = world.host("db", serve_who_calls)
    web = world.host("web")
    seen: list[str] = []

    async def ask() -> None:
        seen.append(await ask_who_calls())

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            await ask()
            async with world.client("web") as host:
                assert host is web
                await ask()
                nursery.start_soon(ask)
                async with world.client("tester"):
                    await ask()
                await ask()
            await ask()

    run(world, test)
    local, tester = world.net.host("local"), world.net.host("tester")
    assert [local.ipv4, web.ipv4, tester.ipv4, local.ipv4] == [seen[0], seen[1], seen[2], seen[-1]]
    assert sorted(seen[3:5]) == [web.ipv4] * 2
    assert len({host.ipv4 for host in (db, web, local, tester)}) == 4
    assert world.net.open_sockets() == []


def test_a_program_gets_its_arguments_and_its_task_the_name_of_its_host() -> None:
    world = World()
    got: list[Any] = []

    async def program(*args: Any) -> None:
        got.append((args, current_task().name))

    async def test() -> None:
        await conc.sleep(1)
        world.host("late", program)
        await conc.sleep(1)

    world.host("early", program, 1, "two")
    run(world, test)
    assert got == [((1, "two"), "early"), ((), "late")]


def test_the_programs_are_cancelled_when_the_block_ends_and_may_clean_up() -> None:
    world = World()
    ended: list[float] = []

    async def program() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(2)
            ended.append(conc.current_time())

    async def test() -> str:
        await conc.sleep(1)
        return "value"

    world.host("one", program)
    world.host("two", program)
    assert run(world, test) == "value"
    assert ended == [3, 3]
    assert repr(world) == "<World of one (ended), two (ended)>"


def test_an_error_of_a_program_fails_the_test_and_names_the_host() -> None:
    world = World()

    async def fail() -> None:
        await conc.sleep(1)
        raise LookupError("no such table")

    world.host("db", fail)
    world.host("web", conc.sleep_forever)
    with pytest.raises(ExceptionGroup, match=r"^the programs of these hosts failed: 'db'") as caught:
        run(world, conc.sleep_forever)
    (error,) = caught.value.exceptions
    assert isinstance(error, LookupError)
    assert error.__notes__ == ["in the program of host 'db'"]


def test_an_error_of_the_test_leaves_as_it_is() -> None:
    world = World()
    world.host("db", conc.sleep_forever)

    async def test() -> None:
        assert world.net is None, "of the test"

    with pytest.raises(AssertionError, match="of the test"):
        run(world, test)


def test_errors_of_both_leave_together() -> None:
    world = World()

    async def fail_late() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise LookupError("of the program")

    async def test() -> None:
        await conc.sleep(1)
        raise AssertionError("of the test")

    world.host("db", fail_late)
    with pytest.raises(BaseExceptionGroup, match="errors in a test and in its hosts") as caught:
        run(world, test)
    first, second = caught.value.exceptions
    assert isinstance(first, AssertionError)
    assert isinstance(second, ExceptionGroup)


def test_a_cancelled_test_cancels_its_world() -> None:
    world = World()
    world.host("db", conc.sleep_forever)

    async def main() -> None:
        with conc.move_on_after(1) as scope:
            async with world.running():
                await conc.sleep_forever()
        assert scope.cancelled_caught
        assert conc.current_time() == 1

    conc.run(main, clock=VirtualClock(), network=world.net)


def test_a_program_that_ends_closes_its_sockets_and_those_are_told_as_open() -> None:
    world = World()

    async def forget() -> None:
        await listen_tcp("db", 80)
        await connect_tcp("10.0.0.1", 81)

    async def test() -> None:
        async with await listen_tcp(None, 81) as listener, await listener.accept() as stream:
            assert await stream.read(1) == b""
            with pytest.raises(ConnectionRefusedError):
                await connect_tcp("db", 80)

    world.host("db", forget)
    run(world, test)
    listener, stream = world.net.open_sockets()
    assert (listener.host, listener.state, listener.local, listener.remote) == ("db", "LISTEN", "10.0.0.2:80", "")
    assert (stream.host, stream.state, stream.remote) == ("db", "ESTABLISHED", "10.0.0.1:81")
    assert stream.place.startswith("test_world.py:")
    assert str(listener).startswith("of host 'db' at 10.0.0.2:80 (LISTEN) is open, made in test_world.py:")


def test_a_socket_that_a_test_leaves_open_is_a_leak() -> None:
    async def test(world: World) -> None:
        async with world.client("tester"):
            await listen_tcp(None, 80)

    with pytest.raises(conc_testing.Leak, match=r"host 'tester' at .*:80 \(LISTEN\) is open, made in test_world"):
        conc_testing.run(test, world=World)


def test_a_world_runs_once_and_on_its_own_network() -> None:
    world = World()

    async def twice() -> None:
        async with world.running():
            pass
        with pytest.raises(RuntimeError, match="has run before"):
            async with world.running():
                pass
        with pytest.raises(RuntimeError, match="another network"):
            async with World().running():
                pass

    conc.run(twice, clock=VirtualClock(), network=world.net)


def test_a_process_that_has_ended_opens_no_sockets() -> None:
    world = World()
    caught: list[OSError] = []

    async def outlive(nursery: conc.Nursery) -> None:
        async def late() -> None:
            await conc.sleep(1)
            with pytest.raises(OSError, match="Network is down") as error:
                await listen_tcp(None, 80)
            caught.append(error.value)

        nursery.start_soon(late)

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            world.host("db", outlive, nursery)

    run(world, test)
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (lambda world: world.host("db"), ValueError, "there is a host 'db' already"),
        (lambda world: world.host("web", 5), TypeError, "^main must be an async function"),
        (lambda world: world.host("a b" * 30), ValueError, "cannot be a name"),
        (lambda world: world.kill("bd"), ValueError, "there is no host 'bd' in this world; there are: local, db"),
        (lambda world: world.kill("db"), ValueError, "host 'db' has no program of its own"),
        (lambda world: world.net.add_address("db", "10.0.0.1"), ValueError, "one of <Host 'local'"),
    ],
)
def test_a_bad_argument_is_named(call: Callable[[World], object], kind: type[Exception], words: str) -> None:
    world = World()
    world.host("db")

    with pytest.raises(kind, match=words):
        call(world)


def test_a_program_that_is_no_async_function_is_named() -> None:
    world = World()
    world.host("db", lambda: 5)  # type: ignore[arg-type, return-value]

    with pytest.raises(ExceptionGroup, match="'db'") as caught:
        run(world, conc.sleep_forever)
    assert "main must be an async function, not <function" in str(caught.value.exceptions[0])
