"""What the workers of a runtime share: who is idle, who searches, what could still wake them, and when all is over.

Nothing here is written on a hot path. The decisions that need all workers (the clock may jump, nothing can wake anybody
any more) are made by the last one to fall asleep.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from conc._kernel.strand import Strand
from conc._os.sync import Deque, Lock, is_empty
from conc._os.threads import foreign_threads

if TYPE_CHECKING:
    from conc._kernel.task import Task
    from conc._kernel.worker import Worker
    from conc._os.clock import Clock

RELOOK = 1.0  # seconds until we look again whether a thread that is not ours has ended without waking anybody


class Waker(Protocol):
    """Something outside that may wake a task, or cannot at the moment."""

    @property
    def reason(self) -> str:
        """What it is, in words."""

    @property
    def may_wake(self) -> bool:
        """Whether it may wake a task before a task has done something. Asked when all tasks wait."""

    @property
    def task(self) -> object:
        """The task that it wakes."""

    def abandon(self) -> None:
        """That task was killed."""


class Crew:
    """The workers of one runtime.

    Invariant: `_role` holds one token, or one worker searches for unstarted strands.
    Invariant: a worker in `_idle` is asleep, about to be, or has just been woken and takes itself out.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.workers: list[Worker] = []
        self.threads: set[int] = set()  # idents of the threads that conc itself started, or runs on
        # What may wake a task from outside, thread jobs, portals, promises: in words, or what can say it if asked.
        self.wakers: dict[object, str | Waker] = {}
        self.stopped = False  # set at the second level of shutdown: what has not ended is abandoned
        self.killed: list[Task[Any]] = []  # whose coroutines are closed when the run is over
        self.at_end: list[Callable[[], None]] = []  # called when the run has ended
        self.runtime: Any = None
        self.context = copy_context()  # of whoever called run
        self.on_deadlock: Callable[[], None] = lambda: None
        self._idle: Deque[Worker] = Deque()
        self._role: Deque[None] = Deque([None])
        self._deciding = Lock()
        self.looks = 0  # how often a worker came to rest after it had run something
        # Virtual time that waits for somebody outside may wait for ever: the clock is told, if it wants to know.
        self._stands_still = getattr(clock, "stands_still", None)
        self._last_still = -1  # what `looks` was when time stood still, and was seen to for the first time
        self._times_still = 0

    # ---- unstarted strands ----------------------------------------------------------------------------------------

    def rouse(self) -> None:
        """Somebody added an unstarted strand: wake one idle worker, unless one searches already."""
        while self._idle and self._role:
            # Who owns no started strand comes first: a strand would have to share the others.
            best = min(self._idle.copy(), key=_strands, default=None)
            if best is None:
                return
            try:
                self._idle.remove(best)
            except ValueError:
                continue  # it woke by itself, and may have other things to do
            best.ring()
            return

    def search(self, worker: Worker) -> bool:
        """Look for unstarted strands for an idle worker: True if it has some now, else it is listed as idle."""
        try:
            self._role.popleft()
        except IndexError:
            pass
        else:
            found = self._take_for(worker)
            self._role.append(None)
            if found:
                self.rouse()
                return True
        self._idle.append(worker)
        # Work that came while somebody searched woke nobody, so look once more. Unless somebody searches now: whoever
        # that is looks again too, or wakes one of the idle, and we are listed.
        if is_empty(self._role) or not self._take_for(worker):
            return False
        self._leave(worker)
        self.rouse()
        return True

    def woke_up(self, worker: Worker) -> None:
        """The worker woke, by whatever means. If it was chosen to look for strands, it takes some before all else."""
        if not self._leave(worker) and self._take_for(worker):
            self.rouse()

    def _leave(self, worker: Worker) -> bool:
        """Take a worker off the list of the idle: False if whoever woke it has done so."""
        try:
            self._idle.remove(worker)
        except ValueError:
            return False
        return True

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

    def all_asleep(self, worker: Worker, looks: int) -> float:
        """Called by a worker that has announced its sleep, and found no event; no time of its own will wake it.

        The last one decides what that means. Returns how many seconds the caller may sleep: 0 if it has to look again.

        Args:
            worker: the caller.
            looks: what `looks` was before the caller looked for events.
        """
        with self._deciding:  # one at a time: of two that fall asleep together, the second sees the first asleep
            seconds, news = self._decide(worker, looks)
        if news is not None:
            news()
        return seconds

    def _decide(self, worker: Worker, looks: int) -> tuple[float, Callable[[], None] | None]:
        """How long the worker may sleep, and whom to tell what, if anybody, with no lock held."""
        if worker.stirred:
            worker.stirred = False
            looks += looks == self.looks
            self.looks += 1
        worker.looks = looks
        sleeps = self._sleeps()
        if sleeps is None:
            return math.inf, None
        if self.wakers and self._may_be_woken():
            return self._wait_for_others()
        deadline = min(other.deadline for other in self.workers)
        if self.clock.virtual:
            if any(other.stirred for other in self.workers) or self._let_others_look():
                return math.inf, None
        else:
            if deadline != math.inf or any(other.descriptors.any_waiting() for other in self.workers):
                return math.inf, None
            if foreign_threads(self.threads):
                return RELOOK, None
        # Who was looked at last may just have told something to who was looked at first, and then gone to sleep.
        # But if all still sleep the same sleep there was a moment between the two looks when nobody was awake.
        if self._sleeps() != sleeps:
            return math.inf, None
        moved = self.clock.virtual and self.clock.advance_when_idle(deadline)
        worker.asleep = False  # one decision at a time: until we have looked again, nobody is the last one
        if not moved:
            return 0.0, self.on_deadlock
        self.look_again()
        return 0.0, None

    def _may_be_woken(self) -> bool:
        """Whether anything outside may wake a task."""
        try:
            for waker in self.wakers.values():
                if isinstance(waker, str) or waker.may_wake:
                    return True  # the first, most often
        except RuntimeError:  # the books were changed meanwhile: by somebody who is awake
            return True
        return False

    def _wait_for_others(self) -> tuple[float, Callable[[], None] | None]:
        """All rest, but for somebody outside, for whom virtual time stands still."""
        if self._stands_still is None:
            return math.inf, None
        self._times_still = self._times_still + 1 if self._last_still == self.looks else 0
        self._last_still = self.looks
        return RELOOK, partial(self._stands_still, self.outsiders, self._times_still)

    def outsiders(self) -> tuple[str, ...]:
        """What may wake a task from outside at the moment, in words. From any thread."""
        wakers = list(self.wakers.values())
        return tuple(waker if isinstance(waker, str) else waker.reason
                     for waker in wakers if isinstance(waker, str) or waker.may_wake)  # fmt: skip

    def _sleeps(self) -> list[int] | None:
        """Which sleep of its life each worker sleeps; None if one is awake, or has something to do."""
        return [worker.sleeps for worker in self.workers] if all(map(_at_rest, self.workers)) else None

    def look_again(self) -> None:
        """The clock was moved: let every worker look whether something is due. From any thread."""
        for worker in self.workers:
            if worker.asleep:
                worker.ring()

    def _let_others_look(self) -> bool:
        """Wake those whose descriptors may have become ready by what another worker did since they looked."""
        late = [one for one in self.workers if one.looks < self.looks and one.descriptors.any_waiting()]
        for one in late:
            one.ring()
        return bool(late)


def _at_rest(worker: Worker) -> bool:
    # The flag last: who wakes takes it down before it takes anything out, so what was empty then was not just emptied.
    # But for `running`: when the run ends, that is said before the worker comes to rest for the last time.
    queues_are_empty = is_empty(worker.ready) and is_empty(worker.inbox) and is_empty(worker.fresh)
    return queues_are_empty and worker.asleep and worker.running


def _strands(worker: Worker) -> Any:
    return len(worker.roots)
