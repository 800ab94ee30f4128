"""copy_bidirectional: both ways at once, the end of each side passed on, and an error told with its direction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import BrokenResource, BusyResource
from conc.io import (
    AsyncRead,
    BidirectionalCopy,
    BufStream,
    DuplexStream,
    Empty,
    copy_bidirectional,
    duplex,
    join,
    simplex,
    sink,
)
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc_testing import Budget, VirtualClock, explore, settle
from tests.io.pieces import Pieces
from tests.net.support import LARGE, on_every_network, reset

PIECES = st.lists(st.binary(max_size=6), max_size=6)


async def read_all(stream: AsyncRead) -> bytes:
    parts = []
    while part := await stream.read(65_536):
        parts.append(part)
    return b"".join(parts)


@given(there=PIECES, back=PIECES, capacity=st.integers(1, 9))
def test_all_bytes_go_both_ways_in_order(there: list[bytes], back: list[bytes], capacity: int) -> None:
    async def main() -> None:
        to_b, from_a = simplex(capacity)
        to_a, from_b = simplex(capacity)
        async with conc.open_nursery() as nursery:
            copying = nursery.start_soon(copy_bidirectional, join(Pieces(there), to_a), join(Pieces(back), to_b))
            reading = nursery.start_soon(read_all, from_a)
            assert await read_all(from_b) == b"".join(back)  # it ended: the end was passed on
        assert await reading.join() == b"".join(there)
        assert await copying.join() == (len(b"".join(there)), len(b"".join(back)))

    conc.run(main, clock=VirtualClock())


async def test_the_end_of_one_side_is_passed_on_and_the_other_direction_goes_on(nursery: conc.Nursery) -> None:
    client, a = duplex()
    b, server = duplex()
    copying = nursery.start_soon(copy_bidirectional, a, b)
    await client.write_all(b"question")
    await client.close_write()
    assert await read_all(server) == b"question"
    await server.write_all(b"answer")
    assert await client.read(9) == b"answer"
    assert copying.outcome is None
    await server.close_write()
    assert (await client.read(9), await copying.join()) == (b"", (8, 6))


async def test_neither_stream_is_closed() -> None:
    client, a = duplex()
    b, server = duplex()
    await client.close_write()
    await server.close_write()
    assert await copy_bidirectional(a, b) == (0, 0)
    assert not a._closed
    assert not b._closed


async def test_a_side_that_has_closed_and_gone_is_no_error_if_nothing_is_written_to_it() -> None:
    client, a = duplex()
    b, server = duplex()
    await client.write_all(b"bye")
    await client.aclose()
    async with conc.open_nursery() as nursery:
        copying = nursery.start_soon(copy_bidirectional, a, b)
        assert await read_all(server) == b"bye"
        await server.aclose()
    assert await copying.join() == (3, 0)


async def test_what_buffers_keep_back_is_sent_on_while_nothing_comes() -> None:
    client, a = duplex()
    b, server = duplex()

    async def answer() -> None:
        while question := await server.read(100):
            await server.write_all(question.upper())
        await server.close_write()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(answer)
        nursery.start_soon(copy_bidirectional, BufStream(a), BufStream(b))
        for word in (b"one", b"two"):
            await client.write_all(word)
            assert await client.read(100) == word.upper()
        await client.close_write()
        assert await client.read(1) == b""


# ---- errors ------------------------------------------------------------------------------------------------------


async def test_an_error_ends_both_directions_and_says_in_which_it_was() -> None:
    client, a = duplex()
    b, server = duplex()
    copying = BidirectionalCopy(a, b)
    await server.aclose()
    await client.write_all(b"nobody hears")
    with pytest.raises(BrokenResource, match="the other side is closed") as caught:
        await copying.run()
    assert caught.value.__notes__ == [
        f"while writing to {b!r}, to copy; 0 bytes were copied before",
        "while copying from a to b; the other direction was cancelled",
    ]
    assert copying.a_to_b.pending == b"nobody hears"
    assert copying._errors == []


async def test_an_error_is_told_though_it_was_cancelled_in_the_same_moment() -> None:
    client, a = duplex()
    b, server = duplex()

    async def break_and_cancel() -> None:
        await client.write_all(b"x")
        await server.aclose()
        await conc.checkpoint()
        scope.cancel()

    async with conc.open_nursery() as nursery:
        with conc.CancelScope() as scope:
            nursery.start_soon(break_and_cancel)
            with pytest.raises(BrokenResource):
                await copy_bidirectional(a, b)


async def test_if_both_directions_fail_the_first_error_names_the_second() -> None:
    class Fails(Empty):
        async def read(self, max_bytes: int) -> bytes:
            with conc.CancelScope(shield=True):
                await conc.checkpoint()
            raise BrokenResource("gone")

    with pytest.raises(BrokenResource) as caught:
        await copy_bidirectional(Fails(), Fails())
    notes = caught.value.__notes__
    assert len(notes) == 3
    assert notes[2] == "and in the other direction: BrokenResource('gone')"


@asynccontextmanager
async def tcp_proxied() -> AsyncIterator[tuple[TcpStream, TcpStream, TcpStream, TcpStream]]:
    """A client, the two streams of a proxy, and a server."""
    async with await listen_tcp("127.0.0.1", 0) as listener:
        client = await connect_tcp("127.0.0.1", listener.port)
        a = await listener.accept()
        b = await connect_tcp("127.0.0.1", listener.port)
        server = await listener.accept()
    async with client, a, b, server:
        yield client, a, b, server


@on_every_network
async def test_over_tcp_all_goes_through_and_ends() -> None:
    async with tcp_proxied() as (client, a, b, server), conc.open_nursery() as nursery:
        copying = nursery.start_soon(copy_bidirectional, a, b)

        async def echo() -> None:
            while data := await server.read(65_536):
                await server.write_all(data)
            await server.close_write()

        async def write() -> None:
            await client.write_all(LARGE)
            await client.close_write()

        nursery.start_soon(echo)
        nursery.start_soon(write)
        assert await read_all(client) == LARGE
        assert await copying.join() == (len(LARGE), len(LARGE))


@on_every_network
async def test_a_reset_peer_is_a_broken_resource_with_its_direction() -> None:
    async with tcp_proxied() as (client, a, b, server), conc.open_nursery() as nursery:
        await server.write_all(b"hello")

        async def break_off() -> None:
            assert await client.read(9) == b"hello"
            reset(client)

        nursery.start_soon(break_off)
        with pytest.raises(BrokenResource) as caught:
            await copy_bidirectional(a, b)
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert "while reading from <TcpStream" in caught.value.__notes__[0]
        assert caught.value.__notes__[1] == "while copying from a to b; the other direction was cancelled"


@on_every_network
async def test_it_can_be_cancelled_and_continued_over_tcp() -> None:
    async with tcp_proxied() as (client, a, b, server):
        copying = BidirectionalCopy(a, b)

        async def write() -> None:
            await client.write_all(LARGE * 4)
            await client.close_write()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            with conc.move_on_after(0.05) as scope:
                await copying.run()
            assert scope.cancelled_caught
            assert 0 < copying.a_to_b.copied == b.bytes_written
            nursery.start_soon(copying.run)
            assert await read_all(server) == LARGE * 4
            await server.close_write()
            assert await client.read(1) == b""
        assert await copying.run() == (len(LARGE) * 4, 0)


# ---- use ---------------------------------------------------------------------------------------------------------


async def test_only_one_task_runs_it(nursery: conc.Nursery) -> None:
    copying = BidirectionalCopy(duplex()[0], duplex()[0])
    running = nursery.start_soon(copying.run)
    await settle()
    with pytest.raises(BusyResource, match="<BidirectionalCopy, a to b: <Copy from"):
        await copying.run()
    running.cancel()


async def test_it_is_a_cancel_point_before_anything_happens() -> None:
    client, a = duplex()
    await client.write_all(b"x")
    with conc.CancelScope() as scope:
        scope.cancel()
        await copy_bidirectional(a, duplex()[0])
    assert scope.cancelled_caught
    assert a.read_nowait(9) == b"x"


async def test_what_is_no_stream_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="a must have the methods"):
        await copy_bidirectional(sink(), duplex()[0])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="b must have the methods"):
        await copy_bidirectional(duplex()[0], sink())  # type: ignore[arg-type]


def test_in_every_order_all_bytes_go_both_ways() -> None:
    async def relay() -> None:
        client, a = duplex(2)
        b, server = duplex(3)

        async def use(stream: DuplexStream, data: bytes) -> bytes:
            async def write() -> None:
                await stream.write_all(data)
                await stream.close_write()

            got = b""
            async with stream, conc.open_nursery() as inner:
                inner.start_soon(write)
                while part := await stream.read(2):
                    got += part
            return got

        async with conc.open_nursery() as nursery:
            copying = nursery.start_soon(copy_bidirectional, a, b)
            answer = nursery.start_soon(use, client, b"abcde")
            question = nursery.start_soon(use, server, b"vwxyz")
        assert (await copying.join(), await question.join(), await answer.join()) == ((5, 5), b"abcde", b"vwxyz")

    report = explore(relay, budget=Budget(runs=200, seconds=20))
    report.assert_ok()
    assert report.contested > 0


def test_cancelled_anywhere_it_goes_on_and_nothing_is_lost() -> None:
    async def relay() -> None:
        client, a = duplex(9)
        b, server = duplex(9)
        for stream, data in ((client, b"abcde"), (server, b"vwxyz")):
            await stream.write_all(data)
            await stream.close_write()
        copying = BidirectionalCopy(a, b)
        try:
            await copying.run()
        finally:
            with conc.CancelScope(shield=True):
                assert await copying.run() == (5, 5)
            assert (server.read_nowait(9), client.read_nowait(9)) == (b"abcde", b"vwxyz")
            assert (server.read_nowait(9), client.read_nowait(9)) == (b"", b"")

    async def main() -> None:
        with conc.CancelScope():
            await relay()

    explore(main, budget=Budget(runs=400, seconds=30), cancel="sweep").assert_ok()
