"""Reading from a file of bytes: from the memory of the system at once, from the disk by a thread.

`preadv` with ``RWF_NOWAIT`` (Linux) takes what is in memory, and fails where it would have to go to the disk. Then a
thread does, which also lets the system read ahead, so that the next reads find something. The position is always that
of the descriptor, never one of our own: so it is right for files that are appended to, inherited or shared, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

from conc._kernel.current import charge, current_task, slot
from conc._kernel.suspend import toll
from conc._os import files
from conc._os.files import NOWAIT, preadv
from conc.errors import BusyResource, IncompleteRead, LimitExceeded, WouldBlock
from conc.fs.handle import Handle
from conc.io.pipes import PipeReader
from conc.io.views import view_to_fill

if TYPE_CHECKING:
    from conc._kernel.task import Task

AT_ONCE: Final = 65_536  # what is read without a thread at a time: it holds up the worker for some microseconds
MORE: Final = 1 << 22  # what a thread reads at a time: memory is taken for what is there, not for what was asked for
LARGE_SHIFT: Final = 12
SYSTEM_CALL: Final = 4  # what one costs, in operations; and one more for each 4 KiB


class ReadableFile(Handle):
    """The part of a `File` that reads.

    Invariant: what is read next is `_ahead`, then what is behind the position of the descriptor.
    Invariant: `_input` is None but for pipes and terminals, which a poller waits for. A task that does is `_waiting`:
    what it has read before stays in `_ahead`, and nobody else may take it.
    """

    __slots__ = ("_ahead", "_at_once", "_fd", "_input", "_regular", "_waiting")

    def __init__(self, opened: files.Opened, name: str | bytes, mode: str) -> None:
        super().__init__(opened, name, mode)
        self._fd = opened.raw.fileno()
        self._ahead = bytearray()
        self._regular = opened.is_regular
        self._at_once = self._reads and NOWAIT != 0 and not opened.is_pollable
        self._input = PipeReader(files.duplicate(self._fd)) if opened.is_pollable and self._reads else None
        self._waiting: Task[Any] | None = None

    async def read(self, max_bytes: int | None = None) -> bytes:
        """Read so many bytes; less only at the end, and ``b""`` there. Of a pipe, a terminal and the like: those that
        are there, waiting for one at least.

        Args:
            max_bytes: at least 1. None: all that is left, as `read_to_end`.

        Raises:
            ValueError: `max_bytes` is less than 1.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits only if the bytes are not in memory.
        If cancelled: no byte was taken.
        """
        if max_bytes is None:
            return await self.read_to_end()
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, or None for all, not {max_bytes}")
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or worker.task.scope.cancelled:
            await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        self._begin_reading()
        if self._at_once and max_bytes <= AT_ONCE and not self._ahead:  # as `_at_hand`, without a call
            buffer = bytearray(max_bytes)
            try:
                got = preadv(self._fd, (buffer,), -1, NOWAIT)
            except OSError as error:
                self._at_once = isinstance(error, BlockingIOError)
            else:
                if got >= 1 << LARGE_SHIFT:
                    worker.budget -= got >> LARGE_SHIFT
                if got == max_bytes:
                    return bytes(buffer)
                if not got:
                    return b""
                self._ahead += memoryview(buffer)[:got]  # the end, or only this was in memory
        return await self._read_up_to(max_bytes)

    def read_nowait(self, max_bytes: int) -> bytes:
        """Read what is in memory: at least one byte and at most `max_bytes`; ``b""`` at the end.

        Raises:
            WouldBlock: the disk would have to be asked. On some systems, and file systems, always.
            ValueError: `max_bytes` is less than 1.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: never.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        self._begin_reading()
        if self._ahead:
            return self._take(min(max_bytes, len(self._ahead)))
        if self._input is not None:
            return self._input.read_nowait(max_bytes)
        data = self._at_hand(max_bytes)
        if data is None:
            raise WouldBlock(f"{self!r} has nothing in memory")
        return data

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Read into a buffer; how many bytes: at least one, 0 at the end. Less than there is room for does not mean the
        end.

        Raises:
            ValueError: the buffer has no room.
            TypeError: it is not contiguous bytes, or cannot be written to.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits only if the bytes are not in memory.
        If cancelled: no byte was taken; what the buffer holds is not defined.
        """
        view = view_to_fill(buffer)
        charge() or await toll()
        self._begin_reading()
        if self._ahead:
            size = min(len(view), len(self._ahead))
            view[:size] = self._take(size)
            return size
        if self._input is not None:
            return await self._input.read_into(view)
        if self._at_once:
            try:
                return self._charged(preadv(self._fd, (view[:AT_ONCE],), -1, NOWAIT))
            except OSError as error:
                self._at_once = isinstance(error, BlockingIOError)
        return await self._call(self._raw.readinto, view)

    async def read_exact(self, n: int) -> bytes:
        """Read exactly `n` bytes.

        Raises:
            IncompleteRead: the file ended before. What is left is in ``partial``; the position is where it was.
            ValueError: `n` is negative.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken.
        """
        if n < 0:
            raise ValueError(f"n must be at least 0, not {n}")
        charge() or await toll()
        self._begin_reading()
        while (have := len(self._ahead)) < n:
            if not await self._fill(n - have):
                raise IncompleteRead(f"{self.name!r} ended after {have} of {n} bytes", bytes(self._ahead))
        return self._take(n)

    async def read_to_end(self, limit: int | None = None) -> bytes:
        """Read all that is left.

        Args:
            limit: how many bytes to return at most: good for what may be larger than memory, or endless.

        Raises:
            LimitExceeded: there are more. The position is where it was.
            ValueError: `limit` is negative.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits only if the bytes are not there.
        If cancelled: no byte was taken.
        """
        if limit is not None and limit < 0:
            raise ValueError(f"limit must be at least 0, not {limit}")
        charge() or await toll()
        self._begin_reading()
        size = AT_ONCE
        while limit is None or len(self._ahead) <= limit:
            if not await self._fill(size if limit is None else min(size, limit + 1 - len(self._ahead))):
                return self._take(len(self._ahead))
            size = min(2 * size, MORE)
        raise LimitExceeded(f"{self.name!r} has more than {limit} bytes left", limit)

    async def readline(self, limit: int | None = None) -> bytes:
        r"""Read the next line with its ``b"\n"``, which the last line may lack; ``b""`` at the end.

        Args:
            limit: how many bytes to return at most, at least 1.

        Raises:
            LimitExceeded: the line does not end within the next `limit` bytes. The position is where it was.
            ValueError: `limit` is less than 1.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits only if the line is not there.
        If cancelled: no byte was taken.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        charge() or await toll()
        self._begin_reading()
        ahead = self._ahead
        searched = 0
        while True:
            end = ahead.find(b"\n", searched) + 1
            if limit is not None and (end or len(ahead)) > limit:
                raise LimitExceeded(f"the next line of {self.name!r} has more than {limit} bytes", limit)
            if end:
                break
            searched = len(ahead)
            if not await self._fill(AT_ONCE):
                end = searched
                break
        return self._take(end)

    def __aiter__(self) -> Self:
        self._begin_reading()
        return self

    async def __anext__(self) -> bytes:
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    # ---- below -------------------------------------------------------------------------------------------------------

    async def _read_up_to(self, max_bytes: int) -> bytes:
        """Read so many bytes, less at the end only; but of what is no regular file those that are there."""
        while (have := len(self._ahead)) < max_bytes:
            if have and not self._regular:
                break
            if not await self._fill(max_bytes - have):
                break
        return self._take(min(max_bytes, len(self._ahead)))

    async def _fill(self, size: int) -> bool:
        """Read up to `size` bytes behind those that are there: False at the end. Nothing is between reading and
        keeping, so a cancellation takes nothing away."""
        data = self._at_hand(size)
        if data is None:
            if self._input is not None:
                self._waiting = current_task()
                try:
                    data = await self._input.read(size)
                finally:
                    self._waiting = None
            elif self._regular:
                data = await self._call(files.read_fully, self._raw, min(size, MORE))
            else:
                data = await self._call(files.read_some, self._raw, min(size, MORE))
        self._ahead += data
        return bool(data)

    def _at_hand(self, max_bytes: int) -> bytes | None:
        """What is in memory, ``b""`` at the end; None if the disk has to be asked, or nobody knows."""
        if not self._at_once:
            return None
        buffer = bytearray(min(max_bytes, AT_ONCE))
        try:
            got = self._charged(preadv(self._fd, (buffer,), -1, NOWAIT))
        except OSError as error:
            self._at_once = isinstance(error, BlockingIOError)
            return None
        return bytes(buffer) if got == len(buffer) else bytes(buffer[:got])

    @staticmethod
    def _charged(got: int) -> int:
        """The price of what was read without a thread."""
        worker = slot.worker
        if worker is not None:
            worker.budget -= SYSTEM_CALL + (got >> LARGE_SHIFT)
        return got

    def _take(self, n: int) -> bytes:
        """The first `n` bytes of what was read ahead."""
        ahead = self._ahead
        if n == len(ahead):
            data = bytes(ahead)
            ahead.clear()
        else:
            data = bytes(ahead[:n])
            del ahead[:n]
        return data

    def _begin_reading(self) -> None:
        if self._closed or self._user is not None:
            self._refuse()
        if self._waiting is not None:
            raise BusyResource(f"{self._waiting!r} is reading from {self!r}; one task at a time may")
        if not self._reads:
            self._refuse_mode("read", '"rb" or "r+b"')
