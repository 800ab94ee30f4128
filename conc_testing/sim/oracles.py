"""What nobody has to assert: wake-ups that were lost, grants that came to nobody, and what is left behind.

They look when the program is at rest, where a correct one has nothing to do, and at its end, where it has nothing left.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from conc.lowlevel import Task
from conc.sync import CapacityLimiter, Mutex, RwLock, Semaphore
from conc_testing.sim.created import current_books, place_of_caller
from conc_testing.sim.paths import MAIN, Paths

T = TypeVar("T")

LEAVINGS: Final = ("error", "ignore")


class LostWakeup(AssertionError):
    """The program is at rest, and somebody waits for what could be had."""


class OrphanedGrant(AssertionError):
    """Something was handed over to a task that never got it, and is nobody's now."""


class BrokenInvariant(AssertionError):
    """An object is in a state that it should never be in when the program is at rest."""


class Leak(AssertionError):
    """Something is left at the end of a run that should have been given back, closed or ended."""


def watch(thing: T) -> T:
    """Let the oracles of a simulated run look at an object of yours; returns it. Those of conc need no such call.

    It may have any of these methods, which change nothing and wait for nothing. They are called when the program is at
    rest, and at its end:

    - ``audit()``: None, or the words for something that was handed over and got lost: an `OrphanedGrant`.
    - ``_check()``: raises AssertionError if the object is in a state that it should not be in: a `BrokenInvariant`.

    What a task waits for with `conc.lowlevel.park` needs no watching: if it has a method ``would_succeed(task)``, which
    says whether the wait could end now, True is a `LostWakeup`.

    Checkpoint: never.
    """
    books = current_books()
    if books is not None:
        books.made(thing, place_of_caller())
    return thing


def allow_leak(thing: T) -> T:
    """Let a primitive be left as it is at the end of a simulated run: a `conc.sync.Semaphore` that counts down, say, or
    a lock that is kept on purpose. Returns it. Elsewhere it does nothing.

    Checkpoint: never.
    """
    books = current_books()
    if books is not None:
        books.may_leak(thing)
    return thing


class Oracles:
    """Those of one run.

    Args:
        paths: its tasks.
        births: the line that started each, by its number.
    """

    def __init__(self, paths: Paths, births: Mapping[int, str]) -> None:
        self._paths = paths
        self._births = births
        self._may_leak: list[Any] = []
        self._things: list[tuple[Any, str, Any]] = []  # with the line that made it, and how much it held at first
        self._threads = {thread.ident for thread in threading.enumerate()}

    def made(self, thing: Any, place: str) -> None:
        """As `conc_testing.sim.created.Books`."""
        self._things.append((thing, place, thing.value if isinstance(thing, Semaphore) else None))

    def may_leak(self, thing: Any) -> None:
        """As `conc_testing.sim.created.Books`."""
        self._may_leak.append(thing)

    # ---- at rest --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """The program is at rest.

        Raises:
            LostWakeup, OrphanedGrant, BrokenInvariant: as they say.
        """
        for task in list(self._paths.live.values()):
            would_succeed = getattr(task.wait, "would_succeed", None)
            if would_succeed is not None and would_succeed(task):
                raise LostWakeup(
                    f"{self._paths.of(task)} waits for {task.wait.reason}, which could be had, and nothing is left to "
                    "wake it at this moment: whoever made it possible did not look who waits"
                )
        for thing, place, _ in self._things:
            self._look_at(thing, place)

    def _look_at(self, thing: Any, place: str) -> None:
        check = getattr(thing, "_check", None)
        if check is not None:
            try:
                check()
            except AssertionError as error:
                raise BrokenInvariant(f"{describe(thing)} (made in {place}), at rest: {error}") from error
        audit = getattr(thing, "audit", None)
        words = None if audit is None else audit()
        if words:
            raise OrphanedGrant(f"{describe(thing)} (made in {place}): {words}")

    # ---- at the end -----------------------------------------------------------------------------------------------

    def leaks(self, timers: Iterable[Any], network: Any) -> list[str]:
        """What is left behind, in words.

        Args:
            timers: what is set to happen later.
            network: the network of the run; if it can tell, its open sockets count.
        """
        found = []
        for task in self._paths.live.values():
            path = self._paths.of(task)
            if path != MAIN:
                found.append(
                    f"task {path} still runs, started in {self._births.get(task.id, 'an unknown line')}: {task!r}"
                )
        for thing, place, before in self._things:
            if not any(thing is allowed for allowed in self._may_leak):
                found += held(thing, place, before)
        found += [f"timer of {timer!r}, which has ended" for timer in timers if isinstance(timer, Task) and timer.ended]
        found += [
            f"thread {thread.name} still runs"
            for thread in threading.enumerate()
            if thread.ident not in self._threads and not thread.name.startswith("conc-")
        ]
        open_sockets = getattr(network, "open_sockets", None)
        if open_sockets is not None:
            found += [f"socket {one}" for one in open_sockets()]
        return found


def held(thing: Any, place: str, before: Any) -> Iterable[str]:
    """What of a primitive was taken and not given back."""
    made = f"{describe(thing)}, made in {place},"
    if isinstance(thing, Semaphore):
        if thing.value < before and not thing.statistics().closed:
            yield f"{before - thing.value} of {before} permits of {made} were not given back"
    elif isinstance(thing, Mutex):
        if thing.statistics().locked:
            yield f"{made} is still locked"
    elif isinstance(thing, RwLock):
        if thing.statistics().readers or thing.statistics().writer:
            yield f"{made} is still locked"
    elif isinstance(thing, CapacityLimiter) and thing.statistics().borrowed_tokens:
        yield f"{thing.statistics().borrowed_tokens} tokens of {made} were not given back"


def describe(thing: Any) -> str:
    """An object in a report: without its address, which differs from run to run."""
    words = repr(thing)
    return type(thing).__name__ if " at 0x" in words else words
