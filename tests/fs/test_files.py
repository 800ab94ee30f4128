"""Files of bytes: what is read, written and where the position is."""

from __future__ import annotations

import io
import os
from itertools import cycle, repeat
from pathlib import Path as SystemPath

import pytest

import conc
from conc import fs
from conc.errors import BusyResource, ClosedResource, IncompleteRead, LimitExceeded, WouldBlock
from conc.io import AsyncRead, AsyncWrite, BufReader
from tests.fs.support import Gate, Memory

DATA = bytes(range(256)) * 1024  # 256 KiB
LINES = b"".join(b"line %d\n" % number for number in range(20_000))


@pytest.fixture
def path(tmp_path: SystemPath) -> SystemPath:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


async def test_what_is_written_is_in_the_file_when_the_write_returns(tmp_path: SystemPath) -> None:
    path = tmp_path / "new"
    async with await fs.open(path, "wb") as file:
        assert await file.write(b"one") == 3
        assert path.read_bytes() == b"one"
        await file.write_all(b"two", bytearray(b"three"), memoryview(b"four"))
        assert path.read_bytes() == b"onetwothreefour"
        assert file.bytes_written == 15
        assert await file.tell() == 15


async def test_many_buffers_are_written_in_order(tmp_path: SystemPath) -> None:
    async with fs.open(tmp_path / "new", "w+b") as file:
        await file.write_all(*(b"%05d" % number for number in range(1000)))
        await file.seek(0)
        assert await file.read() == b"".join(b"%05d" % number for number in range(1000))


@pytest.mark.parametrize("size", [1, 4096, 65_536, 65_537, 200_000, 1 << 20])
async def test_a_read_gives_all_that_was_asked_for_but_at_the_end(path: SystemPath, size: int) -> None:
    async with fs.open(path, "rb") as file:
        assert await file.read(size) == DATA[:size]
        await file.seek(-10, os.SEEK_END)
        assert await file.read(size) == DATA[-10:][:size]
        assert await file.read(size) == DATA[-10:][size : 2 * size]


async def test_a_file_that_is_read_piece_by_piece_ends_with_nothing(path: SystemPath) -> None:
    pieces = []
    async with fs.open(path, "rb") as file:
        while piece := await file.read(1000):
            pieces.append(piece)
        assert await file.read(1) == b""
        assert await file.tell() == len(DATA)
    assert b"".join(pieces) == DATA


async def test_without_a_size_all_that_is_left_is_read(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file:
        await file.seek(1000)
        assert await file.read() == DATA[1000:]
        assert await file.read() == b""


async def test_a_limit_keeps_a_large_file_out_and_the_position_where_it_was(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file:
        await file.seek(5)
        with pytest.raises(LimitExceeded, match="more than 100000 bytes"):
            await file.read_to_end(100_000)
        assert await file.tell() == 5
        assert await file.read_to_end(len(DATA) - 5) == DATA[5:]


async def test_exactly_so_many_bytes_are_read_or_none(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file:
        assert await file.read_exact(100_000) == DATA[:100_000]
        assert await file.read_exact(0) == b""
        await file.seek(-3, os.SEEK_END)
        with pytest.raises(IncompleteRead, match="after 3 of 4 bytes") as caught:
            await file.read_exact(4)
        assert caught.value.partial == DATA[-3:]
        assert await file.tell() == len(DATA) - 3
        assert await file.read_exact(3) == DATA[-3:]


async def test_reading_into_a_buffer_fills_it_from_the_position(path: SystemPath) -> None:
    buffer = bytearray(10)
    async with fs.open(path, "rb") as file:
        await file.seek(7)
        assert await file.read_into(buffer) == 10
        assert buffer == DATA[7:17]
        assert await file.read_into(memoryview(buffer)[:4]) == 4
        assert buffer[:4] == DATA[17:21]
        await file.seek(0, os.SEEK_END)
        assert await file.read_into(buffer) == 0


async def test_lines_are_those_of_the_standard_library(tmp_path: SystemPath) -> None:
    path = tmp_path / "lines"
    path.write_bytes(LINES + b"last")
    async with fs.open(path, "rb") as file:
        assert [line async for line in file] == path.read_bytes().splitlines(keepends=True)
        assert await file.readline() == b""


async def test_what_a_loop_over_lines_has_read_too_far_does_not_count_in_the_position(tmp_path: SystemPath) -> None:
    path = tmp_path / "lines"
    path.write_bytes(LINES)
    async with fs.open(path, "r+b") as file:
        async for line in file:
            if line == b"line 10\n":
                break
        assert await file.tell() == LINES.index(b"line 11")
        assert await file.read(7) == b"line 11"
        await file.write(b"!")
        assert await file.readline() == b"line 12\n"
        assert await file.seek(5, os.SEEK_CUR) == LINES.index(b"line 13") + 5
        assert await file.readline() == b"13\n"
    assert path.read_bytes() == LINES.replace(b"line 11\n", b"line 11!")


async def test_a_line_may_have_so_many_bytes_and_no_more(tmp_path: SystemPath) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"12345\n123456\n12345")
    async with fs.open(path, "rb") as file:
        assert await file.readline(6) == b"12345\n"
        with pytest.raises(LimitExceeded, match="more than 6 bytes"):
            await file.readline(6)
        assert await file.readline() == b"123456\n"
        with pytest.raises(LimitExceeded):
            await file.readline(4)
        assert await file.readline(5) == b"12345"


async def test_a_file_is_a_stream_for_readers_with_a_buffer(path: SystemPath) -> None:
    async with fs.open(path, "r+b") as file:
        assert isinstance(file, AsyncRead)
        assert isinstance(file, AsyncWrite)
        reader = BufReader(file)
        assert await reader.read_exact(70_000) == DATA[:70_000]
        assert await reader.read_to_end(1 << 20) == DATA[70_000:]


async def test_appending_writes_at_the_end_wherever_the_position_is(path: SystemPath) -> None:
    async with fs.open(path, "a+b") as file:
        assert await file.tell() == len(DATA)
        await file.seek(0)
        assert await file.read(2) == DATA[:2]
        await file.write(b"end")
        assert await file.tell() == len(DATA) + 3
    assert path.read_bytes() == DATA + b"end"


async def test_two_that_append_do_not_overwrite_one_another(tmp_path: SystemPath) -> None:
    async with fs.open(tmp_path / "log", "ab") as first, fs.open(tmp_path / "log", "ab") as second:
        for number in range(10):
            await first.write(b"a%d " % number)
            await second.write(b"b%d " % number)
    assert (tmp_path / "log").read_bytes() == b"".join(b"a%d b%d " % (number, number) for number in range(10))


async def test_truncating_leaves_the_position_and_fills_with_zeros(path: SystemPath) -> None:
    async with fs.open(path, "r+b") as file:
        await file.seek(100)
        assert await file.truncate() == 100
        assert path.stat().st_size == 100
        assert await file.truncate(200) == 200
        assert await file.tell() == 100
        assert await file.read() == bytes(100)


async def test_a_file_can_be_synced_and_asked(path: SystemPath) -> None:
    async with fs.open(path, "r+b") as file:
        await file.sync()
        await file.datasync()
        await file.flush()
        assert (await file.stat()).st_size == len(DATA)
        assert file.fileno() > 2
        assert file.seekable()
        assert repr(file) == f"<File {str(path)!r} mode 'r+b'>"


async def test_a_lock_is_had_by_one_unless_it_is_shared(path: SystemPath) -> None:
    async with fs.open(path, "rb") as first, fs.open(path, "rb") as second:
        assert await first.try_lock()
        assert not await second.try_lock()
        await first.unlock()
        assert await second.try_lock(shared=True)
        assert await first.try_lock(shared=True)
        await second.unlock()
        assert await first.try_lock()


async def test_a_file_that_grows_has_more_to_read_after_its_end(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file, fs.open(path, "ab") as other:
        assert await file.read() == DATA
        assert await file.read(10) == b""
        await other.write(b"more\n")
        assert await file.readline() == b"more\n"
        await other.write(b"and more")
        assert await file.read(100) == b"and more"


async def test_a_file_that_shrinks_ends_where_it_ends_now(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file:
        assert await file.read(1000) == DATA[:1000]
        os.truncate(path, 1500)
        assert await file.read(1000) == DATA[1000:1500]
        os.truncate(path, 10)
        assert await file.read(1000) == b""


@pytest.mark.parametrize("sizes", [[None], [1, None], [100, None, 65_536], [0x10000, 3], [5, 7, 11, None]])
async def test_whatever_part_is_in_memory_the_bytes_are_the_same(
    path: SystemPath, sizes: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = Memory(cycle(sizes))
    memory.install(monkeypatch)
    async with fs.open(path, "rb") as file:
        pieces = [await file.read(size) for size in (1, 10, 4096, 70_000, 65_536, 3)]
        assert b"".join(pieces) == DATA[: sum(map(len, pieces))]
        assert list(map(len, pieces)) == [1, 10, 4096, 70_000, 65_536, 3]
        assert await file.tell() == sum(map(len, pieces))
        assert await file.read() == DATA[sum(map(len, pieces)) :]
        assert await file.read(1) == b""
    assert memory.calls > 5


async def test_a_system_that_cannot_read_without_waiting_is_not_asked_twice(
    path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def refuse(*_: object) -> int:
        nonlocal calls
        calls += 1
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("conc.fs.reading.preadv", refuse)
    monkeypatch.setattr("conc.fs.reading.NOWAIT", 8)
    async with fs.open(path, "rb") as file:
        assert await file.read(10) == DATA[:10]
        assert await file.read(70_000) == DATA[10:70_010]
        with pytest.raises(WouldBlock):
            file.read_nowait(1)
    assert calls == 1


async def test_reading_without_waiting_gives_what_is_in_memory(
    path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    Memory(iter([10, None])).install(monkeypatch)
    async with fs.open(path, "rb") as file:
        assert file.read_nowait(100) == DATA[:10]
        with pytest.raises(WouldBlock, match="nothing in memory"):
            file.read_nowait(100)
        assert await file.read(1) == DATA[10:11]


async def test_reads_from_memory_let_others_run_now_and_then(path: SystemPath, monkeypatch: pytest.MonkeyPatch) -> None:
    Memory(repeat(4096)).install(monkeypatch)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await conc.checkpoint()

    async with conc.open_nursery() as nursery, fs.open(path, "rb") as file:
        nursery.start_soon(count)
        for _ in range(1000):
            await file.seek(0)
            await file.read(4096)
        nursery.cancel_scope.cancel()
    assert turns >= 10


async def test_one_task_at_a_time_uses_a_file(tmp_path: SystemPath, gated_write: Gate) -> None:
    async with fs.open(tmp_path / "new", "w+b") as file, conc.open_nursery() as nursery:
        nursery.start_soon(file.write, b"slow")
        await conc.to_thread(gated_write.wait_for_arrival)
        for use in (file.read(1), file.write(b"x"), file.seek(0), file.tell(), file.sync(), file.truncate(0)):
            with pytest.raises(BusyResource, match="one task at a time"):
                await use
        with pytest.raises(BusyResource):
            file.read_nowait(1)
        gated_write.open()
    assert (tmp_path / "new").read_bytes() == b"slow"


async def test_a_closed_file_does_nothing_any_more(path: SystemPath) -> None:
    file = await fs.open(path, "r+b")
    await file.aclose()
    await file.aclose()
    assert file.closed
    for use in (file.read(1), file.read(), file.write(b"x"), file.seek(0), file.tell(), file.sync(), file.readline()):
        with pytest.raises(ClosedResource, match="closed on this side"):
            await use
    with pytest.raises(ClosedResource):
        file.fileno()
    with pytest.raises(ClosedResource):
        async for _ in file:
            pass


async def test_a_file_is_read_and_written_as_it_was_opened(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file:
        with pytest.raises(io.UnsupportedOperation, match="cannot be written to: open it with mode"):
            await file.write(b"x")
        with pytest.raises(io.UnsupportedOperation):
            await file.truncate(0)
    async with fs.open(path, "ab") as file:
        with pytest.raises(io.UnsupportedOperation, match='cannot be read: open it with mode "rb"'):
            await file.read(1)
        await file.close_write()
        with pytest.raises(ClosedResource, match="close_write was called"):
            await file.write(b"x")


@pytest.mark.parametrize(
    ("name", "args", "error"),
    [
        ("read", (0,), "max_bytes must be at least 1"),
        ("read", (-1,), "max_bytes must be at least 1"),
        ("read_exact", (-1,), "n must be at least 0"),
        ("read_to_end", (-1,), "limit must be at least 0"),
        ("readline", (0,), "limit must be at least 1"),
        ("truncate", (-1,), "size must be at least 0"),
        ("read_into", (bytearray(),), "room for at least 1 byte"),
    ],
)
async def test_a_bad_argument_is_named(path: SystemPath, name: str, args: tuple[object, ...], error: str) -> None:
    async with fs.open(path, "r+b") as file:
        with pytest.raises(ValueError, match=error):
            await getattr(file, name)(*args)
        assert await file.tell() == 0


async def test_what_is_no_bytes_is_not_written(path: SystemPath) -> None:
    async with fs.open(path, "r+b") as file:
        with pytest.raises(TypeError, match="contiguous bytes"):
            await file.write("text")  # type: ignore[arg-type]
    assert path.read_bytes() == DATA


async def test_what_was_read_ahead_comes_into_a_buffer_first_and_is_counted(tmp_path: SystemPath) -> None:
    (tmp_path / "file").write_bytes(b"one\ntwo")
    async with fs.open(tmp_path / "file", "rb") as file:
        assert await file.readline() == b"one\n"
        buffer = bytearray(5)
        assert await file.read_into(buffer) == 3
        assert buffer == b"two\0\0"
        assert await file.read_into(buffer) == 0


@pytest.mark.parametrize("size", [1 << 40, 1 << 70])
async def test_asking_for_more_than_there_can_be_takes_memory_only_for_what_there_is(
    tmp_path: SystemPath, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytes(5_000_000)
    (tmp_path / "file").write_bytes(data)
    Memory(iter(())).install(monkeypatch)  # a file system that cannot tell what is in memory
    async with fs.open(tmp_path / "file", "rb") as file:
        assert await file.read(size) == data
        await file.seek(0)
        with pytest.raises(IncompleteRead, match=f"ended after 5000000 of {size} bytes"):
            await file.read_exact(size)
        assert await file.tell() == 0


async def test_a_device_without_end_gives_no_more_than_a_part_at_a_time() -> None:
    async with fs.open("/dev/zero", "rb") as file:
        assert 0 < len(await file.read(1 << 40)) <= 1 << 22
