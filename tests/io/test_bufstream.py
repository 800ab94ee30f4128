"""A BufStream is a stream like any other, read with a buffer and written with one; it owns what it wraps."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.io import AsyncBufRead, BufReader, BufStream, Stream
from conc.io.stream import Buffer
from conc.net import connect_tcp, listen_tcp
from conc_testing import MemoryStream, check_stream, duplex


class Prompt(BufStream):
    """Flushes what is written at once, so that the other side sees it as from a stream without a buffer."""

    __slots__ = ()

    async def write_all(self, *buffers: Buffer) -> None:
        await super().write_all(*buffers)
        await self.flush()


@pytest.mark.parametrize(
    "options", [{}, {"capacity": 100, "chunk": 1}, {"latency": 0.01}], ids=["plain", "bits", "slow"]
)
@pytest.mark.parametrize("capacity", [1, 30, 65_536])
async def test_a_bufstream_over_a_duplex_keeps_the_protocol(options: dict[str, Any], capacity: int) -> None:
    async def make() -> tuple[Stream, Stream]:
        a, b = duplex(**options)
        return Prompt(a, capacity), Prompt(b, capacity)

    await check_stream(make)


@pytest.mark.conc(clock="real")
async def test_a_bufstream_over_tcp_keeps_the_protocol() -> None:
    async def make() -> tuple[Stream, Stream]:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            client = await connect_tcp("127.0.0.1", listener.port)
            return Prompt(client), Prompt(await listener.accept())

    await check_stream(make)


def pair(**options: Any) -> tuple[BufStream, MemoryStream]:
    """A BufStream and what it is connected to."""
    a, b = duplex(**options)
    return BufStream(a), b


async def test_questions_and_answers_go_through_one_object() -> None:
    async def answer(stream: BufStream) -> None:
        async for line in stream.lines():
            await stream.write_all(line.upper(), b"\n")
            await stream.flush()
        await stream.aclose()

    a, b = duplex()
    async with conc.open_nursery() as nursery, BufStream(a) as stream:
        nursery.start_soon(answer, BufStream(b))
        for word in (b"one", b"two"):
            await stream.write_all(word, b"\n")
            await stream.flush()
            assert await stream.read_line() == word.upper() + b"\n"
        await stream.close_write()
        assert await stream.read_line() == b""


async def test_a_bufstream_is_a_stream_and_all_that_a_bufreader_is() -> None:
    stream, _ = pair()

    assert isinstance(stream, Stream)
    assert isinstance(stream, AsyncBufRead)
    assert isinstance(stream, BufReader)


async def test_a_block_that_ends_flushes_and_closes() -> None:
    stream, other = pair()

    async with stream:
        await stream.write_all(b"all")
        assert stream.unsent == b"all"

    assert (await other.read(10), await other.read(10)) == (b"all", b"")
    with pytest.raises(ClosedResource):
        await stream.read(1)


async def test_a_block_that_raises_closes_and_does_not_flush() -> None:
    stream, other = pair()

    with pytest.raises(ZeroDivisionError):
        async with stream:
            await stream.write_all(b"half of someth")
            raise ZeroDivisionError

    assert await other.read(10) == b""


async def test_the_error_of_a_block_is_not_covered_by_a_cancellation() -> None:
    stream, _ = pair()

    with pytest.raises(ZeroDivisionError), conc.CancelScope() as scope:
        async with stream:
            scope.cancel()
            raise ZeroDivisionError

    with pytest.raises(ClosedResource):
        await stream.read(1)


async def test_a_block_that_is_cancelled_while_it_flushes_closes() -> None:
    stream, other = pair(capacity=2)

    with conc.move_on_after(1) as scope:
        async with stream:
            await stream.write_all(b"abcd")

    assert scope.cancelled_caught
    assert (await other.read(10), await other.read(10)) == (b"ab", b"")


async def test_a_block_whose_flush_fails_closes_and_says_so() -> None:
    stream, other = pair()
    await other.aclose()

    with pytest.raises(BrokenResource):
        async with stream:
            await stream.write_all(b"for nobody")

    with pytest.raises(ClosedResource):
        await stream.read(1)


async def test_a_block_in_which_writing_was_closed_ends_quietly() -> None:
    stream, other = pair()

    async with stream:
        await stream.write_all(b"all")
        await stream.close_write()
        await other.write_all(b"answer")
        assert await stream.read_exact(6) == b"answer"

    assert await other.read(10) == b"all"


async def test_closing_drops_what_is_in_the_buffers() -> None:
    stream, other = pair()
    await other.write_all(b"two\nlines\n")
    assert await stream.read_line() == b"two\n"
    await stream.write_all(b"unsent")

    await stream.aclose()

    assert (stream.buffered, stream.unsent) == (b"", b"")
    assert await other.read(10) == b""
    for operation in (
        stream.read_line,
        lambda: stream.read(1),
        lambda: stream.peek(1),
        lambda: stream.write_all(b"x"),
        stream.flush,
        stream.close_write,
    ):
        with pytest.raises(ClosedResource):
            await operation()
    stream._check()


async def test_what_has_come_to_its_end_is_closed_nevertheless() -> None:
    stream, other = pair()
    await other.close_write()
    assert await stream.read_line() == b""

    await stream.aclose()

    with pytest.raises(ClosedResource):
        await stream.read_line()


async def test_who_waits_in_the_middle_of_a_line_hears_of_the_closing() -> None:
    stream, other = pair()
    raised: list[ClosedResource] = []

    async def read() -> None:
        with pytest.raises(ClosedResource) as caught:
            await stream.read_line()
        raised.append(caught.value)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(read)
        await other.write_all(b"half a li")
        await conc.sleep(1)
        await stream.aclose()

    assert len(raised) == 1
    stream._check()


async def test_one_task_reads_while_another_waits_for_room_to_write() -> None:
    a, other = duplex(capacity=10)
    stream = BufStream(a, capacity=4)

    async with conc.open_nursery() as nursery:
        writing = nursery.start_soon(stream.write_all, b"more than there is room for")
        reading = nursery.start_soon(stream.read_line)
        await other.write_all(b"in ")
        await other.write_all(b"between\n")
        assert await reading.join() == b"in between\n"
        assert writing.outcome is None
        assert await BufReader(other).read_exact(27) == b"more than there is room for"


async def test_a_bufstream_shows_what_it_keeps() -> None:
    stream, other = pair()
    await other.write_all(b"abc")
    await stream.peek(1)
    await stream.write_all(b"xy")

    assert repr(stream) == f"<BufStream of {stream._stream!r}, 3 bytes buffered, 2 bytes unsent>"
    assert stream.bytes_written == 2
