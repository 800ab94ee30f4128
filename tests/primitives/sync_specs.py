"""What the primitives of conc.sync should do, if only one thing happened at a time."""

from __future__ import annotations

from typing import Any

from conc.errors import ClosedResource
from conc_testing import Done, Operation, Raised, Suspend
from conc_testing.history.model import Transition
from tests.primitives.lines import BLOCKED, MISUSED, Line, Spec, tickets, without


class MutexSpec(Spec):
    """Who has it, and who waits."""

    def init(self) -> Any:
        return None, ()

    def acquire(self, state: Any, op: Operation, waits: bool = True) -> Transition:
        owner, line = state
        if owner == op.process:
            return state, MISUSED
        if owner is None:
            return (op.process, line), Done()
        return ((owner, (*line, (op.ticket, op.process))), Suspend) if waits else (state, BLOCKED)

    def acquire_nowait(self, state: Any, op: Operation) -> Transition:
        return self.acquire(state, op, waits=False)

    def release(self, state: Any, op: Operation) -> Transition:
        owner, line = state
        if owner != op.process:
            return state, MISUSED
        return ((line[0][1], line[1:]), Done().resumes(line[0][0])) if line else ((None, ()), Done())

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (state[0], without(state[1], ticket)), Done()


class SemaphoreSpec(Spec):
    """How many permits are free, who waits for how many, and whether it is closed."""

    def __init__(self, value: int, most: int) -> None:
        self._value, self._most = value, most

    def init(self) -> Any:
        return self._value, (), False

    def acquire(self, state: Any, op: Operation, n: int, waits: bool = True) -> Transition:
        free, line, closed = state
        if n > self._most:
            return state, Done(Raised(ValueError))
        if closed:
            return state, Done(Raised(ClosedResource))
        if n <= free and not line:
            return (free - n, (), False), Done()
        return ((free, (*line, (op.ticket, n)), False), Suspend) if waits else (state, BLOCKED)

    def acquire_nowait(self, state: Any, op: Operation, n: int) -> Transition:
        return self.acquire(state, op, n, waits=False)

    def release(self, state: Any, op: Operation) -> Transition:
        free, line, closed = state
        return self._served(free + 1, line, closed) if free < self._most else (state, Done(Raised(ValueError)))

    def forget(self, state: Any, op: Operation, n: int) -> Transition:
        gone = min(n, state[0])
        return (state[0] - gone, *state[1:]), Done(gone)

    def close(self, state: Any, op: Operation) -> Transition:
        return (state[0], (), True), Done().resumes(*tickets(state[1]), value=Raised(ClosedResource))

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return self._served(state[0], without(state[1], ticket), state[2])

    def _served(self, free: int, line: Line, closed: bool) -> Transition:
        served = 0
        while served < len(line) and line[served][1] <= free:
            free -= line[served][1]
            served += 1
        return (free, line[served:], closed), Done().resumes(*tickets(line[:served]))


class LimiterSpec(Spec):
    """How many tokens there are, who borrows, and who waits."""

    def __init__(self, total: int) -> None:
        self._total = total

    def init(self) -> Any:
        return self._total, frozenset(), ()

    def acquire(self, state: Any, op: Operation, waits: bool = True) -> Transition:
        total, borrowers, line = state
        if op.process in borrowers:
            return state, MISUSED
        if len(borrowers) < total:
            return (total, borrowers | {op.process}, line), Done()
        return ((total, borrowers, (*line, (op.ticket, op.process))), Suspend) if waits else (state, BLOCKED)

    def acquire_nowait(self, state: Any, op: Operation) -> Transition:
        return self.acquire(state, op, waits=False)

    def release(self, state: Any, op: Operation) -> Transition:
        total, borrowers, line = state
        return self._served(total, borrowers - {op.process}, line) if op.process in borrowers else (state, MISUSED)

    def resize(self, state: Any, op: Operation, total: int) -> Transition:
        return self._served(total, *state[1:])

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (*state[:2], without(state[2], ticket)), Done()

    def _served(self, total: int, borrowers: Any, line: Line) -> Transition:
        served = line[: max(0, total - len(borrowers))]
        borrowers |= {process for _, process in served}
        return (total, borrowers, line[len(served) :]), Done().resumes(*tickets(served))


class RwLockSpec(Spec):
    """Who reads, each as often as it does, who writes, and who waits for what."""

    def init(self) -> Any:
        return (), None, ()

    def read(self, state: Any, op: Operation, waits: bool = True) -> Transition:
        return self._take(state, op, False, waits, own=op.process in state[0] and bool(state[2]))

    def write(self, state: Any, op: Operation, waits: bool = True) -> Transition:
        return self._take(state, op, True, waits, own=op.process in state[0])

    def _take(self, state: Any, op: Operation, writes: bool, waits: bool, own: bool) -> Transition:
        readers, writer, line = state
        if own or writer == op.process:
            return state, MISUSED
        line = (*line, (op.ticket, op.process, writes))
        after, _ = self._served(readers, writer, line)
        if after[2] != line:
            return after, Done()
        return (after, Suspend) if waits else (state, BLOCKED)

    def read_nowait(self, state: Any, op: Operation) -> Transition:
        return self.read(state, op, waits=False)

    def write_nowait(self, state: Any, op: Operation) -> Transition:
        return self.write(state, op, waits=False)

    def release(self, state: Any, op: Operation) -> Transition:
        readers, writer, line = state
        if op.process in readers:
            at = readers.index(op.process)
            return self._served((*readers[:at], *readers[at + 1 :]), writer, line)
        return self._served(readers, None, line) if writer == op.process else (state, MISUSED)

    def downgrade(self, state: Any, op: Operation) -> Transition:
        return self._served((op.process,), None, state[2]) if state[1] == op.process else (state, MISUSED)

    def cancelled(self, state: Any, ticket: int) -> Transition:
        readers, writer, line = state
        return self._served(readers, writer, without(line, ticket))

    def _served(self, readers: Any, writer: Any, line: Line) -> tuple[Any, Done]:
        woken = []
        while line and writer is None and not (line[0][2] and readers):
            (ticket, process, writes), line = line[0], line[1:]
            woken.append(ticket)
            readers, writer = (readers, process) if writes else (tuple(sorted((*readers, process))), None)
        return (readers, writer, line), Done().resumes(*woken)


class NotifySpec(Spec):
    """Whether a permit is stored, and who waits."""

    def init(self) -> Any:
        return False, ()

    def notified(self, state: Any, op: Operation) -> Transition:
        return ((False, ()), Done()) if state[0] else ((False, (*state[1], (op.ticket,))), Suspend)

    def notified_nowait(self, state: Any, op: Operation) -> Transition:
        return ((False, ()), Done()) if state[0] else (state, BLOCKED)

    def notify_one(self, state: Any, op: Operation) -> Transition:
        line = state[1]
        return ((False, line[1:]), Done().resumes(line[0][0])) if line else ((True, ()), Done())

    def notify_last(self, state: Any, op: Operation) -> Transition:
        line = state[1]
        return ((False, line[:-1]), Done().resumes(line[-1][0])) if line else ((True, ()), Done())

    def notify_waiters(self, state: Any, op: Operation) -> Transition:
        return (state[0], ()), Done().resumes(*tickets(state[1]))

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (state[0], without(state[1], ticket)), Done()


class SetOnceSpec(Spec):
    """The value, in a tuple once there is one, and who waits."""

    def init(self) -> Any:
        return (), ()

    def set(self, state: Any, op: Operation, value: Any) -> Transition:
        return (state, MISUSED) if state[0] else (((value,), ()), Done().resumes(*tickets(state[1]), value=value))

    def get(self, state: Any, op: Operation) -> Transition:
        return state, Done(state[0][0]) if state[0] else BLOCKED

    def wait(self, state: Any, op: Operation) -> Transition:
        return (state, Done(state[0][0])) if state[0] else (((), (*state[1], (op.ticket,))), Suspend)

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (state[0], without(state[1], ticket)), Done()


class EventSpec(SetOnceSpec):
    """An event is set as often as you like, and has no value."""

    def set(self, state: Any, op: Operation, value: Any = None) -> Transition:
        return (state, Done()) if state[0] else super().set(state, op, value)

    def is_set(self, state: Any, op: Operation) -> Transition:
        return state, Done(bool(state[0]))


class BarrierSpec(Spec):
    """Who has arrived."""

    def __init__(self, parties: int) -> None:
        self._parties = parties

    def init(self) -> Any:
        return ()

    def wait(self, state: Any, op: Operation) -> Transition:
        if len(state) + 1 < self._parties:
            return (*state, (op.ticket,)), Suspend
        return (), Done(True).resumes(*tickets(state), value=False)

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return without(state, ticket), Done()


class OnceCellSpec(Spec):
    """The value, in a tuple once there is one, and who wants it with what their functions give: the first makes it."""

    def init(self) -> Any:
        return (), ()

    def make(self, state: Any, op: Operation, value: Any) -> Transition:
        return (state, Done(state[0][0])) if state[0] else (((), (*state[1], (op.ticket, value))), Suspend)

    def set(self, state: Any, op: Operation, value: Any) -> Transition:
        return (state, MISUSED) if state[0] or state[1] else (((value,), ()), Done())

    def get(self, state: Any, op: Operation) -> Transition:
        return state, Done(state[0][0]) if state[0] else BLOCKED

    def followup(self, state: Any, ticket: int) -> Any:
        if not state[1] or state[1][0][0] != ticket:
            return []
        (_, value), others = state[1][0], state[1][1:]
        if value == "fails":
            return ((), others), Done(Raised(ZeroDivisionError))
        return ((value,), ()), Done(value).resumes(*tickets(others), value=value)

    def cancelled(self, state: Any, ticket: int) -> Transition:
        return (state[0], without(state[1], ticket)), Done()


class ConditionSpec(Spec):
    """Who has the mutex, who comes for it in line, who waits to be notified, and who is about to do something.

    One that was cancelled while it waited comes back for the mutex by itself. If it was notified before, it notifies
    another one when it has it.
    """

    def init(self) -> Any:
        return None, (), (), ()

    def acquire(self, state: Any, op: Operation) -> Transition:
        return (state, MISUSED) if state[0] == op.process else self._take(state, (op.ticket, op.process, "acquire"))

    def release(self, state: Any, op: Operation) -> Transition:
        return self._hand_on(state, Done()) if state[0] == op.process else (state, MISUSED)

    def wait(self, state: Any, op: Operation) -> Transition:
        owner, line, waiting, busy = state
        if owner != op.process:
            return state, MISUSED
        return self._hand_on((owner, line, (*waiting, (op.ticket, owner, "wait")), busy), Suspend())

    def notify(self, state: Any, op: Operation, n: int = 1) -> Transition:
        return (self._notified(state, n), Done()) if state[0] == op.process else (state, MISUSED)

    def cancelled(self, state: Any, ticket: int) -> Any:
        owner, line, waiting, busy = state
        found = [entry for entry in (*line, *waiting) if entry[0] == ticket]
        if not found or found[0][2] in {"back", "pass"}:
            return []
        after = (owner, without(line, ticket), without(waiting, ticket))
        if found[0][2] == "acquire":
            return (*after, busy), Done()
        return (*after, (*busy, (*found[0][:2], "back" if found[0] in waiting else "pass"))), Suspend

    def followup(self, state: Any, ticket: int) -> Any:
        found = [entry for entry in state[3] if entry[0] == ticket]
        after = (*state[:3], without(state[3], ticket))
        if not found:
            return []
        return (self._notified(after, 1), Done()) if found[0][2] == "notify" else self._take(after, found[0])

    def _take(self, state: Any, entry: Any) -> Transition:
        owner, line, waiting, busy = state
        if owner is None:
            after = self._given(state, entry)
            return after, Done() if after[3] == busy else Suspend()
        return (owner, (*line, entry), waiting, busy), Suspend

    def _hand_on(self, state: Any, answer: Done | Suspend) -> Transition:
        _, line, waiting, busy = state
        if not line:
            return (None, line, waiting, busy), answer
        after = self._given((None, line[1:], waiting, busy), line[0])
        return after, answer.resumes(line[0][0]) if after[3] == busy else answer

    def _given(self, state: Any, entry: Any) -> Any:
        """The mutex is that of `entry`; who has to notify another one is busy with that."""
        ticket, process, kind = entry
        return process, *state[1:3], (*state[3], (ticket, process, "notify")) if kind == "pass" else state[3]

    def _notified(self, state: Any, n: int) -> Any:
        owner, line, waiting, busy = state
        return owner, (*line, *waiting[:n]), waiting[n:], busy
