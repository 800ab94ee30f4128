"""The end of a parallel child, and what it spawned before (DESIGN section 3, rules 1 and 4).

Only the owner of a nursery's strand changes its books. A child that runs elsewhere and spawns into the nursery posts
SPAWN to that strand; when it ends, it writes its outcome, drops its coroutine and posts END, last. All messages to a
strand go through its one mailbox, in real-time order, so a SPAWN is read before the END of the child that posted it,
and before the END of any child that was waiting for that one. So the count never reaches zero while something is
still to come.

Here the host lives on A. With two workers it starts a child here and one on B, which spawns another child into the
nursery of the host. With three the child on B has a nursery of its own, and the child in that, on C, spawns into the
nursery of the host, and ends, so that B's ends too.
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

    END_BEFORE_THE_OUTCOME = auto()
    END_BEFORE_THE_COROUTINE_IS_DROPPED = auto()
    SPAWN_THROUGH_THE_INBOX = auto()
    A_MAILBOX_FOR_EACH_SENDER = auto()
    LAST_MESSAGE_FIRST = auto()
    CHILD_LEAVES_THE_BOOKS_ITSELF = auto()


class Kind(Enum):
    """What a message says of a child."""

    SPAWN = auto()
    END = auto()


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    """A strand with one nursery, which it opens, fills and then waits for; it ends when the nursery closes."""

    home: Worker  # that takes it
    outer: Strand | None = None  # in whose nursery it is
    starts: tuple[Strand, ...] = ()  # children of its own nursery
    sends: Strand | None = None  # a child of another nursery
    worker: Worker | None = None
    mail: list[tuple[Kind, Strand, Worker]] = field(default_factory=list)
    children: list[Strand] = field(default_factory=list)
    waits: bool = False
    closed: bool = False
    coroutine: bool = True
    outcome: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    fresh: deque[Strand] = field(default_factory=deque)
    inbox: deque[Strand] = field(default_factory=deque)
    letters: deque[tuple[Kind, Strand, Worker]] = field(default_factory=deque)  # where the rule is broken


@dataclass(slots=True, eq=False, repr=False)
class Nurseries(Model):
    workers: tuple[Worker, ...]
    strands: tuple[Strand, ...]
    broken: Broken | None

    def programs(self) -> dict[str, Steps[None]]:
        first, *others = self.workers
        return {first.name: self.begin(first)} | {other.name: self.run(other) for other in others}

    def begin(self, me: Worker) -> Steps[None]:
        yield from self.start(me, self.strands[0])
        yield from self.run(me)

    def run(self, me: Worker) -> Steps[None]:
        while True:
            yield Wait("take what is there", lambda: bool(me.inbox or me.letters or me.fresh))
            if me.letters:
                yield from self.handle(me, self.strands[0], me.letters.popleft())
            elif me.inbox:
                yield from self.read_mail(me, me.inbox.popleft())
            else:
                yield from self.start(me, me.fresh.popleft())

    # ---- the life of a strand -------------------------------------------------------------------------------------

    def start(self, me: Worker, strand: Strand) -> Steps[None]:
        yield f"start {strand}: publish the owner, fill its nursery"
        strand.worker = me
        strand.children.extend(strand.starts)
        for child in strand.starts:
            child.home.fresh.append(child)
        if strand.sends is not None and strand.sends.outer is not None:
            yield from self.post(me, strand.sends.outer, Kind.SPAWN, strand.sends)
        yield from self.read_mail(me, strand)
        strand.waits = True
        yield from self.close_if_empty(me, strand)

    def read_mail(self, me: Worker, strand: Strand) -> Steps[None]:
        yield f"take a message of {strand}"
        while strand.mail:
            yield from self.handle(me, strand, strand.mail.pop(self.next_in(strand)))
            yield f"take a message of {strand}"

    def next_in(self, strand: Strand) -> int:
        if self.broken is Broken.LAST_MESSAGE_FIRST:
            return -1
        if self.broken is Broken.A_MAILBOX_FOR_EACH_SENDER:
            senders = [self.workers.index(sender) for _, _, sender in strand.mail]
            return senders.index(min(senders))
        return 0

    def handle(self, me: Worker, strand: Strand, message: tuple[Kind, Strand, Worker]) -> Steps[None]:
        kind, child, _ = message
        require(strand.worker is me, f"{kind.name} of {child} is handled by another worker")
        require(not strand.closed, f"{kind.name} of {child} reaches a closed nursery")
        if kind is Kind.SPAWN:
            strand.children.append(child)
            yield f"let {child} be taken"
            child.home.fresh.append(child)
        else:
            require(child.outcome, f"{child} has ended, but its outcome is not there")
            require(not child.coroutine, f"{child} has ended, but its coroutine is still in the hands of its worker")
            strand.children.remove(child)
            yield from self.close_if_empty(me, strand)

    def close_if_empty(self, me: Worker, strand: Strand) -> Steps[None]:
        if strand.children or strand.closed or not strand.waits:
            return
        strand.closed = True
        for child in self.strands:
            early = child.outer is strand and not child.outcome
            require(not early, f"the nursery of {strand} closes before {child} has ended")
        if strand.outer is not None:
            yield from self.end(me, strand, strand.outer)

    def end(self, me: Worker, strand: Strand, outer: Strand) -> Steps[None]:
        if self.broken is Broken.END_BEFORE_THE_OUTCOME:
            yield from self.post(me, outer, Kind.END, strand)
        yield f"write the outcome of {strand}"
        strand.outcome = True
        if self.broken is Broken.END_BEFORE_THE_COROUTINE_IS_DROPPED:
            yield from self.post(me, outer, Kind.END, strand)
        yield f"drop the coroutine of {strand}"
        strand.coroutine = False
        if self.broken is Broken.CHILD_LEAVES_THE_BOOKS_ITSELF:
            yield f"take {strand} out of the books of {outer}"
            outer.children.remove(strand)
            yield from self.close_if_empty(me, outer)
        elif self.broken not in (Broken.END_BEFORE_THE_OUTCOME, Broken.END_BEFORE_THE_COROUTINE_IS_DROPPED):
            yield from self.post(me, outer, Kind.END, strand)

    def post(self, me: Worker, strand: Strand, kind: Kind, child: Strand) -> Steps[None]:
        if kind is Kind.SPAWN and self.broken is Broken.SPAWN_THROUGH_THE_INBOX:
            yield f"append {kind.name} of {child} to the inbox of {self.workers[0]}"
            self.workers[0].letters.append((kind, child, me))
            return
        yield f"append {kind.name} of {child} to the mail of {strand}"
        strand.mail.append((kind, child, me))
        yield f"read the owner of {strand}"
        worker = strand.worker
        if worker is not None:
            yield f"put {strand} into the inbox of {worker}"
            worker.inbox.append(strand)

    # ---- what must hold -------------------------------------------------------------------------------------------

    def at_rest(self, waiting: dict[str, str]) -> None:
        for strand in self.strands:
            require(strand.closed, f"the nursery of {strand} never closes")
            require(not strand.mail, f"mail is left for {strand}")


def nurseries(workers: int, broken: Broken | None = None) -> Nurseries:
    crew = tuple(Worker(name) for name in ("A", "B", "C")[:workers])
    a, b, last = crew[0], crew[1], crew[-1]
    host = Strand("host", a)
    child, other, late = Strand("child", b, host), Strand("other", a, host), Strand("late", last, host)
    if workers == 2:
        host.starts = (child, other)
        child.sends = late
        return Nurseries("nurseries", crew, (host, child, other, late), broken)
    grandchild = Strand("grandchild", last, child, sends=late)
    host.starts = (child,)
    child.starts = (grandchild,)
    return Nurseries("nurseries", crew, (host, child, grandchild, late), broken)


@pytest.mark.parametrize("workers", [2, 3])
def test_a_nursery_closes_when_all_has_ended_and_no_mail_is_under_way(workers: int) -> None:
    assert_holds(lambda: nurseries(workers))


@pytest.mark.parametrize(
    ("broken", "workers", "message"),
    [
        (Broken.END_BEFORE_THE_OUTCOME, 2, "its outcome is not there"),
        (Broken.END_BEFORE_THE_COROUTINE_IS_DROPPED, 2, "still in the hands of its worker"),
        (Broken.SPAWN_THROUGH_THE_INBOX, 2, "closes before late has ended"),
        (Broken.A_MAILBOX_FOR_EACH_SENDER, 3, "closes before late has ended"),
        (Broken.LAST_MESSAGE_FIRST, 2, "closes before late has ended"),
        (Broken.CHILD_LEAVES_THE_BOOKS_ITSELF, 2, "closes before late has ended"),
    ],
)
def test_each_broken_rule_of_ending_a_child_is_found(broken: Broken, workers: int, message: str) -> None:
    assert_fails(lambda: nurseries(workers, broken), message)
