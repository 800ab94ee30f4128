"""Whole files and folders: copied, moved, removed."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path as SystemPath

import pytest

import conc
from conc import fs
from conc._os import replacing


@pytest.fixture
def tree(tmp_path: SystemPath) -> SystemPath:
    tree = tmp_path / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "one").write_text("1")
    (tree / "a" / "b" / "two").write_text("2")
    (tree / "link").symlink_to("a/one")
    return tree


def contents(tree: SystemPath) -> dict[str, str | None]:
    return {
        str(path.relative_to(tree)): path.read_text() if path.is_file() else None for path in sorted(tree.rglob("*"))
    }


async def test_a_copy_has_the_contents_and_permissions(tmp_path: SystemPath) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * 100)
    source.chmod(0o700)
    os.utime(source, (1, 1))
    await fs.copy_file(source, target)
    assert target.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert target.stat().st_mtime != 1
    await fs.copy_file(source, target, metadata=True)
    assert target.stat().st_mtime == 1


async def test_a_copy_that_fails_leaves_the_target(tmp_path: SystemPath) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    with pytest.raises(FileNotFoundError):
        await fs.copy_file(tmp_path / "missing", target)
    with pytest.raises(IsADirectoryError):
        await fs.copy_file(tmp_path, target)
    with pytest.raises(shutil.SameFileError):
        await fs.copy_file(target, target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


async def test_a_copy_that_is_cancelled_is_given_up_between_two_pieces(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "PIECE", 10)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * 1_000_000)
    target.write_text("old")
    with conc.CancelScope() as scope:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(fs.copy_file, source, target)
            while len(list(tmp_path.iterdir())) < 3:  # until it has begun
                await conc.to_thread(int)
            scope.cancel()
    assert scope.cancelled_caught
    assert target.read_text() == "old"
    assert sorted(tmp_path.iterdir()) == [source, target]


async def test_a_folder_is_copied_with_all_that_is_in_it(tree: SystemPath, tmp_path: SystemPath) -> None:
    await fs.copy_tree(tree, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(tree)
    assert os.readlink(tmp_path / "copy" / "link") == "a/one"
    with pytest.raises(FileExistsError):
        await fs.copy_tree(tree, tmp_path / "copy")
    (tmp_path / "copy" / "a" / "one").write_text("changed")
    (tmp_path / "copy" / "more").write_text("stays")
    os.unlink(tmp_path / "copy" / "link")
    await fs.copy_tree(tree, tmp_path / "copy", exist_ok=True)
    assert contents(tmp_path / "copy") == {**contents(tree), "more": "stays"}


async def test_a_folder_is_removed_and_links_are_not_followed(tree: SystemPath, tmp_path: SystemPath) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "kept").touch()
    (tree / "to_other").symlink_to(tmp_path / "other")
    await fs.remove_tree(tree)
    assert list(tmp_path.iterdir()) == [tmp_path / "other"]
    assert (tmp_path / "other" / "kept").exists()
    with pytest.raises(FileNotFoundError):
        await fs.remove_tree(tree)
    await fs.remove_tree(tree, missing_ok=True)
    with pytest.raises(NotADirectoryError):
        await fs.remove_tree(tmp_path / "other" / "kept")


async def test_a_move_gives_the_new_path(tree: SystemPath, tmp_path: SystemPath) -> None:
    assert await fs.move(tree / "a", tmp_path / "moved") == str(tmp_path / "moved")
    assert (tmp_path / "moved" / "b" / "two").read_text() == "2"
    with pytest.raises(FileNotFoundError):
        await fs.move(tree / "missing", tmp_path / "x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs here")
async def test_a_fifo_is_not_waited_for_but_refused(tree: SystemPath) -> None:
    os.mkfifo(tree / "a" / "fifo")
    with pytest.raises(shutil.SpecialFileError, match="a named pipe"):
        await fs.copy_file(tree / "a" / "fifo", tree / "copy")
    target = tree.parent / "target"
    with pytest.raises(shutil.Error, match="a named pipe"):
        await fs.copy_tree(tree, target)
    assert contents(target) == {key: value for key, value in contents(tree).items() if key != "a/fifo"}
