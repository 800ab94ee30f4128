"""Files whose contents change in one step: the old ones, then the new ones, and nothing between."""

from __future__ import annotations

from types import TracebackType

from conc._kernel.cancel import CancelScope
from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os.files import StrPath
from conc._os.replacing import Replacement, replace_contents
from conc.fs.file import File
from conc.io.stream import Buffer
from conc.threads.to_thread import to_thread


async def write_atomic(
    path: StrPath, data: Buffer | str, *, encoding: str = "utf-8", durable: bool = True, mode: int | None = None
) -> None:
    """Let a file have just these contents, in one step: who opens it finds all of the old ones, or all of the new ones.

    They are written beside it, under a name of their own, which is then renamed. If that fails the file is as it was,
    and nothing is left beside it. A link is followed. What the file is linked to elsewhere keeps the old contents.

    Args:
        path: the file. It need not be there yet; its folder must.
        data: bytes, or a text, which is encoded.
        encoding: of a text.
        durable: whether to wait until all is on the disk: then it holds for power failures too. Without, it is faster,
            and after a power failure the file may even be empty.
        mode: the permissions of the new file. None: those of the old one; else what new files get.

    Raises:
        OSError: the folder is not there or not writable, the disk is full, or the path is that of no file.
        UnicodeEncodeError: a character of the text cannot be encoded.
        TypeError: `data` is neither bytes nor a text.

    Checkpoint: always, and it waits for a thread.
    If cancelled: the file is as it was. Once a thread has begun, it is waited for, and the file has the new contents.
    """
    contents = data.encode(encoding) if isinstance(data, str) else data
    if not isinstance(contents, (bytes, bytearray, memoryview)):
        raise TypeError(f"data must be bytes or a string, not {data!r:.100}")
    await to_thread(replace_contents, path, contents, durable, mode)


def open_atomic(path: StrPath, *, durable: bool = True, mode: int | None = None) -> AtomicFile:
    """As `write_atomic`, for contents that come bit by bit: ``async with fs.open_atomic(path) as file``.

    The block writes to a new file. At its end that takes the place of the old one; if the block ends with an error or
    is cancelled, the old one stays, and nothing is left beside it. A block that came to its end has its way also if it
    was cancelled meanwhile.

    Args:
        path: the file. It need not be there yet; its folder must.
        durable: whether to wait until all is on the disk.
        mode: the permissions of the new file. None: those of the old one; else what new files get.

    Returns:
        An async context manager of a `File` of bytes, open for writing and reading. It raises what `write_atomic` does.
    """
    return AtomicFile(path, durable, mode)


class AtomicFile:
    """The block of `open_atomic`.

    Invariant: in the block, `_new` is neither committed nor discarded, and behind it one of the two.
    """

    __slots__ = ("_durable", "_file", "_mode", "_new", "_path")

    def __init__(self, path: StrPath, durable: bool, mode: int | None) -> None:
        self._path = path
        self._durable = durable
        self._mode = mode
        self._new: Replacement | None = None
        self._file: File | None = None

    async def __aenter__(self) -> File:
        if self._new is not None:
            raise RuntimeError("a block of open_atomic is entered once: call open_atomic again")
        self._new = await to_thread(Replacement, self._path, self._mode)
        self._file = File(self._new.opened, self._new.path, "w+b")
        return self._file

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._new is not None and self._file is not None, "the block was entered"
        with CancelScope(shield=True):
            await self._file._hand_back()
            if error is None:
                await to_thread(self._new.commit, self._durable)
            else:
                await to_thread(self._new.discard)
        if error is None:
            charge() or await toll()
