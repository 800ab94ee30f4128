"""Copying between sockets and pipes of the system without touching the bytes: a proxy with half the CPU time."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any, Final, Protocol

from conc._kernel.current import charge, current_worker
from conc._kernel.suspend import toll
from conc._os.splicing import Sluice, is_real
from conc._os.sync import Lock
from conc.io.descriptor_stream import LARGE_SHIFT, SYSTEM_CALL, DescriptorReader, DescriptorWriter

if TYPE_CHECKING:
    from conc._kernel.task import Task

PIPES_AT_MOST: Final = 16  # each a megabyte of the system's memory while a slow peer keeps bytes in it


class Sluices:
    """The pipes that the copies of one run share. One is lent only while bytes are in it, so few are enough.

    Invariant: `_lent` + len(`_free`) <= PIPES_AT_MOST. All workers share them, under `_lock`.
    """

    __slots__ = ("_closed", "_free", "_lent", "_lock")

    def __init__(self) -> None:
        self._lock = Lock()
        self._free: list[Sluice] = []
        self._lent = 0
        self._closed = False

    def borrow(self) -> Sluice | None:
        """An empty pipe; None if there is none to be had."""
        with self._lock:
            if self._free:
                sluice = self._free.pop()
            elif self._lent >= PIPES_AT_MOST:
                return None
            else:
                try:
                    sluice = Sluice()
                except OSError:
                    return None
            self._lent += 1
        return sluice

    def give_back(self, sluice: Sluice) -> None:
        """It is empty again."""
        with self._lock:
            self._lent -= 1
            if not self._closed:
                self._free.append(sluice)
                return
        sluice.close()

    def close(self) -> None:
        """The run has ended."""
        with self._lock:
            self._closed = True
            while self._free:
                self._free.pop().close()


class Count(Protocol):
    """What a copy keeps of how far it came."""

    copied: int
    pending: bytes


class Splice:
    """Moves what a reader gives to a writer, for as long as that goes well, and keeps count.

    Args:
        count: where it keeps it.
        reader: a socket or pipe of the system.
        writer: another.
        sluices: the pipes to move through.

    Attributes:
        is_writing: whether it is the writer that is used now, or that failed.
    """

    __slots__ = ("_count", "_reader", "_sluices", "_writer", "is_writing")

    def __init__(self, count: Count, reader: DescriptorReader, writer: DescriptorWriter, sluices: Sluices) -> None:
        self._count = count
        self._reader = reader
        self._writer = writer
        self._sluices = sluices
        self.is_writing = False

    async def run(self) -> bool:
        """Move everything until the reader ends. False if it cannot, from now on: then it has to be copied."""
        reader = self._reader
        while True:
            self.is_writing = False
            task = charge() or await toll()
            reading = reader._reading_now(task)
            if not reading.ready:
                await reader._wait(task, reading)
                continue
            sluice = self._sluices.borrow()
            if sluice is None:
                return False
            try:
                got = sluice.fill(reader._endpoint.fileno())  # not its number, which may be another file's once closed
                if not got:
                    return True
                task.strand.worker.budget -= SYSTEM_CALL + (got >> LARGE_SHIFT)  # type: ignore[union-attr]
                if not await self._drain(task, sluice, got):
                    return False
            except BlockingIOError:
                reading.ready = reading.descriptor.hup = False
            except OSError as error:
                if error.errno == errno.EINVAL:
                    return False
                raise reader._failed(error) from error
            finally:
                self._sluices.give_back(sluice)

    async def _drain(self, task: Task[Any], sluice: Sluice, left: int) -> bool:
        """Write what is in the pipe, waiting for room. What cannot be written is taken out again, and is pending."""
        writer = self._writer
        self.is_writing = True
        is_mine = False
        try:
            if writer._sender is not None:
                writer._refuse_busy(writer._sender, "writing to")
            writer._sender = task
            is_mine = True
            while left:
                try:
                    sent = sluice.drain(writer._endpoint.fileno(), left)
                except BlockingIOError:
                    writing = writer._writing
                    if writing is None or task.strand is not writer._writer:
                        writing = writer._write_in(task.strand)
                    writing.ready = False
                    await writer._wait(task, writing)
                except OSError as error:
                    if error.errno == errno.EINVAL:
                        return False
                    raise writer._failed(error) from error
                else:
                    left -= sent
                    self._count.copied += sent
                    writer.bytes_written += sent
                    task.strand.worker.budget -= SYSTEM_CALL  # type: ignore[union-attr]
            return True
        finally:
            if is_mine:
                writer._sender = None
            if left:
                self._count.pending = sluice.take(left)


def splice_between(count: Count, reader: object, writer: object) -> Splice | None:
    """What moves bytes from `reader` to `writer`; None if they are not both of the system. In a task."""
    if not (isinstance(reader, DescriptorReader) and isinstance(writer, DescriptorWriter)):
        return None
    if not (is_real(reader._endpoint) and is_real(writer._endpoint)):
        return None
    crew = current_worker().crew
    extensions = crew.runtime.extensions
    sluices = extensions.get(Sluices)
    if sluices is None:
        made = Sluices()
        sluices = extensions.setdefault(Sluices, made)
        if sluices is made:  # of several workers that come at the same time, one keeps its

            def close() -> None:
                del extensions[Sluices]
                made.close()

            crew.at_end.append(close)
    return Splice(count, reader, writer, sluices)
