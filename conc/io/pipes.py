"""Pipes: one end that bytes are written to, and one that they come out of, in this process or in another."""

from __future__ import annotations

from conc._kernel.current import charge
from conc._kernel.descriptors import Descriptor, PieceByPiece
from conc._kernel.suspend import toll
from conc._os import pipes
from conc.io.descriptor_stream import DescriptorReader, DescriptorWriter


class PipeReader(DescriptorReader):
    """The end of a pipe that bytes come out of: a `conc.io.AsyncRead`. The end comes when all writing ends are closed.

    Args:
        fd: a descriptor of a pipe, a terminal or the like. The reader owns it from now on, closes it, and makes it
            non-blocking, also for others who have it.
    """

    __slots__ = ("_descriptor_type",)

    def __init__(self, fd: int) -> None:
        super().__init__(pipes.File(fd))
        self._descriptor_type = PieceByPiece if pipes.stops_short(fd) else Descriptor

    def __repr__(self) -> str:
        return f"<PipeReader of descriptor {self._fd}{', closed' if self._closed else ''}>"


class PipeWriter(DescriptorWriter):
    """The end of a pipe that bytes are put into: a `conc.io.AsyncWrite`.

    Args:
        fd: a descriptor of a pipe, a terminal or the like. The writer owns it from now on, closes it, and makes it
            non-blocking, also for others who have it.
    """

    __slots__ = ()

    def __init__(self, fd: int) -> None:
        super().__init__(pipes.File(fd))

    async def close_write(self) -> None:
        """Say that nothing more will be written, by closing the pipe: the reader gets the rest, then the end.

        Idempotent.

        Raises:
            ClosedResource: this side closed the pipe.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point.
        If cancelled: the pipe is still open.
        """
        charge() or await toll()
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        if self._closed and not self._write_closed:
            self._refuse_closed()
        self._write_closed = True
        self._close()

    def __repr__(self) -> str:
        return f"<PipeWriter of descriptor {self._fd}{', closed' if self._closed else ''}>"


def open_pipe() -> tuple[PipeReader, PipeWriter]:
    """Make a pipe: what is written to the second comes out of the first.

    Raises:
        OSError: there are no descriptors to be had (EMFILE, ENFILE).

    Checkpoint: never.
    """
    reader, writer = pipes.open_pipe()
    return PipeReader(reader), PipeWriter(writer)
