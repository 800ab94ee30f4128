"""Copying all bytes of a reader into a writer, so that none is lost when that is interrupted."""

from __future__ import annotations

from typing import Any, Final

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc.errors import BusyResource, WouldBlock
from conc.io.splicing import Splice, splice_between
from conc.io.stream import AsyncRead, AsyncWrite

PIECE: Final = 65_536  # what is read at a time


async def copy(reader: AsyncRead, writer: AsyncWrite) -> int:
    """Write all that is read from `reader` to `writer`, until the end; returns how many bytes that were.

    Neither is closed. A writer that keeps bytes back (it has ``flush``) is told to send them on whenever the reader has
    nothing more for the moment, and at the end. To copy at most `n` bytes: ``copy(take(reader, n), writer)``.

    Args:
        reader: what to read from.
        writer: what to write to.

    Raises:
        TypeError: they cannot be read from, or written to.
        ConcError: what reading or writing raised, with a note that tells which of them it was, and how far it came.

    Checkpoint: always, and it waits.
    If cancelled: what was read has been written, but for the last piece: of that, 1 MiB at most, a part may be
        missing, and is lost. `Copy` keeps it, tells how far it came, and can go on.
    """
    return await Copy(reader, writer).run()


class Copy:
    """A `copy` that can be continued: after a cancellation or an error, call `run` again, or take what is pending.

    No byte is lost: what was read from the reader is what was written to the writer, `copied` bytes, and behind it
    `pending`::

        copying = Copy(reader, writer)
        with conc.move_on_after(1) as scope:
            await copying.run()
        if scope.cancelled_caught:
            print(copying.copied, copying.pending)  # run() would begin with what is pending

    Args:
        reader: what to read from.
        writer: what to write to. Nobody else may write to it while `run` runs.

    Attributes:
        reader: as given.
        writer: as given.
        copied: how many bytes were written, by all calls of `run` together.
        pending: what was read and not written. While `run` runs, it may also be on its way.

    Raises:
        TypeError: they cannot be read from, or written to.

    Invariant: `_unflushed` is True only if the writer has ``flush`` and something was written since that was called.
    """

    __slots__ = ("_ended", "_running", "_unflushed", "copied", "pending", "reader", "writer")

    def __init__(self, reader: AsyncRead, writer: AsyncWrite) -> None:
        if not isinstance(reader, AsyncRead):
            raise TypeError(f"reader must have the methods of conc.io.AsyncRead, not be {reader!r}")
        if not isinstance(writer, AsyncWrite):
            raise TypeError(f"writer must have the methods of conc.io.AsyncWrite, not be {writer!r}")
        self.reader = reader
        self.writer = writer
        self.copied = 0
        self.pending = b""
        self._unflushed = False
        self._ended = False
        self._running = False

    async def run(self) -> int:
        """Copy until the reader ends; returns `copied`. It begins with what is pending from before.

        Raises:
            ConcError: what reading or writing raised, with a note.
            BusyResource: it runs already.

        Checkpoint: always, and it waits.
        If cancelled: `copied` and `pending` tell what has happened.
        """
        charge() or await toll()
        if self._running:
            raise BusyResource(f"{self!r} is running; one task at a time may run it")
        self._running = True
        reader, writer = self.reader, self.writer
        keeps_back = hasattr(writer, "flush")
        splice: Splice | None = None
        may_splice = not keeps_back
        verb = "writing to"  # for the note
        try:
            data = self.pending
            while True:
                if data:
                    verb = "writing to"
                    before = writer.bytes_written
                    self.pending = data
                    try:
                        await writer.write_all(data)
                    finally:
                        written = writer.bytes_written - before
                        self.copied += written
                        self.pending = data[written:]
                        self._unflushed = keeps_back
                if self._ended:
                    break
                if may_splice and len(data) == PIECE:  # there is much
                    may_splice = False
                    verb = "reading from"
                    splice = splice_between(self, reader, writer)
                    if splice is not None:
                        self._ended = await splice.run()
                        splice = None
                        data = self.pending
                        continue
                verb = "reading from"
                now = self._read_now() if self._unflushed else None
                if now is None and self._unflushed:  # the other side may be waiting for what is kept back
                    verb = "writing to"
                    await self._flush()
                    verb = "reading from"
                data = await reader.read(PIECE) if now is None else now
                self._ended = not data
            if self._unflushed:
                verb = "writing to"
                await self._flush()
        except Exception as error:
            if splice is not None and splice.is_writing:
                verb = "writing to"
            stream = reader if verb == "reading from" else writer
            error.add_note(f"while {verb} {stream!r}, to copy; {self.copied} bytes were copied before")
            raise
        finally:
            self._running = False
        return self.copied

    def _read_now(self) -> bytes | None:
        """The next piece; None if there is none at the moment, or the reader cannot tell."""
        read_nowait: Any = getattr(self.reader, "read_nowait", None)
        if read_nowait is None:
            return None
        try:
            data: bytes = read_nowait(PIECE)
        except WouldBlock:
            return None
        return data

    async def _flush(self) -> None:
        writer: Any = self.writer
        await writer.flush()
        self._unflushed = False

    def __repr__(self) -> str:
        state = "ended" if self._ended else "running" if self._running else "standing"
        pending = f", {len(self.pending)} pending" if self.pending else ""
        return f"<Copy from {self.reader!r} to {self.writer!r}, {state}, {self.copied} bytes copied{pending}>"

    def _check(self) -> None:
        assert not self._unflushed or hasattr(self.writer, "flush"), "a writer that keeps nothing back"
