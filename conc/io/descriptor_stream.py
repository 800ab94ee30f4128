"""Reading and writing descriptors that do not block: sockets, pipes, terminals. A server's time goes here."""

from __future__ import annotations

import errno
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, Self

from conc._kernel.current import charge, current_task, current_worker, slot
from conc._kernel.suspend import PARK, toll
from conc.errors import BrokenResource, ClosedResource, ConcError, WouldBlock
from conc.io.pollable import Pollable
from conc.io.stream import Buffer
from conc.io.views import BUFFERS_AT_MOST, advance, joined, view_to_fill, views_of

if TYPE_CHECKING:
    from conc._kernel.descriptors import Direction
    from conc._kernel.task import Task

# More than this at a time is slow: from 128 KiB on, malloc maps and unmaps memory for each read.
READ_AT_MOST: Final = 65_536
# A system call costs about as much as so many operations without one, and one more for each 4 KiB.
SYSTEM_CALL: Final = 4
LARGE_SHIFT: Final = 12
LARGE: Final = 1 << LARGE_SHIFT


class Endpoint(Protocol):
    """What a stream asks of what it reads and writes: a part of `socket.socket`, with its meanings and errors."""

    def fileno(self) -> int:
        """The descriptor, which does not block; -1 once closed."""

    def recv(self, max_bytes: int, /) -> bytes:
        """Some bytes; ``b""`` at the end. Raises BlockingIOError if there are none."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Put some bytes into a buffer; how many, 0 at the end. Raises BlockingIOError if there are none."""

    def send(self, data: Buffer, /) -> int:
        """Write some bytes; how many. Raises BlockingIOError if there is no room."""

    def sendmsg(self, buffers: list[memoryview], /) -> int:
        """Write some bytes of several buffers; how many."""

    def close(self) -> None:
        """Close it."""


class DescriptorStream(Pollable):
    """What reading and writing have in common: the descriptor, and closing it.

    Invariant: `_sender` is the task that is in the middle of a `write_all`, between two writes; else None.
    """

    __slots__ = ("_endpoint", "_recv", "_send", "_sender", "_write_closed", "bytes_written")

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint.fileno())
        self._endpoint = endpoint
        self._recv = endpoint.recv
        self._send = endpoint.send
        self._sender: Task[Any] | None = None
        self._write_closed = False
        self.bytes_written = 0

    async def aclose(self) -> None:
        """Close it, at once and whatever the other side does. Idempotent.

        What was written is still delivered. A task that waits in another operation gets ClosedResource.

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
        if not self._closed:
            self._deregister()
            self._endpoint.close()

    def _failed(self, error: OSError) -> ConcError:
        """What an error of the system means."""
        if self._closed:
            return ClosedResource(f"{self!r} was closed on this side")
        if self._write_closed and error.errno == errno.EPIPE:
            return ClosedResource(f"close_write was called on {self!r}")
        return BrokenResource(f"{self!r}: {error.strerror or error}")


class DescriptorReader(DescriptorStream):
    """The side that bytes come out of: a `conc.io.AsyncRead`.

    Reading tries the system call first, unless the last one said that nothing more was there. Only what has to wait is
    registered with a poller.
    """

    __slots__ = ()

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        Args:
            max_bytes: at least 1. More than 64 KiB are never returned at a time.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes > READ_AT_MOST:
            max_bytes = READ_AT_MOST
        elif max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        reading: Direction = self._reading  # type: ignore[assignment]  # there is one if there is a reader
        if task.strand is not self._reader:
            reading = self._read_in(task.strand)
        while True:
            if reading.ready:
                try:
                    data = self._recv(max_bytes)
                except BlockingIOError:
                    reading.ready = reading.descriptor.hup = False
                except OSError as error:
                    raise self._failed(error) from error
                else:
                    got = len(data)
                    # Less than asked for is all there was, so the next read need not ask in vain. But the end of the
                    # stream may have come together with these bytes, and then nothing will tell of it again.
                    if 0 < got < max_bytes and not reading.descriptor.hup:
                        reading.ready = False
                    if got >= LARGE:
                        worker.budget -= got >> LARGE_SHIFT
                    return data
            # From here on as Pollable._wait, without a coroutine of its own; and with the wish to be read for.
            if reading.task is not None:
                reading.refuse()
            if reading.unarmed:
                self._arm(reading)
            reading.task = task
            reading.asked = max_bytes
            task.wait = reading
            task.value = self._recv
            await PARK
            task.wait = None
            read_ahead = task.value
            if read_ahead is not None:
                task.value = None
                if type(read_ahead) is not bytes:
                    self._refuse_to_read(read_ahead)
                return read_ahead
            if task.scope.cancelled:  # after an edge that brought nothing: do not wait once more
                raise task.scope.cancellation()
            if reading is not self._reading:  # nor where another strand has taken it over meanwhile
                reading = self._reading_now(task)

    def read_nowait(self, max_bytes: int) -> bytes:
        """Return the bytes that are there: at least one and at most `max_bytes`; ``b""`` at the end. As `read` else.

        Raises:
            WouldBlock: nothing is there.
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: never.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        max_bytes = min(max_bytes, READ_AT_MOST)
        worker = current_worker()
        reading = self._reading_now(current_task())
        worker.budget -= SYSTEM_CALL
        try:
            data = self._recv(max_bytes)  # also if the poller has told of nothing: it may not have been asked since
        except BlockingIOError:
            reading.ready = reading.descriptor.hup = False
            raise WouldBlock(f"nothing is there to read from {self!r}") from None
        except OSError as error:
            raise self._failed(error) from error
        if 0 < len(data) < max_bytes and not reading.descriptor.hup:
            reading.ready = False
        worker.budget -= len(data) >> LARGE_SHIFT
        return data

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Wait for bytes, and put those that are there into a buffer. Returns how many; 0 at the end.

        Args:
            buffer: a bytearray, or another writable buffer of at least 1 byte; it is filled from its beginning, as far
                as the bytes go.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream before or meanwhile.
            BusyResource: another task is reading.
            TypeError, ValueError: `buffer` cannot be written to, or has no room.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        view = view_to_fill(buffer)
        task = charge() or await toll()
        while True:
            reading = self._reading_now(task)
            if reading.ready:
                try:
                    got = self._endpoint.recv_into(view)
                except BlockingIOError:
                    reading.ready = reading.descriptor.hup = False
                except OSError as error:
                    raise self._failed(error) from error
                else:
                    if 0 < got < len(view) and not reading.descriptor.hup:
                        reading.ready = False
                    reading.descriptor.worker.budget -= SYSTEM_CALL + (got >> LARGE_SHIFT)
                    return got
            await self._wait(task, reading)

    def _reading_now(self, task: Task[Any]) -> Direction:
        """The direction of a task that is about to read."""
        reading = self._reading
        if reading is None or task.strand is not self._reader:
            reading = self._read_in(task.strand)
        elif reading.task is not None:
            reading.refuse()
        return reading

    def _refuse_to_read(self, why: object) -> NoReturn:
        """Raise what woke a reader in place of bytes."""
        if isinstance(why, OSError):
            raise self._failed(why) from why
        self._refuse_closed()


class DescriptorWriter(DescriptorStream):
    """The side that bytes are put into: the writing of a `conc.io.AsyncWrite`.

    Writing tries the system call first, always. Only what has to wait is registered with a poller.
    """

    __slots__ = ()

    async def write_all(self, data: Buffer = b"", /, *more: Buffer) -> None:
        """Write all bytes of all buffers, in order, waiting for room where there is none.

        Several buffers go out together: ``write_all(head, body)`` needs no joining.

        Raises:
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream, or its writing direction, before or meanwhile.
            BusyResource: another task is writing.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: `bytes_written` tells how much was written, see `conc.io.AsyncWrite`; no more of it will be.
        """
        worker: Any = slot.worker  # from here on as `charge`, without a call
        if worker is None or worker.budget <= 0 or (task := worker.task).scope.cancelled:
            task = await toll()
            worker = slot.worker
        worker.budget -= SYSTEM_CALL
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        if more:
            buffers = (data, *more)
            small = joined(buffers)
            if small is None:
                await self._write_views(task, views_of(buffers))
                return
            data = small
        elif type(data) is not bytes and type(data) is not bytearray:
            await self._write_views(task, views_of((data,)))
            return
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise self._failed(error) from error
        self.bytes_written += sent
        if sent >= LARGE:
            worker.budget -= sent >> LARGE_SHIFT
        if sent != len(data):
            await self._write_views(task, [memoryview(data)[sent:]], has_room=False)

    def write_nowait(self, data: Buffer) -> int:
        """Write as much as there is room for. Returns how many bytes: at least one, unless `data` has none.

        Raises:
            WouldBlock: there is no room.
            BrokenResource: the connection was reset, or broke.
            ClosedResource: this side closed the stream, or its writing direction.
            BusyResource: another task is writing.

        Checkpoint: never.
        """
        worker = current_worker()
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        worker.budget -= SYSTEM_CALL
        try:
            sent = self._send(data)
        except BlockingIOError:
            raise WouldBlock(f"there is no room to write to {self!r}") from None
        except OSError as error:
            raise self._failed(error) from error
        self.bytes_written += sent
        worker.budget -= sent >> LARGE_SHIFT
        return sent

    async def _write_views(self, task: Task[Any], views: list[memoryview], *, has_room: bool = True) -> None:
        """Write what is in `views`, which is used up. `has_room` is False if a write has just said so."""
        self._sender = task
        try:
            while views:
                if has_room:
                    try:
                        sent = self._endpoint.sendmsg(views[:BUFFERS_AT_MOST])
                    except BlockingIOError:
                        sent = 0
                    except OSError as error:
                        raise self._failed(error) from error
                    self.bytes_written += sent
                    task.strand.worker.budget -= SYSTEM_CALL + (sent >> LARGE_SHIFT)  # type: ignore[union-attr]
                    has_room = advance(views, sent)
                else:
                    writing = self._writing
                    if writing is None or task.strand is not self._writer:
                        writing = self._write_in(task.strand)
                    writing.ready = False
                    await self._wait(task, writing)
                    has_room = True
        finally:
            self._sender = None
