"""One of several operations: whichever can happen first, and none of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from conc._kernel.asyncfn import function_name, is_coroutine
from conc._kernel.choosing import Choice, Numbered
from conc._kernel.current import charge, slot
from conc._kernel.operation import AGAIN, Operation
from conc._kernel.suspend import PARK, toll
from conc.task.owned import close

if TYPE_CHECKING:
    from random import Random

TWINS: Final = {  # what makes the operation of which
    "acquire": "acquiring",
    "acquire_on_behalf_of": "acquiring_on_behalf_of",
    "acquire_read": "acquiring_read",
    "acquire_write": "acquiring_write",
    "changed": "changing",
    "closed": "closing",
    "join": "joining",
    "join_next": "joining_next",
    "notified": "waiting",
    "receive": "receiving",
    "receive_many": "receiving_many",
    "reserve": "reserving",
    "reserve_many": "reserving",
    "send": "sending",
    "sleep": "after",
    "sleep_until": "at",
    "tick": "ticking",
    "wait": "waiting",
}


async def select(*operations: Operation[Any] | None, biased: bool = False) -> tuple[int, Any]:
    """Do exactly one of several operations: the first that can happen. The others have not happened and keep nothing.

    ``index, value = await conc.select(receiver.receiving(), stopped.waiting(), conc.after(5))``

    Args:
        operations: made by the methods that end in -ing, and by `conc.after` and `conc.at`. None is a branch that is
            switched off; the others keep their numbers.
        biased: of several that are ready, take the first; else one of them by chance, from the seed of the runtime.

    Returns:
        The number of the branch, from 0, and what its operation gave.

    Raises:
        Exception: what the operation raised, as a channel that is closed; `branch` of the error is its number.
        TypeError: something else than an operation, as a coroutine.
        ValueError: there is no branch, or each is switched off: that would wait for ever.

    Checkpoint: always a cancel point; it waits only if no operation is ready.
    If cancelled: none has happened, and all places in line are given up.
    Order: a branch that has to wait stands at the end of its line, as everybody. When one was granted, the others give
        up their places.
    Cost: O(branches log branches).
    """
    on: list[Numbered] = []
    for index, operation in enumerate(operations):
        if isinstance(operation, Operation):
            on.append((index, operation))
        elif operation is not None:
            _refuse(operations)
    if not on:
        _refuse(operations)
    task = charge() or await toll()
    tries = on if biased or len(on) < 2 else _mixed(on, slot.worker.crew.runtime.random)  # type: ignore[union-attr]
    choice = Choice(task)
    while True:
        done = choice.begin(on, tries)
        if done is None:
            try:
                await PARK
            except BaseException:
                if choice.branches and not choice.token:  # no cancellation, then: the run is stopped by force
                    task.wait = None
                    choice.give_back()
                raise
            task.wait = None
            done = choice.end()
        index, operation, granted = done
        if granted is not AGAIN:
            break
        if charge() is None:
            await toll()
        choice = Choice(task, choice.began)
    del task, choice, done  # an error holds this frame, and may become that of the task
    try:
        return index, operation.finish(granted)
    except Exception as error:
        error.branch = index  # type: ignore[attr-defined]
        raise
    finally:
        del granted  # it may be the error


def _mixed(on: list[Numbered], random: Random) -> list[Numbered]:
    """The branches in an order by chance."""
    if len(on) == 2:
        return on if random.random() < 0.5 else on[::-1]
    return random.sample(on, len(on))


def _refuse(operations: tuple[object, ...]) -> NoReturn:
    """The error for arguments that are no operations; or for none."""
    wrong = [one for one in operations if not (one is None or isinstance(one, Operation))]
    if not wrong:
        raise ValueError("select: there is no branch that is switched on, so this would wait for ever")
    if is_coroutine(wrong[0]):
        message = (
            "select takes operations, not coroutines: one that loses would have done half of its work. "
            f"{_advice(wrong[0])}; for any async functions there is conc.race"
        )
    else:
        message = (
            f"select takes operations, as receiver.receiving() or conc.after(5), not {wrong[0]!r}{_hint(wrong[0])}"
        )
    close(operations)  # no warning on top that a coroutine was never awaited
    raise TypeError(message)


def _advice(coro: Any) -> str:
    """What to write in place of a coroutine that has not begun."""
    name = str(getattr(coro, "__qualname__", "it"))
    prefix, dot, method = name.rpartition(".")
    twin = TWINS.get(method)
    frame = getattr(coro, "cr_frame", None)
    owner = None if frame is None else frame.f_locals.get("self")
    if dot and owner is not None:
        prefix = type(owner).__qualname__  # and not the base class that happens to have the method
    if twin is None or not (owner is None or hasattr(owner, twin)):
        if frame is not None and frame.f_globals.get("__name__", "").startswith("conc."):
            return f"There is no operation of {prefix}{dot}{method}(...)"
        return f"In place of {prefix}{dot}{method}(...) write what makes its operation: a method that ends in -ing"
    return f"In place of {prefix}{dot}{method}(...) write {prefix}{dot}{twin}(...)"


def _hint(wrong: object) -> str:
    """What to write in place of something that is neither an operation nor a coroutine."""
    if isinstance(wrong, (list, tuple)):
        return "; write select(*operations)"
    if getattr(wrong, "__name__", None) in TWINS.values():
        return f"; call it: {function_name(wrong)}(...)"
    methods = [f"{twin}(...)" for twin in dict.fromkeys(TWINS.values()) if hasattr(wrong, twin)]
    return f"; operations of it are made by {' or '.join(methods)}" if methods else ""
