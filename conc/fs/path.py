"""Paths as the standard library's, whose methods that touch the disk are awaited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self, overload

from conc._os import files
from conc._os.files import StrPath, SystemPath
from conc.fs import opening, trees
from conc.fs.batches import Batches
from conc.fs.file import File
from conc.fs.opening import BinaryMode, Opening, TextMode
from conc.fs.path_changes import PathChanges
from conc.fs.path_queries import PathQueries
from conc.fs.text import TextFile
from conc.fs.walking import Walk
from conc.io.stream import Buffer
from conc.threads.to_thread import to_thread


class Path(PathQueries, PathChanges):
    """A path: a `pathlib.PurePath`, with the methods of `pathlib.Path`, which are awaited.

    What only computes is as there, and gives such paths again: ``path / "name"``, ``path.parent``,
    ``path.with_suffix(".txt")``. It is equal to the same path of `pathlib`, and may be given to whatever takes paths.
    """

    __slots__ = ()

    # ---- contents ---------------------------------------------------------------------------------------------------

    @overload
    def open(
        self, mode: TextMode = "r", *, encoding: str = "utf-8", errors: str | None = None, newline: str | None = None
    ) -> Opening[TextFile]: ...

    @overload
    def open(self, mode: BinaryMode) -> Opening[File]: ...

    @overload
    def open(
        self, mode: str, *, encoding: str = "utf-8", errors: str | None = None, newline: str | None = None
    ) -> Opening[Any]: ...

    def open(
        self,
        mode: str = "r",
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[Any]:
        """Open the file: ``await path.open()``, or ``async with path.open() as file:``. As `conc.fs.open`."""
        return opening.opened(self, mode, encoding, errors, newline)

    async def read_bytes(self) -> bytes:
        """All that is in the file.

        Raises:
            OSError: it cannot be opened, or not be read.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(files.read_bytes, self)

    async def read_text(self, encoding: str = "utf-8", errors: str | None = None, newline: str | None = None) -> str:
        """All that is in the file, as a text.

        Args:
            encoding: UTF-8 unless given, on every system.
            errors: what to do with what cannot be decoded.
            newline: what is the end of a line, as of the builtin `open`.

        Raises:
            OSError: it cannot be opened, or not be read.
            UnicodeDecodeError: the bytes mean nothing in this encoding.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(files.read_text, self, encoding, errors, newline)

    async def write_bytes(self, data: Buffer) -> int:
        """Let the file have these contents, and return how many bytes they are. It is made if it is not there.

        A crash may leave a part of them: `conc.fs.write_atomic` leaves all or nothing.

        Raises:
            OSError: it cannot be opened for writing, or the disk is full.
            TypeError: `data` is not bytes.

        Checkpoint: always, and it waits for a thread.
        If cancelled: the file is as it was. Once a thread has begun, it is waited for, and the file has the contents.
        """
        return await to_thread(files.write_bytes, self, data)

    async def write_text(
        self, text: str, encoding: str = "utf-8", errors: str | None = None, newline: str | None = None
    ) -> int:
        """Let the file have this text, and return how many characters it is. It is made if it is not there.

        A crash may leave a part of it: `conc.fs.write_atomic` leaves all or nothing.

        Args:
            text: what is written.
            encoding: UTF-8 unless given, on every system.
            errors: what to do with what cannot be encoded.
            newline: what is written for the end of a line, as of the builtin `open`.

        Raises:
            OSError: it cannot be opened for writing, or the disk is full.
            UnicodeEncodeError: a character cannot be encoded.
            TypeError: `text` is not a string.

        Checkpoint: always, and it waits for a thread.
        If cancelled: the file is as it was. Once a thread has begun, it is waited for, and the file has the text.
        """
        return await to_thread(files.write_text, self, text, encoding, errors, newline)

    # ---- folders ----------------------------------------------------------------------------------------------------

    def iterdir(self) -> Batches[str, Self]:
        """Go through the folder: ``async for path in folder.iterdir()``, in the order of the system.

        Some names are read at a time, with one call of a thread, so a folder of any size takes little memory.

        Returns:
            An async iterator of paths. A step raises OSError if the folder cannot be read.
        """
        return Batches(files.names(str(self)), self.__truediv__)

    def glob(self, pattern: str) -> Batches[SystemPath, Self]:
        """Find what matches a pattern, seen from this folder: ``async for path in folder.glob("**/*.py")``.

        As `pathlib.Path.glob` of the Python that runs this. Some are looked for at a time, with one call of a thread; a
        loop that is cancelled waits for that.

        Returns:
            An async iterator of paths.

        Raises:
            ValueError: the pattern is empty.
            NotImplementedError: it is absolute.
        """
        self._check_pattern(pattern)
        return Batches(_matches(SystemPath(self), pattern, False), type(self))

    def rglob(self, pattern: str) -> Batches[SystemPath, Self]:
        """As `glob`, in this folder and all folders in it.

        Returns:
            An async iterator of paths.

        Raises:
            NotImplementedError: the pattern is absolute.
        """
        if pattern:
            self._check_pattern(pattern)
        return Batches(_matches(SystemPath(self), pattern, True), type(self))

    def walk(
        self,
        *,
        top_down: bool = True,
        on_error: Callable[[OSError], object] | None = None,
        follow_symlinks: bool = False,
    ) -> Walk[Self]:
        """Go through this folder and all folders in it. As `conc.fs.walk`."""
        return Walk(self, top_down, on_error, follow_symlinks)

    # ---- copies -----------------------------------------------------------------------------------------------------

    async def copy(self, target: StrPath) -> Self:
        """Copy the file, or the folder with all that is in it, and return the path of the copy.

        As `conc.fs.copy_file` and `conc.fs.copy_tree`.

        Raises:
            OSError: it is not there, cannot be read, or `target` not be written.

        Checkpoint: always, and it waits for a thread.
        If cancelled: the copy of a file was not made; of a folder, the files that were copied stay.
        """
        if await self.is_dir():
            await trees.copy_tree(self, target)
        else:
            await trees.copy_file(self, target)
        return type(self)(target)

    async def move(self, target: StrPath) -> Self:
        """Move it, also to another file system, and return its new path. As `conc.fs.move`.

        Raises:
            OSError: it is not permitted, or there is something of that name in `target`.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not moved.
        """
        return type(self)(await trees.move(self, target))

    @staticmethod
    def _check_pattern(pattern: str) -> None:
        if not pattern:
            raise ValueError("pattern must not be empty")
        if SystemPath(pattern).is_absolute():
            raise NotImplementedError(f"pattern must not be absolute: {pattern!r}")


def _matches(path: SystemPath, pattern: str, everywhere: bool) -> Iterator[SystemPath]:
    yield from (path.rglob if everywhere else path.glob)(pattern)
