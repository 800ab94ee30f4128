"""TCP streams, on loopback and in memory: what a cancelled read or write has done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import conc
from conc._kernel.current import current_worker
from conc._os.poller import READ
from tests.net.support import LARGE, connected, fill, on_every_network, read_all


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
async def test_a_writer_that_was_woken_a_moment_before_the_cancellation_does_not_wait_again() -> None:
    async with connected() as (client, server):
        await fill(client)
        with conc.fail_after(5), conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(client.write_all, LARGE * 64)
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
async def test_a_reader_that_was_woken_for_nothing_before_the_cancellation_does_not_wait_again() -> None:
    async with connected() as (client, _):
        with conc.fail_after(5), conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(client.read, 1)
                await conc.sleep(0.01)
                current_worker().descriptors.notify([(client._fd, READ)])
                scope.cancel()

        assert scope.cancelled_caught


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
        operations: list[Callable[[], Awaitable[None]]] = [
            lambda: client.write_all(b"x"),
            lambda: client.write_all(b"x", b"y"),
            client.close_write,
        ]
        for operation in operations:
            with conc.CancelScope() as scope:
                scope.cancel()
                await operation()
            assert scope.cancelled_caught
        assert client.bytes_written == 0

        await client.write_all(b"still open")
        assert await server.read(100) == b"still open"
