"""Pipes of the system: what their ends promise; and read_nowait and read_into, as every descriptor has them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource, WouldBlock
from conc.io import AsyncRead, AsyncWrite, PipeReader, PipeWriter, open_pipe
from conc.net import connect_tcp, listen_tcp
from conc_testing import settle
from tests.io.waiting import until_it_waits
from tests.net.support import run

T = TypeVar("T")

MUCH = bytes(range(256)) * 1024  # more than a pipe holds


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd" if sys.platform == "linux" else "/dev/fd"))


async def read_all(reader: AsyncRead) -> bytes:
    parts = []
    while part := await reader.read(65_536):
        parts.append(part)
    return b"".join(parts)


async def test_what_is_written_comes_out_and_then_the_end(nursery: conc.Nursery) -> None:
    reader, writer = open_pipe()
    async with reader:
        assert isinstance(reader, AsyncRead)
        assert isinstance(writer, AsyncWrite)
        reading = nursery.start_soon(read_all, reader)
        async with writer:
            await writer.write_all(b"head", MUCH, b"tail")
            assert writer.bytes_written == len(MUCH) + 8
        assert await reading.join() == b"head" + MUCH + b"tail"


async def test_close_write_is_the_end_and_closes_the_descriptor() -> None:
    before = open_descriptors()
    reader, writer = open_pipe()
    await writer.write_all(b"x")
    await writer.close_write()
    await writer.close_write()
    assert open_descriptors() == before + 1
    with pytest.raises(ClosedResource, match="PipeWriter of descriptor"):
        await writer.write_all(b"y")
    assert (await reader.read(9), await reader.read(9)) == (b"x", b"")
    await reader.aclose()
    with pytest.raises(ClosedResource):
        await reader.read(1)
    assert open_descriptors() == before


async def test_close_write_after_aclose_is_a_mistake() -> None:
    reader, writer = open_pipe()
    await writer.aclose()
    with pytest.raises(ClosedResource):
        await writer.close_write()
    await reader.aclose()


async def test_a_pipe_whose_reader_is_gone_is_broken() -> None:
    reader, writer = open_pipe()
    await reader.aclose()
    with pytest.raises(BrokenResource) as caught:
        await writer.write_all(b"x")
    assert isinstance(caught.value.__cause__, BrokenPipeError)
    await writer.aclose()


async def test_a_write_that_waits_is_broken_when_the_reader_goes(nursery: conc.Nursery) -> None:
    reader, writer = open_pipe()

    async def expect_broken() -> None:
        with pytest.raises(BrokenResource):
            await writer.write_all(MUCH)

    writing = nursery.start_soon(expect_broken)
    await settle()
    assert writing.outcome is None
    await reader.aclose()
    await writing.join()
    await writer.aclose()


async def test_closing_under_who_waits_is_a_closed_resource(nursery: conc.Nursery) -> None:
    reader, writer = open_pipe()
    refused: list[str] = []

    async def expect_closed(operation: Any, *args: Any) -> None:
        with pytest.raises(ClosedResource):
            await operation(*args)
        refused.append(operation.__name__)

    other_reader, other_writer = open_pipe()
    nursery.start_soon(expect_closed, reader.read, 1)
    nursery.start_soon(expect_closed, other_writer.write_all, MUCH)
    await settle()
    await reader.aclose()
    await other_writer.aclose()
    await settle()
    assert sorted(refused) == ["read", "write_all"]
    await writer.aclose()
    await other_reader.aclose()


async def test_a_cancelled_write_can_be_continued() -> None:
    reader, writer = open_pipe()
    async with reader:
        with conc.move_on_after(0.01) as scope:
            await writer.write_all(MUCH)
        assert scope.cancelled_caught
        assert 0 < writer.bytes_written < len(MUCH)
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(read_all, reader)
            await writer.write_all(MUCH[writer.bytes_written :])
            await writer.aclose()
        assert await reading.join() == MUCH


async def test_ends_may_belong_to_different_strands() -> None:
    reader, writer = open_pipe()

    async def write() -> None:
        async with writer:
            await writer.write_all(MUCH)

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(write)
        reading = nursery.start_soon(read_all, reader)
    assert await reading.join() == MUCH
    await reader.aclose()


def test_no_descriptors_left_is_an_error_of_the_system() -> None:
    if sys.platform != "linux":
        pytest.skip("counts descriptors in /proc")
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = open_descriptors()
    ends: list[PipeReader | PipeWriter] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            for _ in range(10):
                ends.extend(open_pipe())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for end in ends:
            end._close()
    assert open_descriptors() == before


def test_their_state_can_be_seen() -> None:
    async def main() -> None:
        reader, writer = open_pipe()
        fd = reader._fd
        assert repr(reader) == f"<PipeReader of descriptor {fd}>"
        await reader.aclose()
        await writer.aclose()
        assert repr(reader) == f"<PipeReader of descriptor {fd}, closed>"
        assert repr(writer).endswith(", closed>")

    run(main)


# ---- read_nowait and read_into -----------------------------------------------------------------------------------


@asynccontextmanager
async def ends(kind: str) -> AsyncIterator[tuple[Any, Any]]:
    """What is read from, and what is written to."""
    if kind == "pipe":
        reader, writer = open_pipe()
        async with reader, writer:
            yield reader, writer
    else:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            client = await connect_tcp("127.0.0.1", listener.port)
            server = await listener.accept()
        async with client, server:
            yield server, client


def on_every_kind(test: T) -> T:
    """On real time: what is written to a socket takes a moment of its own to arrive."""
    on_real_time: Any = pytest.mark.conc(clock="real")
    marked: T = on_real_time(pytest.mark.parametrize("kind", ["pipe", "tcp"])(test))
    return marked


async def arrival(reader: Any, at_most: int) -> bytes:
    """What `read_nowait` returns as soon as it does: bytes need a moment on their way."""
    with conc.fail_after(10):
        while True:
            try:
                data: bytes = reader.read_nowait(at_most)
            except WouldBlock:
                await conc.sleep(0.001)
            else:
                return data
    raise AssertionError("fail_after lets nothing pass")


@on_every_kind
async def test_read_nowait_returns_what_is_there(kind: str) -> None:
    async with ends(kind) as (reader, writer):
        with pytest.raises(WouldBlock, match="nothing is there to read from <"):
            reader.read_nowait(1)
        await writer.write_all(b"abcdef")
        assert await arrival(reader, 2) == b"ab"
        assert reader.read_nowait(100) == b"cdef"
        with pytest.raises(WouldBlock):
            reader.read_nowait(1)
        await writer.close_write()
        assert await arrival(reader, 1) == b""
        with pytest.raises(ValueError, match="max_bytes must be at least 1, not 0"):
            reader.read_nowait(0)
        await reader.aclose()
        with pytest.raises(ClosedResource):
            reader.read_nowait(1)


@on_every_kind
async def test_read_waits_well_after_read_nowait_and_the_other_way_round(kind: str, nursery: conc.Nursery) -> None:
    async with ends(kind) as (reader, writer):
        with pytest.raises(WouldBlock):
            reader.read_nowait(1)
        for number in range(20):
            reading = nursery.start_soon(reader.read, 10)
            await until_it_waits(reading)
            with pytest.raises(BusyResource):
                reader.read_nowait(1)
            await writer.write_all(b"%d" % number)
            assert await reading.join() == b"%d" % number
            with pytest.raises(WouldBlock):
                reader.read_nowait(1)
            await writer.write_all(b"x")
            assert await arrival(reader, 10) == b"x"


@on_every_kind
async def test_read_into_fills_the_beginning_of_a_buffer(kind: str, nursery: conc.Nursery) -> None:
    async with ends(kind) as (reader, writer):
        buffer = bytearray(b"........")
        reading = nursery.start_soon(reader.read_into, buffer)
        await until_it_waits(reading)
        with pytest.raises(BusyResource):
            await reader.read_into(bytearray(1))
        await writer.write_all(b"abc")
        assert await reading.join() == 3
        await writer.write_all(b"0123456789")
        assert await reader.read_into(memoryview(buffer)[4:]) == 4
        assert bytes(buffer) == b"abc.0123"
        await writer.close_write()
        assert [await reader.read_into(buffer), await reader.read_into(buffer)] == [6, 0]


@on_every_kind
async def test_a_cancelled_read_into_takes_no_byte(kind: str) -> None:
    async with ends(kind) as (reader, writer):
        buffer = bytearray(3)
        with conc.move_on_after(0.01) as scope:
            await reader.read_into(buffer)
        assert scope.cancelled_caught
        await writer.write_all(b"abc")
        with conc.CancelScope() as scope:
            scope.cancel()
            await reader.read_into(buffer)
        assert (scope.cancelled_caught, bytes(buffer)) == (True, bytes(3))
        assert (await reader.read_into(buffer), bytes(buffer)) == (3, b"abc")


@on_every_kind
@pytest.mark.parametrize(("buffer", "kind_of_error"), [(b"abc", TypeError), (bytearray(), ValueError), (3, TypeError)])
async def test_a_buffer_that_cannot_be_filled_is_refused(
    kind: str, buffer: Any, kind_of_error: type[Exception]
) -> None:
    async with ends(kind) as (reader, _):
        with pytest.raises(kind_of_error, match="buffer must"):
            await reader.read_into(buffer)


def test_the_ends_close_their_descriptors_whatever_happens() -> None:
    async def main() -> None:
        before = open_descriptors()
        for _ in range(3):
            reader, writer = open_pipe()
            with conc.CancelScope() as scope:
                scope.cancel()
                await reader.aclose()
            with conc.CancelScope() as scope:
                scope.cancel()
                await writer.aclose()
        assert open_descriptors() == before

    run(main)


def test_a_descriptor_of_ones_own_can_be_made_an_end() -> None:
    async def main() -> None:
        read_fd, write_fd = os.pipe()
        async with PipeReader(read_fd) as reader, PipeWriter(write_fd) as writer:
            await writer.write_all(b"x")
            assert await reader.read(9) == b"x"
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(read_fd)

    run(main)
