"""What a simulated run makes: primitives and channels, with the line that made each. Others pay nothing for it.

While a run is watched, the constructors of these classes enter what they make into the books of the run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from os import sep as SEPARATOR  # noqa: N812  # a constant
from threading import Lock
from types import FrameType
from typing import Any, Final, Protocol

from conc.channels.audience import Audience
from conc.channels.conduit import Conduit
from conc.lowlevel import current_runtime
from conc.sync import (
    Barrier,
    CapacityLimiter,
    Condition,
    Event,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    SetOnce,
    TaskTracker,
)

CLASSES: Final[tuple[type[Any], ...]] = (
    *(Barrier, CapacityLimiter, Condition, Event, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce, TaskTracker),
    *(Audience, Conduit),
)
OUR_PACKAGES: Final = ("conc", "conc_testing")


class Books(Protocol):
    """Where a run enters what it makes."""

    def made(self, thing: Any, place: str) -> None:
        """`thing` was made in this line."""

    def may_leak(self, thing: Any) -> None:
        """What is held of `thing` at the end was left on purpose."""


_lock = Lock()
_watching = 0
_original: dict[type[Any], Callable[..., None]] = {}


def place_of_caller() -> str:
    """The line of the program that called what runs now: the innermost that is not of conc's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OUR_PACKAGES:
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition(SEPARATOR)[2]}:{frame.f_lineno}"


def is_started_by_conc() -> bool:
    """Whether the task that is being started is one of conc's own: of `join`, say. Or a child of ``nursery.start``,
    which is nobody's before it has said that it has started."""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        module = frame.f_globals.get("__name__", "")
        if module == "conc._kernel.nursery" and frame.f_code.co_name == "start":
            return True
        if not module.startswith(("conc._kernel.", "conc_testing.")):
            return bool(module.partition(".")[0] == "conc")
        frame = frame.f_back
    return False


@contextmanager
def watching() -> Iterator[None]:
    """Let the constructors tell the run that they are called in, as long as the block runs."""
    global _watching  # noqa: PLW0603  # constructors are of the process
    with _lock:
        _watching += 1
        if _watching == 1:
            for cls in CLASSES:
                _original[cls] = cls.__init__
                cls.__init__ = _telling(cls.__init__)
    try:
        yield
    finally:
        with _lock:
            _watching -= 1
            if not _watching:
                for cls, init in _original.items():
                    cls.__init__ = init


def _telling(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor that also tells."""

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        init(self, *args, **kwargs)
        books = current_books()
        if books is not None and not _is_inner(self, sys._getframe(1)):
            books.made(self, place_of_caller())

    return __init__


def _is_inner(thing: object, maker: FrameType) -> bool:
    """Whether a primitive is a part of something in conc itself, which knows what it does with it."""
    module = maker.f_globals.get("__name__", "").partition(".")[0]
    return module == "conc" and not isinstance(thing, (Audience, Conduit))


def current_books() -> Books | None:
    """The books of the run that this code is part of; None outside of simulations."""
    try:
        runtime = current_runtime()
    except RuntimeError:
        return None
    return runtime.extensions.get(Books)
