"""Going through a tree of folders, one folder at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Generic, Self, TypeVar

from conc._kernel.current import charge
from conc._kernel.suspend import toll
from conc._os import files
from conc.threads.to_thread import to_thread

P = TypeVar("P", bound=PurePath)


class Walk(Generic[P]):
    """The loop over a tree; all its state is in the stack of what is to be done.

    Args:
        top: the folder to begin with.
        top_down: whether a folder comes before those in it.
        on_error: called with each error of a folder that cannot be read.
        follow_symlinks: whether to go into folders that are linked to.

    Invariant: a path in `_stack` is a folder to be read; a triple is one that was read, and comes when those above it
    on the stack are through. Bottom-up only.
    """

    __slots__ = ("_follow", "_on_error", "_pending", "_stack", "_top_down")

    def __init__(
        self, top: P, top_down: bool, on_error: Callable[[OSError], object] | None, follow_symlinks: bool
    ) -> None:
        self._stack: list[P | tuple[P, list[str], list[str]]] = [top]
        self._pending: tuple[P, list[str]] | None = None  # what was given out, and whose folders come next
        self._top_down = top_down
        self._on_error = on_error
        self._follow = follow_symlinks

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> tuple[P, list[str], list[str]]:
        charge() or await toll()
        self._go_down()
        while self._stack:
            folder = self._stack[-1]
            if isinstance(folder, tuple):
                self._stack.pop()
                return folder
            try:
                folders, others = await to_thread(files.folders_and_files, folder, self._follow)
            except OSError as error:
                self._stack.pop()
                if self._on_error is not None:
                    self._on_error(error)
                continue
            self._stack.pop()
            if self._top_down:
                self._pending = (folder, folders)
                return folder, folders, others
            self._stack.append((folder, folders, others))
            self._put(folder, folders)
        raise StopAsyncIteration

    def _go_down(self) -> None:
        """Put the folders of what was given out on the stack: those that the loop has left in the list."""
        if self._pending is not None:
            self._put(*self._pending)
            self._pending = None

    def _put(self, folder: P, names: list[str]) -> None:
        self._stack.extend(folder / name for name in reversed(names))
