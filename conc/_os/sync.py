"""The locks and queues that the runtime itself is made of, named in one place.

Plain aliases, so they cost nothing; and a test that explores interleavings replaces them here and nowhere else.
"""

from __future__ import annotations

import collections
import itertools
import operator
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

from conc._os.threads import gil_enabled

Lock = threading.Lock
RLock = threading.RLock
Deque = collections.deque
local = threading.local
SimpleQueue = queue.SimpleQueue
Empty = queue.Empty


def locked_count() -> Callable[[], int]:
    """A function that gives 0, 1, 2 and so on, each of them once, whatever thread asks."""
    numbers = itertools.count()
    lock = threading.Lock()

    def next_number() -> int:
        with lock:
            return next(numbers)

    return next_number


# Without the GIL, and before 3.14, two threads that count at the same moment may get the same number.
new_count = locked_count if not gil_enabled() and sys.version_info < (3, 14) else lambda: itertools.count().__next__


# Whether a deque or a list is empty, on a build with the GIL.
is_empty_by_looking: Callable[[collections.deque[Any] | list[Any]], bool] = operator.not_


def is_empty_by_copying(deque: collections.deque[Any] | list[Any]) -> bool:
    """Whether a deque or a list is empty, on any build: a copy is made under its lock."""
    return not deque.copy()


# Who goes to sleep announces it and then looks whether there is work; who adds work puts it there and then reads the
# announcement. At least one of the two sees the other, provided that neither looks before what it said can be seen.
# Under the GIL that is so. Without it the truth value of a deque is a bare load of its length, which a processor may
# carry out while the announcement is still on its way to the others: both miss, and the thread sleeps beside work.
# `copy` and `append` lock the deque, both sides do, and a lock keeps that order. Not `popleft`, with the item put back:
# meanwhile others would find the deque empty that is not, and decide that all is over.
is_empty = is_empty_by_looking if gil_enabled() else is_empty_by_copying
