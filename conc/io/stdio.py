"""The standard streams of the program: what it is given to read, and where it writes and complains."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self, TypeVar

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge, current_task
from conc._kernel.descriptors import Descriptor, PieceByPiece
from conc._kernel.suspend import toll
from conc._os.pipes import stops_short
from conc._os.shared_files import open_standard
from conc.errors import BusyResource, ClosedResource
from conc.io.descriptor_stream import DescriptorReader, DescriptorStream, DescriptorWriter, Endpoint
from conc.io.ready_file import ReadyFile
from conc.io.stream import Buffer
from conc.io.views import view_to_fill, views_of
from conc.sync.semaphore import Semaphore

if TYPE_CHECKING:
    from conc._kernel.task import Task

T = TypeVar("T")

NAMES: Final = ("standard input", "standard output", "standard error")


def stdin() -> StandardReader:
    """What the program is given to read: a pipe, a terminal, a file. To be called in a task.

    A read that waits can be cancelled, keeps no thread and does not hold up the end of the program; what comes later is
    left to whoever reads next. Bytes that Python's own ``sys.stdin`` has read ahead do not come: use either.

    Raises:
        OSError: it is closed, or not open for reading; or no descriptor is to be had.
        RuntimeError: no task is running here.

    Checkpoint: never.
    """
    return StandardReader(_shared(0))


def stdout() -> StandardWriter:
    """Where the program writes. To be called in a task, any number of times.

    What several tasks write, through one or several of these, comes in the order in which they began to write, each
    `write_all` in one piece. Nothing is kept back; but `print` keeps bytes back, unless it has ``flush=True``.

    Raises:
        OSError: it is closed, or not open for writing; or no descriptor is to be had.
        RuntimeError: no task is running here.

    Checkpoint: never.
    """
    return StandardWriter(_shared(1))


def stderr() -> StandardWriter:
    """Where the program complains. Otherwise as `stdout`.

    Raises:
        OSError: it is closed, or not open for writing; or no descriptor is to be had.
        RuntimeError: no task is running here.

    Checkpoint: never.
    """
    return StandardWriter(_shared(2))


class StandardEnd:
    """One user's end of a standard stream, which many may share: it can be closed, the stream cannot.

    Invariant: `_scope` is that of the operation which `_user` is in the middle of; both are None between operations.
    """

    __slots__ = ("_closed", "_scope", "_shared", "_user")

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._closed = False
        self._user: Task[Any] | None = None
        self._scope: CancelScope | None = None

    async def aclose(self) -> None:
        """Close this end. The standard stream itself stays open as long as the program. Idempotent.

        A task that waits in another operation of this end gets ClosedResource.

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
        self._closed = True
        scope = self._scope
        if scope is not None:
            scope.cancel(reason=f"{self!r} was closed")

    async def _use(self, operation: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Do something with the stream, unless this end is closed, or until it is."""
        self._admit()
        self._user = current_task()
        self._scope = scope = CancelScope()
        try:
            with scope:
                return await operation(*args)
        finally:
            self._user = self._scope = None
        raise ClosedResource(f"{self!r} was closed while it was used")

    def _admit(self) -> None:
        if self._closed:
            self._refuse_closed()
        if self._user is not None:
            raise BusyResource(f"{self._user!r} is using {self!r}; one task at a time may, and each can have its own")

    def _refuse_closed(self) -> NoReturn:
        raise ClosedResource(f"{self!r} was closed on this side")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._shared.name}{', closed' if self._closed else ''}>"


class StandardReader(StandardEnd):
    """Standard input: a `conc.io.AsyncRead`. Made by `stdin`."""

    __slots__ = ()

    async def read(self, max_bytes: int) -> bytes:
        """Wait for bytes, and return those that are there: at least one and at most `max_bytes`; ``b""`` at the end.

        A terminal gives a line at a time, unless it was told otherwise, and may go on behind an end (Ctrl-D).

        Args:
            max_bytes: at least 1. More than 64 KiB are never returned at a time.

        Raises:
            BrokenResource: the system cannot read: the terminal is gone, or it is a directory.
            ClosedResource: this end was closed before or meanwhile.
            BusyResource: another task is reading.
            ValueError: `max_bytes` is less than 1.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        data: bytes = await self._use(self._shared.file.read, max_bytes)
        return data

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Wait for bytes, and put those that are there into a buffer. Returns how many; 0 at the end.

        Args:
            buffer: a bytearray, or another writable buffer of at least 1 byte; it is filled from its beginning, as far
                as the bytes go.

        Raises:
            BrokenResource: the system cannot read: the terminal is gone, or it is a directory.
            ClosedResource: this end was closed before or meanwhile.
            BusyResource: another task is reading.
            TypeError, ValueError: `buffer` cannot be written to, or has no room.

        Checkpoint: always a cancel point; it waits only if nothing is there.
        If cancelled: no byte was taken.
        """
        got: int = await self._use(self._shared.file.read_into, view_to_fill(buffer))
        return got


class StandardWriter(StandardEnd):
    """Standard output, or standard error: a `conc.io.AsyncWrite`. Made by `stdout` and `stderr`.

    Attributes:
        bytes_written: how many bytes the system has taken from this end.
    """

    __slots__ = ("_write_closed", "bytes_written")

    def __init__(self, shared: Shared) -> None:
        super().__init__(shared)
        self._write_closed = False
        self.bytes_written = 0

    async def write_all(self, *buffers: Buffer) -> None:
        """Write all bytes of all buffers, in one piece, when those who came before are through.

        Raises:
            BrokenResource: nobody reads any more (the ``__cause__`` is a BrokenPipeError), or the disk is full.
            ClosedResource: this end was closed, before or meanwhile.
            BusyResource: another task is writing through this end.
            TypeError: what is not bytes, or not contiguous.

        Checkpoint: always a cancel point; it waits if there is no room, or if others write.
        If cancelled: `bytes_written` tells how much was written, see `conc.io.AsyncWrite`; no more of it will be.
        """
        views = views_of(buffers)
        if self._write_closed:
            raise ClosedResource(f"close_write was called on {self!r}")
        await self._use(self._write, views)

    async def close_write(self) -> None:
        """Write nothing more through this end. Whoever reads sees the end when the program ends. Idempotent.

        Raises:
            ClosedResource: this end was closed.
            BusyResource: another task is writing through it.

        Checkpoint: always a cancel point.
        If cancelled: the direction is still open.
        """
        charge() or await toll()
        self._admit()
        self._write_closed = True

    async def _write(self, views: list[memoryview]) -> None:
        shared = self._shared
        await shared.turn.acquire()
        before = shared.file.bytes_written
        try:
            await shared.file.write_all(*views)
        finally:
            self.bytes_written += shared.file.bytes_written - before
            shared.turn.release()


class Shared:
    """One of the standard streams, as all tasks of a run share it.

    Attributes:
        name: what it is.
        file: what is read from or written to: with a descriptor of our own, so that nothing changes for the other
            processes that have this one.
        turn: the line of those who write.
    """

    __slots__ = ("_endpoint", "file", "name", "turn")

    def __init__(self, number: int) -> None:
        self.name = NAMES[number]
        try:
            self._endpoint, waits = open_standard(number)
        except OSError as error:
            raise OSError(error.errno, f"cannot open {self.name} (descriptor {number}): {error.strerror}") from error
        self.turn = Semaphore(1)
        self.file: Any = None
        if not waits:
            self.file = ReadyFile(self._endpoint, self.name)
        else:
            self.file = _Input(self._endpoint, self.name) if number == 0 else _Output(self._endpoint, self.name)

    def close(self) -> None:
        """Give the descriptor back: the run has ended, and with it the pollers that may have watched it."""
        self._endpoint.close()


class _Named(DescriptorStream):
    __slots__ = ("_name",)

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        super().__init__(endpoint)
        self._name = name

    def __repr__(self) -> str:
        return f"<{self._name}>"


class _Input(_Named, DescriptorReader):
    __slots__ = ("_descriptor_type",)

    def __init__(self, endpoint: Endpoint, name: str) -> None:
        super().__init__(endpoint, name)
        self._descriptor_type = PieceByPiece if stops_short(endpoint.fileno()) else Descriptor


class _Output(_Named, DescriptorWriter):
    __slots__ = ()


def _shared(number: int) -> Shared:
    """The standard stream of this run: opened when somebody first asks for it, closed with the run."""
    crew = current_task().strand.worker.crew  # type: ignore[union-attr]  # a running strand has a worker
    runtime = crew.runtime
    key = (Shared, number)
    found: Shared | None = runtime.extensions.get(key)
    if found is not None:
        return found
    made = Shared(number)
    kept: Shared = runtime.extensions.setdefault(key, made)
    if kept is not made:  # of several workers that come at the same time, one keeps its
        made.close()
        return kept

    def close() -> None:
        del runtime.extensions[key]
        made.close()

    crew.at_end.append(close)
    return made
