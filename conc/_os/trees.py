"""Whole folders, files for a while, and folders for a while. All of it blocks, and belongs into threads."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable

from conc._os.files import Opened, StrPath, opened
from conc._os.replacing import copy_file


def copy_tree(source: StrPath, target: StrPath, exist_ok: bool, go_on: Callable[[], None]) -> None:
    """Copy a folder with all that is in it; links as links. `go_on` is called now and then; it raises to stop that."""

    def copy(old: str, new: str) -> None:
        copy_file(old, new, True, go_on)
        go_on()

    shutil.copytree(source, target, symlinks=True, copy_function=copy, dirs_exist_ok=exist_ok)


def remove_tree(path: StrPath, missing_ok: bool) -> None:
    """Remove a folder with all that is in it. A link is not followed but refused."""
    if os.path.lexists(path) or not missing_ok:
        shutil.rmtree(path)


def move(source: StrPath, target: StrPath) -> str:
    """Rename a file or folder; between file systems copy it, then remove it. Its new path."""
    return os.fspath(shutil.move(source, target))


def unnamed_file(folder: StrPath | None, mode: str) -> Opened:
    """A file without a name, which is gone when it is closed."""
    return opened(tempfile.TemporaryFile(mode, buffering=0, dir=folder))  # type: ignore[arg-type]


def named_file(folder: StrPath | None, prefix: str | None, suffix: str | None) -> tuple[str, Opened]:
    """A new file that only this user may open, and its path."""
    fd, path = tempfile.mkstemp(suffix, prefix, folder)
    try:
        return path, opened(io.FileIO(fd, "r+"))
    except BaseException:
        os.close(fd)
        os.unlink(path)
        raise


def new_folder(folder: StrPath | None, prefix: str | None, suffix: str | None) -> str:
    """A new folder that only this user may enter."""
    return os.path.abspath(tempfile.mkdtemp(suffix, prefix, folder))  # until 3.12 it may be a relative one


def remove_file(path: StrPath) -> None:
    """Remove a file, if it is still there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
