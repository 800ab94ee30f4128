"""What a BufReader gives out depends on the bytes of the stream, and not on the pieces they come in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import BusyResource, ClosedResource, IncompleteRead, LimitExceeded, WouldBlock
from conc.io import AsyncBufRead, AsyncRead, BufReader
from conc_testing import duplex
from tests.io.pieces import Pieces

Result = int | bytes | tuple[str, bytes] | tuple[str, int]


class Model:
    """A BufReader over bytes that are all there."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, n: int) -> bytes:
        data, self.rest = self.rest[:n], self.rest[n:]
        return data

    def read_exact(self, n: int) -> Result:
        return self.take(n) if n <= len(self.rest) else ("incomplete", self.rest)

    def read_until(self, delimiter: bytes, limit: int) -> Result:
        end = self.rest.find(delimiter) + len(delimiter)
        if len(delimiter) <= end <= limit:
            return self.take(end)
        if end >= len(delimiter) or len(self.rest) >= limit:
            return ("limit", limit)
        return ("incomplete", self.rest) if self.rest else b""

    def read_line(self, limit: int) -> Result:
        line = self.read_until(b"\n", limit)
        return self.take(len(self.rest)) if line == ("incomplete", self.rest) else line

    def read_to_end(self, limit: int) -> Result:
        return self.take(len(self.rest)) if len(self.rest) <= limit else ("limit", limit)

    def read_int(self, size: int) -> Result:
        return int.from_bytes(self.take(size), "big") if size <= len(self.rest) else ("incomplete", self.rest)

    def peek(self, n: int) -> Result:
        return self.rest[:n]


OPERATIONS = st.one_of(
    st.tuples(st.just("read_exact"), st.integers(0, 12)),
    st.tuples(st.just("read_until"), st.sampled_from([b"\n", b"ab", b"aab", b"\n\n"]), st.integers(3, 12)),
    st.tuples(st.just("read_line"), st.integers(1, 12)),
    st.tuples(st.just("read_to_end"), st.integers(0, 30)),
    st.tuples(st.just("read_int"), st.integers(1, 5)),
    st.tuples(st.just("peek"), st.integers(1, 12)),
)
# What gives as much as happens to be there.
SOME = st.tuples(st.sampled_from(["read", "read_nowait", "read_into", "consume"]), st.integers(1, 9))
# Few different bytes, so that delimiters and halves of them are frequent.
PIECES = st.lists(st.text("ab\n", max_size=6).map(str.encode), max_size=12)


async def result_of(reader: BufReader, name: str, *args: Any) -> Result:
    operation: Callable[..., Awaitable[Result]] = getattr(reader, name)
    try:
        return await operation(*args)
    except IncompleteRead as error:
        return ("incomplete", error.partial)
    except LimitExceeded as error:
        return ("limit", error.limit)


async def some_of(reader: BufReader, name: str, n: int) -> bytes:
    """At most `n` bytes, taken by an operation that gives what there is."""
    if name == "read":
        return await reader.read(n)
    if name == "read_into":
        room = bytearray(n)
        return bytes(room[: await reader.read_into(room)])
    if name == "consume":
        shown = await reader.peek(n)
        reader.consume(len(shown))
        return shown
    try:
        return reader.read_nowait(n)
    except WouldBlock:
        return await reader.read(n)


@given(PIECES, st.lists(OPERATIONS | SOME, max_size=10))
async def test_any_operations_give_what_they_give_on_bytes_that_are_all_there(
    pieces: list[bytes], operations: list[tuple[Any, ...]]
) -> None:
    model = Model(b"".join(pieces))
    reader = BufReader(Pieces(pieces))

    for name, *args in operations:
        if hasattr(model, name):
            expected = getattr(model, name)(*args)
            assert await result_of(reader, name, *args) == expected
        else:
            buffered = reader.buffered
            part = await some_of(reader, name, *args)
            assert part == model.take(len(part))
            assert len(part) <= args[0]
            assert part.startswith(buffered[: args[0]])
            assert part or not model.rest
        assert model.rest.startswith(reader.buffered)
        reader._check()


@given(PIECES, st.lists(st.tuples(OPERATIONS, st.integers(0, 4)), max_size=6))
async def test_a_cancelled_operation_loses_no_byte_wherever_it_is_cancelled(
    pieces: list[bytes], operations: list[tuple[tuple[Any, ...], int]]
) -> None:
    model = Model(b"".join(pieces))
    reader = BufReader(Pieces(pieces))

    for (name, *args), seconds in operations:
        result: Result | None = None
        with conc.move_on_after(seconds) as scope:
            result = await result_of(reader, name, *args)
        if scope.cancelled_caught:
            assert model.rest.startswith(reader.buffered)
        else:
            assert result == getattr(model, name)(*args)


@given(PIECES, st.integers(1, 8))
async def test_read_gives_what_is_buffered_before_it_asks_the_stream(pieces: list[bytes], n: int) -> None:
    reader = BufReader(Pieces(pieces))
    expected = b"".join(pieces)
    got = b""

    await result_of(reader, "read_until", b"ab", 4)
    while (buffered := reader.buffered) or (part := await reader.read(n)):
        if buffered:
            part = await reader.read(n)
            assert part == buffered[:n]
        got += part

    assert expected.endswith(got)
    assert await reader.read(n) == b""


@given(PIECES)
async def test_lines_are_those_of_bytes_splitlines_without_their_ends(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()

    assert [line async for line in BufReader(Pieces(pieces)).lines()] == expected


async def test_lines_drop_the_carriage_return_before_a_line_end_and_no_other() -> None:
    reader = BufReader(Pieces([b"a\r\nb\r\r\n\r", b"c\n\nend\r"]))

    assert [line async for line in reader.lines()] == [b"a", b"b\r", b"\rc", b"", b"end\r"]


async def test_leaving_a_loop_over_lines_loses_nothing() -> None:
    reader = BufReader(Pieces([b"one\ntwo\nthr", b"ee\nfour"]))

    async for line in reader.lines():
        assert line == b"one"
        break

    assert await reader.read_line() == b"two\n"
    assert [line async for line in reader.lines()] == [b"three", b"four"]


async def test_read_line_gives_the_last_line_without_an_end_and_then_nothing() -> None:
    reader = BufReader(Pieces([b"one\ntwo"]))

    assert await reader.read_line() == b"one\n"
    assert await reader.read_line() == b"two"
    assert await reader.read_line() == b""


async def test_read_until_gives_nothing_at_a_clean_end() -> None:
    reader = BufReader(Pieces([b"one;"]))

    assert await reader.read_until(b";") == b"one;"
    assert await reader.read_until(b";") == b""


async def test_what_an_incomplete_read_has_read_can_still_be_read() -> None:
    reader = BufReader(Pieces([b"abc", b"de"]))

    with pytest.raises(IncompleteRead, match="after 5 of 8 bytes") as caught:
        await reader.read_exact(8)

    assert caught.value.partial == b"abcde"
    assert await reader.read_exact(5) == b"abcde"


async def test_a_line_that_is_too_long_can_be_read_with_a_larger_limit() -> None:
    reader = BufReader(Pieces([b"a" * 10, b"b" * 10 + b"\n"]))

    with pytest.raises(LimitExceeded) as caught:
        await reader.read_until(b"\n", limit=12)

    assert caught.value.limit == 12
    assert await reader.read_until(b"\n", limit=21) == b"a" * 10 + b"b" * 10 + b"\n"


async def test_a_line_that_comes_in_one_piece_and_is_too_long_is_refused_too() -> None:
    reader = BufReader(Pieces([b"four\n"]))

    with pytest.raises(LimitExceeded):
        await reader.read_line(limit=4)

    assert await reader.read_line(limit=5) == b"four\n"


async def test_a_limit_stops_the_reading_and_not_only_the_result() -> None:
    stream = Pieces([b"x" * 100] * 1_000)
    reader = BufReader(stream)

    with pytest.raises(LimitExceeded):
        await reader.read_until(b"\n", limit=1_000)
    with pytest.raises(LimitExceeded):
        await reader.read_to_end(limit=2_000)

    assert stream.reads == 21


async def test_a_delimiter_may_come_in_pieces() -> None:
    reader = BufReader(Pieces([b"head\r", b"\n\r", b"\nbody"]))

    assert await reader.read_until(b"\r\n\r\n") == b"head\r\n\r\n"
    assert await reader.read_exact(4) == b"body"


async def test_nothing_is_read_from_a_stream_behind_its_end() -> None:
    stream = Pieces([b"end"])
    reader = BufReader(stream)

    assert await reader.read_to_end() == b"end"
    assert await reader.read_to_end() == b""
    assert await reader.read(10) == b""
    assert await reader.read_line() == b""

    assert stream.reads == 2


async def test_every_operation_is_a_cancel_point_even_if_the_bytes_are_there() -> None:
    reader = BufReader(Pieces([b"line\nline\nline\nline\n"]))
    await reader.read_exact(1)

    operations: list[Callable[[], Awaitable[object]]] = [
        lambda: reader.read(1),
        lambda: reader.read_into(bytearray(1)),
        lambda: reader.peek(1),
        lambda: reader.read_int(1),
        lambda: reader.read_exact(1),
        lambda: reader.read_until(b"\n"),
        reader.read_line,
        reader.read_to_end,
        reader.lines().__anext__,
    ]
    for operation in operations:
        before = reader.buffered
        with conc.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught
        assert reader.buffered == before


@pytest.mark.parametrize(
    ("name", "args", "names"),
    [
        ("read", (0,), "max_bytes"),
        ("read_into", (bytearray(),), "buffer"),
        ("peek", (0,), "n"),
        ("read_exact", (-1,), "n"),
        ("read_until", (b"",), "delimiter"),
        ("read_until", (b"abc", 2), "delimiter"),
        ("read_line", (0,), "limit"),
        ("read_to_end", (-1,), "limit"),
    ],
)
async def test_a_bad_argument_is_named_before_anything_is_read(name: str, args: tuple[Any, ...], names: str) -> None:
    stream = Pieces([b"data"])

    with pytest.raises(ValueError, match=f"^{names} must"):
        await getattr(BufReader(stream), name)(*args)

    assert stream.reads == 0


async def test_a_bufreader_is_a_stream_to_read_from_itself() -> None:
    inner = BufReader(Pieces([b"abcd", b"ef"]))
    await inner.read_exact(1)

    assert isinstance(inner, AsyncRead)
    assert await BufReader(inner).read_to_end() == b"bcdef"


async def test_a_reader_shows_its_stream_and_how_much_is_buffered() -> None:
    reader = BufReader(Pieces([b"abc"]))
    await reader.read_exact(1)

    assert repr(reader) == "<BufReader of <0 pieces>, 2 bytes buffered>"


async def test_a_bufreader_shows_what_comes_next_before_it_is_taken() -> None:
    reader = BufReader(Pieces([b"GE", b"T /", b" HTTP"]))

    assert isinstance(reader, AsyncBufRead)
    assert await reader.peek(4) == b"GET "
    assert reader.buffered == b"GET /"
    reader.consume(4)
    assert await reader.peek(100) == b"/ HTTP"
    assert await reader.read_to_end() == b"/ HTTP"
    assert await reader.peek(1) == b""


async def test_only_what_is_buffered_can_be_consumed() -> None:
    reader = BufReader(Pieces([b"abc"]))
    assert await reader.peek(2) == b"ab"

    for n in (-1, 4):
        with pytest.raises(ValueError, match=r"^n must be 0 to 3"):
            reader.consume(n)
    reader.consume(3)

    assert reader.buffered == b""


async def test_what_is_there_is_read_without_waiting_from_a_stream_that_can() -> None:
    class Ready(Pieces):
        def read_nowait(self, max_bytes: int) -> bytes:
            if not self._pieces:
                raise WouldBlock
            return self._pieces.pop(0)

    reader = BufReader(Ready([b"abcd", b""]))

    assert reader.read_nowait(3) == b"abc"
    assert reader.read_nowait(3) == b"d"
    assert reader.read_nowait(3) == b""
    assert reader.read_nowait(3) == b""
    with pytest.raises(WouldBlock, match="no read_nowait"):
        BufReader(Pieces([b"abc"])).read_nowait(1)
    with pytest.raises(ValueError, match=r"^max_bytes must"):
        reader.read_nowait(0)


async def test_a_large_buffer_is_filled_by_the_stream_itself() -> None:
    class Filling(Pieces):
        async def read_into(self, buffer: memoryview) -> int:
            data = await self.read(len(buffer))
            buffer[: len(data)] = data
            return len(data)

    stream = Filling([b"a" * 100, b"b" * 100])
    reader = BufReader(stream)
    room = bytearray(100_000)

    assert await reader.read_into(memoryview(room)[:10]) == 10
    assert await reader.read_into(room) == 90
    assert await reader.read_into(room) == 100
    assert await reader.read_into(room) == 0
    assert await reader.read_into(room) == 0

    assert room[:100] == b"b" * 100
    assert stream.asked == [65_536, 100_000, 100_000]


async def test_many_small_reads_ask_the_stream_once() -> None:
    stream = Pieces([b"abcdef"])
    reader = BufReader(stream)

    assert [await reader.read(2) for _ in range(3)] == [b"ab", b"cd", b"ef"]

    assert stream.asked == [65_536]


async def test_a_read_that_is_larger_than_what_is_asked_for_at_a_time_asks_for_all_of_it() -> None:
    stream = Pieces([b"a" * 1_000_000])

    assert len(await BufReader(stream).read(300_000)) == 300_000

    assert stream.asked == [300_000]


async def test_bytes_that_one_task_puts_together_are_not_taken_by_another() -> None:
    reader = BufReader(Pieces([b"one", b"", b" line\n"]))
    lines: list[bytes] = []

    async def read_line() -> None:
        lines.append(await reader.read_line())

    async with conc.open_nursery() as nursery:
        nursery.start_soon(read_line)
        await conc.sleep(0.5)
        assert reader.buffered == b"one"
        operations: list[Callable[[], Awaitable[object]]] = [
            lambda: reader.read(1),
            lambda: reader.read_exact(1),
            lambda: reader.read_until(b"e"),
            reader.read_line,
            lambda: reader.peek(1),
        ]
        for operation in operations:
            with pytest.raises(BusyResource, match="one task at a time"):
                await operation()
        with pytest.raises(BusyResource, match="one task at a time"):
            reader.read_nowait(1)
        with pytest.raises(BusyResource, match="one task at a time"):
            reader.consume(1)

    assert lines == [b"one line\n"]


async def test_what_was_buffered_before_the_stream_broke_is_not_lost() -> None:
    stream, other = duplex()
    reader = BufReader(stream)
    await other.write_all(b"some")
    with conc.move_on_after(1):
        await reader.read_exact(10)
    await stream.aclose()

    with pytest.raises(ClosedResource):
        await reader.read_exact(10)

    assert await reader.read_exact(4) == b"some"
