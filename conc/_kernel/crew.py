"""What the workers of a runtime share: who is idle, who searches, what could still wake them, and when all is over.

Nothing here is written on a hot path. The decisions that need all workers (the clock may jump, nothing can wake anybody
any more) are made by the last one to fall asleep.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from conc._kernel.strand import Strand
from conc._os.sync import Deque, Lock, is_empty
from conc._os.threads import foreign_threads

if TYPE_CHECKING:
    from conc._kernel.worker import Worker
    from conc._os.clock import Clock


class Crew:
    """The workers of one runtime.

    Invariant: `_role` holds one token, or one worker searches for unstarted strands.
    Invariant: a worker in `_idle` is asleep, about to be, or has just been woken and takes itself out.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.workers: list[Worker] = []
        self.threads: set[int] = set()  # idents of the threads that conc itself started, or runs on
        self.wakers: dict[object, str] = {}  # what may wake a task from outside: thread jobs, portals, declared wake-ups
        self.closed = False
        self.at_end: list[Callable[[], None]] = []  # called when the run has ended
        self.runtime: Any = None
        self.on_deadlock: Callable[[], None] = lambda: None
        self._idle: Deque[Worker] = Deque()
        self._role: Deque[None] = Deque([None])
        self._deciding = Lock()

    # ---- unstarted strands ----------------------------------------------------------------------------------------

    def rouse(self) -> None:
        """Somebody added an unstarted strand: wake one idle worker, unless one searches already."""
        if self._idle and self._role:
            self._wake_one()

    def _wake_one(self) -> None:
        # Who owns no started strand comes first: a strand would have to share the others.
        best = min(list(self._idle), key=_strands, default=None)
        if best is None:
            return
        try:
            self._idle.remove(best)
        except ValueError:
            return  # it woke by itself, or somebody else wakes it: it will search
        best.ring()

    def search(self, worker: Worker) -> bool:
        """Look for unstarted strands for an idle worker: True if it has some now, else it is listed as idle."""
        try:
            self._role.popleft()
        except IndexError:
            self._idle.append(worker)  # another one searches, looks again when it gave up the role, and wakes the next
            return False
        found = self._take_for(worker)
        self._role.append(None)
        if not found:
            self._idle.append(worker)
            # Work that came while the role was taken woke nobody: whoever added it relied on this second look.
            found = self._take_for(worker)
            if found:
                self.no_longer_idle(worker)
        if found:
            self.rouse()
        return found

    def no_longer_idle(self, worker: Worker) -> None:
        """The worker woke up, by whatever means."""
        try:
            self._idle.remove(worker)
        except ValueError:
            pass  # whoever woke it took it out

    def _take_for(self, worker: Worker) -> bool:
        """Take half of the unstarted strands of the first worker that has any, beginning behind `worker`."""
        count = len(self.workers)
        for offset in range(count):
            victim = self.workers[(worker.index + offset) % count]
            if victim is worker:
                if not is_empty(worker.fresh):
                    return True
                continue
            taken: list[Strand] = []
            for _ in range((len(victim.fresh) + 1) // 2 or 1):
                try:
                    taken.append(victim.fresh.popleft())
                except IndexError:
                    break
            if taken:
                worker.fresh.extend(taken)
                return True
        return False

    # ---- when all sleep -------------------------------------------------------------------------------------------

    def all_asleep(self, worker: Worker) -> bool:
        """Called by a worker that has announced its sleep and that nothing of its own will wake.

        The last one decides what that means. True if the caller should not sleep but look again.
        """
        self._deciding.acquire()  # one at a time: of two that fall asleep together, the second sees the first asleep
        try:
            for other in self.workers:
                if not (other.asleep and is_empty(other.ready) and is_empty(other.inbox) and is_empty(other.fresh)):
                    return False
            if self.wakers:
                return False
            deadline = min(other.deadline for other in self.workers)
            if self.clock.virtual:
                if self.clock.advance_when_idle(deadline):
                    for other in self.workers:
                        if other is not worker:
                            other.ring()
                    return True
                if deadline != math.inf:
                    return False  # the clock is moved by hand
            elif deadline != math.inf or any(other.descriptors.any_waiting() for other in self.workers):
                return False
            if foreign_threads(self.threads):
                return False
        finally:
            self._deciding.release()
        self.on_deadlock()
        return True


def _strands(worker: Worker) -> Any:
    return worker.strands
