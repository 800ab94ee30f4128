"""Cancel scopes with a deadline: what to do when it passes is in the name."""

from __future__ import annotations

import math
from types import TracebackType

from conc._kernel.cancel import CancelScope, check_time


def move_on_after(seconds: float, *, shield: bool = False) -> CancelScope:
    """A scope that is left quietly when its block takes longer: ``with move_on_after(2) as scope:``.

    Afterwards ``scope.cancelled_caught`` tells whether the block was cut short.

    Args:
        seconds: counted from entering the block, at least 0; inf is for ever.
        shield: as for `CancelScope`.

    Raises:
        ValueError: negative, or not a number.

    Checkpoint: never.
    """
    scope = CancelScope(math.inf, shield)
    scope._seconds = _check_seconds(seconds)
    return scope


def move_on_at(deadline: float, *, shield: bool = False) -> CancelScope:
    """As `move_on_after`, with a moment on the runtime's clock (`current_time`)."""
    return CancelScope(deadline, shield)


def fail_after(seconds: float, *, shield: bool = False) -> CancelScope:
    """A scope that raises TimeoutError when its block takes longer: ``with fail_after(2):``.

    Args:
        seconds: counted from entering the block, at least 0; inf is for ever.
        shield: as for `CancelScope`.

    Raises:
        ValueError: negative, or not a number.
        TimeoutError: at the end of the block: the deadline passed, and cut it short.

    Checkpoint: never.
    """
    scope = FailScope(math.inf, shield)
    scope._seconds = _check_seconds(seconds)
    return scope


def fail_at(deadline: float, *, shield: bool = False) -> CancelScope:
    """As `fail_after`, with a moment on the runtime's clock (`current_time`)."""
    return FailScope(deadline, shield)


class FailScope(CancelScope):
    """A cancel scope whose deadline is an error."""

    __slots__ = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        try:
            swallow = super().__exit__(kind, error, traceback)
            if self._caught and self._cause is not None and self._cause[0] == "deadline":
                after = "" if self._seconds is None else f" after {self._seconds:g} s"
                message = f"the block took too long: its deadline passed{after} (at {self._deadline:.6g})"
                raise TimeoutError(message) from None
            return swallow
        finally:
            del error, traceback  # what is raised holds this frame


def _check_seconds(seconds: float) -> float:
    seconds = check_time(seconds, "seconds")
    if seconds < 0:
        raise ValueError(f"seconds must be at least 0, not {seconds}")
    return seconds
