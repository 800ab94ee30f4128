"""Files and folders: what blocks, for threads; and the one read that never does.

What stands here blocks, but for `preadv` with `NOWAIT`, and belongs into threads. Errors are those of the system.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pathlib
import stat
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

if sys.platform != "win32":
    import fcntl

SystemPath = pathlib.Path
if sys.platform == "win32":
    PlainPath = pathlib.PureWindowsPath
else:
    PlainPath = pathlib.PurePosixPath

StrPath = str | os.PathLike[str]


def _nowait_flag() -> int:
    """The flag for a read that takes what is in memory and fails if that is nothing; 0 where there is none."""
    flag: int = getattr(os, "RWF_NOWAIT", 0) if sys.platform == "linux" else 0
    if flag and os.uname().release.startswith(("5.9.", "5.10.")):
        return 0  # these say "the end" where they should say "not in memory"
    return flag


NOWAIT: Final = _nowait_flag()
preadv: Any = getattr(os, "preadv", None)  # called only if there is a NOWAIT
writev: Callable[..., int] = getattr(os, "writev", lambda fd, buffers: os.write(fd, buffers[0]))
duplicate = os.dup
UNSUPPORTED: Final = frozenset({errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL})


# ---- opening --------------------------------------------------------------------------------------------------------


class Opened(NamedTuple):
    """A file that was opened without buffers, and what there is to know of it."""

    raw: io.FileIO
    is_regular: bool  # an ordinary file, which is always ready
    is_pollable: bool  # something that a poller can wait for: a FIFO or a terminal
    is_seekable: bool  # asked at once: CPython takes a first seek that fails for the answer


def opened(raw: io.FileIO) -> Opened:
    """Look at an open file; close it if that fails."""
    with closed_on_error(raw):
        kind = os.fstat(raw.fileno()).st_mode
        is_pollable = stat.S_ISFIFO(kind) or (stat.S_ISCHR(kind) and raw.isatty())
        return Opened(raw, stat.S_ISREG(kind), is_pollable, raw.seekable())


def open_raw(path: Any, mode: str) -> Opened:
    """Open a file without buffers. Waits for the other end of a FIFO.

    Args:
        mode: ``r``, ``w``, ``x`` or ``a``, perhaps with ``+``.
    """
    return opened(io.FileIO(path, mode))


def open_unless_fifo(path: Any, mode: str) -> Opened | None:
    """As `open_raw`, but None for a FIFO, which might have to wait for its other end."""
    try:
        if stat.S_ISFIFO(os.stat(path).st_mode):
            return None
    except OSError:
        pass  # it may be about to be made; else opening it says what is wrong
    return open_raw(path, mode)


@contextlib.contextmanager
def closed_on_error(raw: io.FileIO) -> Iterator[None]:
    """If the block fails, the file is closed."""
    try:
        yield
    except BaseException:
        raw.close()
        raise


@contextlib.contextmanager
def named(path: StrPath | bytes) -> Iterator[None]:
    """An error of the system in the block that does not say of which file, says that it is this one."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise


def read_some(raw: io.FileIO, max_bytes: int) -> bytes:
    """Read what is there, waiting for one byte at least; ``b""`` at the end."""
    return raw.read(max_bytes) or b""


def read_fully(raw: io.FileIO, max_bytes: int) -> bytes:
    """Read so many bytes, or less at the end."""
    data = raw.read(max_bytes)
    if not data or len(data) == max_bytes:
        return data
    parts = [data]
    left = max_bytes - len(data)
    while left and (data := raw.read(left)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


class Direct(io.BufferedIOBase):
    """A file below a `io.TextIOWrapper`, in place of a buffer: it keeps nothing back, so a write has happened when it
    returns, and one that failed is not tried again by whoever closes the file."""

    def __init__(self, raw: io.FileIO) -> None:
        self._raw = raw

    def readable(self) -> bool:
        return self._raw.readable()

    def writable(self) -> bool:
        return self._raw.writable()

    def seekable(self) -> bool:
        return self._raw.seekable()

    def fileno(self) -> int:
        return self._raw.fileno()

    def read1(self, size: int = -1, /) -> bytes:
        return self._raw.read(size)

    def read(self, size: int | None = -1, /) -> bytes:
        return self._raw.readall() if size is None or size < 0 else read_fully(self._raw, size)

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        while view:
            view = view[self._raw.write(view) :]
        return len(data)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def truncate(self, size: int | None = None, /) -> int:
        return self._raw.truncate(size)

    def flush(self) -> None:
        """There is nothing to flush."""

    def close(self) -> None:
        self._raw.close()


def wrap_text(raw: io.FileIO, encoding: str, errors: str | None, newline: str | None) -> io.TextIOWrapper:
    """A text file over `raw`, of which it is part from now on."""
    with closed_on_error(raw):
        return io.TextIOWrapper(Direct(raw), encoding, errors, newline, write_through=True)  # type: ignore[arg-type]


# ---- what was written, and whether it will stay ---------------------------------------------------------------------


def sync(raw: io.FileIO) -> None:
    """Wait until all is on the disk."""
    os.fsync(raw.fileno())


def sync_data(raw: io.FileIO) -> None:
    """Wait until the contents are on the disk, and what is needed to find them."""
    getattr(os, "fdatasync", os.fsync)(raw.fileno())


def sync_folder(path: StrPath) -> None:
    """Wait until the names in a folder are on the disk. Where folders cannot be opened there is nothing to do."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    except PermissionError:  # a folder may be for writing only; and Windows opens none
        return
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
    finally:
        os.close(fd)


def stat_of(raw: io.FileIO) -> os.stat_result:
    """What the system knows of an open file."""
    return os.fstat(raw.fileno())


def try_lock(raw: io.FileIO, shared: bool) -> bool:
    """Take the advisory lock of an open file: False if somebody else has it."""
    try:
        fcntl.flock(raw.fileno(), (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(raw: io.FileIO) -> None:
    """Give the advisory lock back."""
    fcntl.flock(raw.fileno(), fcntl.LOCK_UN)


def read_text(path: StrPath, encoding: str, errors: str | None, newline: str | None) -> str:
    """All that is in a file of text."""
    with named(path), open(path, encoding=encoding, errors=errors, newline=newline) as file:
        return file.read()


def read_bytes(path: StrPath) -> bytes:
    """All that is in a file."""
    with named(path):
        return SystemPath(path).read_bytes()


def write_bytes(path: StrPath, data: bytes | bytearray | memoryview) -> int:
    """Let a file have just these bytes; how many they are."""
    with named(path):
        return SystemPath(path).write_bytes(data)


def write_text(path: StrPath, text: str, encoding: str, errors: str | None, newline: str | None) -> int:
    """Let a file have just this text; how many characters it has."""
    with named(path):
        return SystemPath(path).write_text(text, encoding, errors, newline)


def exists(path: StrPath, follow_symlinks: bool) -> bool:
    """Whether there is something of that name."""
    return SystemPath(path).exists() if follow_symlinks else os.path.lexists(path)


def is_junction(path: StrPath) -> bool:
    """Whether it is a junction: never, but on Windows."""
    ask: Callable[[StrPath], bool] = getattr(os.path, "isjunction", lambda path: False)  # 3.12
    return ask(path)


# ---- folders --------------------------------------------------------------------------------------------------------


def entries(path: StrPath) -> Iterator[os.DirEntry[str]]:
    """What is in a folder, one by one, in the order of the system."""
    with os.scandir(path) as found:
        yield from found


def names(path: StrPath) -> Iterator[str]:
    """The names of what is in a folder, one by one."""
    return (entry.name for entry in entries(path))


def folders_and_files(path: StrPath, follow_symlinks: bool) -> tuple[list[str], list[str]]:
    """The names of the folders in a folder, and of all else. A link to a folder is one only if links are followed."""
    folders: list[str] = []
    files: list[str] = []
    for entry in entries(path):
        try:
            is_folder = entry.is_dir(follow_symlinks=follow_symlinks)
        except OSError:
            is_folder = False  # as os.walk: what cannot be looked at is no folder
        (folders if is_folder else files).append(entry.name)
    return folders, files
