"""Opening files: what a mode means, and waiting for a thread that opens."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Generator
from io import FileIO, TextIOWrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, NoReturn, TypeAlias, TypeVar, overload
from warnings import warn

from conc._os import files
from conc._os.files import StrPath
from conc._os.sync import Lock
from conc.fs.file import File
from conc.fs.handle import Handle
from conc.fs.text import TextFile
from conc.threads.to_thread import to_thread

H = TypeVar("H", bound=Handle)

AnyPath: TypeAlias = StrPath | bytes | os.PathLike[bytes]

TextMode: TypeAlias = Literal[
    "r", "w", "a", "x", "r+", "w+", "a+", "x+", "rt", "wt", "at", "xt", "r+t", "w+t", "a+t", "x+t", "rt+", "wt+", "at+",
    "xt+", "+r", "+w", "+a", "+x", "tr", "tw", "ta", "tx",
]  # fmt: skip
BinaryMode: TypeAlias = Literal[
    "rb", "wb", "ab", "xb", "br", "bw", "ba", "bx", "r+b", "w+b", "a+b", "x+b", "rb+", "wb+", "ab+", "xb+",
]  # fmt: skip

NEWLINES: Final = (None, "", "\n", "\r", "\r\n")


class Opening(Awaitable[H], Generic[H]):
    """A file that is about to be opened: ``await`` it, or open it for a block with ``async with``.

    Await it once; nothing happens before.
    """

    __slots__ = ("_args", "_begun", "_file", "_open")

    def __init__(self, open: Callable[..., Awaitable[H]], *args: Any) -> None:
        self._open = open
        self._args = args
        self._begun = False
        self._file: H | None = None

    def __await__(self) -> Generator[Any, Any, H]:
        if self._begun:
            raise RuntimeError(f"{self!r} was awaited already: call it again")
        self._begun = True
        return self._open(*self._args).__await__()

    async def __aenter__(self) -> H:
        self._file = await self
        return self._file

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._file is not None, "the block was entered"
        await self._file.__aexit__(kind, error, traceback)

    def __getattr__(self, name: str) -> NoReturn:
        """Whoever asks for what a file has, has forgotten to wait for it."""
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(f"{self!r} has no {name!r}: it is not open yet; write await before it, or async with")

    def __repr__(self) -> str:
        return f"<conc.fs.open({self._args[0]!r})>"

    def __del__(self) -> None:
        if not getattr(self, "_begun", True):
            warn(f"{self!r} was never awaited, so nothing was opened", RuntimeWarning, stacklevel=1, source=self)


if TYPE_CHECKING:

    @overload
    def open(
        path: AnyPath,
        mode: TextMode = "r",
        *,
        encoding: str = "utf-8",
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[TextFile]: ...

    @overload
    def open(path: AnyPath, mode: BinaryMode) -> Opening[File]: ...

    @overload
    def open(
        path: AnyPath,
        mode: str,
        *,
        encoding: str = "utf-8",
        errors: str | None = None,
        newline: str | None = None,
    ) -> Opening[Any]: ...


def open(
    path: AnyPath,
    mode: str = "r",
    *,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
) -> Opening[Any]:
    """Open a file: ``file = await fs.open(path)``, or ``async with fs.open(path) as file:``, which closes it.

    Args:
        path: of the file.
        mode: as of the builtin `open`: ``r`` to read, ``w`` to write anew, ``x`` to write what is not there yet, ``a``
            to append; with ``+`` for both, with ``b`` for bytes. Else it is a file of text.
        encoding: of text. UTF-8 unless given, on every system.
        errors: of text: what to do with what cannot be encoded or decoded, ``"strict"`` unless given.
        newline: of text: what is the end of a line, as of the builtin `open`.

    Returns:
        An awaitable of a `File` for bytes, or a `TextFile`. It is opened when that is awaited.

    Raises:
        ValueError: the mode means nothing, or an argument for text was given for bytes.
        TypeError: `path` is no path.
        LookupError: there is no such encoding. When awaited.
        OSError: it cannot be opened: there is none (FileNotFoundError), it is a folder (IsADirectoryError), this is not
            permitted (PermissionError), there are no more descriptors (EMFILE). When awaited.

    Checkpoint: always when awaited, and it waits for a thread.
    If cancelled: the file was not opened. A FIFO, for which one waits until its other end is opened, is closed when
        that happens after all; until then it keeps a thread of the pool.
    """
    return opened(path, mode, encoding, errors, newline)


def opened(path: AnyPath, mode: str, encoding: str | None, errors: str | None, newline: str | None) -> Opening[Any]:
    """As `open`, for arguments that a type checker has seen already."""
    name = os.fspath(path)
    if "\0" in name if isinstance(name, str) else b"\0" in name:
        raise ValueError(f"path must not have a zero character: {path!r}")
    raw_mode = check_mode(mode)
    if "b" not in mode:
        if newline not in NEWLINES:
            raise ValueError(f"newline must be None, '', '\\n', '\\r' or '\\r\\n', not {newline!r}")
        return Opening(_open_text, name, raw_mode, mode, encoding or "utf-8", errors, newline)
    for argument, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if value is not None:
            raise ValueError(f"{argument} is for text, and mode {mode!r} is for bytes")
    return Opening(_open_bytes, name, raw_mode, mode)


def check_mode(mode: str) -> str:
    """The part of a mode that says what is done with the file: ``r``, ``w``, ``x`` or ``a``, perhaps with ``+``.

    Raises:
        ValueError: the mode means nothing.
        TypeError: it is not a string.
    """
    if not isinstance(mode, str):
        raise TypeError(f"mode must be a string, not {mode!r}")
    kinds = set(mode)
    if len(kinds) < len(mode) or not kinds <= set("rwxabt+") or len(kinds & set("rwxa")) != 1 or {"b", "t"} <= kinds:
        raise ValueError(
            f"mode must be one of 'r', 'w', 'x' and 'a', perhaps with '+', and with 'b' for bytes, not {mode!r}"
        )
    return (kinds & set("rwxa")).pop() + "+" * ("+" in kinds)


async def _open_bytes(name: str | bytes, raw_mode: str, mode: str) -> File:
    opened: files.Opened | None = await to_thread(files.open_unless_fifo, name, raw_mode)
    if opened is None:
        opened = await _open_fifo(name, raw_mode)
    with files.named(name), files.closed_on_error(opened.raw):  # what is waited for gets descriptors of its own
        return File(opened, name, mode)


async def _open_text(
    name: str | bytes, raw_mode: str, mode: str, encoding: str, errors: str | None, newline: str | None
) -> TextFile:
    opened, text = await to_thread(_open_wrapped, name, raw_mode, encoding, errors, newline)
    if opened is None:
        opened = await _open_fifo(name, raw_mode)
    if text is None:
        text = files.wrap_text(opened.raw, encoding, errors, newline)
    return TextFile(opened, text, name, mode)


def _open_wrapped(
    name: str | bytes, raw_mode: str, encoding: str, errors: str | None, newline: str | None
) -> tuple[files.Opened | None, TextIOWrapper | None]:
    """Open a file of text: None if it is a FIFO. In a thread, for an encoding may have to be looked for on the disk."""
    opened = files.open_unless_fifo(name, raw_mode)
    return opened, None if opened is None else files.wrap_text(opened.raw, encoding, errors, newline)


async def _open_fifo(name: str | bytes, raw_mode: str) -> files.Opened:
    """Open a FIFO, waiting for its other end; a cancellation does not wait for that."""
    hand_over = HandOver()
    try:
        return await to_thread(_hand_over, hand_over, name, raw_mode, abandon_on_cancel=True)
    except BaseException:
        hand_over.refuse()
        raise


def _hand_over(hand_over: HandOver, name: str | bytes, raw_mode: str) -> files.Opened:
    """In a thread, perhaps one that nobody waits for any more."""
    opened = files.open_raw(name, raw_mode)
    hand_over.offer(opened.raw)
    return opened


class HandOver:
    """A file on its way from a thread to a task that may have left: one of the two closes it then.

    Invariant: a file that was offered and refused is closed.
    """

    __slots__ = ("_lock", "_raw", "_refused")

    def __init__(self) -> None:
        self._lock = Lock()
        self._raw: FileIO | None = None
        self._refused = False

    def offer(self, raw: FileIO) -> None:
        """Here it is. By the thread."""
        with self._lock:
            self._raw = raw
            refused = self._refused
        if refused:
            raw.close()

    def refuse(self) -> None:
        """The task does not want it any more."""
        with self._lock:
            self._refused = True
            raw = self._raw
        if raw is not None:
            raw.close()
