"""What a run came to: one value or one error, made of the main task's end and of all that happened beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conc.errors import Cancelled, Deadlock

if TYPE_CHECKING:
    from conc._os.clock import Clock


def deadlock(clock: Clock, tree: str) -> Deadlock:
    """The error that nothing can wake any task any more.

    Args:
        clock: that of the program.
        tree: who waits for what.
    """
    nobody = "nothing is ready, no timer is set, no descriptor or thread is waited for, nobody outside calls"
    if clock.virtual:
        held_by = ", ".join(getattr(clock, "held_by", ()))
        time = f"virtual time is held by {held_by}" if held_by else "virtual time does not move on by itself"
        nobody = (
            f"nothing is ready, {time}, and no thread job, open portal or "
            "conc.lowlevel.expect_wakeup() says that anything may come from outside"
        )
    return Deadlock(f"nothing can wake any task any more: {nobody}. Who waits for what:\n{tree}")


def sum_up(
    error: BaseException | None,
    late: list[BaseException],
    interrupted: KeyboardInterrupt | None,
    deadlock: Deadlock | None,
    stopped: str | None,
) -> BaseException | None:
    """What leaves `run`; None if that is the value of the main task.

    Args:
        error: what the main task raised.
        late: errors in what ran beside or after it.
        interrupted: Ctrl-C was pressed.
        deadlock: nobody could go on, and the main task was cancelled for it.
        stopped: why the run was stopped, and the report of who had not ended.
    """
    if late:
        first = [] if error is None or isinstance(error, Cancelled) else [error]
        error = BaseExceptionGroup("errors in what ran beside or after the main task", [*first, *late])
    decisive = _find_exit(error)
    if interrupted is not None and not isinstance(decisive, KeyboardInterrupt):
        decisive = interrupted
    decisive = decisive or deadlock
    if stopped is not None:
        if decisive is None:
            decisive = RuntimeError(stopped)
        else:
            decisive.add_note(stopped)
    if decisive is None or decisive is error:
        return error
    decisive.__cause__ = _others(error, decisive)
    return decisive


def _find_exit(error: BaseException | None) -> BaseException | None:
    """The KeyboardInterrupt or SystemExit in `error`, which leaves `run` without a group around it."""
    todo = [error]
    for one in todo:
        if isinstance(one, (KeyboardInterrupt, SystemExit)):
            return one
        if isinstance(one, BaseExceptionGroup):
            todo.extend(one.exceptions)
    return None


def _others(error: BaseException | None, decisive: BaseException) -> BaseException | None:
    """What else went wrong. Without the decisive error, which would be a part of its own cause."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(lambda one: one is decisive)[1]
    return None if isinstance(error, Cancelled) else error
