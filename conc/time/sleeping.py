"""Waiting for a moment, or for ever."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

from conc._kernel.cancel import check_time
from conc._kernel.current import charge, slot
from conc._kernel.suspend import PARK, Wait, checkpoint, suspend, toll

if TYPE_CHECKING:
    from conc._kernel.task import Task


async def sleep(seconds: float) -> None:
    """Wait for `seconds`; 0 is a checkpoint.

    Never early. Sleeps under 2 ms are accurate to about 0.2 ms on an idle machine, longer ones to about 1 ms.

    Args:
        seconds: how long, at least 0; inf is for ever.

    Raises:
        ValueError: negative, or NaN.
        TypeError: not a number.

    Checkpoint: always, and it lets others run.
    If cancelled: it ends early.
    """
    if type(seconds) is not float:
        seconds = check_time(seconds, "seconds")
    if not seconds >= 0:  # which NaN is not
        raise ValueError(f"seconds must be at least 0, not {seconds}")
    if seconds == 0:
        await checkpoint()
        return
    task = charge() or await toll()
    if seconds == math.inf:
        await _for_ever(task)
        return
    _set_timer(task, slot.worker.now() + seconds)  # type: ignore[union-attr]
    await PARK
    task.wait = None


async def sleep_until(deadline: float) -> None:
    """Wait until `deadline` on the runtime's clock; a checkpoint if it has passed.

    Args:
        deadline: seconds, see `current_time`.

    Raises:
        ValueError: not a number.

    Checkpoint: always, and it lets others run.
    If cancelled: it ends early.
    """
    deadline = check_time(deadline, "deadline")
    task = charge() or await toll()
    if deadline <= slot.worker.now():  # type: ignore[union-attr]
        await checkpoint()
    elif deadline == math.inf:
        await _for_ever(task)
    else:
        _set_timer(task, deadline)
        await PARK
        task.wait = None


async def sleep_forever() -> NoReturn:
    """Wait until cancelled.

    Raises:
        Cancelled: the only way out.

    Checkpoint: always.
    If cancelled: it ends.
    """
    task = charge() or await toll()
    await _for_ever(task)
    raise AssertionError("woken from sleep_forever")


def _set_timer(task: Task[Any], deadline: float) -> None:
    timers = task.strand.worker.timers  # type: ignore[union-attr]
    task.value = deadline
    task.wait = timers
    timers.add(deadline, task)


async def _for_ever(task: Task[Any]) -> None:
    crew = task.strand.worker.crew  # type: ignore[union-attr]
    if crew.clock.virtual:
        task.wait = FOR_EVER
        await suspend(task)
        return
    # On a real clock this is a choice, not a deadlock: a signal or a person may end it.
    crew.wakers[task] = "sleep_forever"
    try:
        task.wait = FOR_EVER
        await suspend(task)
    finally:
        del crew.wakers[task]


class _ForEver:
    reason = "nothing (sleep_forever)"

    def withdraw(self, task: Task[Any]) -> bool:
        return True


FOR_EVER: Wait = _ForEver()
