"""Whole files and folders: copied, moved, removed."""

from __future__ import annotations

from conc._os import replacing, trees
from conc._os.files import StrPath
from conc.threads import from_thread
from conc.threads.to_thread import to_thread


async def copy_file(source: StrPath, target: StrPath, *, metadata: bool = False) -> None:
    """Copy a file: `target` becomes one with the contents and permissions of `source`, in one step.

    As `conc.fs.write_atomic`: if it fails, `target` is as it was. Links are followed.

    Args:
        source: what is copied.
        target: the path of the copy, not that of its folder.
        metadata: whether its times, and what the system knows else, are those of `source` too.

    Raises:
        OSError: `source` cannot be read, the folder of `target` is not writable, the disk is full, or the two are the
            same file.
        shutil.SpecialFileError: `source` is a FIFO. An OSError.

    Checkpoint: always, and it waits for a thread.
    If cancelled: `target` is as it was. A copy that was begun is given up between two pieces.
    """
    await to_thread(replacing.copy_file, source, target, metadata, from_thread.check_cancelled)


async def copy_tree(source: StrPath, target: StrPath, *, exist_ok: bool = False) -> None:
    """Copy a folder with all that is in it, with permissions and times. Links in it are copied as links.

    Args:
        source: what is copied.
        target: the path of the copy.
        exist_ok: whether `target` may be there already: then what is in it stays, unless `source` has the same name.

    Raises:
        FileExistsError: `target` is there, and that is not permitted.
        shutil.Error: some files could not be copied; the others were. An OSError, whose first argument is a list.
        OSError: `source` cannot be read, or `target` not be made.

    Checkpoint: always, and it waits for a thread.
    If cancelled: the files that were copied stay, each of them whole.
    """
    await to_thread(trees.copy_tree, source, target, exist_ok, from_thread.check_cancelled)


async def move(source: StrPath, target: StrPath) -> str:
    """Move a file or folder, and return its new path.

    On one file system that is a rename; to another one it is copied, and then removed here.

    Args:
        source: what is moved.
        target: its new path; or a folder that is there, into which it is moved.

    Raises:
        OSError: it is not permitted, or there is something of that name in `target`.

    Checkpoint: always, and it waits for a thread.
    If cancelled: it was not moved.
    """
    return await to_thread(trees.move, source, target)


async def remove_tree(path: StrPath, *, missing_ok: bool = False) -> None:
    """Remove a folder with all that is in it. Links in it are removed, not followed.

    Args:
        path: the folder.
        missing_ok: whether it is no error if there is none.

    Raises:
        FileNotFoundError: there is none.
        NotADirectoryError: it is a file.
        OSError: it is a link, or something in it could not be removed. What came before is gone.

    Checkpoint: always, and it waits for a thread.
    If cancelled: nothing was removed. Once a thread has begun, it is waited for, and all is gone.
    """
    await to_thread(trees.remove_tree, path, missing_ok)
