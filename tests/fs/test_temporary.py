"""What is there for a block is gone behind it, whatever ended the block."""

from __future__ import annotations

import os
from pathlib import Path as SystemPath
from typing import Any

import pytest

import conc
from conc import fs
from tests.fs.support import nothing_left_open

MAKERS = [fs.temp_file, fs.named_temp_file, fs.temp_dir]


async def test_a_temporary_file_is_written_and_read(tmp_path: SystemPath) -> None:
    async with fs.temp_file(dir=tmp_path) as file:
        await file.write(b"for now")
        await file.seek(0)
        assert await file.read() == b"for now"
        assert list(tmp_path.iterdir()) == []
    assert file.closed


async def test_a_named_temporary_file_can_be_opened_by_its_name(tmp_path: SystemPath) -> None:
    async with fs.named_temp_file(dir=tmp_path, prefix="a-", suffix=".txt") as file:
        await file.write(b"for now")
        path = SystemPath(os.fsdecode(file.name))
        assert path.read_bytes() == b"for now"
        assert path.name.startswith("a-")
        assert path.suffix == ".txt"
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


async def test_a_temporary_folder_is_removed_with_all_that_is_in_it(tmp_path: SystemPath) -> None:
    async with fs.temp_dir(dir=tmp_path, prefix="b-") as folder:
        assert type(folder) is fs.Path
        await (folder / "x" / "y").mkdir(parents=True)
        await (folder / "x" / "file").write_text("z")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("end", ["error", "cancelled", "closed"])
async def test_whatever_ends_the_block_nothing_is_left(tmp_path: SystemPath, make: Any, end: str) -> None:
    with nothing_left_open():
        with conc.CancelScope() as scope:
            try:
                async with make(dir=tmp_path) as thing:
                    if end == "error":
                        raise KeyError
                    if end == "cancelled":
                        scope.cancel()
                        await conc.checkpoint()
                    if isinstance(thing, fs.File):
                        await thing.aclose()
                    else:
                        await fs.remove_tree(thing)
            except KeyError:
                assert end == "error"
        assert scope.cancelled_caught == (end == "cancelled")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", MAKERS)
async def test_entering_that_is_cancelled_makes_nothing(tmp_path: SystemPath, make: Any) -> None:
    with conc.CancelScope() as scope:
        scope.cancel()
        async with make(dir=tmp_path):
            pass
    assert scope.cancelled_caught
    assert list(tmp_path.iterdir()) == []


async def test_a_file_that_was_renamed_is_kept(tmp_path: SystemPath) -> None:
    async with fs.named_temp_file(dir=tmp_path) as file:
        await file.write(b"kept")
        os.rename(file.name, tmp_path / "kept")
    assert (tmp_path / "kept").read_bytes() == b"kept"


@pytest.mark.parametrize("make", MAKERS)
async def test_no_such_folder_is_an_error_of_entering(tmp_path: SystemPath, make: Any) -> None:
    with pytest.raises(FileNotFoundError):
        async with make(dir=tmp_path / "missing"):
            pass


async def test_a_temporary_folder_is_found_again_from_elsewhere(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with fs.temp_dir(dir=".") as folder:
        assert folder.is_absolute()
        monkeypatch.chdir("/")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", MAKERS)
async def test_a_block_is_entered_once_so_that_nothing_is_forgotten(tmp_path: SystemPath, make: Any) -> None:
    temporary = make(dir=tmp_path)
    async with temporary:
        with pytest.raises(RuntimeError, match="entered once"):
            await temporary.__aenter__()
    assert list(tmp_path.iterdir()) == []
