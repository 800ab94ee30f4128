"""A scope is cancelled from another thread while it is entered, and while its parallel children start.

Who cancels writes the cause into the scope and then reads who has entered it, to post "look again" to that strand.
Who enters writes that down first and then reads the cause. At least one of the two sees the other.

Each strand caches whether the scope around it is cancelled. The owner that looks again and finds it changed writes
his own state first and then posts "look again" to his parallel children. A child that starts publishes its owner,
then copies the state of the strand around it, and reads its mail: it is told, or has copied, or both.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Broken(Enum):
    """A rule broken on purpose."""

    READ_WHO_ENTERED_BEFORE_WRITING_THE_CAUSE = auto()
    READ_THE_CAUSE_BEFORE_ENTERING = auto()
    TELL_CHILDREN_BEFORE_MARKING = auto()
    CHILD_COPIES_NOTHING = auto()


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    outside: Strand | None = None
    inside: tuple[Strand, ...] = ()
    worker: Worker | None = None
    mail: list[str] = field(default_factory=list)
    cancelled: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    fresh: deque[Strand] = field(default_factory=deque)
    inbox: deque[Strand] = field(default_factory=deque)


@dataclass(slots=True, eq=False, repr=False)
class Scope(Model):
    workers: tuple[Worker, ...]
    host: Strand
    cancellers: int
    broken: Broken | None
    cause: bool = False
    entered_by: Strand | None = None

    def programs(self) -> dict[str, Steps[None]]:
        first, *others = self.workers
        threads = {f"foreign {number}": self.cancel() for number in range(1, self.cancellers + 1)}
        return {first.name: self.enter(first)} | {other.name: self.run(other) for other in others} | threads

    def cancel(self) -> Steps[None]:
        if self.broken is Broken.READ_WHO_ENTERED_BEFORE_WRITING_THE_CAUSE:
            yield "read who has entered the scope"
            host = self.entered_by
            yield "write the cause"
            self.cause = True
        else:
            yield "write the cause, unless there is one"
            if self.cause:
                return
            self.cause = True
            yield "read who has entered the scope"
            host = self.entered_by
        if host is not None:
            yield from self.post(host)

    def enter(self, me: Worker) -> Steps[None]:
        host = self.host
        host.worker = me
        if self.broken is Broken.READ_THE_CAUSE_BEFORE_ENTERING:
            yield "read the cause"
            host.cancelled = self.cause
            yield "enter the scope"
            self.entered_by = host
        else:
            yield "enter the scope"
            self.entered_by = host
            yield "read the cause"
            host.cancelled = self.cause
        yield from self.spawn(me, host)
        yield from self.run(me)

    # ---- workers --------------------------------------------------------------------------------------------------

    def run(self, me: Worker) -> Steps[None]:
        while True:
            yield Wait("take what is there", lambda: bool(me.inbox) or any(other.fresh for other in self.workers))
            if me.inbox:
                yield from self.read_mail(me.inbox.popleft())
            else:
                yield from self.start(me, next(other for other in self.workers if other.fresh).fresh.popleft())

    def start(self, me: Worker, strand: Strand) -> Steps[None]:
        yield f"publish itself as the owner of {strand}"
        strand.worker = me
        if self.broken is not Broken.CHILD_COPIES_NOTHING:
            yield f"copy the state around {strand}"
            strand.cancelled = self.state_around(strand)
        yield from self.read_mail(strand)
        yield from self.spawn(me, strand)

    def spawn(self, me: Worker, strand: Strand) -> Steps[None]:
        if strand.inside:
            yield f"spawn the children of {strand}"
            me.fresh.extend(strand.inside)

    def read_mail(self, strand: Strand) -> Steps[None]:
        yield f"take a message of {strand}"
        while strand.mail:
            strand.mail.pop(0)
            yield f"read the state around {strand}"
            cancelled = self.state_around(strand)
            if cancelled != strand.cancelled:
                yield from self.change(strand, cancelled)
            yield f"take a message of {strand}"

    def change(self, strand: Strand, cancelled: bool) -> Steps[None]:
        if self.broken is not Broken.TELL_CHILDREN_BEFORE_MARKING:
            yield f"mark {strand}"
            strand.cancelled = cancelled
        children = strand.inside
        while children:
            yield from self.post(children[0])
            children = children[1:]
        if self.broken is Broken.TELL_CHILDREN_BEFORE_MARKING:
            yield f"mark {strand}"
            strand.cancelled = cancelled

    def state_around(self, strand: Strand) -> bool:
        return self.cause if strand.outside is None else strand.outside.cancelled

    def post(self, strand: Strand) -> Steps[None]:
        yield f"post 'look again' to {strand}"
        strand.mail.append("look again")
        yield f"read the owner of {strand}"
        worker = strand.worker
        if worker is not None:
            yield f"put {strand} into the inbox of {worker}"
            worker.inbox.append(strand)

    def at_rest(self, waiting: dict[str, str]) -> None:
        strand = self.host
        while True:
            require(strand.cancelled, f"{strand} does not know that it is cancelled")
            if not strand.inside:
                return
            strand = strand.inside[0]


def scope(workers: int, broken: Broken | None = None) -> Scope:
    """Two workers: a parallel child, two threads that cancel. Three: the child has a child, one thread cancels."""
    crew = tuple(Worker(name) for name in ("A", "B", "C")[:workers])
    host = Strand("host")
    child = Strand("child", outside=host)
    host.inside = (child,)
    if workers == 3:
        child.inside = (Strand("grandchild", outside=child),)
    return Scope("scope", crew, host, 4 - workers, broken)


@pytest.mark.parametrize("workers", [2, 3])
def test_every_strand_inside_learns_of_a_cancellation(workers: int) -> None:
    assert_holds(lambda: scope(workers))


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("broken", Broken)
def test_each_broken_rule_of_cancelling_is_found(workers: int, broken: Broken) -> None:
    assert_fails(lambda: scope(workers, broken), "does not know that it is cancelled")
