"""A stream without a socket: what `conc.io.Stream` promises, over anything that gives bytes and takes them."""

from __future__ import annotations

import errno
from types import TracebackType
from typing import Any, NoReturn, Protocol, Self

from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io.stream import Buffer
from conc.io.views import views_of
from conc.lowlevel import Task, checkpoint_if_due, current_task
from conc_testing.seat import Later, Seat, Table
from conc_testing.sim.choices import fault


class Source(Protocol):
    """What a stream reads from. All is called with the lock of the table."""

    reading: Seat

    def take(self, max_bytes: int) -> bytes | Exception | Later:
        """Bytes, at least one and at most `max_bytes`; ``b""`` at the end; or an error, to be raised."""

    def abandon(self) -> None:
        """Nobody will read any more."""

    def reset(self, error: OSError) -> None:
        """The connection broke: from now on there is this error only."""


class Sink(Protocol):
    """What a stream writes to. All is called with the lock of the table, but for `taken`."""

    writing: Seat
    taken: int
    """How many bytes it has taken in its life."""

    def offer(self, views: list[memoryview]) -> Exception | Later | None:
        """Take from the front of `views` what can be taken; Later if some are left; or an error, to be raised."""

    def retract(self) -> None:
        """Who offered does not wait any more: take nothing else from what was offered."""

    def finish(self) -> Exception | None:
        """Nothing more will be written; or an error, to be raised, and more may be written."""

    def leave(self) -> None:
        """The stream was closed: nothing more will be written, come what may."""

    def reset(self, error: OSError) -> None:
        """The connection broke: from now on there is this error only."""


class MemoryStream:
    """A `conc.io.Stream` without a socket: made by `duplex`, `lockstep_pair` and `script`.

    It keeps the protocol to the letter. Each direction is used by one task at a time, and may be handed from strand to
    strand; the two ends of a pair may live in different ones. ``async with stream:`` closes it at the end of the block.

    Every read and every write asks ``fault("fault.io")`` first: where a search lets it fail, the connection is reset.
    """

    __slots__ = ("_closed", "_name", "_reader", "_sink", "_source", "_table", "_write_closed", "_writer")

    def __init__(self, name: str, table: Table, source: Source, sink: Sink) -> None:
        self._name = name
        self._table = table
        self._source = source
        self._sink = sink
        self._reader: Task[Any] | None = None
        self._writer: Task[Any] | None = None
        self._closed = False
        self._write_closed = False

    @property
    def bytes_written(self) -> int:
        """How many bytes this stream has taken in its life, those of a `write_all` that was cancelled included."""
        return self._sink.taken

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        Raises:
            ValueError: `max_bytes` is less than 1.
            BrokenResource: the connection was reset.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ScriptMismatch: a script has nothing more to be read.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        await checkpoint_if_due()
        with self._table:
            self._admit(self._reader, "reading")
            self._reader = current_task()
        try:
            self._break_perhaps()
            result: bytes | Exception = await self._source.reading.attempt(lambda: self._take(max_bytes))
        finally:
            self._reader = None
        return result if isinstance(result, bytes) else self._refuse(result)

    async def write_all(self, *buffers: Buffer) -> None:
        """Write all bytes of all buffers, in order, waiting for room where there is none.

        Raises:
            BrokenResource: the other end is closed, or the connection was reset.
            ClosedResource: this side closed the stream, or its writing direction, before or meanwhile.
            BusyResource: another task is writing.
            TypeError: what is not bytes, or not contiguous.
            ScriptMismatch: a script expects something else.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written, see `conc.io.AsyncWrite`; no more of it will be.
        """
        views = views_of(buffers)
        await checkpoint_if_due()
        with self._table:
            self._admit_writer()
            self._writer = current_task()
        try:
            self._break_perhaps()
            error: Exception | None = await self._sink.writing.attempt(lambda: self._offer(views))
        finally:
            with self._table:
                self._sink.retract()
                self._writer = None
        if error is not None:
            self._refuse(error)

    async def close_write(self) -> None:
        """Say that nothing more will be written: the other side reads the rest, then the end. Reading goes on.

        Idempotent.

        Raises:
            BrokenResource: the other end is closed, or the connection was reset.
            ClosedResource: this side closed the stream.
            BusyResource: another task is writing.
            ScriptMismatch: a script still expects something to be written.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        await checkpoint_if_due()
        error = None
        with self._table:
            self._admit(self._writer, "writing to")
            if not self._write_closed:
                error = self._sink.finish()
                self._write_closed = error is None
        if error is not None:
            self._refuse(error)

    async def aclose(self) -> None:
        """Close both directions, at once. Idempotent.

        The other end reads what was written, then the end; it cannot write any more. A task that waits in another
        operation of this end gets ClosedResource.

        Checkpoint: a cancel point, after the stream was closed.
        If cancelled: the stream is closed all the same.
        """
        self._close()
        await checkpoint_if_due()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if error is None:
            await checkpoint_if_due()

    def _close(self) -> None:
        """Close at once, and let those hear of it who wait."""
        with self._table:
            if self._closed:
                return
            self._closed = True
            self._source.abandon()
            self._sink.leave()
            self._source.reading.call()
            self._sink.writing.call()

    # ---- with the lock of the table -------------------------------------------------------------------------------

    def _take(self, max_bytes: int) -> bytes | Exception | Later:
        return self._closed_error() or self._source.take(max_bytes)

    def _offer(self, views: list[memoryview]) -> Exception | Later | None:
        return self._closed_error() or self._sink.offer(views)

    def _admit(self, user: Task[Any] | None, verb: str) -> None:
        """Let a task use a direction, unless `user` does."""
        if user is not None:
            raise BusyResource(f"{user!r} is {verb} {self!r}; one task at a time may use a direction of a stream")
        closed = self._closed_error()
        if closed is not None:
            raise closed

    def _admit_writer(self) -> None:
        self._admit(self._writer, "writing to")
        if self._write_closed:
            raise ClosedResource(f"close_write was called on {self!r}")

    def _closed_error(self) -> ClosedResource | None:
        return ClosedResource(f"{self!r} was closed on this side") if self._closed else None

    # ---- without it -----------------------------------------------------------------------------------------------

    def _break_perhaps(self) -> None:
        """Break the connection for good, if that is what the search wants."""
        if fault("fault.io"):
            error = ConnectionResetError(errno.ECONNRESET, "connection reset by peer, as the search had it (fault.io)")
            with self._table:
                self._source.reset(error)
                self._sink.reset(error)

    def _refuse(self, error: Exception) -> NoReturn:
        """Raise an error as the streams of conc do."""
        if isinstance(error, OSError):
            raise BrokenResource(f"{self!r}: {error.strerror or error}") from error
        raise error

    def __repr__(self) -> str:
        state = ", closed" if self._closed else ", nothing more to write" if self._write_closed else ""
        return f"<MemoryStream: {self._name}{state}>"

    def _check(self) -> None:
        assert self._reader is None or not self._reader.ended, "a task that has ended is still reading"
        assert self._writer is None or not self._writer.ended, "a task that has ended is still writing"


def take_from(views: list[memoryview], n: int) -> bytes:
    """Take at most `n` bytes off the front."""
    parts = []
    while views and n:
        part = views[0][:n]
        parts.append(bytes(part))
        n -= len(part)
        if len(part) == len(views[0]):
            del views[0]
        else:
            views[0] = views[0][len(part) :]
    return b"".join(parts)
