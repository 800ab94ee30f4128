"""Asserting that a block of code can be cancelled, or cannot be interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conc.lowlevel import CheckpointWatch


@contextmanager
def assert_checkpoints() -> Iterator[None]:
    """``with assert_checkpoints():`` the block passes at least one cancel point, whatever way it takes.

    Every async operation of conc is a cancel point, also where it need not wait; and it is a schedule point only where
    it waits. So this is about cancel points: that an async function can be cancelled even if all it needs is there. It
    does not ask whether others could run, which for most operations depends on the day. Only the running task is looked
    at, not the children that it starts. A nursery's exit and what is shielded (`cancel_shielded_checkpoint`) count for
    nothing; a cancel point inside a shielded scope is one, and so is one that raised.

    Raises:
        AssertionError: the block ended, without an error, and passed none.
        RuntimeError: entered outside of a task.

    Checkpoint: none of its own.
    """
    __tracebackhide__ = True
    with CheckpointWatch() as seen:
        yield
    if not seen.cancel_point:
        raise AssertionError(
            "assert_checkpoints: the block passed no cancel point"
            + (", though it let others run" if seen.schedule_point else "")
            + ". An async function should pass one on every way through it, as operations of conc do; where it calls "
            "none, `await conc.checkpoint()`"
        )


@contextmanager
def assert_no_checkpoints() -> Iterator[None]:
    """``with assert_no_checkpoints():`` the block passes no cancel point and lets nobody run: it is one step.

    That it happened to let nobody run is not enough, since every cancel point may be a schedule point another time.

    Raises:
        AssertionError: the block ended, without an error, and passed a cancel point, or others could run inside it.
        RuntimeError: entered outside of a task.

    Checkpoint: none of its own.
    """
    __tracebackhide__ = True
    with CheckpointWatch() as seen:
        yield
    if seen.cancel_point or seen.schedule_point:
        what = "passed a cancel point" if seen.cancel_point else "let others run"
        raise AssertionError(f"assert_no_checkpoints: the block {what}, so a cancellation or another task may come in")
