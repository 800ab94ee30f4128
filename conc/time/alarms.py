"""A moment in time as a branch of a select."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from conc._kernel.cancel import check_time
from conc._kernel.current import current_worker
from conc._kernel.operation import LATER, Operation

if TYPE_CHECKING:
    from conc._kernel.choosing import Branch
    from conc._kernel.waitqueue import Waiter


def after(seconds: float) -> Operation[None]:
    """A branch of `conc.select` that is ready `seconds` after the select has begun; each one begins to count anew.

    Args:
        seconds: how long, at least 0; inf is never.

    Raises:
        ValueError: negative, or NaN.
        TypeError: not a number.

    Checkpoint: never.
    """
    seconds = check_time(seconds, "seconds")
    if not seconds >= 0:
        raise ValueError(f"seconds must be at least 0, not {seconds}")
    return _Alarm(seconds, relative=True)


def at(deadline: float) -> Operation[None]:
    """A branch of `conc.select` that is ready from `deadline` on, on the runtime's clock (`conc.current_time`).

    Raises:
        ValueError: not a number.
        TypeError: not a number.

    Checkpoint: never.
    """
    return _Alarm(check_time(deadline, "deadline"), relative=False)


class _Alarm(Operation[None]):
    __slots__ = ("_relative", "_time")

    def __init__(self, time: float, *, relative: bool) -> None:
        self._time = time
        self._relative = relative

    @property
    def reason(self) -> str:
        return f"after({self._time})" if self._relative else f"at({self._time})"

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        return None if self._time <= (0 if self._relative else current_worker().now()) else LATER

    def enter(self, branch: Branch) -> None:
        worker = current_worker()
        deadline = self._time
        if self._relative:
            choice = branch.choice
            if choice.began is None:
                choice.began = worker.now()
            deadline += choice.began
        branch.value = deadline
        if deadline < math.inf:
            worker.timers.add(deadline, branch)

    def leave(self, branch: Branch) -> None:
        if branch.value < math.inf:
            current_worker().timers.remove(branch.value, branch)

    def finish(self, granted: Any) -> None:
        """Nothing comes of it."""
