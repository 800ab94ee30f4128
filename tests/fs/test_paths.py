"""Paths are those of the standard library, and what touches the disk is awaited."""

from __future__ import annotations

import os
import pathlib
import pickle
import stat
import sys
from pathlib import Path as SystemPath
from pathlib import PurePath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc import fs

PARTS = st.lists(st.sampled_from(["a", "b.txt", "..", ".", "", "/", "c/d", ".hidden"]), max_size=4)


@given(PARTS, PARTS)
def test_what_only_computes_is_as_in_the_standard_library(ours: list[str], others: list[str]) -> None:
    path, model = fs.Path(*ours), PurePath(*ours)
    other, other_model = fs.Path(*others), PurePath(*others)
    assert path == model
    assert hash(path) == hash(model)
    assert str(path) == str(model)
    assert (path == other) == (model == other_model)
    assert (path < other) == (model < other_model)
    assert os.fspath(path / other) == os.fspath(model / other_model)
    assert path.parts == model.parts
    assert (path.name, path.suffix, path.stem) == (model.name, model.suffix, model.stem)
    assert [type(parent) for parent in path.parents] == [fs.Path for _ in model.parents]


def test_paths_that_are_computed_are_paths_of_this_kind_again() -> None:
    path = fs.Path("a") / "b.txt"
    for one in (path.parent, path.with_suffix(".py"), path.with_name("c"), path.joinpath("d"), "x" / path, path / path):
        assert type(one) is fs.Path
    assert path.relative_to("a") == fs.Path("b.txt")
    assert path.match("*.txt")
    assert isinstance(path, PurePath)
    assert isinstance(path, os.PathLike)
    assert pickle.loads(pickle.dumps(path)) == path
    assert repr(path) == "Path('a/b.txt')"
    assert {path, PurePath("a/b.txt")} == {path}


@pytest.mark.parametrize("name", ["file", "folder", "link", "dangling", "to_folder", "fifo", "missing", "file/x"])
async def test_questions_are_answered_as_by_the_standard_library(tmp_path: SystemPath, name: str) -> None:
    (tmp_path / "file").write_text("text")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "dangling").symlink_to("nothing")
    (tmp_path / "to_folder").symlink_to("folder")
    os.mkfifo(tmp_path / "fifo")
    path, model = fs.Path(tmp_path / name), tmp_path / name
    for question in (
        *("exists", "is_dir", "is_file", "is_symlink", "is_mount", "is_socket", "is_fifo", "is_block_device"),
        *("is_char_device", "stat", "lstat", "owner", "group", "readlink", "resolve", "absolute", "expanduser"),
    ):
        assert await outcome(path, question) == model_outcome(model, question), question
    assert await path.exists(follow_symlinks=False) == os.path.lexists(model)
    assert not await path.is_junction()


async def outcome(path: Any, name: str, *args: Any) -> object:
    try:
        return await getattr(path, name)(*args)
    except OSError as error:
        return type(error), error.errno


def model_outcome(path: Any, name: str, *args: Any) -> object:
    try:
        return getattr(path, name)(*args)
    except OSError as error:
        return type(error), error.errno


async def test_paths_from_questions_are_paths_of_this_kind(tmp_path: SystemPath) -> None:
    (tmp_path / "link").symlink_to("file")
    path = fs.Path(tmp_path / "link")
    for one in (await path.readlink(), await path.resolve(), await path.absolute(), await fs.Path.cwd()):
        assert type(one) is fs.Path
    assert await fs.Path("~/x").expanduser() == await fs.Path.home() / "x"
    with pytest.raises(FileNotFoundError):
        await path.resolve(strict=True)
    with pytest.raises(FileNotFoundError):
        await path.stat()
    assert stat.S_ISLNK((await path.stat(follow_symlinks=False)).st_mode)


async def test_files_are_written_and_read_whole(tmp_path: SystemPath) -> None:
    path = fs.Path(tmp_path) / "file"
    assert await path.write_text("gr\u00fcn\n") == 5
    assert await path.read_text() == "gr\u00fcn\n"
    assert await path.read_bytes() == "gr\u00fcn\n".encode()
    assert await path.write_bytes(b"a\r\nb") == 4
    assert await path.read_text(newline="") == "a\r\nb"
    assert await path.read_text() == "a\nb"
    await path.write_text("a\n", encoding="utf-16-le", newline="\r\n")
    assert await path.read_bytes() == "a\r\n".encode("utf-16-le")
    async with path.open("ab") as file:
        await file.write(b"!")
    async with await path.open("rb") as file:
        assert (await file.read())[-1:] == b"!"


async def test_names_folders_links_and_permissions_are_changed(tmp_path: SystemPath) -> None:
    folder = fs.Path(tmp_path) / "a" / "b"
    with pytest.raises(FileNotFoundError):
        await folder.mkdir()
    await folder.mkdir(parents=True)
    await folder.mkdir(exist_ok=True)
    file = folder / "file"
    await file.touch(0o600)
    assert stat.S_IMODE((await file.stat()).st_mode) == 0o600
    with pytest.raises(FileExistsError):
        await file.touch(exist_ok=False)
    await file.chmod(0o640)
    assert stat.S_IMODE((await file.stat()).st_mode) == 0o640
    await (folder / "soft").symlink_to("file")
    await (folder / "hard").hardlink_to(file)
    assert await file.samefile(folder / "soft")
    assert await file.samefile(folder / "hard")
    moved = await file.rename(folder / "moved")
    assert type(moved) is fs.Path
    assert await moved.replace(folder / "hard") == folder / "hard"
    with pytest.raises(OSError, match="not empty"):
        await folder.rmdir()
    for name in ("hard", "soft", "moved"):
        await (folder / name).unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        await (folder / "soft").unlink()
    await folder.rmdir()
    assert not await folder.exists()


async def test_permissions_of_links_are_set_where_the_system_can(tmp_path: SystemPath) -> None:
    path = fs.Path(tmp_path) / "link"
    await path.symlink_to("nothing")
    if os.chmod in os.supports_follow_symlinks:
        await path.lchmod(0o600)
    else:
        with pytest.raises(NotImplementedError):
            await path.lchmod(0o600)


async def test_a_cancelled_change_was_not_made(tmp_path: SystemPath) -> None:
    path = fs.Path(tmp_path) / "new"
    for change in (path.mkdir(), path.touch(), path.write_text("x"), path.symlink_to("y")):
        with conc.CancelScope() as scope:
            scope.cancel()
            await change
        assert scope.cancelled_caught
        assert not await path.exists()


async def test_copies_and_moves_of_paths_give_the_new_path(tmp_path: SystemPath) -> None:
    path = fs.Path(tmp_path) / "file"
    await path.write_text("text")
    copy = await path.copy(path.with_name("copy"))
    assert type(copy) is fs.Path
    assert await copy.read_text() == "text"
    await (path.parent / "folder").mkdir()
    moved = await copy.move(path.parent / "folder")
    assert moved == path.parent / "folder" / "copy"
    again = await (path.parent / "folder").copy(path.parent / "again")
    assert await (again / "copy").read_text() == "text"


def test_every_method_of_the_standard_library_is_there() -> None:
    newer = {"copy_into", "move_into", "from_uri", "info", "is_reserved", "link_to"}
    theirs = {name for name in dir(pathlib.Path) if not name.startswith("_")}
    assert theirs - newer - set(dir(fs.Path)) == set(), sys.version
