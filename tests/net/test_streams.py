"""TCP streams, on loopback and in memory: what arrives, and what an end is."""

from __future__ import annotations

import array
import socket
from contextlib import AsyncExitStack, suppress

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.io import AsyncRead, BufReader, Stream
from conc.net import TcpStream
from tests.net.support import LARGE, connected, fill, on_every_network, read_all, reset


@on_every_network
async def test_bytes_arrive_as_they_were_written() -> None:
    async with connected() as (client, server):
        await client.write_all(b"one, ")
        await client.write_all(b"two")
        reader = BufReader(server)

        assert await reader.read_exact(8) == b"one, two"


@on_every_network
async def test_a_large_message_arrives_whole_while_another_goes_the_other_way() -> None:
    async with connected() as (client, server):

        async def send(stream: TcpStream) -> None:
            await stream.write_all(LARGE)
            await stream.close_write()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(send, client)
            nursery.start_soon(send, server)
            tasks = [nursery.start_soon(read_all, stream) for stream in (client, server)]

        assert [await task.join() for task in tasks] == [LARGE, LARGE]
        assert client.bytes_written == server.bytes_written == len(LARGE)


@on_every_network
async def test_a_read_takes_no_more_than_it_asked_for() -> None:
    async with connected() as (client, server):
        await client.write_all(b"abcdef")

        assert await server.read(2) == b"ab"
        assert await server.read(1) == b"c"
        assert await server.read(100) == b"def"


@on_every_network
async def test_a_read_leaves_nothing_behind_for_the_next_wait_of_its_task() -> None:
    async with connected() as (client, server):

        async def write() -> None:
            await conc.sleep(0.01)
            await client.write_all(b"x")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            assert await server.read(1) == b"x"

        assert conc.lowlevel.current_task().value is None


@on_every_network
async def test_a_read_of_more_than_64_kib_is_no_error() -> None:
    async with connected() as (client, server):
        await client.write_all(b"x")

        assert await server.read(1 << 40) == b"x"


@on_every_network
async def test_the_end_follows_the_last_bytes_and_stays() -> None:
    async with connected() as (client, server):
        await client.write_all(b"last")
        await client.aclose()

        assert await server.read(100) == b"last"
        assert await server.read(100) == b""
        assert await server.read(100) == b""


@on_every_network
async def test_an_end_that_came_together_with_the_bytes_is_seen_after_them() -> None:
    async with connected() as (client, server):
        with conc.move_on_after(0.01):
            await server.read(1)  # so that the poller knows the descriptor
        await client.write_all(b"last")
        await client.close_write()
        await conc.sleep(0.05)

        assert await server.read(100) == b"last"
        assert await server.read(100) == b""


@on_every_network
async def test_each_side_can_close_its_own_direction_and_go_on_reading() -> None:
    async with connected() as (client, server):
        await client.write_all(b"request")
        await client.close_write()
        assert await read_all(server) == b"request"

        await server.write_all(b"answer")
        await server.close_write()
        assert await read_all(client) == b"answer"


@on_every_network
async def test_a_closed_direction_stays_closed() -> None:
    async with connected() as (client, _):
        await client.close_write()
        await client.close_write()

        with pytest.raises(ClosedResource, match="close_write was called"):
            await client.write_all(b"more")
        with pytest.raises(ClosedResource, match="close_write was called"):
            await client.write_all(b"more", b"and more")


@on_every_network
async def test_a_reset_is_told_to_who_waits_and_to_who_comes_later() -> None:
    async with connected() as (client, server):
        errors: list[BrokenResource] = []

        async def read() -> None:
            try:
                await client.read(1)
            except BrokenResource as error:
                errors.append(error)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(read)
            await conc.sleep(0.01)
            reset(server)

        assert isinstance(errors[0].__cause__, ConnectionResetError)
        with pytest.raises(BrokenResource) as caught:
            await client.write_all(b"x")
        assert isinstance(caught.value.__cause__, BrokenPipeError)
        with pytest.raises(BrokenResource):
            await client.close_write()


@on_every_network
async def test_writing_to_somebody_who_has_gone_fails_in_the_end() -> None:
    async with connected() as (client, server):
        await server.aclose()

        with pytest.raises(BrokenResource) as caught:
            while True:
                await client.write_all(b"x" * 1000)
                await conc.sleep(0.001)

        assert isinstance(caught.value.__cause__, OSError)


@on_every_network
async def test_a_writer_that_waits_for_room_hears_of_a_reset() -> None:
    async with connected() as (client, server):
        await fill(client)

        async def write() -> None:
            with pytest.raises(BrokenResource):
                await client.write_all(LARGE)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            await conc.sleep(0.01)
            reset(server)


@on_every_network
async def test_any_number_of_buffers_of_any_kind_goes_out_in_order() -> None:
    async with connected() as (client, server):
        numbers = array.array("I", [1, 2, 3])
        parts = [bytes([number]) for number in range(40)]

        await client.write_all(b"head", b"", bytearray(b"body"), memoryview(b"__tail__")[2:6])
        await client.write_all(memoryview(numbers))
        await client.write_all(*parts)
        await client.write_all(b"")
        await client.write_all()
        await client.close_write()

        expected = b"headbodytail" + numbers.tobytes() + b"".join(parts)
        assert await read_all(server) == expected
        assert client.bytes_written == len(expected)


@on_every_network
async def test_what_is_not_bytes_is_refused_with_its_name() -> None:
    async with connected() as (client, _):
        with pytest.raises(TypeError, match="must be contiguous bytes, not 'text'"):
            await client.write_all("text")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="must be contiguous bytes"):
            await client.write_all(b"x", memoryview(b"abcdef")[::2])
        with pytest.raises(ValueError, match=r"^max_bytes must be at least 1, not 0"):
            await client.read(0)
        assert client.bytes_written == 0


@on_every_network
async def test_the_two_ends_agree_on_their_addresses() -> None:
    async with connected() as (client, server):
        assert client.peer_address == server.local_address
        assert server.peer_address == client.local_address
        assert repr(client) == f"<TcpStream to 127.0.0.1:{client.peer_address[1]}>"
        await client.close_write()
        assert repr(client).endswith(", nothing more to write>")
        await client.aclose()
        assert repr(client).endswith(", closed>")


@on_every_network
async def test_small_writes_are_sent_at_once() -> None:
    async with connected() as (client, server):
        for stream in (client, server):
            assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@on_every_network
async def test_more_than_is_read_ahead_for_waiting_tasks_arrives_whole() -> None:
    async with AsyncExitStack() as stack, conc.open_nursery() as nursery:
        streams = [await stack.enter_async_context(connected()) for _ in range(8)]
        tasks = [nursery.start_soon(read_all, server) for _, server in streams]
        for _ in range(10):
            await conc.sleep(0.005)  # all wait for bytes; then each has more than one reading takes
            for number, (client, _) in enumerate(streams):
                await client.write_all(bytes([number]) * 50_000)
        for client, _ in streams:
            await client.close_write()
        assert [await task.join() for task in tasks] == [bytes([number]) * 500_000 for number in range(8)]


@on_every_network
async def test_a_task_that_always_finds_bytes_lets_others_run() -> None:
    async with connected() as (client, server):
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await conc.checkpoint()
                turns += 1

        async with conc.open_nursery() as nursery:
            await client.write_all(b"x" * 5_000)
            await conc.sleep(0.01)
            nursery.start_soon(count)
            for _ in range(5_000):
                await server.read(1)
            nursery.cancel_scope.cancel()

        assert turns > 5_000 // 400


def test_a_tcp_stream_is_a_stream() -> None:
    stream: type[Stream] = TcpStream  # which mypy checks

    assert issubclass(stream, AsyncRead)
    assert {"write_all", "close_write", "aclose"} <= set(dir(stream))


@on_every_network
async def test_a_task_that_only_finds_errors_or_writes_nothing_lets_others_run_too() -> None:
    async with connected() as (client, _):
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await conc.checkpoint()
                turns += 1

        async with conc.open_nursery() as nursery:
            nursery.start_soon(count)
            for _ in range(1_000):
                await client.write_all()
            assert turns
            turns = 0
            await client.close_write()
            for _ in range(1_000):
                with suppress(ClosedResource):
                    await client.write_all(b"x")
            assert turns
            nursery.cancel_scope.cancel()
