"""Files and folders for as long as a block: whatever ends the block, they are gone behind it."""

from __future__ import annotations

from types import TracebackType
from typing import Generic, TypeVar

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os import trees
from conc._os.files import StrPath
from conc.fs.file import File
from conc.fs.path import Path
from conc.threads.to_thread import to_thread

T = TypeVar("T")


class Temporary(Generic[T]):
    """Something in the file system that is there for a block: ``async with``. Made when the block is entered."""

    __slots__ = ("_dir", "_entered", "_prefix", "_suffix")

    def __init__(self, dir: StrPath | None, prefix: str | None = None, suffix: str | None = None) -> None:
        self._dir = dir
        self._prefix = prefix
        self._suffix = suffix
        self._entered = False

    async def __aenter__(self) -> T:
        if self._entered:
            raise RuntimeError("a block of something temporary is entered once: make another for another block")
        self._entered = True
        return await self._make()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with CancelScope(shield=True):
            await self._remove()
        if error is None:
            charge() or await toll()

    async def _make(self) -> T:
        raise NotImplementedError

    async def _remove(self) -> None:
        raise NotImplementedError


class _Unnamed(Temporary[File]):
    __slots__ = ("_file",)

    async def _make(self) -> File:
        opened = await to_thread(trees.unnamed_file, self._dir, "w+b")
        self._file = File(opened, "(temporary)", "w+b")
        return self._file

    async def _remove(self) -> None:
        await self._file.aclose()


class _Named(Temporary[File]):
    __slots__ = ("_file",)

    async def _make(self) -> File:
        path, opened = await to_thread(trees.named_file, self._dir, self._prefix, self._suffix)
        self._file = File(opened, path, "w+b")
        return self._file

    async def _remove(self) -> None:
        await self._file._close()
        await to_thread(trees.remove_file, str(self._file.name))


class _Folder(Temporary[Path]):
    __slots__ = ("_path",)

    async def _make(self) -> Path:
        self._path = Path(await to_thread(trees.new_folder, self._dir, self._prefix, self._suffix))
        return self._path

    async def _remove(self) -> None:
        await to_thread(trees.remove_tree, self._path, True)


def temp_file(*, dir: StrPath | None = None) -> Temporary[File]:
    """A file of bytes without a name, to write to and read from: ``async with fs.temp_file() as file``.

    Args:
        dir: the folder on whose disk it is. None: that of the system for such files.

    Returns:
        An async context manager of a `File`, which is closed and so gone at the end of the block.
    """
    return _Unnamed(dir)


def named_temp_file(
    *, suffix: str | None = None, prefix: str | None = None, dir: StrPath | None = None
) -> Temporary[File]:
    """A new file of bytes, to write to and read from, that others can open by its ``name``; only this user may.

    Args:
        suffix: how its name ends.
        prefix: how it begins.
        dir: the folder it is in. None: that of the system for such files.

    Returns:
        An async context manager of a `File`. At the end of the block it is closed and removed, if it is still there.
    """
    return _Named(dir, prefix, suffix)


def temp_dir(*, suffix: str | None = None, prefix: str | None = None, dir: StrPath | None = None) -> Temporary[Path]:
    """A new folder that only this user may enter: ``async with fs.temp_dir() as folder``.

    Args:
        suffix: how its name ends.
        prefix: how it begins.
        dir: the folder it is in. None: that of the system for such folders.

    Returns:
        An async context manager of its `Path`. At the end of the block it is removed with all that is in it.
    """
    return _Folder(dir, prefix, suffix)
