"""Unix streams, real and in memory: both do the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

import conc
from conc._kernel.current import current_worker
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.net import UnixStream, connect_unix, listen_unix, unix_pair
from tests.net.datagram_support import folder
from tests.net.support import LARGE, on_every_network


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[UnixStream, UnixStream]]:
    """The two ends of a connection: that of the client, and that of the server."""
    with folder() as here:
        async with await listen_unix(here / "server") as listener:
            client = await connect_unix(here / "server")
            server = await listener.accept()
        async with client, server:
            yield client, server


async def read_all(stream: UnixStream) -> bytes:
    parts = []
    while part := await stream.read(65_536):
        parts.append(part)
    return b"".join(parts)


async def fill(stream: UnixStream) -> int:
    """Write until nothing more goes in; how many bytes went."""
    before = stream.bytes_written
    with conc.move_on_after(0.05):
        await stream.write_all(LARGE * 8)
    return stream.bytes_written - before


@on_every_network
async def test_bytes_go_both_ways_and_each_way_ends_by_itself() -> None:
    async with connected() as (client, server):
        await client.write_all(b"question")
        await client.close_write()
        assert await read_all(server) == b"question"
        with pytest.raises(ClosedResource, match="close_write"):
            await client.write_all(b"more")
        await server.write_all(b"answer")
        await server.close_write()
        assert await read_all(client) == b"answer"


@on_every_network
async def test_many_bytes_arrive_in_order() -> None:
    async with connected() as (client, server), conc.open_nursery() as nursery:
        reading = nursery.start_soon(read_all, server)
        await client.write_all(LARGE)
        await client.close_write()
        assert await reading.join() == LARGE


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
async def test_a_cancelled_write_can_be_continued() -> None:
    async with connected() as (client, server):
        data = LARGE * 4
        with conc.move_on_after(0.05) as scope:
            await client.write_all(data)
        assert scope.cancelled_caught
        written = client.bytes_written
        assert 0 < written < len(data)
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(read_all, server)
            await client.write_all(memoryview(data)[written:])
            await client.close_write()
        assert await reading.join() == data


@on_every_network
async def test_a_writer_that_was_woken_before_a_cancellation_does_not_wait_again() -> None:
    async with connected() as (client, server):
        await fill(client)
        with conc.fail_after(5), conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(client.write_all, LARGE * 8)
                await conc.sleep(0.01)
                writing = client._writing
                assert writing is not None
                while writing.task is not None:
                    with suppress(BlockingIOError):
                        while True:
                            server._socket.recv(65_536)
                    current_worker().descriptors.notify(current_worker().poller.poll(0.01))
                scope.cancel()

        assert scope.cancelled_caught


@on_every_network
async def test_closing_with_bytes_unread_resets_and_without_ends() -> None:
    for unread in (False, True):
        async with connected() as (client, server):
            if unread:
                await client.write_all(b"never read")
            await server.write_all(b"in time")
            await server.aclose()
            assert await client.read(100) == b"in time"
            if unread:
                with pytest.raises(BrokenResource, match="reset"):
                    await client.read(1)
            assert await client.read(1) == b""
            with pytest.raises(BrokenResource):
                await client.write_all(b"x")


@on_every_network
async def test_a_writer_that_waits_hears_that_the_other_side_is_gone() -> None:
    async with connected() as (client, server):
        assert await fill(client)

        async def write() -> None:
            with pytest.raises(BrokenResource):
                await client.write_all(LARGE)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            await conc.sleep(0.01)
            await server.aclose()


@on_every_network
async def test_closing_wakes_who_reads_and_refuses_a_second_reader() -> None:
    one, other = unix_pair()
    async with one, other:

        async def read() -> None:
            with pytest.raises(ClosedResource):
                await one.read(1)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(read)
            await conc.sleep(0.01)
            with pytest.raises(BusyResource):
                await one.read(1)
            await one.aclose()
        assert await other.read(1) == b""


@on_every_network
async def test_a_cancelled_accept_takes_no_connection() -> None:
    with folder() as here:
        async with await listen_unix(here / "server") as listener:
            with conc.move_on_after(0.01) as scope:
                await listener.accept()
            assert scope.cancelled_caught
            async with await connect_unix(here / "server") as client:
                with conc.CancelScope() as scope:
                    scope.cancel()
                    await listener.accept()
                async with await listener.accept() as server:
                    await client.write_all(b"x")
                    assert await server.read(1) == b"x"


@on_every_network
async def test_closing_a_listener_breaks_what_it_has_not_accepted() -> None:
    with folder() as here:
        listener = await listen_unix(here / "server")
        async with await connect_unix(here / "server") as client:
            await listener.aclose()
            with pytest.raises(BrokenResource):
                await client.write_all(b"x")
            with pytest.raises(BrokenResource, match="reset"):
                await client.read(1)


@on_every_network
async def test_an_attempt_to_reach_nobody_fails_at_once() -> None:
    with folder() as here:
        async with await listen_unix(here / "server"):
            pass
        attempts: list[tuple[Callable[[], Awaitable[UnixStream]], type[OSError]]] = [
            (lambda: connect_unix(here / "server"), FileNotFoundError),
            (lambda: connect_unix("\0conc-nobody"), ConnectionRefusedError),
        ]
        for attempt, kind in attempts:
            with pytest.raises(kind, match="cannot connect to"):
                await attempt()


@on_every_network
async def test_who_looks_at_bytes_reads_them_afterwards() -> None:
    async with connected() as (client, server):
        await client.write_all(b"hello")
        assert await server.peek(3) == b"hel"
        buffer = bytearray(10)
        assert await server.read_into(buffer) == 5
        assert buffer[:5] == b"hello"
