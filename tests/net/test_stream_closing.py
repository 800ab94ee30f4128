"""TCP streams, on loopback and in memory: closing, who waits meanwhile, and what stays registered."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

import conc
from conc._kernel.current import current_worker
from conc._os.poller import READ
from conc.errors import BusyResource, ClosedResource
from conc.net import connect_tcp, listen_tcp
from conc.net.network import current_network
from conc.sync import Event
from tests.net.support import LARGE, connected, fill, on_every_network, read_all


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


def take_in_events() -> None:
    """Let the worker hear from its poller now: who waited is ready to run then, and does not run yet."""
    worker = current_worker()
    worker.descriptors.notify(worker.poller.poll(0.01))


@on_every_network
async def test_a_writer_that_was_woken_a_moment_before_the_closing_hears_of_it() -> None:
    async with connected() as (client, server):
        await fill(client)

        async def write() -> None:
            with pytest.raises(ClosedResource):
                await client.write_all(LARGE * 8)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            await conc.sleep(0.01)
            writing = client._writing
            assert writing is not None
            while writing.task is not None:
                with suppress(BlockingIOError):
                    while True:
                        server._socket.recv(65_536)
                take_in_events()
            await client.aclose()


@on_every_network
async def test_a_reader_that_was_given_bytes_a_moment_before_the_closing_has_them() -> None:
    async with connected() as (client, server):
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(client.read, 10)
            await conc.sleep(0.01)
            await server.write_all(b"in time")
            take_in_events()
            await client.aclose()

        assert await reading.join() == b"in time"


@on_every_network
async def test_a_reader_that_was_woken_for_nothing_before_the_closing_hears_of_it() -> None:
    async with connected() as (client, _):

        async def read() -> None:
            with pytest.raises(ClosedResource):
                await client.read(1)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(read)
            await conc.sleep(0.01)
            current_worker().descriptors.notify([(client._fd, READ)])
            await client.aclose()


@on_every_network
async def test_who_accepts_and_was_woken_a_moment_before_the_closing_hears_of_it() -> None:
    listener = await listen_tcp("127.0.0.1", 0)

    async def accept() -> None:
        with pytest.raises(ClosedResource):
            await listener.accept()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(accept)
        await conc.sleep(0.01)
        client = current_network().socket(socket.AF_INET, socket.SOCK_STREAM)
        client.connect_ex(listener.address)
        take_in_events()
        await listener.aclose()
        client.close()


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
async def test_a_number_that_was_closed_without_a_word_serves_the_next_stream_well() -> None:
    async with await listen_tcp("127.0.0.1", 0) as listener:
        for _ in range(3):
            client = await connect_tcp("127.0.0.1", listener.port)
            server = await listener.accept()
            async with conc.open_nursery() as nursery:
                reading = nursery.start_soon(server.read, 10)
                await conc.sleep(0.001)
                await client.write_all(b"x")
            assert await reading.join() == b"x"
            client._socket.close()  # as the garbage collector does it
            server._socket.close()
