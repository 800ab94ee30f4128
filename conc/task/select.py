"""One of several operations: whichever can happen first, and none of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

from conc._kernel.asyncfn import is_coroutine
from conc._kernel.choosing import Choice, Numbered
from conc._kernel.current import charge, slot
from conc._kernel.operation import Operation
from conc._kernel.suspend import PARK, toll
from conc.task.owned import close

if TYPE_CHECKING:
    from random import Random

_TWINS: Final = {
    "acquire": "acquiring",
    "changed": "changing",
    "join": "joining",
    "notified": "waiting",
    "receive": "receiving",
    "reserve": "reserving",
    "send": "sending",
    "sleep": "after",
    "sleep_until": "at",
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
    on = [(index, operation) for index, operation in enumerate(operations) if operation is not None]
    if not on or not all(isinstance(operation, Operation) for _, operation in on):
        _refuse(operations)
    task = charge() or await toll()
    if not biased and len(on) > 1:
        _mix(on, slot.worker.crew.runtime.random)  # type: ignore[union-attr]
    choice = Choice(task)
    done = choice.begin(on)
    if done is None:
        try:
            await PARK
        except BaseException:
            if choice.winner is not None:  # no cancellation, then: the run is stopped by force
                task.wait = None
                choice.give_back()
            raise
        task.wait = None
        done = choice.end()
    index, operation, granted = done
    del task, choice, done  # an error holds this frame, and may become that of the task
    try:
        return index, operation.finish(granted)
    except Exception as error:
        error.branch = index  # type: ignore[attr-defined]
        raise
    finally:
        del granted  # it may be the error


def _mix(on: list[Numbered], random: Random) -> None:
    """Bring the branches into an order by chance."""
    if len(on) > 2:
        random.shuffle(on)
    elif random.random() < 0.5:
        on.reverse()


def _refuse(operations: tuple[object, ...]) -> NoReturn:
    """The error for arguments that are no operations; or for none."""
    wrong = [one for one in operations if not (one is None or isinstance(one, Operation))]
    close(operations)  # no warning on top that a coroutine was never awaited
    if not wrong:
        raise ValueError("select: there is no branch that is switched on, so this would wait for ever")
    if is_coroutine(wrong[0]):
        name = str(getattr(wrong[0], "__qualname__", "it"))
        raise TypeError(
            f"select takes operations, not coroutines: one that loses would have done half of its work. In place of "
            f"{name}(...) write {_twin(name)}; for any async functions there is conc.race"
        )
    raise TypeError(f"select takes operations, as receiver.receiving() or conc.after(5), not {wrong[0]!r}")


def _twin(name: str) -> str:
    """The method that makes the operation of the one called `name`, in words."""
    method = name.rpartition(".")[2]
    twin = _TWINS.get(method)
    return f"{name.removesuffix(method)}{twin}(...)" if twin else "the method that ends in -ing"
