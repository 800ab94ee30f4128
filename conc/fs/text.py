"""A file of text: what the standard library makes of bytes, in a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from io import SEEK_SET, TextIOWrapper
from typing import Final, Self, TypeVar, TypeVarTuple

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os import files
from conc.fs.handle import Handle

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

AHEAD: Final = 65_536  # characters that are read ahead, in lines, where somebody loops over them


class TextFile(Handle):
    """An open file of text, encoded and with the line ends that `conc.fs.open` was told.

    A write that returned is with the system: nothing is kept back. A loop over the lines reads some ahead, with one
    call of a thread for many of them; they do not count in the position.

    One task at a time uses the file, whatever for. It may be handed from strand to strand. A thread that reads from a
    pipe or a terminal waits until something comes, also if its task is cancelled: read such things as bytes.

    Invariant: `_lines` are what comes next; `_start` is where the first of those that were read together with them
    begins, and `_passed` how many characters of these were given out. `_start` is None if there are no such lines.
    """

    __slots__ = ("_error", "_lines", "_passed", "_regular", "_start", "_text")

    def __init__(self, opened: files.Opened, text: TextIOWrapper, name: str | bytes, mode: str) -> None:
        super().__init__(opened, name, mode)
        self._text = text
        self._regular = opened.is_regular
        self._lines: deque[str] = deque()
        self._error: Exception | None = None
        self._start: int | None = None
        self._passed = 0

    @property
    def encoding(self) -> str:
        """The name of the encoding."""
        return self._text.encoding

    @property
    def errors(self) -> str | None:
        """What is done with what cannot be encoded or decoded."""
        return self._text.errors

    @property
    def newlines(self) -> str | tuple[str, ...] | None:
        """The ends of lines that were translated so far."""
        return self._text.newlines

    async def read(self, max_chars: int | None = None) -> str:
        """Read so many characters; less only at the end, and ``""`` there.

        Args:
            max_chars: at least 1. None: all that is left.

        Raises:
            ValueError: `max_chars` is less than 1.
            UnicodeDecodeError: the bytes mean nothing in this encoding.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing was taken.
        """
        if max_chars is not None and max_chars < 1:
            raise ValueError(f"max_chars must be at least 1, or None for all, not {max_chars}")
        charge() or await toll()
        self._begin_reading()
        return await self._call_here(self._text.read, max_chars)

    async def readline(self) -> str:
        r"""Read the next line with its ``"\n"``, which the last line may lack; ``""`` at the end.

        Raises:
            UnicodeDecodeError: the bytes mean nothing in this encoding.
            OSError: the disk failed.
            io.UnsupportedOperation: the file is not open for reading.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always a cancel point; it waits for a thread unless the line was read ahead.
        If cancelled: nothing was taken.
        """
        charge() or await toll()
        self._begin_reading()
        if not self._lines:
            if self._error is None:
                return await self._call_here(self._text.readline)
            self._raise_error()
        line = self._lines.popleft()
        self._passed += len(line)
        return line

    async def write(self, text: str) -> int:
        """Write all of a text, and return how many characters it has.

        When it returns, the system has it, encoded: whoever reads the file sees it.

        Raises:
            OSError: the system did not take it all: the disk is full (ENOSPC), a quota reached (EDQUOT).
            UnicodeEncodeError: a character cannot be encoded. Nothing was written.
            TypeError: `text` is not a string.
            io.UnsupportedOperation: the file is not open for writing.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing was written.
        """
        if not isinstance(text, str):
            raise TypeError(f"text must be a string, not {text!r:.100}; for bytes open the file with mode 'wb'")
        charge() or await toll()
        self._begin_writing()
        return await self._call_here(self._write_text, text)

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
        return await self._call_here(self._truncate, size)

    async def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Move the position, and return it.

        Args:
            offset: what `tell` gave, or 0.
            whence: 0 from the beginning; 1 and 2, with an offset of 0 only, stand for the position and the end.

        Raises:
            OSError: the file is a pipe or the like and has no position.
            io.UnsupportedOperation: an offset that means nothing in a file of text.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: the position is where it was.
        """
        charge() or await toll()
        self._begin()
        return await self._call_here(self._text.seek, offset, whence)

    async def tell(self) -> int:
        """The position, as a number that means something to `seek` only.

        Raises:
            OSError: the file is a pipe or the like and has none.
            ClosedResource: the file is closed.
            BusyResource: another task is using it.

        Checkpoint: always, and it waits for a thread.
        If cancelled: nothing changed.
        """
        charge() or await toll()
        self._begin()
        return await self._call_here(self._text.tell)

    def __aiter__(self) -> Self:
        self._begin_reading()
        return self

    async def __anext__(self) -> str:
        if not self._lines and self._error is None and self._regular:
            charge() or await toll()
            self._begin_reading()
            await self._call(self._read_ahead)
        line = await self.readline()
        if not line:
            raise StopAsyncIteration
        return line

    # ---- in a thread ------------------------------------------------------------------------------------------------

    def _read_ahead(self) -> None:
        """Read some lines. Where something is wrong behind them, that is told when they are through."""
        text = self._text
        self._start, self._passed = text.tell(), 0
        left = AHEAD
        try:
            while left > 0 and (line := text.readline()):
                self._lines.append(line)
                left -= len(line)
        except (OSError, ValueError) as error:
            self._error = error

    def _from_here(self, fn: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        """Call `fn` at the position: behind the lines that were given out, and before those that were read ahead."""
        if self._lines or self._error is not None:
            self._lines.clear()
            self._error = None
            self._text.seek(self._start or 0)
            if self._passed:
                self._text.read(self._passed)
        return fn(*args)

    def _write_text(self, text: str) -> int:
        self._step_back()
        return self._text.write(text)

    def _truncate(self, size: int | None) -> int:
        self._step_back()
        return self._text.truncate(size)

    def _step_back(self) -> None:
        """Forget what the wrapper has read and not given out: it would write, or cut the file off, behind that."""
        if self._reads and self._regular:
            self._text.seek(self._text.tell())

    # ---- below ------------------------------------------------------------------------------------------------------

    async def _call_here(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        return await self._call(self._from_here, fn, args)

    def _raise_error(self) -> None:
        error, self._error = self._error, None
        assert error is not None
        try:
            raise error
        finally:
            del error  # its traceback holds this frame

    def _begin_reading(self) -> None:
        self._begin()
        if not self._reads:
            self._refuse_mode("read", '"r" or "r+"')

    def _begin_writing(self) -> None:
        self._begin()
        if not self._writes:
            self._refuse_mode("written to", '"w", "a", "x" or "r+"')

    def _check(self) -> None:
        super()._check()
        assert self._start is not None or not self._lines, "nobody knows where these lines begin"
