"""empty, sink and repeat: streams without anything behind them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import ClosedResource
from conc.io import AsyncRead, AsyncWrite, Empty, Repeat, Sink, Stream, empty, repeat, sink
from conc_testing import VirtualClock


@given(data=st.binary(min_size=1, max_size=9), sizes=st.lists(st.integers(1, 200_000), max_size=8))
def test_repeat_gives_its_bytes_over_and_over_again(data: bytes, sizes: list[int]) -> None:
    async def main() -> None:
        reader = repeat(data)
        got = b""
        for number, size in enumerate(sizes):
            if number % 3 == 0:
                part = await reader.read(size)
            elif number % 3 == 1:
                part = reader.read_nowait(size)
            else:
                buffer = bytearray(size)
                part = bytes(buffer[: await reader.read_into(buffer)])
            assert len(part) == min(size, 65_536)
            got += part
            reader._check()
        assert got == (data * (len(got) // len(data) + 1))[: len(got)]

    conc.run(main, clock=VirtualClock())


@pytest.mark.parametrize(("data", "kind"), [(b"", ValueError), ("abc", TypeError), (7, TypeError)])
def test_there_must_be_something_to_repeat(data: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        repeat(data)


def test_what_is_repeated_does_not_change_with_the_buffer() -> None:
    buffer = bytearray(b"ab")
    reader = repeat(buffer)
    buffer[:] = b"xy"
    assert reader.read_nowait(3) == b"aba"


async def test_a_sink_takes_everything_until_it_is_closed() -> None:
    writer = sink()
    await writer.write_all(b"abc", bytearray(4))
    await writer.write_all()
    assert writer.bytes_written == 7
    await writer.close_write()
    await writer.close_write()
    with pytest.raises(ClosedResource, match=r"<Sink, 7 bytes written, closed> was closed"):
        await writer.write_all(b"x")
    async with sink() as other:
        pass
    with pytest.raises(ClosedResource):
        await other.write_all(b"x")


async def test_what_is_not_bytes_is_refused_before_anything_is_taken() -> None:
    writer = sink()
    with pytest.raises(TypeError):
        await writer.write_all(b"abc", "abc")  # type: ignore[arg-type]
    assert writer.bytes_written == 0


async def test_empty_is_at_its_end_and_takes_what_is_written() -> None:
    stream = empty()
    buffer = bytearray(b"...")
    assert (await stream.read(9), stream.read_nowait(9), await stream.read_into(buffer)) == (b"", b"", 0)
    assert bytes(buffer) == b"..."
    await stream.write_all(b"abc")
    assert stream.bytes_written == 3
    await stream.aclose()
    await stream.aclose()
    assert await stream.read(9) == b""


@pytest.mark.parametrize("reader", [empty(), repeat(b"a")])
async def test_to_read_less_than_one_byte_is_refused(reader: Empty | Repeat) -> None:
    with pytest.raises(ValueError, match="max_bytes"):
        await reader.read(0)
    with pytest.raises(ValueError, match="max_bytes"):
        reader.read_nowait(0)
    with pytest.raises(ValueError, match="buffer"):
        await reader.read_into(bytearray())


async def test_each_operation_is_a_cancel_point_and_closing_happens_all_the_same() -> None:
    stream, reader = empty(), repeat(b"ab")
    for operation in (
        lambda: stream.read(1),
        lambda: stream.read_into(bytearray(1)),
        lambda: stream.write_all(b"x"),
        stream.close_write,
        lambda: reader.read(1),
        lambda: reader.read_into(bytearray(1)),
        stream.aclose,
    ):
        with conc.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught
    assert (stream.bytes_written, reader.read_nowait(1)) == (0, b"a")
    with pytest.raises(ClosedResource):
        await stream.write_all(b"x")


def test_they_are_what_the_protocols_say() -> None:
    assert isinstance(empty(), Stream)
    assert isinstance(sink(), AsyncWrite)
    assert isinstance(repeat(b"a"), AsyncRead)
    assert not isinstance(sink(), AsyncRead)
    assert isinstance(empty(), Sink)
    assert repr(repeat(b"abc" * 100)) == f"<Repeat of {(b'abc' * 100)[:50]!r}...>"
    assert repr(repeat(b"abc")) == "<Repeat of b'abc'>"
