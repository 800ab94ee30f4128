"""Going through folders: everything once, a part at a time, and as the standard library says."""

from __future__ import annotations

import os
import sys
from pathlib import Path as SystemPath
from pathlib import PurePath
from typing import Any

import pytest

import conc
from conc import fs
from conc.errors import BusyResource
from conc.fs import batches, walking
from tests.fs.support import Gate, nothing_left_open


@pytest.fixture
def tree(tmp_path: SystemPath) -> SystemPath:
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("top.txt", "a/one.txt", "a/two.py", "a/b/c/deep.txt", "e/last"):
        (tmp_path / name).write_text(name)
    (tmp_path / "to_a").symlink_to("a")
    (tmp_path / "broken").symlink_to("nothing")
    return tmp_path


async def test_a_folder_gives_each_of_its_paths_once(tree: SystemPath) -> None:
    found: list[PurePath] = [path async for path in fs.Path(tree).iterdir()]
    assert sorted(found) == sorted(tree.iterdir())
    assert {type(path) for path in found} == {fs.Path}


async def test_entries_say_what_they_are(tree: SystemPath) -> None:
    async with fs.scandir(tree) as entries:
        found = {entry.name: entry async for entry in entries}
    assert {name: (one.is_dir, one.is_file, one.is_symlink) for name, one in found.items()} == {
        "a": (True, False, False),
        "e": (True, False, False),
        "top.txt": (False, True, False),
        "to_a": (True, False, True),
        "broken": (False, False, True),
    }
    assert str(found["a"].path) == str(tree / "a")
    assert os.fspath(found["a"]) == str(tree / "a")
    assert (await found["top.txt"].stat()).st_size == 7
    assert repr(found["a"]).startswith("<DirEntry ")


async def test_a_large_folder_is_read_in_parts(tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2000):
        (tmp_path / str(number)).touch()
    entries = fs.scandir(tmp_path)
    most = 0
    found = set()
    async for entry in entries:
        most = max(most, len(entries._items))
        found.add(int(entry.name))
    assert found == set(range(2000))
    assert most < batches.MOST


async def test_a_loop_that_is_left_leaves_nothing_open(tmp_path: SystemPath) -> None:
    for number in range(200):
        (tmp_path / str(number)).touch()
    with nothing_left_open():
        async with fs.scandir(tmp_path) as entries:
            async for _ in entries:
                break
        assert [entry async for entry in entries] == []
        async for _ in fs.Path(tmp_path).iterdir():
            break


async def test_a_folder_that_cannot_be_read_is_an_error_of_the_first_step(tmp_path: SystemPath) -> None:
    for folder in (fs.scandir(tmp_path / "missing"), fs.Path(tmp_path / "missing").iterdir()):
        with pytest.raises(FileNotFoundError, match="missing"):
            await anext(folder)
        with pytest.raises(StopAsyncIteration):
            await anext(folder)


async def test_an_error_comes_behind_what_came_before_it() -> None:
    def numbers() -> Any:
        yield from range(5)
        raise OSError("the disk failed")

    found = []
    with pytest.raises(OSError, match="the disk failed"):
        async for number in batches.Batches(numbers(), str):
            found += [number]
    assert found == ["0", "1", "2", "3", "4"]


async def test_a_step_that_is_cancelled_takes_nothing(tree: SystemPath) -> None:
    folder = fs.Path(tree).iterdir()
    found: list[PurePath] = []
    for _ in range(3):
        with conc.CancelScope() as scope:
            scope.cancel()
            await anext(folder)
        assert scope.cancelled_caught
        found.append(await anext(folder))
    found += [path async for path in folder]
    assert sorted(found) == sorted(tree.iterdir())


async def test_one_task_at_a_time_goes_through_a_folder(tree: SystemPath) -> None:
    gate = Gate(lambda: "ab")
    letters = batches.Batches((letter for _ in range(1) for letter in gate()), str)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(anext, letters)
        await conc.to_thread(gate.wait_for_arrival)
        with pytest.raises(BusyResource, match="one task at a time"):
            await anext(letters)
        with pytest.raises(BusyResource):
            await letters.aclose()
        gate.open()
    assert await anext(letters) == "b"


@pytest.mark.parametrize("pattern", ["*", "*.txt", "**/*.txt", "a/*", "**/c", "[et]*", "nothing*", "**/*"])
async def test_patterns_find_what_they_find_in_the_standard_library(tree: SystemPath, pattern: str) -> None:
    found: list[PurePath] = [path async for path in fs.Path(tree).glob(pattern)]
    assert sorted(found) == sorted(tree.glob(pattern))
    found = [path async for path in fs.Path(tree).rglob(pattern)]
    assert sorted(found) == sorted(tree.rglob(pattern))


async def test_a_bad_pattern_is_refused_at_the_call(tree: SystemPath) -> None:
    with pytest.raises(ValueError, match="pattern must not be empty"):
        fs.Path(tree).glob("")
    with pytest.raises(NotImplementedError, match="must not be absolute"):
        fs.Path(tree).rglob("/a")


def model(tree: SystemPath, follow: bool, top_down: bool) -> list[tuple[str, list[str], list[str]]]:
    if sys.version_info >= (3, 12):
        found = [(str(path), folders, files) for path, folders, files in tree.walk(top_down, follow_symlinks=follow)]
    else:
        found = []
        for path, folders, files in os.walk(tree, top_down, followlinks=follow):
            links = [] if follow else [name for name in folders if os.path.islink(os.path.join(path, name))]
            found.append((path, [name for name in folders if name not in links], files + links))
    return [(path, sorted(folders), sorted(files)) for path, folders, files in found]


@pytest.mark.parametrize("follow", [False, True])
@pytest.mark.parametrize("top_down", [False, True])
async def test_a_walk_comes_by_all_folders_in_order(tree: SystemPath, follow: bool, top_down: bool) -> None:
    found = [
        (str(path), sorted(folders), sorted(files))
        async for path, folders, files in fs.walk(tree, top_down=top_down, follow_symlinks=follow)
    ]
    assert sorted(found) == sorted(model(tree, follow, top_down))
    place = {path: number for number, (path, _, _) in enumerate(found)}
    for path, here in place.items():
        above = place.get(os.path.dirname(path))
        assert above is None or (above < here) == top_down


async def test_a_walk_goes_where_the_loop_lets_it(tree: SystemPath) -> None:
    seen = []
    async for path, folders, _ in fs.Path(tree).walk():
        seen.append(str(path.relative_to(tree)))
        folders[:] = sorted(name for name in folders if name != "b")
    assert seen == [".", "a", "a/d", "e"]


async def test_a_walk_tells_of_folders_that_cannot_be_read_and_goes_on(tree: SystemPath) -> None:
    errors: list[OSError] = []
    seen = []
    async for path, folders, _ in fs.walk(tree, on_error=errors.append):
        seen.append(path.name)
        if str(path) == str(tree):
            folders.insert(0, "gone")
    assert [type(error) for error in errors] == [FileNotFoundError]
    assert "gone" not in seen
    assert "c" in seen
    assert [one async for one in fs.walk(tree / "missing")] == []


async def test_a_walk_that_is_cancelled_goes_on_where_it_was(tree: SystemPath) -> None:
    walk = fs.walk(tree)
    found = []
    while True:
        with conc.CancelScope() as scope:
            scope.cancel()
            await anext(walk)
        assert scope.cancelled_caught
        try:
            found.append((await anext(walk))[0])
        except StopAsyncIteration:
            break
    assert sorted(map(str, found)) == sorted(path for path, _, _ in model(tree, False, True))


async def test_a_walk_that_was_cancelled_goes_on_and_doubles_nothing(tmp_path: SystemPath) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    walk = fs.walk(tmp_path)
    found = []
    ended = False
    while not ended:
        for _ in range(2):
            with conc.CancelScope() as scope:
                scope.cancel()
                await anext(walk)
        try:
            folder, folders, _ = await anext(walk)
        except StopAsyncIteration:
            ended = True
        else:
            folders.sort()
            found.append(folder.name)
    assert found == [tmp_path.name, "a", "b", "c"]


async def test_a_walk_that_is_cancelled_while_it_waits_for_a_thread_goes_on(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    walk = fs.walk(tmp_path)
    await anext(walk)

    async def cancelled(*args: Any) -> Any:
        monkeypatch.undo()
        scope.cancel()
        await conc.checkpoint()

    monkeypatch.setattr(walking, "to_thread", cancelled)
    with conc.CancelScope() as scope:
        await anext(walk)
    assert scope.cancelled_caught
    assert [folder.name async for folder, _, _ in walk] == ["a"]
