"""FIFOs: opening one waits for the other end, reading waits for bytes, and both can be cancelled."""

from __future__ import annotations

import os
import select
import threading
from pathlib import Path as SystemPath

import pytest

import conc
from conc import fs
from conc._os import files
from conc.errors import BrokenResource, BusyResource, ClosedResource
from tests.fs.support import PATIENCE, nothing_left_open


@pytest.fixture
def fifo(tmp_path: SystemPath) -> SystemPath:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


def nobody_reads(writer: int) -> bool:
    """Whether the last reader of a FIFO goes. For threads."""
    look = select.poll()
    look.register(writer, 0)
    return look.poll(PATIENCE * 1000) == [(writer, select.POLLERR)]


async def test_bytes_go_from_one_end_to_the_other(fifo: SystemPath) -> None:
    reader, writer = await conc.join(fs.open(fifo, "rb"), fs.open(fifo, "wb"))
    async with reader, writer:
        await writer.write(b"one")
        assert await reader.read(100) == b"one"
        await writer.write(b"two\nthree\n")
        assert await reader.readline() == b"two\n"
        assert await reader.readline() == b"three\n"
        assert writer.bytes_written == 13
        await writer.aclose()
        assert await reader.read(1) == b""


async def test_a_read_waits_for_bytes_and_can_be_cancelled(fifo: SystemPath) -> None:
    reader, writer = await conc.join(fs.open(fifo, "rb"), fs.open(fifo, "wb"))
    async with reader, writer:
        with conc.move_on_after(1) as scope:
            await reader.read(1)
        assert scope.cancelled_caught
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(reader.read_exact, 3)
            await conc.sleep(1)
            await writer.write(b"ab")
            await conc.sleep(1)
            await writer.write(b"cd")
        assert await task.join() == b"abc"
        assert await reader.read(5) == b"d"


async def test_a_write_waits_for_room_and_says_how_far_it_came_when_it_is_cancelled(fifo: SystemPath) -> None:
    data = bytes(range(256)) * 4096
    reader, writer = await conc.join(fs.open(fifo, "rb"), fs.open(fifo, "wb"))
    async with reader, writer:
        with conc.move_on_after(1) as scope:
            await writer.write_all(data)
        assert scope.cancelled_caught
        assert 0 < writer.bytes_written < len(data)
        assert await reader.read_exact(writer.bytes_written) == data[: writer.bytes_written]


async def test_who_waits_for_the_other_end_can_be_cancelled_and_what_is_opened_late_is_closed(
    fifo: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived, opened = threading.Event(), threading.Event()
    real = files.open_raw

    def open_raw(path: object, mode: str) -> object:
        arrived.set()
        raw = real(path, mode)
        opened.set()
        return raw

    monkeypatch.setattr(files, "open_raw", open_raw)
    scope = conc.CancelScope()

    async def wait_for_it() -> None:
        with scope:
            await fs.open(fifo, "rb")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(wait_for_it)
        await conc.to_thread(arrived.wait, PATIENCE)
        scope.cancel()
    assert scope.cancelled_caught
    writer = await conc.to_thread(os.open, fifo, os.O_WRONLY)  # now the thread goes on, and nobody wants its file
    assert await conc.to_thread(opened.wait, PATIENCE)
    assert await conc.to_thread(nobody_reads, writer)
    os.close(writer)


async def test_closing_wakes_who_waits_to_read(fifo: SystemPath) -> None:
    reader, writer = await conc.join(fs.open(fifo, "rb"), fs.open(fifo, "wb"))

    async def read() -> None:
        with pytest.raises(ClosedResource):
            await reader.read(1)

    async with writer, conc.open_nursery() as nursery:
        nursery.start_soon(read)
        await conc.sleep(1)
        with pytest.raises(BusyResource):
            await reader.read(1)
        await reader.aclose()


async def test_writing_to_nobody_is_an_error(fifo: SystemPath) -> None:
    reader, writer = await conc.join(fs.open(fifo, "rb"), fs.open(fifo, "wb"))
    async with writer:
        await reader.aclose()
        with pytest.raises(BrokenResource):
            await writer.write(b"x")


async def test_text_comes_through_a_fifo_line_by_line(fifo: SystemPath) -> None:
    reader, writer = await conc.join(fs.open(fifo), fs.open(fifo, "w"))
    async with reader:
        async with writer:
            await writer.write("eins\nzwei\n")
            assert await reader.readline() == "eins\n"
        assert [line async for line in reader] == ["zwei\n"]


async def test_a_fifo_has_no_position(fifo: SystemPath) -> None:
    with nothing_left_open():
        async with fs.open(fifo, "r+b") as both:
            assert not both.seekable()
            with pytest.raises(OSError, match="seek"):
                await both.tell()
            await both.write(b"a line\nand")
            assert await both.readline() == b"a line\n"
            await both.write(b" more")
            assert await both.read_exact(8) == b"and more"


async def test_what_one_reader_has_and_waits_to_complete_no_other_takes(fifo: SystemPath) -> None:
    async with fs.open(fifo, "r+b") as both:
        await both.write(b"half a line")
        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(both.readline)
            await conc.sleep(1)
            for read in (both.read(4), both.read_exact(4), both.readline(), both.read_into(bytearray(4))):
                with pytest.raises(BusyResource, match="is reading from"):
                    await read
            with pytest.raises(BusyResource):
                both.read_nowait(4)
            await both.write(b" and the rest\n")
        assert await reading.join() == b"half a line and the rest\n"
        with conc.move_on_after(1):
            await both.read_exact(1)
        await both.write(b"x")
        assert await both.read(1) == b"x"


async def test_a_writing_end_that_has_said_that_it_is_through_is_used_no_more(fifo: SystemPath) -> None:
    async with fs.open(fifo, "r+b"), fs.open(fifo, "wb") as writer:
        await writer.write(b"x")
        await writer.close_write()
        await writer.close_write()
        for use in (writer.write(b"y"), writer.stat(), writer.sync(), writer.try_lock()):
            with pytest.raises(ClosedResource, match="close_write was called"):
                await use
        with pytest.raises(ClosedResource, match="close_write was called"):
            writer.fileno()


async def test_the_end_is_not_said_while_another_task_writes(fifo: SystemPath) -> None:
    async with fs.open(fifo, "r+b") as reader, fs.open(fifo, "wb") as writer, conc.open_nursery() as nursery:
        data = bytes(1_000_000)
        writing = nursery.start_soon(writer.write_all, data)
        await conc.sleep(1)
        with pytest.raises(BusyResource):
            await writer.close_write()
        assert await reader.read_exact(len(data)) == data
        await writing.join()
        await writer.write_all(b"x")  # so it was not closed
        assert await reader.read(1) == b"x"
