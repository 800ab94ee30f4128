"""A worker: one thread with its own ready queue, inbox, timers and poller. The loop is here.

One turn: run what came due (the inbox) and what is ready, at most `STEPS` steps or `BUDGET` operations; then start an
unstarted strand, set the deadlines of scopes that outlived their step, fire the timers that are due, and look at the
descriptors: without waiting while there is work, else asleep until the next timer, event or message.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from contextvars import Context
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import sniffio

from conc._kernel.asyncfn import foreign_awaitable
from conc._kernel.asyncgens import Generators
from conc._kernel.cancel import CancelScope
from conc._kernel.current import slot
from conc._kernel.descriptors import Descriptors
from conc._kernel.detour import Detour
from conc._kernel.ending import EndOfStrand, abandon, close_task, raise_it
from conc._kernel.joining import tell_joiners
from conc._kernel.killing import bury
from conc._kernel.nursery import close_forgotten
from conc._kernel.observe import Seam, Watchers
from conc._kernel.strand import Strand
from conc._kernel.suspend import PARKED, SHIELDED, SPENT
from conc._kernel.task import RETURNED, Task
from conc._kernel.timers import TimerQueue
from conc._kernel.tree import open_nurseries
from conc._os.bell import Bell, SocketBell
from conc._os.clock import MonotonicClock
from conc._os.poller import READ
from conc._os.sync import Deque, is_empty
from conc._os.threads import current_ident

if TYPE_CHECKING:
    from conc._kernel.crew import Crew
    from conc._os.poller import Events, Poller

STEPS = 61  # of others, at most, before whatever is due is looked at (Tokio's number)
READY_STEPS = 21  # of these kept from the inbox while tasks are ready, so that neither can keep the other out
BUDGET = 400  # operations of a turn that need not wait, about 100 microseconds' worth; then each ends its step


class Worker:
    """The owner of some strands, and the thread they live on.

    Any thread may append to `ready` and `inbox`, and only the owner pops; both are looked at again after `asleep` was
    announced. All else is touched by the owner alone, except `fresh`, from which other workers take.

    Invariant: `asleep` is True only from before the last look at the queues until the poller returned.
    Invariant: `task` is what runs on this thread at the moment: a task, a strand that reads its mail, or None.
    """

    def __init__(self, crew: Crew, index: int, workers: int, poller: Poller) -> None:
        self.crew = crew
        self.index = index
        self.ready: Deque[Task[Any]] = Deque()
        self.inbox: Deque[Task[Any] | Strand] = Deque()
        self.fresh: Deque[Strand] = Deque()
        self.plain = Context()
        self.unarmed: list[CancelScope] = []
        self.timers = TimerQueue()
        self.poller = poller
        self.descriptors = Descriptors(self, poller)
        self.generators = Generators(self)
        self.numbers = count(index, workers)
        self.now: Callable[[], float] = crew.clock.now
        self.time = self.now()
        self.deadline = math.inf
        self.asleep = False
        self.sleeps = 0  # how many times it went to sleep
        self.running = True
        self.closed = False
        self.task: Task[Any] | Strand | None = None
        self.allowance = BUDGET  # the budget of each turn; 0 where a director may let others run at every operation
        self.budget = BUDGET
        self.roots: dict[Task[Any], None] = {}  # of the started strands that live here
        self.ident = current_ident()
        self.steps_left = STEPS
        self.stepped = False  # by a caller, who wants control back after a step: only a step of nothing may wait
        self.stirred = False  # whether it has run anything since it last came to rest
        self.looks = 0  # what `crew.looks` was before this worker last looked at its descriptors, and found nothing
        self.seam: Seam | None = None
        self.watched: Watchers | None = None
        self._patience = math.inf if workers == 1 else 1.0
        self._bell = Bell(poller)
        self._signal_bell: SocketBell | None = None
        self._signal_fd = -1
        poller.register(self._bell.fileno())
        self._ring = self._bell.ring

    # ---- from any thread ------------------------------------------------------------------------------------------

    def deliver(self, strand: Strand) -> None:
        """`strand`, which this worker owns, has mail. From any thread, a signal handler or a finaliser."""
        self.inbox.append(strand)
        if self.asleep:
            self.ring()
        if self.closed:
            strand.refuse()

    def ring(self) -> None:
        """Wake the worker from its sleep."""
        self.asleep = False  # first, so that of many messages only the first pays for the bell
        self._ring()

    # ---- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run turns until somebody sets `running` to False."""
        while self.running:
            self.turn()

    def turn(self, steps: int = STEPS) -> None:
        """Run at most `steps` steps, and if these complete a turn, look at what is due."""
        left = self.steps_left
        if steps < left:
            left = steps
        self.budget = self.allowance
        used = 0
        inbox, ready = self.inbox, self.ready
        if inbox:
            due = min(len(inbox), left, self.steps_left - READY_STEPS if ready else left)
            if due > 0:
                used = self.plain.run(self._run, inbox, due)
        if ready and used < left:
            used += self.plain.run(self._run, ready, left - used)
        self.steps_left -= used
        if self.steps_left <= 0 or self.budget <= 0 or not (ready or inbox):
            stirred = self.steps_left != STEPS
            self.stirred |= stirred
            self.steps_left = STEPS
            self.look(may_rest=not (stirred and self.stepped))

    def _run(self, queue: Deque[Any], steps: int) -> int:
        """Step up to `steps` of what stands in `queue`: returns how many. The hot loop, run inside `plain`.

        Most programs set no context variables. Their tasks share one empty context, entered once a turn; a task that
        sets a variable gets that context for its own, and the worker a new one.
        """
        take = queue.popleft if self.seam is None else self.seam.taker(queue)
        again = self.ready.append
        plain = self.plain
        now = self.time
        done = 0
        try:
            for done in range(1, steps + 1):
                try:
                    self.task = task = take()
                except IndexError:
                    done -= 1
                    break
                context = task.context
                try:
                    yielded = task.coro.send(None) if context is None else context.run(task.coro.send, None)
                except StopIteration as stop:
                    nursery = task.parent_nursery
                    if (
                        nursery is None
                        or nursery._home is None
                        or task.scope is not nursery.cancel_scope
                        or self.watched is not None
                    ):
                        self._finish(task, stop.value, None)
                    else:  # the usual end of a task, in one piece; `_finish` says more
                        task.context = None
                        task.value = stop.value
                        task.wait = RETURNED
                        children = nursery.children
                        del children[task]
                        if not children:
                            nursery.all_ended()
                        if task._joiners is not None:
                            tell_joiners(task.take_joiners())
                except BaseException as error:
                    if not task.is_task or task.suspended:
                        raise  # of a message; or a second Ctrl-C, which came just behind the step
                    self._finish(task, None, error)
                    del error
                else:
                    if yielded is None:
                        if task.scope.cancelled:
                            task.throw(None)
                        again(task)
                    elif yielded is PARKED:
                        task.since = now
                    elif yielded is SHIELDED:
                        again(task)
                    elif yielded is SPENT:
                        if task.scope.cancelled:
                            task.throw(None)
                        (again if self.allowance else self.ready.appendleft)(task)
                        if self.budget <= 0 and not plain:
                            break  # or each further step of this turn would come no further than one operation
                    else:
                        self._refuse(task, yielded)
                if plain:
                    self._give_context(task)
                    break
        finally:
            self.task = None
            # Since 3.13 the frames in a traceback know the frame that called them, which is this one.
            task = context = yielded = nursery = children = None
            if self.seam is not None:
                self.seam.step_over()
        return done

    def _give_context(self, task: Task[Any]) -> None:
        """The task has set a context variable: the context that was plain is its own from now on."""
        holder: Any = task
        while isinstance(holder.context, Detour):
            holder = holder.context
        if holder.context is None and not task.ended:
            holder.context = self.plain
        self.plain = Context()

    def look(self, may_rest: bool) -> None:
        """The end of a turn: what is due, and whether there is anything to do at all."""
        if self.fresh:
            self._start_one()
        if self.generators.suspects:
            self.generators.look_at_suspects()
        if self.unarmed:
            self.arm()
        if self.ready or self.inbox:
            if self.descriptors:
                self.descriptors.notify(self.poller.poll(0))
        elif may_rest:
            self._rest()
        self.time = now = self.now()
        if now >= self.timers.earliest:
            self.fire(now)

    def arm(self) -> None:
        """Set the deadlines of scopes that outlived the step in which they were entered."""
        unarmed, self.unarmed = self.unarmed, []
        for scope in unarmed:
            scope.arm()

    def fire(self, now: float) -> None:
        """Fire the timers that are due."""
        for timer in self.timers.due(now) if self.seam is None else self.seam.due(now):
            timer.expire()

    def _rest(self) -> None:
        """Nothing is ready: take unstarted strands from others, or sleep."""
        crew = self.crew
        several = len(crew.workers) > 1
        if several and crew.search(self):
            return
        self.deadline = deadline = self.timers.next_deadline()
        self.sleeps += 1
        self.asleep = True
        # Announced; now look once more. Who appends from here on sees that we sleep, and rings.
        if is_empty(self.ready) and is_empty(self.inbox) and self.running:
            events = self._sleep(crew.clock.idle(deadline))
            self.asleep = False
            if events:
                self.descriptors.notify(events)
        self.asleep = False
        if several:
            crew.woke_up(self)

    def _sleep(self, wait: float | None) -> Events:
        """Poll for `wait` seconds at most; None means that nothing of this worker's own will come with time."""
        poller = self.poller
        if poller.arm is not None:
            poller.arm(self._bell.fileno(), READ)
            if self._signal_bell is not None:
                poller.arm(self._signal_bell.fileno(), READ)
        if wait is not None:
            events = poller.poll(min(wait, self._patience))
        elif not self.crew.clock.virtual and self.descriptors.any_waiting():
            # A descriptor may wake us: there is nothing to decide, and no need to look twice.
            events = poller.poll(None if self._patience == math.inf else self._patience)
        else:
            looks = self.crew.looks
            events = poller.poll(0)
            if not events and self.asleep:
                limit = min(self.crew.all_asleep(self, looks), self._patience)
                if limit:
                    events = poller.poll(None if limit == math.inf else limit)
        self._bell.quiet()
        return events

    def heard(self, fd: int) -> None:
        """The poller reported what is no descriptor of a task: a bell, or one that was closed a moment ago."""
        if self._signal_bell is not None and fd == self._signal_fd:
            self._signal_bell.quiet()

    def watch_bell(self, bell: SocketBell | None) -> None:
        """Let signals wake this worker through `bell`; None ends that."""
        if self._signal_bell is not None:
            self.poller.unregister(self._signal_bell.fileno())
        self._signal_bell = bell
        self._signal_fd = -1 if bell is None else bell.fileno()
        if bell is not None:
            self.poller.register(bell.fileno())

    # ---- beginning and ending ---------------------------------------------------------------------------------------

    def spread(self, strand: Strand) -> None:
        """A new strand, which any worker may take."""
        self.fresh.append(strand)
        if len(self.crew.workers) > 1:
            self.crew.rouse()

    def _start_one(self) -> None:
        """Start one unstarted strand; the others stay for whoever is idle."""
        try:
            strand = self.fresh.popleft()
        except IndexError:
            return  # another worker was faster
        strand.worker = self  # published first, then the mail is looked into: see Strand
        task = strand.root
        assert task is not None, "a strand without a root"
        self.roots[task] = None
        self.task = strand
        try:
            strand.scope.cancelled = strand.scope._parent.cancelled  # type: ignore[union-attr]
            task.scope = strand.scope
            while strand.mail:
                strand.read_mail()
            task.begin()
        finally:
            self.task = None
        self.inbox.append(task)

    def adopt_main(self, task: Task[Any]) -> None:
        """Let the main task run, on this worker."""
        self.roots[task] = None
        task.begin()
        self.ready.append(task)
        if self.watched:
            self.watched.task_spawned(task)

    def _finish(self, task: Task[Any], result: Any, error: BaseException | None) -> None:
        """A task has ended: write its outcome, tell its nursery, then its joiners."""
        if task.scope is not task.base_scope and open_nurseries(task):
            # It ended inside nurseries that it never left, whose children must not outlive it: it goes on as their end.
            task._name = task.name
            task.coro = close_forgotten(task, error)
            self.ready.append(task)
            return
        error = task.leave(result, error)
        nursery = task.parent_nursery
        if self.watched:
            self.watched.task_exited(task)
        if nursery is None:
            self.generators.closed(task, error)
        elif nursery.parallel:
            del self.roots[task]
            task.strand.root = task.strand.scope._task = None  # or they would hold one another
            # Posted last: once the message is under way, the parent's strand may go on, on its own thread.
            nursery.strand.post(EndOfStrand(task, error))
        else:
            nursery.child_ended(task, error)
            if task._joiners is not None:
                tell_joiners(task.take_joiners())

    def _refuse(self, task: Task[Any], yielded: object) -> None:
        """A foreign awaitable yielded something: raise that in the task that awaits it."""
        task.throw(foreign_awaitable(task, yielded))
        self.ready.append(task)

    # ---- the thread -----------------------------------------------------------------------------------------------

    def enter_thread(self) -> Callable[[], None]:
        """Make this thread the worker's; returns what undoes it."""
        if slot.worker is not None:
            raise RuntimeError("a runtime was stepped inside a running conc program, on the same thread; use a thread")
        before = sniffio.thread_local.name
        hooks = sys.get_asyncgen_hooks()
        slot.worker = self
        self.ident = current_ident()
        sniffio.thread_local.name = "conc"
        sys.set_asyncgen_hooks(self.generators.first_iteration, self.generators.finalize)  # type: ignore[arg-type]

        def leave() -> None:
            sys.set_asyncgen_hooks(*hooks)
            sniffio.thread_local.name = before
            slot.worker = None

        return leave

    def thread_main(self) -> None:
        """What the thread of each worker but the first runs."""
        leave = self.enter_thread()
        crew = self.crew
        ident = current_ident()
        crew.threads.add(ident)
        try:
            try:
                self.run()
            except BaseException as error:  # of an instrument or the kernel: it ends the run, and leaves it
                crew.stopped = True
                crew.runtime.root_strand.post(partial(raise_it, error))
            self.wind_down(5.0)
        finally:
            leave()
            self.close()
            crew.threads.discard(ident)

    def wind_down(self, seconds: float) -> None:
        """The run is over: close what is left of tasks, if it was stopped, and of async generators."""
        if self.crew.stopped:
            abandon(self)
        bury(self)
        self.generators.close_all()
        if not self.generators.closing:
            return
        # In real time, and looking often: a clean-up that never ends would also keep a virtual clock from moving.
        limit = MonotonicClock.now() + seconds
        self._patience = 0.05
        stopped = self.crew.stopped
        self.running = True  # until the last one has closed: so that it sleeps while they wait
        while self.running and MonotonicClock.now() < limit and self.crew.stopped == stopped:
            self.turn()
        self.running = False
        for task in self.generators.give_up(seconds):
            close_task(self, task)

    def close(self) -> None:
        """End: mark the inbox closed, then empty it; whoever posts afterwards sees the mark and empties it himself."""
        self.closed = True
        self.refuse_mail()
        self.poller.close()
        # The descriptor of the bell is closed with its last reference, not by the garbage collector some time later.
        # Whoever rings at this moment has a reference.
        self._ring = lambda: None
        del self._bell
        self._signal_bell = None

    def refuse_mail(self) -> None:
        """Take everything out of the inbox, and answer the mail of the strands in it."""
        while True:
            try:
                entry = self.inbox.popleft()
            except IndexError:
                return
            if isinstance(entry, Strand):
                entry.refuse()
