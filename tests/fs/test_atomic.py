"""The old contents or the new ones, and nothing beside them."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path as SystemPath
from typing import Any

import pytest

import conc
from conc import fs
from conc._os import replacing
from conc.errors import ClosedResource
from tests.fs.support import Gate


@pytest.fixture
def path(tmp_path: SystemPath) -> SystemPath:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o640)
    return path


def only(path: SystemPath) -> bytes:
    """What is in the file; it must be alone in its folder."""
    assert list(path.parent.iterdir()) == [path]
    return path.read_bytes()


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("data", [b"new", bytearray(b"new"), memoryview(b"new"), "new"])
async def test_the_contents_are_replaced_and_the_permissions_kept(path: SystemPath, data: Any, durable: bool) -> None:
    await fs.write_atomic(path, data, durable=durable)
    assert only(path) == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_new_file_has_the_permissions_of_new_files_unless_told(tmp_path: SystemPath) -> None:
    (tmp_path / "model").touch()
    await fs.write_atomic(tmp_path / "one", b"1")
    await fs.write_atomic(tmp_path / "two", b"2", mode=0o600)
    assert (tmp_path / "one").stat().st_mode == (tmp_path / "model").stat().st_mode
    assert stat.S_IMODE((tmp_path / "two").stat().st_mode) == 0o600


async def test_a_text_is_encoded(path: SystemPath) -> None:
    await fs.write_atomic(path, "gr\u00fcn", encoding="latin-1")
    assert only(path) == b"gr\xfcn"
    with pytest.raises(UnicodeEncodeError):
        await fs.write_atomic(path, "gr\u00fcn", encoding="ascii")
    with pytest.raises(TypeError, match="data must be bytes or a string"):
        await fs.write_atomic(path, 5)  # type: ignore[arg-type]
    assert only(path) == b"gr\xfcn"


async def test_who_has_the_old_file_open_goes_on_reading_it(path: SystemPath) -> None:
    async with fs.open(path, "rb") as file:
        await fs.write_atomic(path, b"new")
        assert await file.read() == b"old"
    assert only(path) == b"new"


async def test_a_link_is_followed(tmp_path: SystemPath) -> None:
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "file"
    path.write_bytes(b"old")
    (tmp_path / "link").symlink_to("folder/file")
    await fs.write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert only(path) == b"new"


@pytest.mark.parametrize("step", ["fsync", "replace", "write", "chmod"])
async def test_a_failure_at_any_step_leaves_the_old_contents(
    path: SystemPath, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "write":
        monkeypatch.setattr(replacing, "_new_file", failing_file)
    elif step == "fsync":
        monkeypatch.setattr(replacing, "sync_data", fail)
    else:
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="No space left on device" + ": '.*file'$" * (step in ("write", "fsync"))):
        await fs.write_atomic(path, b"new")
    monkeypatch.undo()
    assert only(path) == b"old"


class Failing(io.FileIO):
    """A file that takes two bytes, and then no more."""

    def write(self, data: Any, /) -> int:
        if self.tell() == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(data[:1])


def failing_file(folder: str, mode: int) -> tuple[str, io.FileIO]:
    path = os.path.join(folder, "new")
    return path, Failing(path, "x+")


async def test_what_is_no_file_is_not_replaced(tmp_path: SystemPath) -> None:
    with pytest.raises(IsADirectoryError, match="only a regular file"):
        await fs.write_atomic(tmp_path, b"x")
    with pytest.raises(OSError, match="only a regular file"):
        await fs.write_atomic("/dev/null", b"x")
    with pytest.raises(FileNotFoundError, match=r"missing'$"):  # the folder, not a name that nobody has heard of
        await fs.write_atomic(tmp_path / "missing" / "file", b"x")
    assert list(tmp_path.iterdir()) == []


async def test_who_may_not_read_the_old_file_cannot_open_the_new_one_before_it_is_told(
    path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []
    chmod = os.chmod

    def look_and_chmod(name: str, mode: int) -> None:
        modes.append(stat.S_IMODE(os.stat(name).st_mode))
        chmod(name, mode)

    monkeypatch.setattr(os, "chmod", look_and_chmod)
    await fs.write_atomic(path, b"new")
    await fs.write_atomic(path.parent / "other", b"new", mode=0o640)
    assert modes == [0o600, 0o600]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_a_block_that_ends_replaces_the_contents(path: SystemPath) -> None:
    async with fs.open_atomic(path) as file:
        await file.write(b"one ")
        assert path.read_bytes() == b"old"
        await file.write(b"two")
        await file.seek(0)
        assert await file.read() == b"one two"
    assert only(path) == b"one two"
    assert file.closed
    with pytest.raises(ClosedResource):
        await file.write(b"x")


async def test_a_block_that_fails_leaves_the_old_contents(path: SystemPath) -> None:
    with pytest.raises(KeyError):
        async with fs.open_atomic(path) as file:
            await file.write(b"new")
            raise KeyError
    assert only(path) == b"old"


async def test_a_block_that_is_cancelled_leaves_the_old_contents(path: SystemPath) -> None:
    with conc.CancelScope() as scope:
        async with fs.open_atomic(path) as file:
            await file.write(b"new")
            scope.cancel()
            await conc.checkpoint()
    assert scope.cancelled_caught
    assert only(path) == b"old"


async def test_a_block_that_came_to_its_end_has_its_way_also_if_cancelled(path: SystemPath) -> None:
    with conc.CancelScope() as scope:
        async with fs.open_atomic(path) as file:
            await file.write(b"new")
            scope.cancel()
    assert scope.cancelled_caught
    assert only(path) == b"new"


@pytest.mark.parametrize("durable", [True, False])
async def test_a_file_that_the_block_has_closed_replaces_the_contents(path: SystemPath, durable: bool) -> None:
    async with fs.open_atomic(path, durable=durable) as file:
        await file.write(b"new")
        await file.aclose()
    assert only(path) == b"new"


async def test_entering_that_is_cancelled_leaves_nothing(path: SystemPath) -> None:
    with conc.CancelScope() as scope:
        scope.cancel()
        async with fs.open_atomic(path):
            pass
    assert scope.cancelled_caught
    assert only(path) == b"old"


async def test_a_block_is_entered_once(path: SystemPath) -> None:
    block = fs.open_atomic(path)
    async with block:
        with pytest.raises(RuntimeError, match="entered once"):
            async with block:
                pass
    assert only(path) == b""


async def test_of_many_who_write_one_wins_whole(path: SystemPath) -> None:
    async with conc.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(fs.write_atomic, path, b"%02d" % number * 10_000)
    data = only(path)
    assert len(data) == 20_000
    assert data == data[:2] * 10_000


async def test_the_end_of_a_block_waits_for_a_write_of_another_task(path: SystemPath, gated_write: Gate) -> None:
    async with conc.open_nursery() as nursery:

        async def replace() -> None:
            async with fs.open_atomic(path, durable=False) as file:
                nursery.start_soon(file.write, b"from another task")
                await conc.to_thread(gated_write.wait_for_arrival)

        replacing = nursery.start_soon(replace)
        await conc.to_thread(gated_write.wait_for_arrival)
        for _ in range(50):
            await conc.to_thread(path.exists)  # so long that another thread would have been done with it
        assert replacing.outcome is None
        assert path.read_bytes() == b"old"
        gated_write.open()
    assert only(path) == b"from another task"


async def test_the_name_is_on_the_disk_too_if_it_is_to_be_durable(
    path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(replacing, "sync_data", lambda raw: synced.append("contents"))
    monkeypatch.setattr(replacing, "sync_folder", synced.append)
    await fs.write_atomic(path, b"fast", durable=False)
    assert synced == []
    await fs.write_atomic(path, b"safe")
    assert synced == ["contents", os.path.realpath(path.parent)]
