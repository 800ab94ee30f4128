"""Bytes over simulated links: when they arrive, how many are under way, and that none is missing."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import TcpSettings, World
from tests.testing.net.support import PORT, read_all, run_in, serve_echo


def world_with(program: Callable[[], Awaitable[None]] = serve_echo, *, tcp: TcpSettings | None = None) -> World:
    """Two hosts, "db" with a program, and "tester"."""
    world = World(tcp=tcp)
    world.host("db", program)
    world.host("tester")
    return world


def test_connecting_takes_the_way_there_and_back_and_bytes_one_way() -> None:
    async def tell_the_time() -> None:
        async with await listen_tcp("db", PORT) as listener, await listener.accept() as stream:
            await stream.write_all(str(conc.current_time()).encode())
            await stream.read(1)

    world = world_with(tell_the_time)
    world.net.link("db", "tester").latency(0.25)

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            assert conc.current_time() == 0.5
            assert await stream.read(100) == b"0.75"  # the last packet of the handshake
            assert conc.current_time() == 1.0

    run_in(world, test)


def test_within_a_host_nothing_takes_time() -> None:
    world = world_with()

    async def test() -> None:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            async with await connect_tcp("127.0.0.1", listener.port) as client, await listener.accept() as server:
                await client.write_all(b"at once")
                assert await server.read(100) == b"at once"
            async with await connect_tcp("localhost", listener.port) as client:
                assert client.peer_address[0] == "127.0.0.1"
        assert conc.current_time() == 0

    run_in(world, test)


@pytest.mark.parametrize("bytes_per_second", [10_000, 1_000_000])
def test_a_narrow_link_lets_so_many_bytes_pass_in_a_second(bytes_per_second: int) -> None:
    size = 50_000
    arrived = 0.0

    async def read() -> None:
        nonlocal arrived
        async with await listen_tcp("db", PORT) as listener, await listener.accept() as stream:
            assert len(await read_all(stream)) == size
            arrived = conc.current_time()

    world = world_with(read)
    world.net.link("db", "tester").latency(0).bandwidth(bytes_per_second)

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            began = conc.current_time()
            await stream.write_all(bytes(size))
            await stream.close_write()
            assert await stream.read(1) == b""
            packets = -(-size // 1_460)
            assert arrived - began == pytest.approx((size + 40 * (packets + 2)) / bytes_per_second, rel=0.01)

    run_in(world, test)


def latencies(seed: int, *, others: bool) -> list[float]:
    """How long ten questions take on a link of varying latency; with or without traffic on another."""
    world = world_with()
    world.host("noisy")
    world.net.latency(0.001, 0.1)
    times = []

    async def make_noise() -> None:
        async with world.client("noisy"), await connect_tcp("db", PORT) as stream:
            while True:
                await stream.write_all(b"x")
                await stream.read(1)

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            if others:
                nursery.start_soon(make_noise)
            async with await connect_tcp("db", PORT) as stream:
                for _ in range(10):
                    before = conc.current_time()
                    await stream.write_all(b"x")
                    await stream.read(1)
                    times.append(conc.current_time() - before)
            nursery.cancel_scope.cancel()

    run_in(world, test, seed=seed)
    return times


def test_varying_latency_is_drawn_from_the_seed_of_the_run_for_each_link_by_itself() -> None:
    times = latencies(1, others=False)

    assert len(set(times)) == 10
    assert all(0.002 <= time <= 0.2 for time in times)
    assert times == latencies(1, others=False)
    assert times == pytest.approx(latencies(1, others=True), abs=1e-9)
    assert times != latencies(2, others=False)


def test_lost_packets_cost_time_and_no_bytes() -> None:
    data = random.Random(0).randbytes(200_000)

    def took(loss: float) -> float:
        world = world_with()
        world.net.link("db", "tester").loss(loss)

        async def test() -> float:
            async with await connect_tcp("db", PORT) as stream, conc.open_nursery() as nursery:
                nursery.start_soon(write_and_end, stream, data)
                assert await read_all(stream) == data
            return conc.current_time()

        return run_in(world, test)

    assert took(0) < 0.2 < took(0.02) < took(0.1)


async def write_and_end(stream: TcpStream, data: bytes) -> None:
    await stream.write_all(data)
    await stream.close_write()


async def accept_and_wait() -> None:
    """A program that accepts connections and never reads."""
    async with await listen_tcp(None, PORT) as listener:
        await listener.serve(lambda stream: conc.sleep_forever())


def test_who_writes_to_who_does_not_read_fills_two_buffers_and_waits() -> None:
    world = world_with(accept_and_wait, tcp=TcpSettings(send_buffer=10_000, receive_buffer=7_000))

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            with conc.move_on_after(10) as scope:
                await stream.write_all(bytes(100_000))
            assert scope.cancelled_caught
            assert stream.bytes_written == 17_000
            (line,) = [line for line in world.net.netstat("db") if line.state == "ESTABLISHED"]
            assert line.unread == 7_000
            (line,) = world.net.netstat("tester")
            assert line.unsent == 10_000

    run_in(world, test)


def test_a_reader_that_begins_late_lets_the_writer_go_on() -> None:
    data = random.Random(1).randbytes(100_000)

    async def read_late() -> None:
        async with await listen_tcp(None, PORT) as listener, await listener.accept() as stream:
            await conc.sleep(5)
            assert await read_all(stream) == data

    world = world_with(read_late, tcp=TcpSettings(send_buffer=3_000, receive_buffer=2_000, mss=700))

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            await write_and_end(stream, data)
            assert conc.current_time() > 5
            assert await stream.read(1) == b""

    run_in(world, test)


def test_a_window_whose_opening_got_lost_is_asked_for() -> None:
    async def read_late() -> None:
        async with await listen_tcp(None, PORT) as listener, await listener.accept() as stream:
            await conc.sleep(5)
            with world.net.partition("db", "tester", oneway=True):
                assert len(await stream.read(100)) == 100
                await conc.sleep(1)
            assert len(await read_all(stream)) == 200

    world = world_with(read_late, tcp=TcpSettings(receive_buffer=100))

    async def test() -> None:
        async with await connect_tcp("db", PORT) as stream:
            await write_and_end(stream, bytes(300))
            assert await stream.read(1) == b""
            assert 6 < conc.current_time() < 7

    run_in(world, test)


@pytest.mark.parametrize("seed", range(8))
def test_all_bytes_arrive_in_order_whatever_the_network_does(seed: int) -> None:
    rand = random.Random(seed)
    tcp = TcpSettings(
        retries=1_000,
        connect_retries=1_000,
        mss=rand.choice([100, 1_460]),
        send_buffer=rand.choice([1, 500, 65_536]),
        receive_buffer=rand.choice([1, 100, 65_536]),
    )
    world = world_with(tcp=tcp)
    link = world.net.link("db", "tester").latency(0.001, rand.choice([0.001, 0.1]))
    link.loss(rand.choice([0, 0.05, 0.3])).bandwidth(rand.choice([10_000, 1e6]))

    async def make_trouble() -> None:
        while True:
            await conc.sleep(rand.uniform(0, 2))
            world._check()
            make = rand.choice([world.net.partition, world.net.hold])
            with make("db", "tester", oneway=rand.random() < 0.5):
                await conc.sleep(rand.uniform(0, 2))

    async def talk(number: int) -> None:
        data = random.Random(number).randbytes(500)
        async with await connect_tcp("db", PORT) as stream, conc.open_nursery() as nursery:
            nursery.start_soon(write_and_end, stream, data)
            assert await read_all(stream) == data

    async def test() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(make_trouble)
            async with conc.open_nursery() as talkers:
                for number in range(3):
                    talkers.start_soon(talk, number)
            nursery.cancel_scope.cancel()

    run_in(world, test, seed=seed)


@pytest.mark.parametrize(
    ("change", "named"),
    [({"mss": 0}, "mss"), ({"receive_buffer": -1}, "receive_buffer"), ({"time_wait": float("inf")}, "time_wait")],
)
def test_a_bad_setting_is_named(change: dict[str, float], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must be"):
        TcpSettings(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda link: link.latency(-1), "least"),
        (lambda link: link.latency(2, 1), "most"),
        (lambda link: link.latency(float("inf")), "least"),
        (lambda link: link.loss(1), "probability"),
        (lambda link: link.bandwidth(0), "bytes_per_second"),
    ],
)
def test_a_bad_property_of_a_link_is_named(call: Callable[[object], object], named: str) -> None:
    world = world_with()

    with pytest.raises(ValueError, match=named):
        call(world.net.link("db", "tester"))
