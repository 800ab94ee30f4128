"""Operations under the eyes of a test, and warnings of ends that were dropped."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import conc
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
