"""Choosing for the scheduler wherever it leaves a choice: what a simulation is built on.

A `Director` is a policy with more to say. It is asked before each step, about all that could run: what came due stands
beside what is ready. Where it is preemptive every operation of conc is a schedule point, as it is in any program when
the budget of a turn is spent; so what it does to a program, an unlucky day could.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from conc._kernel.observe import Policy, Seam, Watchers

if TYPE_CHECKING:
    from conc._kernel.task import Task
    from conc._kernel.timers import Timer
    from conc._kernel.worker import Worker
    from conc._os.sync import Deque

DEADLINES = 4  # how far time may pass before somebody runs who could


class Director:
    """Decides what comes next, in a runtime with one worker. Override what you want to decide.

    The methods are called on the worker's thread, between steps; they may not wait. What they raise ends the run.

    Attributes:
        preemptive: whether others may run at every operation, and not only where it has to wait.
        racing: whether `lets_time_pass` is asked.
        shelving: whether `shelve` is asked.
    """

    preemptive = True
    racing = False
    shelving = False

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        """The index of the task that runs next. Asked before each step, also if there is one candidate only.

        Candidates stand in the order in which they became ready. Only one that came to an operation that need not wait
        stands first: by itself it would go on. Those before the picked one are put behind the others.
        """
        return 0

    def order(self, due: Sequence[Timer]) -> int:
        """The index of the timer that fires first, of several that are due at one moment. Asked until one is left."""
        return 0

    def lets_time_pass(self, deadlines: Sequence[float]) -> bool:
        """Whether time passes before anything else runs; if so, the director has moved the clock.

        Args:
            deadlines: the next few, in order, each once. At least one.
        """
        return False

    def shelve(self, task: Task[Any]) -> bool:
        """Whether a task that is ready is not to be run for now. ``task.resume()`` makes it ready again."""
        return False


class Steering(Seam):
    """Takes the next entry for a worker that has a director."""

    def __init__(self, worker: Worker, director: Director, watchers: Watchers | None) -> None:
        super().__init__(worker, None, watchers)
        self._director = director

    def due(self, now: float) -> list[Timer]:
        """Moment by moment, and those of one moment as the director wants them."""
        timers = self._worker.timers
        context = self._context.copy()  # where time was let pass before a step, the context itself is entered already
        ordered: list[Timer] = []
        while (moment := timers.next_deadline()) <= now:
            ordered += context.run(self._ordered, timers.due(moment))
        return ordered

    def _ordered(self, due: list[Timer]) -> list[Timer]:
        ordered = []
        while len(due) > 1:
            index = self._director.order(due)
            if not 0 <= index < len(due):
                raise ValueError(f"{self._director!r} ordered timer {index} of {len(due)} to be the first")
            ordered.append(due.pop(index))
        return ordered + due

    def _choose(self, queue: Deque[Any]) -> Any:
        worker, director = self._worker, self._director
        worker.task = None  # the last step is over: who is cancelled now stands at a checkpoint
        if director.racing:
            self._let_time_pass(worker)
        ready, inbox = worker.ready, worker.inbox
        while inbox:
            entry = inbox.popleft()
            if not entry.is_task:  # mail, which is no step: read before anything is decided
                return entry
            ready.append(entry)  # type: ignore[arg-type]  # what is no strand is a task
        if director.shelving:
            for task in list(ready):
                if director.shelve(task):
                    ready.remove(task)
        if not ready:
            return None
        index = director.pick(ready)
        if index:
            if not 0 <= index < len(ready):
                raise ValueError(f"{director!r} picked {index} of {len(ready)} ready tasks")
            ready.rotate(-index)
        return self._told(ready.popleft())

    def _let_time_pass(self, worker: Worker) -> None:
        if worker.unarmed:
            worker.arm()
        deadlines = worker.timers.next_deadlines(DEADLINES)
        if deadlines and self._director.lets_time_pass(deadlines):
            worker.time = now = worker.now()
            worker.fire(now)


def seam_of(worker: Worker, policy: Policy | Director | None, watchers: Watchers) -> Seam | None:
    """What takes tasks for `worker`; None if nobody chooses or looks."""
    if isinstance(policy, Director):
        worker.allowance = 0 if policy.preemptive else worker.allowance
        return Steering(worker, policy, watchers)
    seam = Seam(worker, policy, watchers)
    return seam if seam.needed else None
