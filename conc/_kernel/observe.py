"""Looking at the scheduler from outside, and choosing for it: instruments and policies. It costs nothing unused.

A worker without an observer takes the next task with ``queue.popleft``; one with an observer takes it through a `Seam`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from conc._kernel.task import Task
    from conc._kernel.timers import Timer
    from conc._kernel.worker import Worker
    from conc._os.sync import Deque

HOOKS = ("task_spawned", "before_task_step", "after_task_step", "task_exited")


class Instrument:
    """Something that is told what the scheduler does. Override what you need; only that is called.

    The methods are called on the worker's thread, between steps; they must be quick and may not wait. What they raise
    ends the run.
    """

    def task_spawned(self, task: Task[Any]) -> None:
        """A task was made and will run."""

    def before_task_step(self, task: Task[Any]) -> None:
        """A task is about to run until it waits next."""

    def after_task_step(self, task: Task[Any]) -> None:
        """The step is over."""

    def task_exited(self, task: Task[Any]) -> None:
        """The task has its outcome."""


class Policy(Protocol):
    """Who of the ready tasks runs next. The default, first in first out, needs no policy."""

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        """The index of the next one; `candidates` are in the order in which they became ready."""


class Watchers:
    """The instruments of a runtime, by hook."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        try:
            instruments = tuple(instruments)
        except TypeError:
            raise TypeError(f"instruments must be several conc.lowlevel.Instrument, not {instruments!r}") from None
        for instrument in instruments:
            if not isinstance(instrument, Instrument):
                raise TypeError(f"instruments: a conc.lowlevel.Instrument is due, got {instrument!r}")
        for hook in HOOKS:
            setattr(self, "_" + hook, [
                getattr(one, hook) for one in instruments if getattr(type(one), hook) is not getattr(Instrument, hook)
            ])  # fmt: skip

    _task_spawned: list[Callable[[Any], None]]
    _before_task_step: list[Callable[[Any], None]]
    _after_task_step: list[Callable[[Any], None]]
    _task_exited: list[Callable[[Any], None]]

    def task_spawned(self, task: Task[Any]) -> None:
        """Tell who wants to know."""
        for hook in self._task_spawned:
            hook(task)

    def task_exited(self, task: Task[Any]) -> None:
        """Tell who wants to know."""
        for hook in self._task_exited:
            hook(task)

    @property
    def needed(self) -> bool:
        """Whether there is anybody to tell anything."""
        return bool(self._task_spawned or self._task_exited or self.watch_steps)

    @property
    def watch_steps(self) -> bool:
        """Whether somebody wants to know of each step."""
        return bool(self._before_task_step or self._after_task_step)


class Seam:
    """Takes the next task in place of ``popleft``: asks the policy, tells the instruments."""

    def __init__(self, worker: Worker, policy: Policy | None, watchers: Watchers | None) -> None:
        self._worker = worker
        self._policy = policy
        self._watchers = watchers if watchers is not None and watchers.watch_steps else None
        self._stepping: Task[Any] | None = None
        self._context = Context()  # of our own: what an instrument or a policy sets there, no task sees

    @property
    def needed(self) -> bool:
        """Whether there is anything to do here."""
        return self._policy is not None or self._watchers is not None

    def taker(self, queue: Deque[Any]) -> Callable[[], Any]:
        """What takes the next entry of `queue`."""
        return partial(self._context.run, self._take, queue)

    def step_over(self) -> None:
        """Tell that the last step is over."""
        if self._stepping is not None:
            self._context.run(self._tell_step_over)

    def due(self, now: float) -> list[Timer]:
        """Take out the timers that are due, in the order in which they are to fire."""
        return self._worker.timers.due(now)

    def _tell_step_over(self) -> None:
        task = self._stepping
        if task is not None:
            self._stepping = None
            for hook in self._watchers._after_task_step:  # type: ignore[union-attr]
                hook(task)

    def _take(self, queue: Deque[Any]) -> Any:
        try:
            self._tell_step_over()
            entry = self._choose(queue)
        except IndexError as error:
            # To the worker an IndexError means that the queue is empty.
            raise RuntimeError(f"an instrument or the policy raised {error!r}") from error
        if entry is None:
            raise IndexError
        return entry

    def _choose(self, queue: Deque[Any]) -> Any:
        """Take the entry that is next; None if there is none."""
        if not queue:
            return None
        index = 0
        if self._policy is not None and len(queue) > 1:
            candidates = list(queue.copy())  # a copy first: other threads append meanwhile
            if all(entry.is_task for entry in candidates):
                index = self._policy.pick(candidates)
                if not 0 <= index < len(candidates):
                    raise ValueError(f"{self._policy!r} picked {index} of {len(candidates)} ready tasks")
        entry = queue[index]
        del queue[index]
        return self._told(entry)

    def _told(self, entry: Any) -> Any:
        """Tell that a step of `entry` is about to begin, if it is a task; returns it."""
        if self._watchers is not None and entry.is_task:
            self._stepping = entry
            for hook in self._watchers._before_task_step:
                hook(entry)
        return entry
