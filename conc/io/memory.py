"""Connections in memory: between tasks, strands and workers, with limited room and nothing of the system."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from conc._kernel.current import charge, current_task
from conc._kernel.suspend import PARK, toll
from conc.errors import BrokenResource, BusyResource, ClosedResource, WouldBlock
from conc.io.memory_pipe import BROKEN, MemoryPipe
from conc.io.stream import Buffer
from conc.io.views import view_to_fill, views_of

if TYPE_CHECKING:
    from conc._kernel.task import Task

CAPACITY: Final = 65_536
# Moving bytes costs as much as one operation more for each 4 KiB.
LARGE_SHIFT: Final = 12


def duplex(capacity: int = CAPACITY) -> tuple[DuplexStream, DuplexStream]:
    """Two streams that are connected: what is written to one is read from the other. In memory, without a socket.

    Args:
        capacity: how many bytes that nobody has read each direction holds, at least 1; then writing waits.

    Raises:
        ValueError, TypeError: `capacity` is no such number.

    Checkpoint: never.
    """
    _check_capacity(capacity)
    there, back = MemoryPipe(capacity), MemoryPipe(capacity)
    return DuplexStream(back, there), DuplexStream(there, back)


def simplex(capacity: int = CAPACITY) -> tuple[SimplexWriter, SimplexReader]:
    """One direction of a `duplex`: what is written to the first is read from the second.

    Args:
        capacity: how many bytes that nobody has read it holds, at least 1; then writing waits.

    Raises:
        ValueError, TypeError: `capacity` is no such number.

    Checkpoint: never.
    """
    _check_capacity(capacity)
    pipe = MemoryPipe(capacity)
    return SimplexWriter(None, pipe), SimplexReader(pipe, None)


def _check_capacity(capacity: int) -> None:
    if isinstance(capacity, bool) or not isinstance(capacity, int):
        raise TypeError(f"capacity must be a number of bytes, not {capacity!r}")
    if capacity < 1:
        raise ValueError(f"capacity must be at least 1, not {capacity}")


class MemoryEnd:
    """What the ends of connections in memory have in common: the pipes they hold, and closing them.

    May be used from any strand, each direction by one task at a time.
    """

    __slots__ = ("_closed", "_sink", "_source")

    def __init__(self, source: MemoryPipe | None, sink: MemoryPipe | None) -> None:
        self._closed = False
        self._source: Any = source
        self._sink: Any = sink

    async def aclose(self) -> None:
        """Close it, at once and whatever the other side does. Idempotent.

        The other side reads what was written, then the end; its writing, also one that waits, is a BrokenResource. A
        task that waits in another operation of this side gets ClosedResource.

        Checkpoint: a cancel point, after it was closed.
        If cancelled: it is closed all the same.
        """
        self._close()
        charge() or await toll()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()
        if error is None:  # else that is what has to be known, more than a cancellation
            charge() or await toll()

    def _close(self) -> None:
        """Close at once."""
        self._closed = True
        if self._source is not None:
            with self._source.lock:
                told = self._source.abandon()
            _resume(told)
        if self._sink is not None:
            with self._sink.lock:
                told = self._sink.end()
            _resume(told)

    def _refuse_closed(self) -> NoReturn:
        raise ClosedResource(f"{self!r} was closed on this side")

    def _refuse_busy(self, task: Task[Any], verb: str) -> NoReturn:
        raise BusyResource(f"{task!r} is {verb} {self!r}; one task at a time may use a direction of a stream")

    def __repr__(self) -> str:
        source, sink = self._source, self._sink
        there = "" if source is None else f", {source.size} bytes to read"
        gone = "" if sink is None else f", {sink.size} bytes on their way"
        state = ", closed" if self._closed else ", nothing more to write" if sink is not None and sink.ended else ""
        return f"<{type(self).__name__}{there}{gone}{state}>"

    def _check(self) -> None:
        for pipe in (self._source, self._sink):
            if pipe is not None:
                pipe._check()


class SimplexReader(MemoryEnd):
    """The end of a connection in memory that bytes come out of: a `conc.io.AsyncRead`. Made by `simplex`."""

    __slots__ = ()

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        Raises:
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        task = charge() or await toll()
        pipe: MemoryPipe = self._source
        pipe.lock.acquire()
        if pipe.size:
            data = pipe.take(max_bytes)
            writer = pipe.serve_writer()
            pipe.lock.release()
            if writer is not None:
                writer.resume()
            task.strand.worker.budget -= len(data) >> LARGE_SHIFT  # type: ignore[union-attr]
            return data
        if pipe.ended or pipe.abandoned or pipe.reading.task is not None:
            return self._read_nothing()
        pipe.reading.enter(task, max_bytes)
        pipe.lock.release()
        await PARK
        task.wait = None
        granted, task.value = task.value, None
        if type(granted) is not bytes:
            del task  # the error holds this frame, and may become that of the task
            self._refuse_closed()
        return granted

    def read_nowait(self, max_bytes: int) -> bytes:
        """Return the bytes that are there: at least one and at most `max_bytes`; ``b""`` at the end. As `read` else.

        Raises:
            WouldBlock: nothing is there.
            ClosedResource: this side closed the stream.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: never.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        worker = current_task().strand.worker
        pipe: MemoryPipe = self._source
        pipe.lock.acquire()
        if pipe.size:
            data = pipe.take(max_bytes)
            writer = pipe.serve_writer()
            pipe.lock.release()
            if writer is not None:
                writer.resume()
            worker.budget -= 1 + (len(data) >> LARGE_SHIFT)  # type: ignore[union-attr]
            return data
        if pipe.ended or pipe.abandoned or pipe.reading.task is not None:
            return self._read_nothing()
        pipe.lock.release()
        raise WouldBlock(f"nothing is there to read from {self!r}")

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Wait for bytes, and put those that are there into a buffer. Returns how many; 0 at the end.

        Args:
            buffer: a bytearray, or another writable buffer of at least 1 byte; it is filled from its beginning, as far
                as the bytes go.

        Raises:
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            TypeError, ValueError: `buffer` cannot be written to, or has no room.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        view = view_to_fill(buffer)
        data = await self.read(len(view))
        view[: len(data)] = data
        return len(data)

    def _read_nothing(self) -> bytes:
        """The end, or an error. Gives the lock back."""
        pipe: MemoryPipe = self._source
        closed, reader = pipe.abandoned, pipe.reading.task
        pipe.lock.release()
        if closed:
            self._refuse_closed()
        if reader is not None:
            self._refuse_busy(reader, "reading from")
        return b""


class SimplexWriter(MemoryEnd):
    """The end of a connection in memory that bytes are put into: a `conc.io.AsyncWrite`. Made by `simplex`."""

    __slots__ = ()

    @property
    def bytes_written(self) -> int:
        """How many bytes this stream has taken in its life, those of a `write_all` that was cancelled included."""
        written: int = self._sink.written
        return written

    async def write_all(self, data: Buffer = b"", /, *more: Buffer) -> None:
        """Write all bytes of all buffers, in order, waiting for room where there is none.

        Raises:
            BrokenResource: the other side is closed, before or meanwhile.
            ClosedResource: this side closed the stream, or its writing direction, before or meanwhile.
            BusyResource: another task is writing.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written, see `conc.io.AsyncWrite`; no more of it will be.
        """
        parts = None if type(data) is bytes and not more else deque(map(bytes, views_of((data, *more))))
        task = charge() or await toll()
        pipe: MemoryPipe = self._sink
        pipe.lock.acquire()
        if pipe.ended or pipe.abandoned or pipe.writing.task is not None:
            del task  # the error holds this frame, and may become that of the task
            self._refuse_now()
        if parts is None:
            if len(data) <= pipe.capacity - pipe.size:
                reader = pipe.put(data)  # type: ignore[arg-type]  # bytes
                pipe.lock.release()
                if reader is not None:
                    reader.resume()
                task.strand.worker.budget -= len(data) >> LARGE_SHIFT  # type: ignore[union-attr]
                return
            parts = deque([data])  # type: ignore[list-item]  # bytes
        reader = pipe.put_some(parts)
        waits = bool(parts)  # now: from the moment the lock is given back, readers take from them
        if waits:
            pipe.writing.enter(task, parts)
        pipe.lock.release()
        if reader is not None:
            reader.resume()
        if waits:
            await PARK
            task.wait = None
            granted, task.value = task.value, None
            if granted is not None:
                del task
                self._refuse_to_write(granted is BROKEN)

    async def close_write(self) -> None:
        """Say that nothing more will be written: the other side reads the rest, then the end. Idempotent.

        Raises:
            ClosedResource: this side closed the stream.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        charge() or await toll()
        pipe: MemoryPipe = self._sink
        if self._closed:
            self._refuse_closed()
        pipe.lock.acquire()
        if pipe.writing.task is not None:
            self._refuse_now()
        told = pipe.end()
        pipe.lock.release()
        _resume(told)

    def _refuse_now(self) -> NoReturn:
        """The error of who may not write. Gives the lock back."""
        pipe: MemoryPipe = self._sink
        ended, writer = pipe.ended, pipe.writing.task
        pipe.lock.release()
        if writer is not None:
            self._refuse_busy(writer, "writing to")
        self._refuse_to_write(not ended)

    def _refuse_to_write(self, broken: bool) -> NoReturn:
        if broken:
            raise BrokenResource(f"{self!r}: the other side is closed, and nobody will read what is written")
        if self._closed:
            self._refuse_closed()
        raise ClosedResource(f"close_write was called on {self!r}")


class DuplexStream(SimplexReader, SimplexWriter):
    """One end of a connection in memory: a `conc.io.Stream`. Made by `duplex`.

    What one end writes the other one reads, as soon as it is written. ``close_write`` ends one direction, the other
    goes on. When an end is closed, the other one reads the rest, then the end, and what it writes, or is waiting to
    write, is a BrokenResource.
    """

    __slots__ = ()


def _resume(tasks: Iterable[Task[Any]]) -> None:
    for task in tasks:
        task.resume()
