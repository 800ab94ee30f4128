"""What can be asked about a path."""

from __future__ import annotations

import os
from functools import partial
from typing import Self

from conc._os import files
from conc._os.files import PlainPath, SystemPath
from conc.threads.to_thread import to_thread


class PathQueries(PlainPath):
    """The part of `Path` that changes nothing."""

    __slots__ = ()

    async def exists(self, *, follow_symlinks: bool = True) -> bool:
        """Whether there is something of that name. A link to nothing is nothing, unless links are not followed.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(files.exists, self, follow_symlinks)

    async def is_dir(self) -> bool:
        """Whether it is a folder, or a link to one; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_dir)

    async def is_file(self) -> bool:
        """Whether it is a regular file, or a link to one; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_file)

    async def is_symlink(self) -> bool:
        """Whether it is a symbolic link; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_symlink)

    async def is_junction(self) -> bool:
        """Whether it is a junction, as Windows has them; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(files.is_junction, self)

    async def is_mount(self) -> bool:
        """Whether it is where a file system is mounted; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_mount)

    async def is_socket(self) -> bool:
        """Whether it is a Unix socket, or a link to one; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_socket)

    async def is_fifo(self) -> bool:
        """Whether it is a FIFO, or a link to one; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_fifo)

    async def is_block_device(self) -> bool:
        """Whether it is a block device, or a link to one; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_block_device)

    async def is_char_device(self) -> bool:
        """Whether it is a character device, or a link to one; False if there is nothing of that name.

        Raises:
            OSError: nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).is_char_device)

    async def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """What the system knows of it: size, times, permissions, owner. Links are followed, unless that is not wanted.

        Raises:
            OSError: it is not there, or nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(partial(SystemPath(self).stat, follow_symlinks=follow_symlinks))

    async def lstat(self) -> os.stat_result:
        """As `stat`, without following a link.

        Raises:
            OSError: it is not there, or nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).lstat)

    async def samefile(self, other: files.StrPath) -> bool:
        """Whether two paths lead to the same file or folder.

        Raises:
            OSError: one of them is not there, or nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).samefile, os.fspath(other))

    async def owner(self) -> str:
        """The name of the user it belongs to.

        Raises:
            OSError: it is not there, or nobody may look.
            KeyError: the user has no name.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).owner)

    async def group(self) -> str:
        """The name of the group it belongs to.

        Raises:
            OSError: it is not there, or nobody may look.
            KeyError: the group has no name.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return await to_thread(SystemPath(self).group)

    async def readlink(self) -> Self:
        """What a symbolic link holds, as a path.

        Raises:
            OSError: it is no link, or not there, or nobody may look.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return type(self)(await to_thread(SystemPath(self).readlink))

    async def resolve(self, strict: bool = False) -> Self:
        """The same place as an absolute path, without links and ``..``.

        Args:
            strict: whether all of it must be there.

        Raises:
            OSError: it is not there, and `strict`; or a link leads to itself (RuntimeError before Python 3.13).

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return type(self)(await to_thread(SystemPath(self).resolve, strict))

    async def absolute(self) -> Self:
        """The same path from the root, with links and ``..`` as they are.

        Raises:
            OSError: the current folder is gone.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return type(self)(await to_thread(SystemPath(self).absolute))

    async def expanduser(self) -> Self:
        """The same path with the home folder for ``~`` and ``~user`` at its beginning.

        Raises:
            RuntimeError: nobody knows that home folder.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return type(self)(await to_thread(SystemPath(self).expanduser))

    @classmethod
    async def cwd(cls) -> Self:
        """The current folder of the process.

        Raises:
            OSError: it is gone.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return cls(await to_thread(SystemPath.cwd))

    @classmethod
    async def home(cls) -> Self:
        """The home folder of the user.

        Raises:
            RuntimeError: nobody knows it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        return cls(await to_thread(SystemPath.home))
