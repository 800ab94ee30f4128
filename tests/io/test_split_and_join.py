"""split, unsplit and join: the directions of a stream taken apart and put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

import conc
from conc.errors import BusyResource, ClosedResource
from conc.io import (
    AsyncRead,
    AsyncWrite,
    BufWriter,
    DuplexStream,
    ReadHalf,
    Stream,
    WriteHalf,
    copy,
    duplex,
    empty,
    join,
    open_pipe,
    simplex,
    sink,
    split,
    unsplit,
)
from conc_testing import check_stream, settle


async def test_halves_that_were_joined_again_are_a_stream() -> None:
    async def make() -> tuple[Stream, Stream]:
        one, other = duplex()
        return join(*split(one)), join(*split(other))

    await check_stream(make)


async def test_two_pipes_joined_at_both_sides_are_a_stream() -> None:
    async def make() -> tuple[Stream, Stream]:
        one_reader, other_writer = open_pipe()
        other_reader, one_writer = open_pipe()
        return join(one_reader, one_writer), join(other_reader, other_writer)

    await check_stream(make)


async def test_the_stream_that_was_split_comes_back() -> None:
    async def make() -> tuple[Stream, Stream]:
        one, other = duplex()
        assert unsplit(*split(one)) is one
        return one, unsplit(*split(other))

    await check_stream(make)


def test_the_halves_have_a_direction_each() -> None:
    reader, writer = split(duplex()[0])
    assert isinstance(reader, AsyncRead)
    assert isinstance(writer, AsyncWrite)
    assert not isinstance(reader, AsyncWrite)
    assert not isinstance(writer, AsyncRead)
    assert repr(reader) == "<ReadHalf of <DuplexStream, 0 bytes to read, 0 bytes on their way>>"


@asynccontextmanager
async def split_pair() -> AsyncIterator[tuple[ReadHalf, WriteHalf, Stream, Stream]]:
    one, other = duplex(4)
    async with one, other:
        reader, writer = split(one)
        yield reader, writer, one, other


async def test_closing_the_half_that_writes_ends_its_direction_only() -> None:
    """Of Tokio's halves it does not, when dropped (6878)."""
    async with split_pair() as (reader, writer, _, other):
        await writer.write_all(b"abc")
        await writer.aclose()
        await writer.aclose()
        assert [await other.read(9), await other.read(9)] == [b"abc", b""]
        await other.write_all(b"def")
        assert await reader.read(9) == b"def"


async def test_the_stream_is_closed_with_its_second_half_in_either_order() -> None:
    async with split_pair() as (reader, writer, one, other):
        async with reader:
            await other.write_all(b"x")
        with pytest.raises(ClosedResource, match=r"<ReadHalf of .*, closed> was closed"):
            await reader.read(1)
        await writer.write_all(b"open")
        async with writer:
            pass
        with pytest.raises(ClosedResource):
            await one.read(1)
    async with split_pair() as (reader, writer, one, other):
        await writer.aclose()
        await reader.aclose()
        with pytest.raises(ClosedResource):
            await one.read(1)


@pytest.mark.parametrize("first", [0, 1])
async def test_closing_halves_is_a_cancel_point_and_happens_all_the_same(first: int) -> None:
    async with split_pair() as (reader, writer, one, other):
        for half in (reader, writer) if first == 0 else (writer, reader):
            with conc.CancelScope() as scope:
                scope.cancel()
                await half.aclose()
            assert scope.cancelled_caught
        assert await other.read(1) == b""
        with pytest.raises(ClosedResource):
            await one.read(1)


async def test_a_direction_that_cannot_be_ended_at_once_does_not_hold_up_closing() -> None:
    one, other = duplex(1)
    writer = BufWriter(one)
    reader, half = split(join(one, writer))
    await half.write_all(b"nobody reads this")
    before = conc.current_time()
    with conc.CancelScope() as scope:
        scope.cancel()
        await half.aclose()
    assert scope.cancelled_caught
    assert conc.current_time() - before == pytest.approx(0.01)
    await reader.aclose()
    assert [await other.read(9), await other.read(9)] == [b"n", b""]


async def test_halves_that_are_closed_at_the_same_time_close_the_stream_once(nursery: conc.Nursery) -> None:
    happened: list[str] = []

    class Slow(DuplexStream):
        async def close_write(self) -> None:
            happened.append("ends")
            await conc.sleep(0.005)
            await super().close_write()
            happened.append("has ended")

        async def aclose(self) -> None:
            happened.append("closes")
            await super().aclose()

    one, other = duplex()
    reader, writer = split(Slow(one._source, one._sink))
    nursery.start_soon(writer.aclose)
    await settle()
    await reader.aclose()
    await conc.sleep(1)
    assert happened == ["ends", "has ended", "closes"]
    assert await other.read(1) == b""


async def test_a_half_is_not_closed_under_who_writes_without_a_word(nursery: conc.Nursery) -> None:
    async with split_pair() as (_, writer, _, other):
        nursery.start_soon(writer.write_all, b"abcdef")
        await settle()
        with pytest.raises(BusyResource):
            await writer.aclose()
        assert await other.read(9) == b"abcd"


async def test_a_closed_half_refuses_every_operation() -> None:
    async with split_pair() as (_, writer, _, _):
        await writer.aclose()
        operations: tuple[Callable[[], Awaitable[None]], ...] = (writer.write_all, writer.close_write, writer.flush)
        for operation in operations:
            with pytest.raises(ClosedResource, match="WriteHalf"):
                await operation()


async def test_the_halves_work_in_strands_of_their_own() -> None:
    one, other = duplex(10)
    reader, writer = split(one)

    async def write() -> None:
        async with writer:
            for number in range(100):
                await writer.write_all(b"%03d" % number)

    async def read() -> bytes:
        got = b""
        async with reader:
            while part := await reader.read(7):
                got += part
        return got

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(write)
        reading = nursery.start_soon(read)
        nursery.start_soon(copy_and_end, other)
    assert await reading.join() == b"".join(b"%03d" % number for number in range(100))
    assert writer.bytes_written == 300


async def copy_and_end(stream: Stream) -> None:
    await copy(stream, stream)
    await stream.close_write()


async def test_only_two_open_halves_of_one_stream_can_be_put_together() -> None:
    one, other = duplex()
    reader, writer = split(one)
    other_reader, _ = split(other)
    with pytest.raises(ValueError, match="halves of one stream"):
        unsplit(other_reader, writer)
    assert unsplit(reader, writer) is one
    with pytest.raises(ClosedResource):
        unsplit(reader, writer)
    with pytest.raises(ClosedResource):
        await reader.read(1)
    await one.write_all(b"x")
    assert await other.read(1) == b"x"


async def test_what_is_no_stream_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="stream must have the methods"):
        split(sink())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="reader must have the methods"):
        join(sink(), sink())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="writer must have the methods"):
        join(empty(), b"")  # type: ignore[arg-type]


async def test_a_joined_stream_reads_here_and_writes_there() -> None:
    one, far = duplex()
    writer, reader = simplex()
    async with join(one, writer) as stream:
        await stream.write_all(b"abc", b"def")
        await far.write_all(b"ghi")
        assert (await stream.read(9), await reader.read(9), stream.bytes_written) == (b"ghi", b"abcdef", 6)
        assert repr(stream).startswith("<JoinedStream of <DuplexStream")
        await stream.close_write()
        assert await reader.read(1) == b""
    assert await far.read(1) == b""


class OnlyWrites:
    """A writer of a third party, that cannot be closed."""

    def __init__(self) -> None:
        self.bytes_written = 0
        self.ended = False

    async def write_all(self, *buffers: bytes) -> None:
        await conc.checkpoint()
        self.bytes_written += sum(map(len, buffers))

    async def close_write(self) -> None:
        await conc.checkpoint()
        self.ended = True


async def test_a_writer_that_cannot_be_closed_is_told_of_the_end() -> None:
    writer = OnlyWrites()
    with conc.CancelScope() as scope:
        scope.cancel()
        await join(empty(), writer).aclose()  # type: ignore[arg-type]
    assert (scope.cancelled_caught, writer.ended) == (True, True)


async def test_flushing_goes_through_to_what_keeps_bytes_back() -> None:
    one, other = duplex()
    stream = join(one, BufWriter(one))
    _, half = split(stream)
    await half.write_all(b"abc")
    assert other._source.size == 0
    await half.flush()
    assert other.read_nowait(9) == b"abc"
    await join(one, one).flush()  # nothing is kept back, and nothing happens
