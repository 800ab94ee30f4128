"""FramedWrite: the three phases of a send, what waits, and what a cancellation in each phase leaves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.codec import BytesCodec, Encoder, FramedWrite, LengthDelimitedCodec, LinesCodec
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io.stream import Buffer
from conc_testing import MemoryStream, duplex


class Sink:
    """A writer that notes what it is given, and takes at most `room` bytes until it is cancelled."""

    def __init__(self, room: int = 1 << 30) -> None:
        self.room = room
        self.calls: list[tuple[Buffer, ...]] = []
        self.got = b""
        self.bytes_written = 0
        self.ended = False

    async def write_all(self, *buffers: Buffer) -> None:
        await conc.lowlevel.checkpoint_if_cancelled()
        self.calls.append(buffers)
        data = b"".join(buffers)
        taken = data[: self.room]
        self.got += taken
        self.bytes_written += len(taken)
        self.room -= len(taken)
        if taken != data:
            await conc.sleep_forever()

    async def close_write(self) -> None:
        await conc.checkpoint()
        self.ended = True


class Flushed(Sink):
    """One that keeps bytes back itself."""

    flushes = 0

    async def flush(self) -> None:
        await conc.checkpoint()
        self.flushes += 1


async def read_some(stream: MemoryStream) -> bytes:
    """What is there, or comes within a second."""
    with conc.move_on_after(1):
        return await stream.read(1 << 20)
    return b""


async def test_a_frame_that_was_sent_has_been_taken_by_the_stream() -> None:
    sink = Sink()
    framed = FramedWrite(sink, LinesCodec())
    await framed.send("one")
    await framed.send("two")

    assert sink.got == b"one\ntwo\n"
    assert framed.frames_sent == 2
    assert framed.pending_bytes == 0


async def test_a_small_frame_goes_out_in_one_buffer_and_a_large_one_is_not_copied() -> None:
    sink = Sink()
    framed = FramedWrite(sink, LengthDelimitedCodec())
    large = b"x" * 100_000
    await framed.send(b"small")
    await framed.send(large)

    assert sink.calls[0] == (b"\0\0\0\x05small",)
    head, body = sink.calls[1]
    assert head == (100_000).to_bytes(4, "big")
    assert body is large


async def test_fed_frames_wait_and_leave_together() -> None:
    sink = Sink()
    framed = FramedWrite(sink, LinesCodec())
    for number in range(100):
        await framed.feed(str(number))
    assert sink.calls == []
    assert framed.pending_bytes == 10 * 2 + 90 * 3

    await framed.flush()
    assert [len(buffers) for buffers in sink.calls] == [1]
    assert sink.got == b"".join(b"%d\n" % number for number in range(100))


async def test_feed_writes_when_more_waits_than_the_boundary_allows() -> None:
    sink = Sink()
    framed = FramedWrite(sink, BytesCodec(), backpressure_boundary=10)
    await framed.feed(b"12345")
    await framed.feed(b"67890")
    assert sink.got == b""
    await framed.feed(b"a")
    assert sink.got == b"1234567890"
    assert framed.pending_bytes == 1


async def test_feed_waits_for_room_and_a_cancelled_one_has_not_fed_its_frame() -> None:
    sink = Sink(room=3)
    framed = FramedWrite(sink, BytesCodec(), backpressure_boundary=4)
    await framed.feed(b"1234")
    with conc.move_on_after(1) as scope:
        await framed.feed(b"5678")

    assert scope.cancelled_caught
    assert (framed.frames_sent, framed.pending_bytes) == (1, 1)
    sink.room = 100
    await framed.send(b"abc")
    assert sink.got == b"1234abc"


async def test_a_send_that_is_cancelled_before_it_begins_has_sent_nothing() -> None:
    sink = Sink()
    framed = FramedWrite(sink, LinesCodec())
    with conc.CancelScope() as scope:
        scope.cancel()
        await framed.send("never")

    assert scope.cancelled_caught
    assert (framed.frames_sent, framed.pending_bytes) == (0, 0)
    await framed.flush()
    assert sink.got == b""


async def test_a_send_that_is_cancelled_while_it_makes_room_has_not_sent_its_frame() -> None:
    sink = Sink(room=5)
    framed = FramedWrite(sink, BytesCodec(), backpressure_boundary=8)
    await framed.feed(b"12345678")
    with conc.move_on_after(1):
        await framed.send(b"never")

    assert (framed.frames_sent, framed.pending_bytes) == (1, 3)
    sink.room = 100
    await framed.send(b"next")
    assert sink.got == b"12345678next"


@pytest.mark.parametrize("room", range(10))
async def test_a_send_that_is_cancelled_at_any_byte_goes_on_there_before_the_next(room: int) -> None:
    sink = Sink(room=room)
    framed = FramedWrite(sink, LengthDelimitedCodec())
    with conc.move_on_after(1) as scope:
        await framed.send(b"123456")
    assert scope.cancelled_caught
    assert framed.frames_sent == 1
    assert framed.pending_bytes == 10 - room

    sink.room = 1000
    await framed.send(b"next")
    assert sink.got == b"\0\0\0\x06123456" + b"\0\0\0\x04next"
    framed._check()


@pytest.mark.parametrize("room", [0, 1, 4, 5, 50_000, 100_003])
async def test_a_large_frame_that_was_cut_goes_on_at_the_byte_where_it_was_cut(room: int) -> None:
    sink = Sink(room=room)
    framed = FramedWrite(sink, LengthDelimitedCodec())
    large = bytes(range(250)) * 400
    with conc.move_on_after(1):
        await framed.send(large)
    sink.room = 1 << 30
    await framed.flush()

    assert sink.got == (100_000).to_bytes(4, "big") + large
    assert framed.pending_bytes == 0


async def test_flushing_what_was_cut_can_be_cut_again() -> None:
    sink = Sink(room=0)
    framed = FramedWrite(sink, BytesCodec())
    for _ in range(3):
        with conc.move_on_after(1):
            await framed.send(b"0123456789")
        sink.room = 7
    with conc.move_on_after(1):
        await framed.flush()
    sink.room = 100
    await framed.flush()

    assert sink.got == b"0123456789" * 3


async def test_a_frame_that_the_encoder_refuses_leaves_nothing_behind() -> None:
    class Halfway(Encoder[bytes]):
        def encode(self, frame: bytes) -> Any:
            yield b"half of "
            if not frame:
                raise ValueError("empty")
            yield frame

    sink = Sink()
    framed = FramedWrite(sink, Halfway())
    with pytest.raises(ValueError, match="empty"):
        await framed.send(b"")
    assert (framed.frames_sent, framed.pending_bytes) == (0, 0)
    await framed.send(b"it")
    assert sink.got == b"half of it"


async def test_another_task_may_not_send_in_the_middle_of_a_frame() -> None:
    a, b = duplex(4)
    framed = FramedWrite(a, LinesCodec())
    async with conc.open_nursery() as nursery:
        nursery.start_soon(framed.send, "a long line")
        await conc.sleep(1)
        operations: list[Callable[[], Awaitable[None]]] = [
            lambda: framed.send("x"),
            lambda: framed.feed("x"),
            framed.flush,
            framed.close_write,
        ]
        for operation in operations:
            with pytest.raises(BusyResource, match="is sending through"):
                await operation()
        got = b""
        while not got.endswith(b"\n"):
            got += await b.read(100)

    assert got == b"a long line\n"
    assert framed.frames_sent == 1


async def test_the_orderly_end_writes_what_waits_before() -> None:
    a, b = duplex()
    framed = FramedWrite(a, LinesCodec())
    await framed.feed("last")
    await framed.close_write()
    await framed.close_write()

    assert await b.read(100) == b"last\n"
    assert await b.read(100) == b""


async def test_closing_drops_what_was_fed() -> None:
    a, b = duplex()
    async with FramedWrite(a, LinesCodec()) as framed:
        assert framed.writer is a
        await framed.feed("dropped")
    assert await b.read(100) == b""
    with pytest.raises(ClosedResource):
        await framed.send("more")


async def test_a_stream_that_broke_is_told_and_what_it_did_not_take_stays() -> None:
    a, b = duplex(4)
    framed = FramedWrite(a, LinesCodec())
    await b.aclose()
    for _ in range(2):
        with pytest.raises(BrokenResource):
            await framed.send("line")
    assert framed.pending_bytes == 10


async def test_a_writer_that_keeps_bytes_back_is_flushed_with_each_send() -> None:
    sink = Flushed()
    framed = FramedWrite(sink, LinesCodec())
    await framed.feed("one")
    assert sink.flushes == 0
    await framed.send("two")
    assert sink.flushes == 1
    await framed.flush()
    assert sink.flushes == 2


async def test_another_encoder_makes_the_frames_from_then_on() -> None:
    sink = Sink()
    framed: FramedWrite[Any] = FramedWrite(sink, LinesCodec())
    await framed.feed("CONNECT")
    framed.encoder = LengthDelimitedCodec(length_field_length=1)
    await framed.send(b"hi")
    assert sink.got == b"CONNECT\n\x02hi"


@pytest.mark.parametrize("boundary", [0, -1])
def test_a_bad_boundary_is_named(boundary: int) -> None:
    with pytest.raises(ValueError, match="backpressure_boundary must be at least 1"):
        FramedWrite(Sink(), LinesCodec(), backpressure_boundary=boundary)
