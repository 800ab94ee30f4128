"""TCP streams, on loopback and in memory: what arrives, what an end is, and what is left after a cancellation."""

from __future__ import annotations

import array
import socket
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc._kernel.current import current_worker
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import AsyncRead, BufReader, Stream
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc.sync import Event
from tests.net.support import connected, fill, on_every_network, read_all, reset

LARGE = bytes(range(256)) * 4 * 1024  # 1 MiB: more than any buffer on the way


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
async def test_nothing_can_be_done_with_a_stream_after_closing_it() -> None:
    async with connected() as (client, _):
        await client.aclose()

        for operation in (lambda: client.read(1), lambda: client.write_all(b"x"), client.close_write):
            with pytest.raises(ClosedResource, match="closed on this side"):
                await operation()
        with pytest.raises(ClosedResource):
            assert client.local_address
        await client.aclose()


@on_every_network
async def test_closing_wakes_who_reads_and_who_writes() -> None:
    async with connected() as (client, _):
        await fill(client)
        heard: list[str] = []

        async def expect_closed(name: str, operation: Callable[[], Awaitable[object]]) -> None:
            with pytest.raises(ClosedResource):
                await operation()
            heard.append(name)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(expect_closed, "reader", lambda: client.read(1))
            nursery.start_soon(expect_closed, "writer", lambda: client.write_all(b"x"))
            await conc.sleep(0.01)
            await client.aclose()

        assert sorted(heard) == ["reader", "writer"]


@on_every_network
async def test_who_was_woken_a_moment_before_the_closing_hears_of_it_too() -> None:
    async with connected() as (client, server):

        async def read() -> None:
            with pytest.raises(ClosedResource):
                await client.read(1)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(read)
            await conc.sleep(0.01)
            await server.write_all(b"x")
            for event in current_worker().poller.poll(1):
                current_worker().descriptors.notify([event])  # the reader is ready to run now, and does not yet
            await client.aclose()


@on_every_network
async def test_a_second_reader_and_a_second_writer_are_refused_and_disturb_nobody() -> None:
    async with connected() as (client, server):
        await fill(client)

        async def read() -> bytes:
            return await client.read(1)

        async def write() -> None:
            await client.write_all(b"end")
            await client.close_write()

        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(read)
            nursery.start_soon(write)
            await conc.sleep(0.01)
            with pytest.raises(BusyResource, match="read"):
                await client.read(1)
            with pytest.raises(BusyResource, match="write"):
                await client.write_all(b"x")
            with pytest.raises(BusyResource, match="write"):
                await client.close_write()
            assert (await read_all(server)).endswith(b"xend")
            await server.write_all(b"a")

        assert await reading.join() == b"a"


@on_every_network
async def test_a_cancelled_read_takes_no_byte() -> None:
    async with connected() as (client, server):
        numbers = [b"%03d" % number for number in range(100)]
        got = b""
        cancelled = 0

        async def write() -> None:
            for number in numbers:
                await client.write_all(number)
                await conc.sleep(0.0003)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            while len(got) < 300:
                with conc.move_on_after(0.0002) as scope:
                    got += await server.read(7)
                cancelled += scope.cancelled_caught

        assert got == b"".join(numbers)
        assert cancelled


@on_every_network
async def test_a_read_that_was_granted_bytes_is_not_cancelled_any_more() -> None:
    async with connected() as (client, server):
        got: list[bytes] = []
        with conc.CancelScope() as scope:

            async def read() -> None:
                got.append(await server.read(10))

            async with conc.open_nursery() as nursery:
                nursery.start_soon(read)
                await conc.sleep(0.01)
                await client.write_all(b"mine")
                for event in current_worker().poller.poll(1):
                    current_worker().descriptors.notify([event])
                scope.cancel()

        assert got == [b"mine"]


@on_every_network
async def test_a_write_to_who_never_reads_can_be_cancelled_and_continued() -> None:
    async with connected() as (client, server):
        data = LARGE * 8
        before = client.bytes_written
        with conc.move_on_after(0.05) as scope:
            await client.write_all(data)
        written = client.bytes_written - before
        assert scope.cancelled_caught
        assert 0 < written < len(data)

        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(read_all, server)
            await client.write_all(data[written:])
            await client.close_write()

        assert await reading.join() == data


@on_every_network
async def test_a_cancelled_write_of_many_buffers_can_be_continued_too() -> None:
    async with connected() as (client, server):
        parts = [bytes([number]) * 40_000 for number in range(200)]
        data = b"".join(parts)
        with conc.move_on_after(0.05) as scope:
            await client.write_all(*parts)
        assert scope.cancelled_caught

        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(read_all, server)
            await client.write_all(memoryview(data)[client.bytes_written :])
            await client.close_write()

        assert await reading.join() == data


@on_every_network
async def test_a_cancellation_that_is_pending_is_raised_before_anything_is_written() -> None:
    async with connected() as (client, server):
        for operation in (lambda: client.write_all(b"x"), lambda: client.write_all(b"x", b"y"), client.close_write):
            with conc.CancelScope() as scope:
                scope.cancel()
                await operation()
            assert scope.cancelled_caught
        assert client.bytes_written == 0

        await client.write_all(b"still open")
        assert await server.read(100) == b"still open"


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
        with pytest.raises(ValueError, match="^max_bytes must be at least 1, not 0"):
            await client.read(0)
        assert client.bytes_written == 0


@on_every_network
async def test_closing_is_done_before_it_is_cancelled() -> None:
    async with connected() as (client, server):
        with conc.CancelScope() as scope:
            scope.cancel()
            await client.aclose()

        assert scope.cancelled_caught
        assert await server.read(1) == b""


@on_every_network
async def test_the_end_of_a_block_closes_and_lets_an_error_pass_that_is_worth_more_than_a_cancellation() -> None:
    async with connected() as (client, server):
        with pytest.raises(LookupError), conc.CancelScope() as scope:
            async with client:
                scope.cancel()
                raise LookupError

        assert await server.read(1) == b""


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
async def test_a_stream_is_registered_when_it_first_waits_and_never_again_after_closing() -> None:
    descriptors = current_worker().descriptors
    async with await listen_tcp("127.0.0.1", 0) as listener:
        client = await connect_tcp("127.0.0.1", listener.port)
        await client.write_all(b"request")
        await conc.sleep(0.01)
        before = len(descriptors)

        server = await listener.accept()
        assert await server.read(100) == b"request"
        await server.write_all(b"answer")
        assert len(descriptors) == before

        async with conc.open_nursery() as nursery:
            nursery.start_soon(server.read, 1)
            assert await client.read(100) == b"answer"
            assert len(descriptors) == before + 1
            await client.aclose()
        await server.aclose()
    assert not descriptors


@on_every_network
async def test_a_stream_may_be_closed_while_its_events_are_under_way() -> None:
    async with connected() as (client, server):
        closed = Event()

        async def close_both() -> None:
            await client.read(1)
            await server.aclose()
            closed.set()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(close_both)
            await conc.sleep(0.01)
            with conc.CancelScope():
                await server.write_all(b"x")
                await client.write_all(b"y")
            await closed.wait()


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
