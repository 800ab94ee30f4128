"""Operations under the eyes of a test, and warnings of ends that were dropped."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import conc
from conc.lowlevel import current_runtime
from tests.sync.outside import HasStatistics, until_waiting


async def then(operation: Awaitable[object], trace: list[object]) -> None:
    """Do the operation, then pass a cancel point, and note how far it comes: results, the types of errors."""
    try:
        trace.append(await operation)
    except Exception as error:
        trace.append(type(error))
    await conc.checkpoint()
    trace.append("went on")


def once_waiting(receiver: HasStatistics, act: Callable[[], object]) -> None:
    """For a thread: wait until somebody waits, then act."""
    until_waiting(receiver)
    act()


def stop_just_after_the_grant(wait: Callable[[], Awaitable[object]], grant: Callable[[], object]) -> None:
    """Run a task that waits and that no cancellation ends; stop the run by force, and grant the wait while it stops."""

    async def stubborn() -> None:
        with conc.CancelScope(shield=True):
            await wait()

    async def hold_up() -> None:
        try:
            with conc.CancelScope(shield=True):
                await conc.sleep_forever()
        finally:
            grant()

    async def main() -> None:
        for act in (stubborn, hold_up):  # what was started last is closed first
            current_runtime().root_nursery.start_soon(act)
        await conc.checkpoint()

    with pytest.raises(RuntimeError, match="stopped because of shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.01)


@contextmanager
def no_warning() -> Iterator[None]:
    """Nothing in the block warns."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def dropped(side: str, file: str) -> str:
    """What the warning says of an end that was made in `file`."""
    return rf"the {side} made at .*{Path(file).name}:\d+ was dropped without close\(\)"
