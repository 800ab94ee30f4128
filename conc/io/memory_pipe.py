"""One direction of a connection in memory: bytes that were written and not yet read, and who waits at its two ends."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from conc._kernel.suspend import GRANTED, Marker
from conc._os.sync import Lock

if TYPE_CHECKING:
    from conc._kernel.task import Task

CLOSED: Final = Marker("CLOSED")  # what is granted to who waits at an end that is closed
BROKEN: Final = Marker("BROKEN")  # ... and to who waits to write when the reading end is closed


class Place:
    """Where the one task waits that uses an end of a pipe.

    Attributes:
        task: who waits; None if nobody does, or the wait was decided.
        wants: what for: how many bytes at most; or the parts that are to be written.
    """

    __slots__ = ("_lock", "_reason", "task", "wants")

    def __init__(self, lock: Lock, reason: str) -> None:
        self._lock = lock
        self._reason = reason
        self.task: Task[Any] | None = None
        self.wants: Any = None

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        return self._reason

    def enter(self, task: Task[Any], wants: object) -> None:
        """`task` is about to park here. Under the lock."""
        self.task = task
        self.wants = wants
        task.wait = self

    def grant(self, value: object) -> Task[Any]:
        """Decide the wait of who is here, and return him: to be resumed without the lock. Under the lock."""
        task = self.task
        assert task is not None, "nobody waits here"
        self.task = self.wants = None
        task.value = value
        task.wait = GRANTED
        return task

    def withdraw(self, task: Task[Any]) -> bool:
        """The task was cancelled: False if its wait was decided already. By its owner."""
        with self._lock:
            if self.task is not task:
                return False
            self.task = self.wants = None
            return True


class MemoryPipe:
    """What was written and not yet read, in order, and at most `capacity` bytes of it.

    All is called under `lock`, by whatever thread. Who waits is served in the same critical section that makes it
    possible: a reader is handed its bytes, and what a writer still has to write is taken from it while it waits. So
    nothing is between being granted and being done, and a cancellation finds a wait decided or takes it back.

    Only bytes come here, no views: in a Python without a GIL, views of one buffer miscount each other when several
    threads make and drop them, also if that happens under a lock, for the dropping may be put off.

    Attributes:
        written: how many bytes were put in, ever.
        ended: whether the writing end is done.
        abandoned: whether the reading end is closed.

    Invariant: `size` is the number of bytes in `_pieces` behind the first `_start`, at most `capacity`.
    Invariant: of the parts that somebody waits to write, the first `_used` bytes of the first are in the pipe.
    Invariant: who waits to read finds no byte, and no end; who waits to write finds no room, and a reader.
    """

    __slots__ = (
        "_pieces",
        "_start",
        "_used",
        "abandoned",
        "capacity",
        "ended",
        "lock",
        "reading",
        "size",
        "writing",
        "written",
    )

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.lock = Lock()
        self.reading = Place(self.lock, "bytes from the other end of a pipe in memory")
        self.writing = Place(self.lock, f"room in a pipe in memory of {capacity} bytes")
        self.size = 0
        self.written = 0
        self.ended = False
        self.abandoned = False
        self._pieces: deque[bytes] = deque()
        self._start = 0
        self._used = 0

    # ---- for who writes -------------------------------------------------------------------------------------------

    def put(self, data: bytes) -> Task[Any] | None:
        """Put in what there is room for. Returns the reader that got it, to be resumed."""
        size = len(data)
        if not size:
            return None
        self._pieces.append(data)
        self.size += size
        self.written += size
        return self._serve_reader() if self.reading.task is not None else None

    def put_some(self, parts: deque[bytes]) -> Task[Any] | None:
        """Take from the front of `parts` as much as there is room for. Returns the reader that got some."""
        self._used = 0
        self._fill(parts)
        if self.reading.task is None or not self.size:
            return None
        reader = self._serve_reader()
        self._fill(parts)
        return reader

    def end(self) -> list[Task[Any]]:
        """Nothing more will be written. Returns who was told, to be resumed."""
        self.ended = True
        told = []
        if self.writing.task is not None:
            told.append(self.writing.grant(CLOSED))
        if self.reading.task is not None:
            told.append(self.reading.grant(b""))
        return told

    # ---- for who reads --------------------------------------------------------------------------------------------

    def take(self, max_bytes: int) -> bytes:
        """Take bytes out, of which there are some: as many as there are, at most `max_bytes`."""
        pieces = self._pieces
        if len(pieces) == 1 and max_bytes >= self.size:  # as it was written: nothing is copied
            data = pieces.popleft()[self._start :]
            self._start = self.size = 0
            return data
        left = min(max_bytes, self.size)
        self.size -= left
        parts = []
        start = self._start
        while left:
            part = pieces[0][start : start + left]
            parts.append(part)
            left -= len(part)
            start += len(part)
            if start == len(pieces[0]):
                pieces.popleft()
                start = 0
        self._start = start
        return b"".join(parts)

    def serve_writer(self) -> Task[Any] | None:
        """There is room: take from who waits to write. Returns him if all was taken, to be resumed."""
        if self.writing.task is None:
            return None
        parts = self.writing.wants
        self._fill(parts)
        return None if parts else self.writing.grant(None)

    def abandon(self) -> list[Task[Any]]:
        """Nobody will read: what is in the pipe is dropped. Returns who was told, to be resumed."""
        self.abandoned = True
        self._pieces.clear()
        self._start = self.size = 0
        told = []
        if self.reading.task is not None:
            told.append(self.reading.grant(CLOSED))
        if self.writing.task is not None:
            told.append(self.writing.grant(BROKEN))
        return told

    # ---- for both -------------------------------------------------------------------------------------------------

    def _serve_reader(self) -> Task[Any]:
        """There are bytes, and somebody waits for them."""
        return self.reading.grant(self.take(self.reading.wants))

    def _fill(self, parts: deque[bytes]) -> None:
        while parts and (room := self.capacity - self.size):
            part = parts[0]
            piece = part[self._used : self._used + room]
            self._pieces.append(piece)
            self.size += len(piece)
            self.written += len(piece)
            self._used += len(piece)
            if self._used == len(part):
                parts.popleft()
                self._used = 0

    def _check(self) -> None:
        with self.lock:
            assert self.size == sum(map(len, self._pieces)) - self._start, "miscounted"
            assert self.size <= self.capacity, "more than there is room for"
            assert 0 <= self._start <= len(self._pieces[0]) if self._pieces else self._start == 0, "out of the piece"
            if self.reading.task is not None:
                assert not (self.size or self.ended or self.abandoned), "somebody waits who could read"
            if self.writing.task is not None:
                assert self.size == self.capacity, "somebody waits beside room"
                assert 0 <= self._used < len(self.writing.wants[0]), "somebody waits who has nothing to write"
                assert not (self.ended or self.abandoned), "somebody waits for room that will never be"
