"""duplex and simplex: a connection in memory keeps what a stream promises, with limited room and nothing behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc._kernel.current import current_task
from conc._os.sync import Lock
from conc.errors import BrokenResource, BusyResource, ClosedResource, Deadlock, WouldBlock
from conc.io import AsyncRead, AsyncWrite, DuplexStream, Stream, duplex, simplex
from conc.io.memory_pipe import Place
from conc_testing import check_stream, settle


@pytest.mark.parametrize("capacity", [1, 3, 4096, 65_536])
async def test_a_duplex_keeps_the_protocol_of_streams(capacity: int) -> None:
    async def make() -> tuple[Stream, Stream]:
        return duplex(capacity)

    await check_stream(make)


async def test_the_two_halves_of_two_simplexes_keep_it_too() -> None:
    async def make() -> tuple[Stream, Stream]:
        one_writer, other_reader = simplex()
        other_writer, one_reader = simplex()
        return conc.io.join(one_reader, one_writer), conc.io.join(other_reader, other_writer)

    await check_stream(make)


@pytest.mark.parametrize("make", [duplex, simplex])
@pytest.mark.parametrize(("capacity", "kind"), [(0, ValueError), (-1, ValueError), (True, TypeError), ("1", TypeError)])
def test_a_bad_capacity_is_refused_by_name(make: Callable[[Any], object], capacity: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="capacity must be"):
        make(capacity)


async def test_a_write_waits_while_there_is_no_room(nursery: conc.Nursery) -> None:
    one, other = duplex(10)
    writing = nursery.start_soon(one.write_all, b"0123456789abcdef")
    await settle()
    assert (one.bytes_written, writing.state) == (10, "waits for room in a pipe in memory of 10 bytes")
    assert await other.read(4) == b"0123"
    assert one.bytes_written == 14  # taken while the writer waits: it wakes up once
    assert await other.read(100) == b"456789abcd"
    await writing.join()
    assert await other.read(100) == b"ef"


async def test_a_read_waits_while_nothing_is_there(nursery: conc.Nursery) -> None:
    one, other = duplex()
    reading = nursery.start_soon(other.read, 10)
    await settle()
    assert reading.state == "waits for bytes from the other end of a pipe in memory"
    await one.write_all(b"abc", b"def")
    assert await reading.join() == b"abcdef"


async def test_each_direction_has_room_of_its_own() -> None:
    one, other = duplex(3)
    await one.write_all(b"abc")
    await other.write_all(b"def")
    assert (await one.read(9), await other.read(9)) == (b"def", b"abc")


async def test_what_was_written_apart_is_read_together_and_the_other_way_round() -> None:
    one, other = duplex()
    for part in (b"ab", bytearray(b"cd"), memoryview(b"ef")):
        await one.write_all(part)
    assert [await other.read(n) for n in (1, 3, 9)] == [b"a", b"bcd", b"ef"]


async def test_what_was_written_does_not_change_with_the_buffer() -> None:
    one, other = duplex()
    buffer = bytearray(b"before")
    await one.write_all(buffer)
    buffer[:] = b"after!"
    assert await other.read(10) == b"before"
    buffer.clear()  # nobody holds on to it either


async def test_bytes_written_whole_are_not_copied() -> None:
    one, other = duplex()
    data = bytes(1000)
    await one.write_all(data)
    assert await other.read(1000) is data


async def test_a_cancelled_write_lets_go_of_its_buffer() -> None:
    one, other = duplex(2)
    buffer = bytearray(b"abcd")
    with conc.move_on_after(1):
        await one.write_all(buffer)
    await conc.checkpoint()  # until then the worker knows the cancellation, and that the frame it went through
    buffer += b"more"  # a BufferError if somebody held it
    assert [other.read_nowait(9), one.bytes_written] == [b"ab", 2]


async def test_read_nowait_returns_what_is_there_or_would_block(nursery: conc.Nursery) -> None:
    one, other = duplex(4)
    with pytest.raises(WouldBlock, match="nothing is there to read from <DuplexStream"):
        other.read_nowait(1)
    writing = nursery.start_soon(one.write_all, b"abcdef")
    await settle()
    assert [other.read_nowait(3), other.read_nowait(9)] == [b"abc", b"def"]
    await writing.join()
    await one.close_write()
    assert other.read_nowait(1) == b""
    with pytest.raises(ValueError, match="max_bytes must be at least 1, not 0"):
        other.read_nowait(0)
    await other.aclose()
    with pytest.raises(ClosedResource):
        other.read_nowait(1)


async def test_read_into_fills_the_beginning_of_a_buffer(nursery: conc.Nursery) -> None:
    one, other = duplex()
    buffer = bytearray(b"........")
    reading = nursery.start_soon(other.read_into, buffer)
    await settle()
    await one.write_all(b"abc")
    assert (await reading.join(), bytes(buffer)) == (3, b"abc.....")
    await one.write_all(b"0123456789")
    assert (await other.read_into(memoryview(buffer)[4:]), bytes(buffer)) == (4, b"abc.0123")
    await one.close_write()
    assert [await other.read_into(buffer), await other.read_into(buffer)] == [6, 0]


@pytest.mark.parametrize(("buffer", "kind"), [(b"abc", TypeError), (bytearray(), ValueError), ("abc", TypeError)])
async def test_a_buffer_that_cannot_be_filled_is_refused(buffer: Any, kind: type[Exception]) -> None:
    one, _ = duplex()
    with pytest.raises(kind, match="buffer must"):
        await one.read_into(buffer)


async def test_each_operation_is_a_cancel_point() -> None:
    one, other = duplex()
    await other.write_all(b"abc")
    for operation in (
        lambda: one.read(1),
        lambda: one.read_into(bytearray(1)),
        lambda: one.write_all(b"x"),
        one.close_write,
        one.aclose,
    ):
        with conc.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught
    assert (one.bytes_written, one._sink.ended) == (0, True)  # aclose has closed all the same


async def test_operations_let_others_run_only_when_they_wait(nursery: conc.Nursery) -> None:
    one, other = duplex()
    ran = []

    async def beside() -> None:
        ran.append(True)

    nursery.start_soon(beside)
    await one.write_all(b"abc")
    assert (await other.read(3), ran) == (b"abc", [])
    await settle()
    assert ran == [True]


async def test_a_second_task_in_one_direction_is_refused_and_the_first_goes_on(nursery: conc.Nursery) -> None:
    one, other = duplex(2)
    reading = nursery.start_soon(one.read, 1)
    writing = nursery.start_soon(one.write_all, b"abc")
    await settle()
    with pytest.raises(BusyResource, match="is reading from"):
        await one.read(1)
    with pytest.raises(BusyResource, match="is reading from"):
        one.read_nowait(1)
    with pytest.raises(BusyResource, match="is writing to"):
        await one.write_all(b"d")
    with pytest.raises(BusyResource, match="is writing to"):
        await one.close_write()
    assert await other.read(3) == b"ab"
    await other.write_all(b"x")
    assert await reading.join() == b"x"
    await writing.join()


# ---- closing -----------------------------------------------------------------------------------------------------


async def test_the_other_end_reads_the_rest_then_the_end_and_cannot_write() -> None:
    one, other = duplex()
    await one.write_all(b"rest")
    await one.aclose()
    with pytest.raises(BrokenResource, match="the other side is closed"):
        await other.write_all(b"x")
    assert [await other.read(2), await other.read(9), await other.read(9)] == [b"re", b"st", b""]


async def test_a_write_that_waits_is_broken_when_the_other_end_closes(nursery: conc.Nursery) -> None:
    """DuplexStream of Tokio once let it wait for ever (3756)."""
    one, other = duplex(2)
    broken = []

    async def write() -> None:
        with pytest.raises(BrokenResource) as caught:
            await one.write_all(b"abcdef")
        broken.append(str(caught.value))

    writing = nursery.start_soon(write)
    await settle()
    await other.aclose()
    await writing.join()
    assert "the other side is closed" in broken[0]
    assert one.bytes_written == 2


async def test_closing_under_who_waits_here_is_a_closed_resource(nursery: conc.Nursery) -> None:
    one, other = duplex(2)
    refused: list[Exception] = []

    async def expect_closed(operation: Callable[[], Any]) -> None:
        with pytest.raises(ClosedResource) as caught:
            await operation()
        refused.append(caught.value)

    nursery.start_soon(expect_closed, lambda: one.read(1))
    nursery.start_soon(expect_closed, lambda: one.write_all(b"abc"))
    await settle()
    await one.aclose()
    await settle()
    assert len(refused) == 2
    assert [await other.read(9), await other.read(9)] == [b"ab", b""]


async def test_an_error_says_whether_the_direction_or_the_stream_was_closed() -> None:
    one, _ = duplex()
    await one.close_write()
    with pytest.raises(ClosedResource, match=r"close_write was called on <DuplexStream.*nothing more to write>"):
        await one.write_all(b"x")
    await one.aclose()
    with pytest.raises(ClosedResource, match=r"<DuplexStream.*, closed> was closed on this side"):
        await one.write_all(b"x")


async def test_close_write_of_an_end_whose_peer_is_gone_is_no_error() -> None:
    one, other = duplex()
    await other.aclose()
    await one.close_write()
    await one.close_write()
    assert await one.read(1) == b""


async def test_leaving_the_block_closes_it() -> None:
    one, other = duplex()
    async with one:
        await one.write_all(b"x")
    assert [await other.read(9), await other.read(9)] == [b"x", b""]


def test_a_wait_that_nobody_can_end_is_a_deadlock() -> None:
    async def main() -> None:
        one, _ = duplex()
        await one.read(1)

    with pytest.raises(Deadlock, match="bytes from the other end of a pipe in memory"):
        conc.run(main)


async def test_a_simplex_has_a_writer_and_a_reader() -> None:
    writer, reader = simplex(4)
    assert isinstance(writer, AsyncWrite)
    assert isinstance(reader, AsyncRead)
    assert not isinstance(reader, AsyncWrite)
    assert not isinstance(writer, AsyncRead)
    await writer.write_all(b"abcd")
    assert (writer.bytes_written, await reader.read(9)) == (4, b"abcd")
    await writer.aclose()
    assert await reader.read(1) == b""


async def test_closing_one_end_of_a_simplex_tells_the_other() -> None:
    """Halves of Tokio's simplex do not close it when they are dropped (6914)."""
    writer, reader = simplex()
    await reader.aclose()
    with pytest.raises(BrokenResource):
        await writer.write_all(b"x")
    with pytest.raises(ClosedResource):
        await reader.read(1)


async def test_a_busy_stream_lets_others_run() -> None:
    """DuplexStream of Tokio once spent no budget (4478)."""
    one, other = duplex()
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await conc.checkpoint()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(count)
        for _ in range(5_000):
            await one.write_all(b"x")
            await other.read(1)
        nursery.cancel_scope.cancel()
    assert turns > 10


def check(*streams: DuplexStream) -> None:
    for stream in streams:
        stream._check()


async def test_what_is_there_can_be_seen_from_outside() -> None:
    one, other = duplex()
    await one.write_all(b"abc")
    check(one, other)
    assert repr(one) == "<DuplexStream, 0 bytes to read, 3 bytes on their way>"
    assert repr(other) == "<DuplexStream, 3 bytes to read, 0 bytes on their way>"
    await one.aclose()
    assert repr(one) == "<DuplexStream, 0 bytes to read, 3 bytes on their way, closed>"
    writer, reader = simplex()
    await writer.write_all(b"x")
    assert (repr(writer), repr(reader)) == (
        "<SimplexWriter, 1 bytes on their way>",
        "<SimplexReader, 1 bytes to read>",
    )


async def test_the_buffers_of_who_waits_to_write_are_his_own() -> None:
    writer, reader = simplex(4)
    data = bytearray(b"0123456789")
    async with conc.open_nursery() as nursery:
        writing = nursery.start_soon(writer.write_all, data, memoryview(b"ab"))
        await settle()
        assert writing.outcome is None
        data[:] = b"changed"  # a view would refuse that, and is nothing to be shared with another thread
        assert await reader.read(3) == b"012"
        assert writer.bytes_written == 7
        assert await reader.read(100) == b"3456"
        assert await reader.read(100) == b"789a"
        assert await reader.read(100) == b"b"
    assert writer.bytes_written == 12


async def test_a_wait_that_another_worker_has_decided_cannot_be_taken_back() -> None:
    lock = Lock()
    place = Place(lock, "nothing")
    task = current_task()
    with lock:
        place.enter(task, 1)
        assert place.grant(b"x") is task
    assert not place.withdraw(task)
    assert task.value == b"x"
    task.wait = task.value = None
