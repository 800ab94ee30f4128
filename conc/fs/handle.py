"""An open file, whatever is read from it: one task at a time, one thread at a time, and closed once."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import UnsupportedOperation
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar, TypeVarTuple

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge, current_task
from conc._kernel.suspend import toll
from conc._os import files
from conc.errors import BusyResource, ClosedResource
from conc.sync.event import Event
from conc.threads.to_thread import to_thread

if TYPE_CHECKING:
    from conc._kernel.task import Task

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Handle:
    """The common part of `File` and `TextFile`.

    Attributes:
        name: the path it was opened with.
        mode: as it was given to `conc.fs.open`.

    Invariant: a thread works on the file only while `_user` is a task, the one that waits for it.
    Invariant: once `_closed` is set no operation begins; who set it closes the descriptor, when `_user` is None.
    """

    __slots__ = ("__weakref__", "_closed", "_ended", "_raw", "_reads", "_seekable", "_user", "_writes", "mode", "name")

    def __init__(self, opened: files.Opened, name: str | bytes, mode: str) -> None:
        self._closed = False
        self._user: Task[Any] | None = None
        self._ended: Event | None = None  # set when the last operation has ended, if somebody waits for that to close
        self._raw = opened.raw
        self._reads = opened.raw.readable()
        self._writes = opened.raw.writable()
        self._seekable = opened.is_seekable
        self.name = name
        self.mode = mode

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    def fileno(self) -> int:
        """The number of the descriptor. It stays the file's own: do not close it.

        Raises:
            ClosedResource: the file is closed.
        """
        if self._closed or self._raw.closed:
            self._refuse()
        return self._raw.fileno()

    def seekable(self) -> bool:
        """Whether it has a position that can be moved: pipes and terminals have none.

        Raises:
            ClosedResource: the file is closed.
        """
        if self._closed:
            self._refuse()
        return self._seekable

    async def flush(self) -> None:
        """Nothing: what was written is with the system when the write returns. To have it on the disk, `sync`.

        Raises:
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: nothing changed.
        """
        charge() or await toll()
        self._begin()

    async def sync(self) -> None:
        """Wait until what was written is on the disk, and would be there after a power failure.

        The name of a new file is in its folder, which is another thing to sync: see `conc.fs.write_atomic`.

        Raises:
            OSError: the disk failed, or there is nothing to sync (EINVAL, for a pipe).
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not begun.
        """
        charge() or await toll()
        self._begin()
        await self._call(files.sync, self._raw)

    async def datasync(self) -> None:
        """As `sync`, but the times of the file may be lost: less work for the disk.

        Raises:
            OSError: the disk failed, or there is nothing to sync.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: it was not begun.
        """
        charge() or await toll()
        self._begin()
        await self._call(files.sync_data, self._raw)

    async def stat(self) -> os.stat_result:
        """What the system knows of the file: its size, times, permissions.

        Raises:
            OSError: the disk failed.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        charge() or await toll()
        self._begin()
        return await self._call(files.stat_of, self._raw)

    async def try_lock(self, shared: bool = False) -> bool:
        """Take the advisory lock of the file (``flock``): False if another open file has it.

        Who does not ask for the lock is not kept out. Closing the file gives it back.

        Args:
            shared: whether others may have it too, if they ask for it as shared.

        Raises:
            OSError: the file system has no locks.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread, but not for the lock.
        If cancelled: the lock was not taken.
        """
        charge() or await toll()
        self._begin()
        return await self._call(files.try_lock, self._raw, shared)

    async def unlock(self) -> None:
        """Give the advisory lock back.

        Raises:
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: the file still has the lock.
        """
        charge() or await toll()
        self._begin()
        await self._call(files.unlock, self._raw)

    async def aclose(self) -> None:
        """Close the file. Idempotent.

        No operation begins any more. One that a thread works on is waited for, and has its result; a task that waits
        for the other end of a pipe gets ClosedResource.

        Raises:
            OSError: the system has lost something that was written (network file systems tell so late). The file is
                closed all the same.

        Checkpoint: a cancel point, after the file was closed.
        If cancelled: the file is closed all the same.
        """
        await self._close()
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._close()
        if error is None:  # else that is what has to be known, more than a cancellation
            charge() or await toll()

    async def _close(self) -> None:
        """Close, also in a scope that is cancelled."""
        if self._closed:
            return
        self._closed = True
        with CancelScope(shield=True):
            await self._wait_for_user()
            await to_thread(self._raw.close)

    async def _hand_back(self) -> None:
        """Let no operation begin any more; the descriptor is somebody else's to close."""
        self._closed = True
        await self._wait_for_user()

    async def _wait_for_user(self) -> None:
        """Wait until no thread works on the file."""
        if self._user is not None:
            self._ended = Event()
            if self._user is not None:  # still: another worker may have ended it right before there was an event
                await self._ended.wait()

    def _begin(self) -> None:
        """Raise an error if no operation may begin."""
        if self._closed or self._user is not None or self._raw.closed:
            self._refuse()

    async def _call(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Call a blocking function in a thread, which has the file to itself."""
        self._user = current_task()
        try:
            value = await to_thread(fn, *args)
        except GeneratorExit:
            raise  # torn out of the wait: the thread may still be at work
        except BaseException as error:
            self._leave()
            if isinstance(error, OSError) and error.filename is None and error.errno is not None:
                error.filename = self.name
            raise
        self._leave()
        return value

    def _leave(self) -> None:
        self._user = None
        if self._ended is not None:
            self._ended.set()

    def _refuse(self) -> NoReturn:
        """Say why no operation may begin."""
        if self._closed:
            raise ClosedResource(f"{self!r} was closed on this side")
        if self._user is not None:
            raise BusyResource(f"{self._user!r} is using {self!r}; one task at a time may use a file")
        raise ClosedResource(f"close_write was called on {self!r}")

    def _refuse_mode(self, verb: str, remedy: str) -> NoReturn:
        raise UnsupportedOperation(f"{self!r} cannot be {verb}: open it with mode {remedy}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} mode {self.mode!r}{', closed' if self._closed else ''}>"

    def __del__(self) -> None:
        if getattr(self, "_closed", True) or self._raw.closed:
            return
        try:
            message = f"{self!r} was never closed: use it in `async with`, or call aclose"
            warnings.warn(message, ResourceWarning, stacklevel=1, source=self)
        finally:
            if (
                self._user is None
            ):  # else a thread may be at work on it, and the last who holds the descriptor closes it
                with suppress(OSError):  # nobody is there to be told
                    self._raw.close()

    def _check(self) -> None:
        assert self._user is None or not self._raw.closed, "somebody uses a descriptor that is closed"
