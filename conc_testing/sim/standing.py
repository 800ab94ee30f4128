"""Where a task stands: in which operation, of what, and called from which line."""

from __future__ import annotations

from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from conc.lowlevel import Task
from conc_testing.sim.created import OUR_PACKAGES


class Standing(NamedTuple):
    """Where a suspended task stands."""

    operation: str
    """The outermost operation of conc that it is in: ``"Semaphore.acquire"``; "" if it is in none."""
    subject: object
    """Of what; None if that is not known."""
    place: str
    """The line that called it: ``"pool.py:71"``."""


HARNESS = "conc_testing.sim.simulation"


def standing(task: Task[Any]) -> Standing:
    """Where a task stands, that does not run at the moment.

    Cost: O(depth of its calls).
    """
    coro: Any = task.coro
    operation, subject, place = "", None, ""
    while coro is not None:
        frame: FrameType | None = (
            getattr(coro, "cr_frame", None) or getattr(coro, "gi_frame", None) or getattr(coro, "ag_frame", None)
        )
        if frame is None:
            break
        module = frame.f_globals.get("__name__", "")
        if module == HARNESS:
            pass  # the coroutine around a scenario is nobody's operation
        elif module.partition(".")[0] in OUR_PACKAGES:
            if not operation:
                operation = coro.__qualname__
                subject = frame.f_locals.get("self")
        else:
            operation, subject = "", None
            place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
        coro = getattr(coro, "cr_await", None) or getattr(coro, "gi_yieldfrom", None) or getattr(coro, "ag_await", None)
    return Standing(operation, subject, place)


def touched(task: Task[Any]) -> object:
    """What the next step of a task is about to touch; None if that is not known."""
    return standing(task).subject
