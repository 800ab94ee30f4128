"""A file of bytes, which is also a stream of them."""

from __future__ import annotations

from io import SEEK_CUR, SEEK_SET

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os import files
from conc.errors import ClosedResource
from conc.fs.reading import ReadableFile
from conc.io.pipes import PipeWriter
from conc.io.stream import Buffer
from conc.io.views import BUFFERS_AT_MOST, advance, views_of


class File(ReadableFile):
    """An open file of bytes: `conc.io.AsyncRead` and `conc.io.AsyncWrite`, with a position.

    A write that returned is with the system: nothing is kept back. What `readline` and the like have read too far is
    kept for the next operation, and does not count in the position.

    One task at a time uses the file, whatever for. It may be handed from strand to strand.

    Attributes:
        bytes_written: how many bytes the system has taken from writes since the file was opened.

    Invariant: before a write the position of the descriptor is set back to the end of what was given out, if there are
    positions.
    Invariant: `_output` is None but for pipes and terminals, which a poller waits for.
    """

    __slots__ = ("_output", "_write_closed", "bytes_written")

    def __init__(self, opened: files.Opened, name: str | bytes, mode: str) -> None:
        super().__init__(opened, name, mode)
        self._write_closed = False
        self._output: PipeWriter | None = None
        if opened.is_pollable and self._writes:
            try:
                self._output = PipeWriter(files.duplicate(self._fd))
            except OSError:
                if self._input is not None:
                    self._input._close()
                raise
        self.bytes_written = 0

    # ---- writing ----------------------------------------------------------------------------------------------------

    async def write(self, data: Buffer) -> int:
        """Write all bytes, and return how many that are. Otherwise as `write_all`.

        Raises:
            OSError: the system did not take them all: the disk is full (ENOSPC), a quota reached (EDQUOT).
            io.UnsupportedOperation: the file is not open for writing.
            BrokenResource: nobody reads from the other end of the pipe.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing was written; for a pipe `bytes_written` tells how much was.
        """
        before = self.bytes_written
        await self.write_all(data)
        return self.bytes_written - before

    async def write_all(self, data: Buffer = b"", /, *more: Buffer) -> None:
        """Write all bytes of all buffers, in order, at the position, or at the end if the file is open for appending.

        When it returns, the system has them: whoever reads the file sees them, and so does the file of a program that
        is killed. After a power failure that takes `sync`.

        Raises:
            OSError: the system did not take them all: the disk is full (ENOSPC), a quota reached (EDQUOT).
                `bytes_written` tells how many it took.
            io.UnsupportedOperation: the file is not open for writing.
            BrokenResource: nobody reads from the other end of the pipe.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing was written; for a pipe `bytes_written` tells how much was.
        """
        views = views_of((data, *more))
        charge() or await toll()
        self._begin_writing()
        if self._output is not None:
            before = self._output.bytes_written
            try:
                await self._output.write_all(*views)
            finally:
                self.bytes_written += self._output.bytes_written - before
        else:
            self._step_back()
            await self._call(self._write_views, views)

    async def close_write(self) -> None:
        """Say that nothing more will be written. Reading goes on. Idempotent.

        Raises:
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point.
        If cancelled: the file can still be written to.
        """
        charge() or await toll()
        if self._closed or self._user is not None:
            self._refuse()
        if self._output is not None and self._input is None:
            await self._output.close_write()
            self._raw.close()
        self._write_closed = True

    async def truncate(self, size: int | None = None) -> int:
        """Make the file so long: cut it off, or add zero bytes. Return the size. The position stays.

        Args:
            size: in bytes. None: the position.

        Raises:
            ValueError: `size` is negative.
            OSError: the disk failed, or the file is a pipe or the like.
            io.UnsupportedOperation: the file is not open for writing.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: the file was not changed.
        """
        if size is not None and size < 0:
            raise ValueError(f"size must be at least 0, not {size}")
        charge() or await toll()
        self._begin_writing()
        self._step_back()
        return await self._call(self._raw.truncate, size)

    # ---- the position -----------------------------------------------------------------------------------------------

    async def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move the position, and return it.

        Args:
            offset: in bytes.
            whence: from where: 0 from the beginning, 1 from the position, 2 from the end.

        Raises:
            OSError: there is no such position, or the file is a pipe or the like and has none (ESPIPE).
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits for a thread if `whence` is not 0 or 1.
        If cancelled: the position is where it was.
        """
        charge() or await toll()
        self._begin()
        if whence in (SEEK_SET, SEEK_CUR):
            try:
                position = self._raw.seek(offset - len(self._ahead) if whence == SEEK_CUR else offset, whence)
            except OSError as error:
                error.filename = self.name
                raise
        else:
            position = await self._call(self._raw.seek, offset, whence)
        self._ahead.clear()
        return position

    async def tell(self) -> int:
        """The position: where the next read or write begins, in bytes.

        Raises:
            OSError: the file is a pipe or the like and has none (ESPIPE).
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it never waits.
        If cancelled: nothing changed.
        """
        charge() or await toll()
        self._begin()
        try:
            return self._raw.tell() - len(self._ahead)
        except OSError as error:
            error.filename = self.name
            raise

    # ---- below ------------------------------------------------------------------------------------------------------

    def _write_views(self, views: list[memoryview]) -> None:
        """Write all. In a thread."""
        while views:
            written = files.writev(self._fd, views[:BUFFERS_AT_MOST])
            self.bytes_written += written
            advance(views, written)

    def _step_back(self) -> None:
        """Let the position of the descriptor be where the next operation begins."""
        if self._ahead and self._seekable:
            self._raw.seek(-len(self._ahead), SEEK_CUR)
            self._ahead.clear()

    def _begin_writing(self) -> None:
        if self._closed or self._user is not None:
            self._refuse()
        if not self._writes:
            self._refuse_mode("written to", '"wb", "ab", "xb" or "r+b"')
        if self._write_closed:
            raise ClosedResource(f"close_write was called on {self!r}")

    async def _close(self) -> None:
        if not self._closed:
            for end in (self._input, self._output):
                if end is not None:
                    end._close()
            await super()._close()
