"""What all ends of channels have in common: each is open or closed, a context manager, and missed if it is lost."""

from __future__ import annotations

import sys
import warnings
from types import CodeType
from typing import TYPE_CHECKING, Final

from conc._kernel.suspend import Marker
from conc.errors import ClosedResource

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

OVER: Final = Marker("OVER")  # nobody receives any more, or nothing more will come
CLOSED: Final = Marker("CLOSED")  # the end of the party is closed
BUSY: Final = Marker("BUSY")  # another task receives through the only receiver

Place = tuple[CodeType, int]
"""A line of a program: the code, and the offset of an instruction in it. To find its number takes longer."""


def calling_line() -> Place:
    """The line of the program that is being executed: of the innermost code that is not conc's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("conc."):
        frame = frame.f_back
    return frame.f_code, frame.f_lasti


def line_of(place: Place) -> str:
    """The file and the number of a line, as tools like to read them."""
    code, offset = place
    lines = (line for start, end, line in code.co_lines() if start <= offset < end)
    return f"{code.co_filename}:{next(lines, None) or code.co_firstlineno}"


class End:
    """One end of a channel.

    An end that is collected unclosed closes nothing: that would need a lock, which a finaliser may not take. It is
    entered among the lost ends of its channel, which warns as soon as the other side waits for it and would for ever.

    Invariant: `_open` goes from True to False once, under the lock of the channel.
    """

    __slots__ = ("__weakref__", "_made_at", "_open")

    def __init__(self, made_at: Place) -> None:
        self._made_at = made_at
        self._open = True

    def close(self) -> None:
        """Say that this end is not used any more. Idempotent; from any thread. Checkpoint: never."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if self._open:
            self._lose()

    def _lose(self) -> None:
        """It was collected unclosed. Takes no lock."""
        raise NotImplementedError

    def _closed_error(self) -> ClosedResource:
        return ClosedResource(f"this end of the channel is closed: {self!r}")


class LostEnds:
    """The ends of one side of a channel that were collected unclosed, as the lines that made them.

    The other side warns when it begins to wait: only if it does, and no end is left that could end the wait, is the
    loss a mistake. To drop both sides of a channel, in whatever order, is none.
    """

    __slots__ = ("places", "side")

    def __init__(self, side: str) -> None:
        self.side = side
        self.places: list[Place] = []  # appended to by finalisers, which take no lock

    def warn(self, open_ends: int, waits: bool) -> None:
        """Warn if the other side `waits`, and all ends that count as open are lost. Not under a lock."""
        lost = self.places
        if not waits or not lost or len(lost) < open_ends:
            return
        while lost:
            try:
                place = lost.pop()
            except IndexError:
                return  # another thread warns of it
            warnings.warn(
                f"the {self.side} made at {line_of(place)} was dropped without close(), and what is waited for "
                "at the other end will never come; use `with` blocks, or close()",
                ResourceWarning,
                stacklevel=2,
            )
