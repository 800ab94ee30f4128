"""What is in folders: one after the other, a folder at a time, or a whole tree."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeAlias

from conc._os import files
from conc._os.files import StrPath
from conc.fs.batches import Batches
from conc.fs.path import Path

Found: TypeAlias = tuple[str, bool, bool, bool]


class DirEntry:
    """Something in a folder, and what was known of it when it was found.

    Attributes:
        name: its name in the folder.
        path: its path: that of the folder, and the name.
        is_dir: whether it was a folder, or a link to one.
        is_file: whether it was a file, or a link to one.
        is_symlink: whether it was a symbolic link.
    """

    __slots__ = ("is_dir", "is_file", "is_symlink", "name", "path")

    def __init__(self, folder: Path, name: str, is_dir: bool, is_file: bool, is_symlink: bool) -> None:
        self.name = name
        self.path = folder / name
        self.is_dir = is_dir
        self.is_file = is_file
        self.is_symlink = is_symlink

    def __fspath__(self) -> str:
        return str(self.path)

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """What the system knows of it now. As `Path.stat`.

        Raises:
            OSError: it is not there any more, or nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await self.path.stat(follow_symlinks=follow_symlinks)

    def __repr__(self) -> str:
        return f"<DirEntry {str(self.path)!r}>"


def scandir(path: StrPath = ".") -> Batches[Found, DirEntry]:
    """Go through a folder: ``async for entry in fs.scandir(path)``, in the order of the system.

    Some entries are read at a time, with one call of a thread, so a folder of any size takes little memory. A loop that
    is left early leaves the folder open until nobody holds the iterator; ``async with fs.scandir(path) as entries``
    closes it at the end of the block.

    Returns:
        An async iterator of `DirEntry`. A step raises OSError if the folder cannot be read.

    Checkpoint: each step is a cancel point; it waits for a thread if no entry is left of those that were read.
    If cancelled: no entry was taken.
    """
    folder = Path(path)

    def make(found: Found) -> DirEntry:
        return DirEntry(folder, *found)

    return Batches(_look_at_each(str(folder)), make)


def _look_at_each(path: str) -> Iterator[Found]:
    for entry in files.entries(path):
        is_symlink = entry.is_symlink()
        try:
            is_dir = entry.is_dir()
        except OSError:  # a link into what nobody may see
            yield entry.name, False, False, is_symlink
        else:
            yield entry.name, is_dir, not is_dir and entry.is_file(), is_symlink


def walk(
    top: StrPath,
    *,
    top_down: bool = True,
    on_error: Callable[[OSError], object] | None = None,
    follow_symlinks: bool = False,
) -> AsyncIterator[tuple[Path, list[str], list[str]]]:
    """Go through a folder and all folders in it: ``async for folder, folders, files in fs.walk(top)``.

    As `pathlib.Path.walk`: links to folders count as files unless links are followed. Going down, the loop may take
    names out of `folders`, or reorder them, and so say where to go. One folder is read at a time, when it is its turn.

    Args:
        top: where to begin.
        top_down: whether a folder comes before those in it.
        on_error: called with each OSError of a folder that cannot be read, which is left out; it may raise it. None:
            such folders are left out without a word.
        follow_symlinks: whether to go into folders that are linked to. A link to a folder above makes that endless.

    Returns:
        An async iterator of the path of a folder, the names of the folders in it, and those of all else.

    Checkpoint: each step is always a cancel point, and it waits for a thread.
    If cancelled: no folder was taken: the loop can go on.
    """
    return Path(top).walk(top_down=top_down, on_error=on_error, follow_symlinks=follow_symlinks)
