"""What goes through a BufWriter comes out at the other side, in order and once, in whatever pieces it is taken."""

from __future__ import annotations

import array
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import AsyncWrite, BufWriter
from conc_testing import duplex
from tests.io.buf_sink import Slow


class WriterModel:
    """A BufWriter over a stream that takes everything at once."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.sent = b""
        self.unsent = b""

    def write_all(self, *buffers: bytes) -> None:
        data = b"".join(buffers)
        if len(self.unsent) + len(data) > self.capacity:
            self.sent += self.unsent + data
            self.unsent = b""
        else:
            self.unsent += data

    def flush(self) -> None:
        self.sent += self.unsent
        self.unsent = b""

    def cancelled(self, data: bytes, taken: int, sent: int) -> None:
        """An operation that was cancelled when it had taken so many bytes of `data`, and sent so many of all."""
        rest = self.unsent + data[:taken]
        self.sent += rest[:sent]
        self.unsent = rest[sent:]


WRITES = st.tuples(st.just("write_all"), st.lists(st.text("abc", max_size=9).map(str.encode), max_size=3))
OPERATIONS: st.SearchStrategy[tuple[str, list[bytes]]] = WRITES | st.tuples(st.just("flush"), st.just([]))
ROOM = st.lists(st.integers(0, 7), min_size=1, max_size=20)


@given(st.integers(1, 12), ROOM, st.lists(OPERATIONS, max_size=10))
async def test_any_writes_reach_the_stream_in_order_whatever_it_takes_at_a_time(
    capacity: int, room: list[int], operations: list[tuple[str, list[bytes]]]
) -> None:
    model = WriterModel(capacity)
    sink = Slow(room)
    writer = BufWriter(sink, capacity)

    for name, args in operations:
        await getattr(writer, name)(*args)
        getattr(model, name)(*args)
        assert (sink.taken, writer.unsent) == (model.sent, model.unsent)
        assert writer.bytes_written == len(model.sent + model.unsent)
        writer._check()


@given(st.integers(1, 12), ROOM, st.lists(st.tuples(OPERATIONS, st.integers(0, 4)), max_size=10))
async def test_a_cancelled_operation_is_continued_wherever_it_is_cancelled(
    capacity: int, room: list[int], operations: list[tuple[tuple[str, list[bytes]], int]]
) -> None:
    model = WriterModel(capacity)
    sink = Slow(room)
    writer = BufWriter(sink, capacity)

    for (name, args), seconds in operations:
        taken, sent = writer.bytes_written, len(sink.taken)
        with conc.move_on_after(seconds) as scope:
            await getattr(writer, name)(*args)
        if scope.cancelled_caught:
            model.cancelled(b"".join(args), writer.bytes_written - taken, len(sink.taken) - sent)
        else:
            getattr(model, name)(*args)
        assert (sink.taken, writer.unsent) == (model.sent, model.unsent)
        writer._check()
    everything = model.sent + model.unsent
    await writer.flush()

    assert sink.taken == everything
    assert writer.bytes_written == len(everything)


async def test_small_writes_go_out_together() -> None:
    sink = Slow()
    writer = BufWriter(sink)

    for word in (b"all ", b"in ", b"one"):
        await writer.write_all(word)
    assert sink.calls == []
    await writer.flush()

    assert sink.calls == [[b"all in one"]]


async def test_a_write_that_does_not_fit_goes_out_with_what_is_buffered_without_being_joined() -> None:
    sink = Slow()
    writer = BufWriter(sink, 10)
    large = b"x" * 100

    await writer.write_all(b"head")
    await writer.write_all(large, bytearray(b"tail"))
    await writer.write_all(large)

    assert sink.calls == [[b"head", large, b"tail"], [large]]
    assert writer.unsent == b""


async def test_the_buffer_is_filled_to_the_last_byte() -> None:
    sink = Slow()
    writer = BufWriter(sink, 4)

    await writer.write_all(b"ab", b"cd")
    assert (sink.taken, writer.unsent) == (b"", b"abcd")
    await writer.write_all(b"")
    assert sink.taken == b""
    await writer.write_all(b"e")

    assert (sink.taken, writer.unsent) == (b"abcde", b"")


async def test_what_the_caller_changes_later_was_taken_before() -> None:
    sink = Slow()
    writer = BufWriter(sink)
    data = bytearray(b"before")

    await writer.write_all(data)
    data[:] = b"after!"
    await writer.write_all(memoryview(data)[:5])
    await writer.flush()

    assert sink.taken == b"beforeafter"


async def test_a_view_of_numbers_is_counted_in_bytes() -> None:
    writer = BufWriter(Slow(), 8)

    await writer.write_all(memoryview(array.array("I", [1, 2])))

    assert (writer.bytes_written, len(writer.unsent)) == (8, 8)
    writer._check()


@pytest.mark.parametrize("wrong", ["text", 5, None, [1, 2], memoryview(b"abcd")[::2]])
async def test_what_is_not_bytes_is_refused_before_anything_is_taken(wrong: Any) -> None:
    writer = BufWriter(Slow())

    with pytest.raises(TypeError, match="must be contiguous bytes"):
        await writer.write_all(b"good", wrong)
    with pytest.raises(TypeError, match="must be contiguous bytes"):
        await writer.write_all(wrong)

    assert writer.bytes_written == 0


async def test_every_operation_is_a_cancel_point_and_nothing_has_happened() -> None:
    sink = Slow()
    writer = BufWriter(sink, 10)
    await writer.write_all(b"abc")

    operations: list[Callable[[], Awaitable[None]]] = [
        lambda: writer.write_all(b"x"),
        lambda: writer.write_all(b"x" * 20),
        writer.write_all,
        writer.flush,
        writer.close_write,
    ]
    for operation in operations:
        with conc.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught
        assert (sink.taken, writer.unsent, writer.bytes_written, sink.ended) == (b"", b"abc", 3, False)


async def test_a_block_that_ends_flushes_and_one_that_raises_does_not() -> None:
    sink = Slow()

    async with BufWriter(sink) as writer:
        await writer.write_all(b"sent")
    with pytest.raises(ZeroDivisionError):
        async with BufWriter(sink) as writer:
            await writer.write_all(b"half of someth")
            raise ZeroDivisionError

    assert (sink.taken, sink.ended) == (b"sent", False)
    assert writer.unsent == b"half of someth"


async def test_close_write_sends_what_is_unsent_and_then_the_end() -> None:
    sink = Slow()
    async with BufWriter(sink) as writer:
        await writer.write_all(b"last words")
        await writer.close_write()
        assert (sink.taken, sink.ended) == (b"last words", True)

        await writer.close_write()
        await writer.flush()
        with pytest.raises(ClosedResource, match="nothing more can be written"):
            await writer.write_all(b"x")

    assert sink.taken == b"last words"


async def test_a_close_write_that_is_cancelled_has_not_happened() -> None:
    sink = Slow([3, 0, 100])
    writer = BufWriter(sink)
    await writer.write_all(b"abcdef")

    with conc.move_on_after(0.5) as scope:
        await writer.close_write()

    assert scope.cancelled_caught
    assert (sink.taken, writer.unsent, sink.ended) == (b"abc", b"def", False)
    await writer.write_all(b"g")
    await writer.close_write()
    assert (sink.taken, sink.ended) == (b"abcdefg", True)


async def test_flushing_flushes_what_the_stream_keeps_back() -> None:
    sink = Slow()
    below = BufWriter(sink)
    above = BufWriter(below)

    await above.write_all(b"through both")
    await above.flush()

    assert sink.taken == b"through both"
    assert (above.unsent, below.unsent) == (b"", b"")


async def test_a_flush_goes_on_below_if_it_was_cancelled_there() -> None:
    sink = Slow([3, 0, 100])
    above = BufWriter(BufWriter(sink))
    await above.write_all(b"abcdef")

    with conc.move_on_after(0.5) as scope:
        await above.flush()
    assert (scope.cancelled_caught, above.unsent, sink.taken) == (True, b"", b"abc")
    await above.flush()

    assert sink.taken == b"abcdef"


async def test_a_second_task_may_not_write_while_one_waits_for_room() -> None:
    sink = Slow([0, 100])
    writer = BufWriter(sink, 4)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(writer.write_all, b"first and long")
        await conc.sleep(0.5)
        operations: list[Callable[[], Awaitable[None]]] = [
            lambda: writer.write_all(b"x"),
            writer.flush,
            writer.close_write,
        ]
        for operation in operations:
            with pytest.raises(BusyResource, match="one task at a time"):
                await operation()

    assert sink.taken == b"first and long"


async def test_what_a_broken_stream_did_not_take_stays_unsent() -> None:
    a, b = duplex(capacity=4)
    writer = BufWriter(a, 100)
    await writer.write_all(b"abcdefgh")
    with conc.move_on_after(1):
        await writer.flush()
    assert await b.read(2) == b"ab"
    await b.aclose()

    for _ in range(2):
        with pytest.raises(BrokenResource):
            await writer.flush()

    assert writer.unsent == b"efgh"
    assert writer.bytes_written == 8
    await writer.write_all(b"more")  # the buffer has room; only the stream knows that it is broken
    assert writer.unsent == b"efghmore"
    with pytest.raises(BrokenResource):
        await writer.write_all(b"x" * 100)
    assert (writer.unsent, writer.bytes_written) == (b"efghmore", 12)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_writer_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match=r"^capacity must be at least 1"):
        BufWriter(Slow(), capacity)


async def test_a_writer_shows_its_stream_and_how_much_is_unsent() -> None:
    sink = Slow()
    writer = BufWriter(sink)
    await writer.write_all(b"abc")

    assert isinstance(writer, AsyncWrite)
    assert repr(writer) == "<BufWriter of <a slow sink>, 3 bytes unsent>"
    await writer.close_write()
    assert repr(writer) == "<BufWriter of <a slow sink>, closed for writing, 0 bytes unsent>"
