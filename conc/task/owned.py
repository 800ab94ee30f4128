"""Coroutines that were given to a call: each runs as a child, or is closed unstarted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import CodeType, CoroutineType
from typing import Any, Final, TypeVar

from conc._kernel.asyncfn import function_name, is_coroutine
from conc._kernel.current import charge
from conc._kernel.operation import Operation
from conc._kernel.suspend import toll
from conc._kernel.task import Task

Function = TypeVar("Function", bound=Callable[..., object])
Given = TypeVar("Given", bound=Awaitable[Any])

OWNERS: Final[set[CodeType]] = set()


def owner(async_fn: Function) -> Function:
    """Mark an async function that owns its `coros`: so that they are closed with a call of it that never runs."""
    OWNERS.add(async_fn.__code__)
    return async_fn


async def own(call: str, coros: Sequence[object]) -> None:
    """The beginning of a `call` that owns `coros`: check them, and be a cancel point. If it raises, all are closed.

    Checkpoint: always a cancel point; it waits only if the budget is spent.
    If cancelled: the coroutines are closed, and none of them has run.
    """
    try:
        check(call, coros)
        if charge() is None:  # not `or`: in CPython 3.11 what is thrown into such an `await` can pass its handler by
            await toll()
    except BaseException:
        close(coros)
        raise


def itself(coro: Given) -> Given:
    """What to call for a child that is a coroutine already: ``nursery.start_soon(itself, coro)``."""
    return coro


def check(call: str, things: Sequence[object]) -> None:
    """Raise an error that says what to write, unless these are coroutines that have not begun, and no two the same."""
    for thing in things:
        if type(thing) is not CoroutineType or thing.cr_suspended or thing.cr_running:
            _check(call, thing)
    if len(set(map(id, things))) < len(things):
        coros = [id(thing) for thing in things if is_coroutine(thing)]
        if len(set(coros)) < len(coros):  # other awaitables may be awaited again
            raise ValueError(f"{call} was given the same coroutine twice; call its function once for each")


def _check(call: str, thing: object) -> None:
    """As `check`, for one that is no plain fresh coroutine."""
    if isinstance(thing, (Task, Operation)):
        thing.__await__()  # raises, and says what to write
    if has_begun(thing):
        raise ValueError(f"{call} was given {thing!r}, which somebody awaits already; call its function again")
    if isinstance(thing, Awaitable) or is_coroutine(thing):
        return
    if callable(thing):
        name = function_name(thing)
        raise TypeError(f"{call} takes coroutines: write {call}({name}(arguments...)), not {call}({name})")
    if isinstance(thing, (list, tuple)):
        close(thing)
        raise TypeError(f"{call} takes coroutines as its arguments, not a {type(thing).__name__}: write {call}(*coros)")
    raise TypeError(f"{call} takes coroutines, not {thing!r}")


def has_begun(thing: object) -> bool:
    """Whether a coroutine stands at an await, or runs."""
    return any(getattr(thing, flag, False) for flag in ("cr_suspended", "cr_running", "gi_suspended", "gi_running"))


def close(things: Sequence[object]) -> None:
    """Close the coroutines among these that have not begun, and with a call of an `owner` those that it was given."""
    for thing in things:
        if isinstance(thing, Coroutine) or is_coroutine(thing):
            if has_begun(thing):
                continue  # whoever awaits it owns it
            frame = getattr(thing, "cr_frame", None)
            if frame is not None and frame.f_code in OWNERS:
                close(frame.f_locals["coros"])
            thing.close()  # type: ignore[attr-defined]
