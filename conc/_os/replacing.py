"""New contents for a file in one step: written beside it under another name, and renamed when they are whole.

All of it blocks, and belongs into threads.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from typing import Final

from conc._os.files import StrPath, named, opened, sync_data, sync_folder

PIECE: Final = 1 << 23  # bytes that are copied between two looks whether to go on


class Replacement:
    """A file that is about to take the place of another one.

    Whoever opens `target` meanwhile, or after a crash, finds the old file or the new one. A link is followed: the file
    that it names is replaced. The new file has the permissions of the old one, and if possible its owner.

    Args:
        target: what is to be replaced, or made.
        mode: the permissions of the new file; None: those of the old one, else what new files get.

    Invariant: until `commit` or `discard` there is a file at `path`, beside the target.

    Raises:
        OSError: the folder is not there or not writable, or the target is something else than a file.
    """

    def __init__(self, target: StrPath, mode: int | None) -> None:
        self.target = os.path.realpath(target)
        old = _stat(self.target)
        if old is not None and not stat.S_ISREG(old.st_mode):
            code = errno.EISDIR if stat.S_ISDIR(old.st_mode) else errno.EINVAL
            raise OSError(code, "only a regular file can be replaced", os.fspath(target))
        self.folder = os.path.dirname(self.target)
        self.path, self.raw = _new_file(self.folder, 0o666 if old is None and mode is None else 0o600)
        with self.or_discarded():
            self.opened = opened(self.raw)
            if old is not None:
                with contextlib.suppress(PermissionError):
                    if (old.st_uid, old.st_gid) != _owner(self.raw):
                        os.fchown(self.raw.fileno(), old.st_uid, old.st_gid)
            if old is not None or mode is not None:
                os.chmod(self.path, stat.S_IMODE(old.st_mode) if mode is None and old is not None else mode or 0)

    def commit(self, durable: bool) -> None:
        """Take the place of the target; if `durable`, so that a power failure leaves the old file or the new one, and
        this one once that has returned.

        Raises:
            OSError: it could not, and the target is as it was; or it has, and nobody knows whether for good.
        """
        with self.or_discarded(), named(self.target):
            if durable:
                with open(self.path, "rb", buffering=0) if self.raw.closed else contextlib.nullcontext(self.raw) as raw:
                    sync_data(raw)
            self.raw.close()
            os.replace(self.path, self.target)
        if durable:
            with named(self.folder):
                sync_folder(self.folder)

    def discard(self) -> None:
        """Leave the target as it is, and nothing beside it."""
        with contextlib.suppress(OSError):
            self.raw.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    @contextlib.contextmanager
    def or_discarded(self) -> Iterator[None]:
        """If the block fails, there is nothing left of it."""
        try:
            yield
        except BaseException:
            self.discard()
            raise


def replace_contents(target: StrPath, data: bytes | bytearray | memoryview, durable: bool, mode: int | None) -> None:
    """Let `target` be a file with just this in it, or stay as it was."""
    new = Replacement(target, mode)
    with new.or_discarded(), named(target):
        view = memoryview(data).cast("B")
        while view:
            view = view[new.raw.write(view) :]
    new.commit(durable)


def copy_file(source: StrPath, target: StrPath, metadata: bool, go_on: Callable[[], None]) -> None:
    """Let `target` be a copy of the file `source`, or stay as it was.

    Args:
        metadata: whether times and the like are copied too, and not just the permissions.
        go_on: called now and then; raises if it is not to go on.
    """
    if stat.S_ISFIFO(os.stat(source).st_mode):  # opening it might wait for ever
        raise shutil.SpecialFileError(f"cannot copy {os.fspath(source)!r}: it is a named pipe")
    with open(source, "rb", buffering=0) as old:
        if os.path.exists(target) and os.path.samefile(source, target):
            raise shutil.SameFileError(f"{os.fspath(source)!r} and {os.fspath(target)!r} are the same file")
        new = Replacement(target, None)
        with new.or_discarded(), named(target):
            while data := old.read(PIECE):
                view = memoryview(data)
                while view:
                    view = view[new.raw.write(view) :]
                go_on()
            (shutil.copystat if metadata else shutil.copymode)(source, new.path)
        new.commit(durable=False)


def _new_file(folder: str, mode: int) -> tuple[str, io.FileIO]:
    """An empty file with a name that nobody has. If that cannot be, the folder is to blame."""
    while True:
        path = os.path.join(folder, f".conc-{secrets.token_hex(8)}.tmp")
        try:
            return path, io.FileIO(path, "x+", opener=lambda name, flags: os.open(name, flags, mode))
        except FileExistsError:
            continue
        except OSError as error:
            error.filename = folder
            raise


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _owner(raw: io.FileIO) -> tuple[int, int]:
    found = os.fstat(raw.fileno())
    return found.st_uid, found.st_gid
