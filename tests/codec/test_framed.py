"""Framed: both directions of one stream, over memory and over TCP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.codec import Framed, FramedRead, FramedWrite, LengthDelimitedCodec, LinesCodec
from conc.errors import BrokenResource, ClosedResource, EndOfChannel, TaskCancelled
from conc_testing import Budget, duplex, explore, script
from tests.net.support import connected, on_every_network, reset


@on_every_network
async def test_frames_go_both_ways_at_once() -> None:
    large = [bytes([number]) * 100_000 for number in range(20)]
    async with connected() as (client, server):
        here = Framed(client, LengthDelimitedCodec())
        there = Framed(server, LengthDelimitedCodec())

        async def send_all(framed: Framed[bytes, bytes]) -> None:
            for frame in large:
                await framed.send(frame)
            await framed.close_write()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(send_all, here)
            nursery.start_soon(send_all, there)
            assert [frame async for frame in here] == large
            assert [frame async for frame in there] == large


@on_every_network
async def test_a_reset_is_no_orderly_end() -> None:
    async with connected() as (client, server):
        framed = Framed(client, LinesCodec())
        await framed.send("hello")
        assert await server.read(100) == b"hello\n"
        reset(server)
        with pytest.raises(BrokenResource):
            await framed.receive()


async def test_the_bytes_on_the_wire_are_those_of_the_codec() -> None:
    peer = script("greeter").expect(b"\0\0\0\x05hello").provide(b"\0\0\0").provide(b"\x02h").provide(b"i").end()
    async with peer.stream() as stream:
        framed = Framed(stream, LengthDelimitedCodec())
        await framed.send(b"hello")
        assert await framed.receive() == b"hi"
        with pytest.raises(EndOfChannel):
            await framed.receive()


async def test_halves_of_a_stream_may_have_codecs_of_their_own() -> None:
    a, b = duplex()
    await FramedWrite(a, LinesCodec()).send("down")
    await FramedWrite(b, LengthDelimitedCodec()).send(b"up")

    assert await FramedRead(b, LinesCodec()).receive() == "down"
    assert await FramedRead(a, LengthDelimitedCodec()).receive() == b"up"


async def test_leaving_the_block_closes_the_stream_and_wakes_who_receives() -> None:
    a, b = duplex()
    async with conc.open_nursery() as nursery:
        async with Framed(a, LinesCodec()) as framed:
            task = nursery.start_soon(_is_refused, framed)
            await conc.sleep(1)
        await task.join()
    assert await b.read(1) == b""


async def _is_refused(framed: Framed[str, str]) -> None:
    with pytest.raises(ClosedResource):
        await framed.receive()


async def test_a_protocol_that_changes_its_codec_loses_no_byte() -> None:
    a, b = duplex()
    await b.write_all(b"STARTFRAMES\n\0\0\0\x02hi")
    lines = Framed(a, LinesCodec())
    assert await lines.receive() == "STARTFRAMES"
    frames = Framed(lines.stream, LengthDelimitedCodec(), buffered=lines.buffered)

    assert await frames.receive() == b"hi"


def test_however_send_and_receive_are_cancelled_no_frame_is_torn_lost_or_doubled() -> None:
    frames = [b"first", b"", b"third"]

    async def scenario() -> None:
        left, right = duplex(5, chunk="choice")
        writer = Framed(left, LengthDelimitedCodec())
        reader = Framed(right, LengthDelimitedCodec())
        received: list[bytes] = []

        async def send() -> None:
            while writer.frames_sent < len(frames):  # a cancelled send has sent its frame, or has not
                await writer.send(frames[writer.frames_sent])
            await writer.close_write()

        async def receive() -> None:
            async for frame in reader:
                received.append(frame)  # noqa: PERF401  # it may be cancelled in between

        async with conc.open_nursery() as nursery:
            nursery.start_soon(until_it_ends, send, "sender", name="sending")
            nursery.start_soon(until_it_ends, receive, "receiver", name="receiving")
        writer._check()
        assert received == frames

    report = explore(
        scenario, budget=Budget(runs=1500, seconds=25), cancel="sweep", sweep_tasks="*er", plan=("random",)
    )
    report.assert_ok()


async def until_it_ends(async_fn: Callable[[], Awaitable[None]], name: str) -> None:
    """Run it in a task of its own, and again if that was cancelled."""
    async with conc.open_nursery() as nursery:
        while True:
            try:
                await nursery.start_soon(async_fn, name=name).join()
                return
            except TaskCancelled:
                continue
