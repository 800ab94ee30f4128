"""What the system refuses is raised by the call that wanted it, and names the file."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path as SystemPath

import pytest

from conc import fs
from conc.errors import LimitExceeded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")


async def test_a_full_disk_is_an_error_of_the_very_write() -> None:
    async with fs.open("/dev/full", "wb") as file:
        with pytest.raises(OSError, match="No space left on device: '/dev/full'") as caught:
            await file.write(b"x")
        assert caught.value.errno == errno.ENOSPC
        assert file.bytes_written == 0


async def test_a_full_disk_is_an_error_of_the_very_write_of_text_and_closing_does_not_try_again() -> None:
    file = await fs.open("/dev/full", "w")
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        await file.write("x")
    await file.aclose()


async def test_a_disk_that_fills_up_keeps_what_it_took_and_says_how_much(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = 10

    def writev(fd: int, buffers: list[memoryview]) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        size = os.write(fd, buffers[0][:left])
        left -= size
        return size

    monkeypatch.setattr("conc._os.files.writev", writev)
    async with fs.open(tmp_path / "file", "wb") as file:
        with pytest.raises(OSError, match="No space left"):
            await file.write_all(b"12345", b"67890", b"xxx")
        assert file.bytes_written == 10
        assert await file.tell() == 10
    assert (tmp_path / "file").read_bytes() == b"1234567890"


async def test_endless_files_are_read_with_a_limit() -> None:
    async with fs.open("/dev/zero", "rb") as file:
        assert await file.read(4096) == bytes(4096)
        assert await file.read_exact(100_000) == bytes(100_000)
        with pytest.raises(LimitExceeded):
            await file.read_to_end(1_000_000)
    async with fs.open("/dev/null", "rb") as file:
        assert await file.read(10) == b""
        assert await file.read() == b""


async def test_files_that_say_they_are_empty_are_read() -> None:
    async with fs.open("/proc/self/status", "rb") as file:
        assert b"VmRSS" in await file.read()
    async with fs.open("/proc/self/status") as text:
        assert any([line.startswith("Pid:") async for line in text])


async def test_an_error_of_a_read_in_a_thread_is_raised_by_the_read() -> None:
    async with fs.open("/proc/self/mem", "rb") as file:
        with pytest.raises(OSError, match="/proc/self/mem"):
            await file.read(10)


async def test_what_cannot_be_synced_says_so() -> None:
    async with fs.open("/dev/null", "wb") as file:
        with pytest.raises(OSError, match="Invalid argument: '/dev/null'"):
            await file.sync()


async def test_a_position_before_the_beginning_is_refused_and_nothing_moves(tmp_path: SystemPath) -> None:
    (tmp_path / "file").write_bytes(b"a\nb\n")
    async with fs.open(tmp_path / "file", "rb") as file:
        assert await file.readline() == b"a\n"
        with pytest.raises(OSError, match="Invalid argument"):
            await file.seek(-1)
        assert await file.readline() == b"b\n"


async def test_errors_of_positions_name_the_file(tmp_path: SystemPath) -> None:
    (tmp_path / "file").touch()
    async with fs.open(tmp_path / "file", "rb") as file:
        for whence in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
            with pytest.raises(OSError, match=r"Invalid argument: '.*file'"):
                await file.seek(-1, whence)


async def test_contents_that_find_no_room_name_the_file() -> None:
    path = fs.Path("/dev/full")
    for write in (path.write_bytes(b"x"), path.write_text("x")):
        with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
            await write
    with pytest.raises(OSError, match="/proc/self/mem"):
        await fs.Path("/proc/self/mem").read_bytes()
