"""A thread outside the runtime that stands in line with the tasks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from conc._kernel.waitqueue import Waiter
from conc._os.sync import Lock
from conc._os.threads import MAX_BLOCK, current_thread

if TYPE_CHECKING:
    from conc._kernel.waitqueue import WaitQueue


class Outsider(Waiter):
    """One wait of one thread.

    Invariant: `_gate` is locked until `resume`.
    """

    __slots__ = ("_gate", "_thread", "value", "wait")

    def __init__(self) -> None:
        self._thread = current_thread()
        self._gate = Lock()
        self._gate.acquire()
        self.wait: Any = None
        self.value: Any = None

    @property
    def party(self) -> object:
        """The thread."""
        return self._thread

    def resume(self) -> None:
        """Let the thread go on."""
        self._gate.release()

    def wait_for_grant(self, queue: WaitQueue, timeout: float | None, what: str) -> None:
        """Block the thread until it is granted.

        Raises:
            TimeoutError: it took too long; it was taken out of the line.
            BaseException: of a signal handler that ran meanwhile, as KeyboardInterrupt; it may stand in line still.
        """
        while not self._gate.acquire(timeout=-1 if timeout is None else min(timeout, MAX_BLOCK)):
            if queue.withdraw(self):
                raise TimeoutError(f"{what}_blocking: nothing within {timeout} s")
            timeout = None  # granted in the last moment, and about to be resumed

    def __repr__(self) -> str:
        return f"<thread {self._thread.name!r}>"


def check_timeout(timeout: float | None) -> None:
    """Raise an error unless `timeout` is None or a number of seconds."""
    if timeout is None:
        return
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)):
        raise TypeError(f"timeout must be a number of seconds or None, not {timeout!r}")
    if math.isnan(timeout) or timeout < 0:
        raise ValueError(f"timeout must be at least 0 seconds, not {timeout}")
