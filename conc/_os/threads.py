"""Threads and cores: starting the ones of conc, and telling them from others."""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Callable, Collection
from contextvars import Context

current_ident = threading.get_ident
current_thread = threading.current_thread
_looking = threading.Lock()
MAX_BLOCK = threading.TIMEOUT_MAX  # seconds that a lock can be waited for in one go


def start_daemon(target: Callable[[], None], name: str, context: Context | None = None) -> threading.Thread:
    """Run a function in a new thread that does not keep the process alive.

    Args:
        target: what to run.
        name: of the thread, as debuggers show it.
        context: the context variables it sees; None is an empty context, whoever starts the thread.

    Raises:
        RuntimeError: the system has no more threads to give.
    """
    # Free-threaded 3.14 copies the context of the starter into the thread: a thread of a pool would see, and keep alive
    # for its whole life, what belonged to the request that happened to need it first.
    context = Context() if context is None else context
    if sys.version_info >= (3, 14):
        thread = threading.Thread(target=target, name=name, daemon=True, context=context)
    else:
        thread = threading.Thread(target=context.run, args=(target,), name=name, daemon=True)
    thread.start()
    return thread


def report_uncaught(error: BaseException) -> None:
    """Tell of an error on this thread that nobody is there to take: as of one that ends a thread."""
    details = threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
    try:
        threading.excepthook(details)
    except BaseException as second:
        sys.excepthook(type(second), second, second.__traceback__)


def is_main_thread() -> bool:
    """Whether this is the thread that runs signal handlers."""
    # Not by threading.current_thread(), which enters a thread it does not know into its table, and leaves it there.
    return threading.get_ident() == threading.main_thread().ident


def foreign_threads(own: Collection[int]) -> list[str]:
    """The names of the live threads that are not our own, sorted.

    Threads of C code that are not inside the interpreter cannot be seen. Slow, and on free-threaded builds it stops
    the world: for the rare question whether anybody could still wake us.

    Args:
        own: idents of threads that do not count. Those of ended threads do not belong here: the system uses an ident
            again.
    """
    # The table of threading has those that are just starting (no ident yet) and, for ever, the dead among those that it
    # did not start itself; the frames show who lives.
    names = {}
    starting = []
    for thread in threading.enumerate():
        if thread.ident is None:
            starting.append(thread.name)
        else:
            names[thread.ident] = thread.name
    living = [names.get(ident, f"thread {ident}") for ident in _idents() if ident not in own]
    return sorted(living + starting)


def _idents() -> list[int]:
    """Of all threads that are inside the interpreter.

    Without the garbage collector meanwhile: CPython before 3.12 makes the frames under its lock of all threads. If they
    set off a collection, what that runs may let another thread take over, and if that one begins or ends, it needs the
    same lock: then neither goes on, ever.
    """
    with _looking:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return list(sys._current_frames())
        finally:
            if collecting:
                gc.enable()


def gil_enabled() -> bool:
    """Whether threads take turns in Python code: always, but on free-threaded builds."""
    is_enabled: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return is_enabled is None or is_enabled()


def cpu_count() -> int:
    """How many cores this process may use; at least 1."""
    if hasattr(os, "process_cpu_count"):  # 3.13
        count: int | None = os.process_cpu_count()
    elif hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count()
    return count or 1
