"""What a run may have left behind: descriptors, threads, tasks."""

from __future__ import annotations

import gc
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from conc import Task

DESCRIPTORS = Path("/proc/self/fd")


def descriptors() -> dict[int, str]:
    """The open descriptors of this process, and what each is; none where the system does not tell."""
    found = {}
    for entry in DESCRIPTORS.iterdir() if DESCRIPTORS.exists() else ():
        try:
            target = os.readlink(entry)
        except FileNotFoundError:
            continue  # of the listing itself
        found[int(entry.name)] = target
    return found


def tasks() -> weakref.WeakSet[Task[Any]]:
    """All tasks that there are, garbage or not."""
    return weakref.WeakSet(thing for thing in gc.get_objects() if type(thing) is Task)


@contextmanager
def nothing_left() -> Iterator[None]:
    """What the block starts and opens has ended and is closed after it, and no task is held any more."""
    tasks_before = tasks()
    threads_before = set(threading.enumerate())
    descriptors_before = descriptors()
    yield
    gc.collect()
    held = [task for task in tasks() if task not in tasks_before]
    opened = {fd: what for fd, what in descriptors().items() if descriptors_before.get(fd) != what}
    started = [thread for thread in threading.enumerate() if thread not in threads_before]
    assert not started, f"threads are left: {started}"
    assert not opened, f"descriptors are left: {opened}"
    assert not held, f"{len(held)} tasks are left: {held[:10]}, held by {[gc.get_referrers(task) for task in held[:1]]}"
