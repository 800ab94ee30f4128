"""What can be changed at a path."""

from __future__ import annotations

import os
from functools import partial
from typing import Self

from conc._os.files import PlainPath, StrPath, SystemPath
from conc.threads.to_thread import to_thread


class PathChanges(PlainPath):
    """The part of `Path` that changes names, folders, links and permissions."""

    __slots__ = ()

    async def mkdir(self, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        """Make a folder.

        Args:
            mode: its permissions, less what the process leaves out.
            parents: whether to make the folders above it that are not there.
            exist_ok: whether it is no error if the folder is there.

        Raises:
            FileExistsError: there is something of that name.
            FileNotFoundError: the folder above is not there.
            OSError: it is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(SystemPath(self).mkdir, mode, parents, exist_ok)

    async def rmdir(self) -> None:
        """Remove a folder, which must be empty. For one that is not: `conc.fs.remove_tree`.

        Raises:
            FileNotFoundError: it is not there.
            OSError: it is not empty, no folder, or this is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(SystemPath(self).rmdir)

    async def unlink(self, missing_ok: bool = False) -> None:
        """Remove a file or a link.

        Args:
            missing_ok: whether it is no error if there is none.

        Raises:
            FileNotFoundError: there is none.
            OSError: it is a folder, or this is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(SystemPath(self).unlink, missing_ok)

    async def rename(self, target: StrPath) -> Self:
        """Give it another name, and return that. On Unix a file of that name is replaced; on Windows that is an error.

        Raises:
            OSError: it is not there, `target` is on another file system, or this is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        return type(self)(await to_thread(SystemPath(self).rename, os.fspath(target)))

    async def replace(self, target: StrPath) -> Self:
        """Give it another name, and return that. A file of that name is replaced, in one step.

        Raises:
            OSError: it is not there, `target` is on another file system, or this is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        return type(self)(await to_thread(SystemPath(self).replace, os.fspath(target)))

    async def touch(self, mode: int = 0o666, exist_ok: bool = True) -> None:
        """Make an empty file; of one that is there, let the times be now.

        Args:
            mode: the permissions of a new one, less what the process leaves out.
            exist_ok: whether it is no error if it is there.

        Raises:
            FileExistsError: it is there, and that is not permitted.
            OSError: the folder is not there, or not writable.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(SystemPath(self).touch, mode, exist_ok)

    async def chmod(self, mode: int, *, follow_symlinks: bool = True) -> None:
        """Set the permissions.

        Raises:
            OSError: it is not there, or not ours.
            NotImplementedError: the permissions of links cannot be set here.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(partial(SystemPath(self).chmod, mode, follow_symlinks=follow_symlinks))

    async def lchmod(self, mode: int) -> None:
        """As `chmod`, without following a link.

        Raises:
            OSError: it is not there, or not ours.
            NotImplementedError: the permissions of links cannot be set here.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await self.chmod(mode, follow_symlinks=False)

    async def symlink_to(self, target: StrPath, target_is_directory: bool = False) -> None:
        """Make a symbolic link here, to `target`.

        Args:
            target: what it links to, seen from the folder of the link. It need not be there.
            target_is_directory: for Windows, which wants to know.

        Raises:
            OSError: there is something of that name, or this is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(SystemPath(self).symlink_to, os.fspath(target), target_is_directory)

    async def hardlink_to(self, target: StrPath) -> None:
        """Make this another name of the file `target`.

        Raises:
            OSError: there is something of that name, `target` is on another file system, or this is not permitted.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not done.
        """
        await to_thread(SystemPath(self).hardlink_to, os.fspath(target))
