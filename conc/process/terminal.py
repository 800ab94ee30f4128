"""The terminal of a program, seen from the side of who types and looks."""

from __future__ import annotations

from conc._kernel.current import charge
from conc._kernel.descriptors import PieceByPiece
from conc._kernel.suspend import toll
from conc._os.terminals import TerminalFile
from conc.io.descriptor_stream import DescriptorReader, DescriptorWriter
from conc.process.starting import check_size


class Terminal(DescriptorReader, DescriptorWriter):
    """Our end of the pseudo-terminal that a `Process` runs in: a `conc.io.Stream`.

    What is written is typed on its keyboard, what is read stands on its screen: what was typed too, as long as the
    program lets the terminal echo. Lines end with ``\\r\\n`` there. The end comes when no program has it open any more.
    """

    __slots__ = ("_file",)

    _descriptor_type = PieceByPiece

    def __init__(self, fd: int) -> None:
        self._file = TerminalFile(fd)
        super().__init__(self._file)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the window.

        Raises:
            ClosedResource: the terminal is closed.
        """
        if self._closed:
            self._refuse_closed()
        return self._file.size()

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size. The program is told by a signal, SIGWINCH.

        Args:
            columns: characters in a line, at least 1.
            rows: lines, at least 1.

        Raises:
            TypeError, ValueError: not a size.
            ClosedResource: the terminal is closed.

        Checkpoint: never.
        """
        check_size((columns, rows))
        if self._closed:
            self._refuse_closed()
        self._file.resize(columns, rows)

    async def close_write(self) -> None:
        """Say that nothing more will be typed, by typing the character for that (Ctrl-D). Reading goes on.

        It counts at the beginning of a line, and for programs that let the terminal handle it. Idempotent.

        Raises:
            BrokenResource: the terminal broke.
            ClosedResource: this side closed the terminal.
            BusyResource: another task is writing.

        Checkpoint: always a cancel point; it waits only if there is no room.
        If cancelled: the direction is still open.
        """
        charge() or await toll()
        if self._sender is not None:
            self._refuse_busy(self._sender, "writing to")
        if self._closed:
            self._refuse_closed()
        if not self._write_closed:
            await self.write_all(self._file.end_of_file())
            self._write_closed = True
            self._file.refuse_to_write()

    def __repr__(self) -> str:
        return f"<Terminal of descriptor {self._fd}{', closed' if self._closed else ''}>"
