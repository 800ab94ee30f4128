"""Async generators: closing what was dropped, in the strand that first iterated it; finding a yield out of a scope."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Callable
from contextlib import _AsyncGeneratorContextManager
from types import AsyncGeneratorType, FrameType
from typing import TYPE_CHECKING, Any

from conc._kernel.cancel import CancelScope
from conc._kernel.detour import Detour
from conc._kernel.strand import Strand
from conc._kernel.task import Task
from conc.errors import Cancelled

if TYPE_CHECKING:
    from conc._kernel.worker import Worker

# Generators that are driven by these may yield inside a scope: they are context managers, entered and left in order.
_DRIVERS = {
    _AsyncGeneratorContextManager.__aenter__.__code__,
    _AsyncGeneratorContextManager.__aexit__.__code__,
}


def drives_generators(function: Any) -> Any:
    """Mark an async function that runs async generators as context managers: what they yield inside scopes is in order.

    For test frameworks whose fixtures are async generators. Usable as a decorator.
    """
    _DRIVERS.add(function.__code__)
    return function


class Generators:
    """The async generators that were first iterated on one worker.

    Invariant: `_alive` holds weak references only, at most 64 + two for each that was alive when it was last pruned.
    Its keys are the identities of frames, which live as long as a generator is not finished.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._alive: dict[int, tuple[weakref.ref[AsyncGeneratorType[Any, Any]], Strand]] = {}
        self._prune_at = 64
        self._dropped: dict[int, tuple[AsyncGeneratorType[Any, Any], Strand]] = {}  # whose strand has not heard of it
        self._closing: list[Task[Any]] = []
        self._ending = False
        self.errors: list[BaseException] = []
        self.suspects: list[Watch] = []

    def first_iteration(self, generator: AsyncGeneratorType[Any, Any]) -> None:
        """Hook of the interpreter: remember which strand the generator is at home in."""
        task = self._worker.task
        if task is None:
            return
        # No callback that takes the entry out again: it would be called before `finalize`, which needs the strand.
        self._alive[id(generator.ag_frame)] = (weakref.ref(generator), task.strand)
        if len(self._alive) > self._prune_at:  # in a copy: a finalizer, perhaps of another thread, may come between
            self._alive = {key: entry for key, entry in list(self._alive.items()) if entry[0]() is not None}
            self._prune_at = 64 + 2 * len(self._alive)

    def finalize(self, generator: AsyncGeneratorType[Any, Any]) -> None:
        """Hook of the interpreter, on whatever thread: the generator was dropped unfinished. Close it in its strand."""
        entry = self._alive.pop(id(generator.ag_frame), None)
        # There is none if it was pruned in the moment after the collector had cleared the weak reference. Any strand of
        # the worker will do then, a new one for instance.
        strand = Strand(self._worker, CancelScope()) if entry is None else entry[1]
        self._dropped[id(generator)] = (generator, strand)
        strand.post(lambda: self._close_dropped(id(generator)))

    def _close_dropped(self, number: int) -> None:
        """The news of a dropped generator has arrived; or the run has ended before it did."""
        entry = self._dropped.pop(number, None)
        if entry is not None:
            self._start_closing(*entry)

    def _start_closing(self, generator: AsyncGeneratorType[Any, Any], strand: Strand) -> None:
        """Run ``aclose`` as a task of the strand, in a cancelled scope: clean-up code runs, but may not wait long."""
        worker = self._worker
        if generator.ag_running and worker.crew.killed:
            return  # it stands in an await of a task that was killed: nobody can close it, nor is to hear of it
        try:
            # In the context of `run`, where it belongs to those who catch warnings there.
            worker.crew.context.copy().run(
                warnings.warn,
                f"the async generator {generator.__qualname__!r} ({generator.ag_code.co_filename}:"
                f"{generator.ag_code.co_firstlineno}) was dropped before it was finished; "
                "close it in time: `async with contextlib.aclosing(generator)`",
                ResourceWarning,
                1,
                generator,
            )
        except ResourceWarning as error:  # the program has warnings as errors, and gets this one at the end of the run
            self.errors.append(error)
        scope = CancelScope()
        scope._cause = ("shutdown", "its async generator was dropped")
        scope.cancelled = True
        task: Task[Any] = Task(_close(generator), None, None, scope, strand, next(worker.numbers), "aclose")
        scope._task = task
        task._own_scope = scope
        self._closing.append(task)
        task.since = worker.time
        worker.ready.append(task)
        if worker.watched:
            worker.watched.task_spawned(task)

    def closed(self, task: Task[Any], error: BaseException | None) -> None:
        """A task that closed a generator has ended; what it raised leaves the run at its end."""
        self._closing.remove(task)
        if error is not None and not isinstance(error, Cancelled):  # it runs in a cancelled scope
            self.errors.append(error)
        if self._ending and not self._closing:
            self._worker.running = False

    @property
    def closing(self) -> bool:
        """Whether generators are being closed at the moment."""
        return bool(self._closing)

    def close_all(self) -> None:
        """The end of the run: close what is left. The worker stops when that is done."""
        self._ending = True
        for number in list(self._dropped):
            self._close_dropped(number)
        for reference, strand in list(self._alive.values()):
            generator = reference()
            if generator is not None and generator.ag_frame is not None:  # None: finished, and still referred to
                self._start_closing(generator, strand)
        self._alive.clear()

    def give_up(self, seconds: float) -> list[Task[Any]]:
        """The time for closing is over: report what is not closed; these are the tasks that tried."""
        late, self._closing = self._closing, []
        for task in late:
            words = f"{task!r} of an async generator did not end within {seconds:g} s after the run"
            self.errors.append(RuntimeError(words))
        return late

    # ---- a yield out of a scope -----------------------------------------------------------------------------------

    def watch(self, task: Task[Any], scope: CancelScope) -> None:
        """A scope was entered by the code of an async generator: find out when it yields inside.

        After each step of the task until the scope is left, the generator must still be running. If it is suspended at
        a `yield`, whoever iterates it has got the scope in its place.
        """
        frame: FrameType | None = sys._getframe(2)
        while frame is not None and not frame.f_code.co_flags & 0x200:
            frame = frame.f_back
        if frame is None or (frame.f_back is not None and frame.f_back.f_code in _DRIVERS):
            return
        reference, _ = self._alive.get(id(frame), (None, None))
        generator = None if reference is None else reference()
        if reference is not None and generator is not None and generator.ag_frame is frame:
            task.context = watch = Watch(task, scope, reference)
            self.suspects.append(watch)
            self._worker.budget = 0  # the step that is under way ends soon, and the turn with it

    def look_at_suspects(self) -> None:
        """The end of a turn: look behind the steps that were under way when their watch was set up."""
        suspects = self.suspects
        self.suspects = []
        for watch in suspects:
            watch.report()


class Watch(Detour):
    """Looks after each step of a task whether the async generator that entered one of its scopes has yielded inside."""

    __slots__ = ("_generator", "_name", "_scope")

    def __init__(
        self, task: Task[Any], scope: CancelScope, generator: weakref.ref[AsyncGeneratorType[Any, Any]]
    ) -> None:
        super().__init__(task)
        self._scope = scope
        self._generator = generator
        self._name = getattr(generator(), "__qualname__", "?")

    def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """One step, and the look behind it."""
        try:
            if self._scope._left:
                self.task.context = self.context
                return self.step(function, argument)
            yielded = self.step(function, argument)
            self.report()
            return yielded
        finally:
            del self, function, argument

    def report(self) -> None:
        """If the generator stands at a `yield` inside the scope, or was dropped there, say so in the task, once."""
        task = self.task
        generator = self._generator()
        if self._scope._left or task.ended or (generator is not None and generator.ag_running):
            return
        while isinstance(task.context, Detour):
            task.context = task.context.context
        task.throw_now(
            RuntimeError(
                f"the async generator {self._name!r} yielded inside a cancel scope or nursery, which now "
                "surrounds its caller by mistake. Open the scope around the loop that iterates the generator, or "
                "make the generator a context manager (contextlib.asynccontextmanager) that yields a channel"
            )
        )


async def _close(generator: AsyncGeneratorType[Any, Any]) -> None:
    await generator.aclose()
