"""The last worker to fall asleep decides whether anything can still wake anybody (DESIGN section 4, Deadlock).

A worker that goes to sleep announces it, looks into its queues once more, and then looks at all workers; one at a
time decides. There is no moment at which it sees them all at once, so flags and queues alone are not enough: while it
looks at the second worker the first may wake, take its mail, post to the third and fall asleep again. So each worker
counts its sleeps. Who decides looks whether all are at rest, reads the counts, asks whether a thread that is not ours
lives, and does both again. If all are at rest and nobody has slept anew, there was a moment between the two looks at
which all slept, with nothing in the queues. At rest is who has an empty inbox and then, read in this order, the flag
up: a worker takes its flag down before it takes its mail.

Here a packet travels from worker to worker; or the first worker starts a thread, which posts one and ends.
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

    LOOK_BEFORE_ANNOUNCING = auto()
    INBOXES_NOT_LOOKED_INTO = auto()
    ONE_LOOK = auto()
    TWO_LOOKS_WITHOUT_COUNTS = auto()
    FLAG_READ_BEFORE_THE_INBOX = auto()
    MAIL_TAKEN_BEFORE_THE_FLAG_IS_DOWN = auto()
    ASK_FOR_THREADS_FIRST = auto()
    ASK_FOR_THREADS_LAST = auto()
    TWO_DECIDE_AT_A_TIME = auto()


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    inbox: deque[Packet] = field(default_factory=deque)
    asleep: bool = False
    sleeps: int = 0
    bell: bool = False
    relook: bool = False


Packet = tuple[Worker, ...]
"""The workers on the way of a packet, from the one that has it."""


@dataclass(slots=True, eq=False, repr=False)
class LastOne(Model):
    workers: tuple[Worker, ...]
    from_thread: Packet
    broken: Broken | None
    under_way: int
    thread_lives: bool = False
    decider: Worker | None = None
    declared: bool = False

    def programs(self) -> dict[str, Steps[None]]:
        thread = {"thread": self.thread()} if self.from_thread else {}
        return {worker.name: self.run(worker) for worker in self.workers} | thread

    def thread(self) -> Steps[None]:
        yield Wait("be started", lambda: self.thread_lives)
        yield from self.post(self.from_thread)
        yield "end"
        self.thread_lives = False

    # ---- workers --------------------------------------------------------------------------------------------------

    def run(self, me: Worker) -> Steps[None]:
        if me is self.workers[0] and self.from_thread:
            yield "start a thread"
            self.thread_lives = True
        if not me.asleep:
            declared = yield from self.fall_asleep(me)
            if declared:
                return
        while True:
            yield Wait("sleep", lambda: me.bell or (me.relook and not self.thread_lives))
            me.bell = False
            yield "take its flag down"
            me.asleep = False
            yield from self.work(me)
            declared = yield from self.fall_asleep(me)
            if declared:
                return

    def work(self, me: Worker) -> Steps[None]:
        yield "take what is there"
        while me.inbox:
            yield from self.pass_on(me.inbox.popleft())
            yield "take what is there"

    def fall_asleep(self, me: Worker) -> Steps[bool]:
        """Until it sleeps, or has declared that nobody will wake any more."""
        while True:
            nobody = False
            if self.broken is Broken.LOOK_BEFORE_ANNOUNCING:
                nobody = yield from self.decide(me)
            yield "announce its sleep"
            me.sleeps += 1
            me.asleep = True
            if self.broken is not Broken.LOOK_BEFORE_ANNOUNCING:
                yield "look into its inbox once more"
                if me.inbox:
                    packet = me.inbox.popleft() if self.broken is Broken.MAIL_TAKEN_BEFORE_THE_FLAG_IS_DOWN else ()
                    yield "take its flag down"
                    me.asleep = False
                    if packet:
                        yield from self.pass_on(packet)
                    yield from self.work(me)
                    continue
                nobody = yield from self.decide(me)
            if nobody:
                require(self.under_way == 0, "false alarm: a packet is under way")
                require(not self.thread_lives, "false alarm: a thread lives")
                require(not self.declared, "the deadlock is declared twice")
                self.declared = True
            return nobody

    def pass_on(self, packet: Packet) -> Steps[None]:
        if len(packet) == 1:
            self.under_way -= 1
        else:
            yield from self.post(packet[1:])

    def post(self, packet: Packet) -> Steps[None]:
        target = packet[0]
        yield f"append to the inbox of {target}"
        target.inbox.append(packet)
        yield f"read the flag of {target}"
        if target.asleep:
            yield f"take the flag of {target} down"
            target.asleep = False
            yield f"ring for {target}"
            target.bell = True

    # ---- the decision ---------------------------------------------------------------------------------------------

    def decide(self, me: Worker) -> Steps[bool]:
        if self.broken is not Broken.TWO_DECIDE_AT_A_TIME:
            yield Wait("lock the decision", lambda: self.decider is None)
            self.decider = me
        nobody = yield from self.nobody_can_wake_us(me)
        yield "unlock the decision"
        self.decider = None
        if nobody:
            me.asleep = False  # until it has looked again nobody is the last one; before the next can have the lock
        return nobody

    def nobody_can_wake_us(self, me: Worker) -> Steps[bool]:
        plan = PLANS.get(self.broken, PLANS[None])
        counts: tuple[int, ...] = ()
        holds = True
        me.relook = False
        while plan and holds:
            if plan[0] == "at rest":
                holds = yield from self.all_at_rest()
            elif plan[0] == "counts":
                counts = yield from self.counts()
            elif plan[0] == "same counts":
                again = yield from self.counts()
                holds = again == counts
            elif self.from_thread:
                yield "look for threads that are not ours"
                holds = not self.thread_lives
                me.relook = self.thread_lives
            plan = plan[1:]
        return holds

    def all_at_rest(self) -> Steps[bool]:
        workers = self.workers
        rests = True
        while workers and rests:
            worker, workers = workers[0], workers[1:]
            if self.broken is Broken.FLAG_READ_BEFORE_THE_INBOX:
                yield f"read whether {worker} sleeps"
                rests = worker.asleep
            if rests and self.broken is not Broken.INBOXES_NOT_LOOKED_INTO:
                yield f"look into the inbox of {worker}"
                rests = not worker.inbox
            if rests and self.broken is not Broken.FLAG_READ_BEFORE_THE_INBOX:
                yield f"read whether {worker} sleeps"
                rests = worker.asleep
        return rests

    def counts(self) -> Steps[tuple[int, ...]]:
        counts: tuple[int, ...] = ()
        while len(counts) < len(self.workers):
            yield f"read how often {self.workers[len(counts)]} has slept"
            counts += (self.workers[len(counts)].sleeps,)
        return counts

    def at_rest(self, waiting: dict[str, str]) -> None:
        require(self.declared, "nobody noticed the deadlock")


PLANS: dict[Broken | None, tuple[str, ...]] = {
    None: ("at rest", "counts", "no thread", "at rest", "same counts"),
    Broken.ONE_LOOK: ("no thread", "at rest"),
    Broken.TWO_LOOKS_WITHOUT_COUNTS: ("at rest", "no thread", "at rest"),
    Broken.ASK_FOR_THREADS_FIRST: ("no thread", "at rest", "counts", "at rest", "same counts"),
    Broken.ASK_FOR_THREADS_LAST: ("at rest", "counts", "at rest", "same counts", "no thread"),
}


def last_one(workers: int, hops: str, thread: str = "", broken: Broken | None = None) -> LastOne:
    """`hops`: the way of a packet, from the worker that has it. `thread`: that of one which a thread posts.

    The third worker, where there is one, sleeps already.
    """
    crew = {name: Worker(name) for name in "ABC"[:workers]}
    for name in "C"[: workers - 2]:
        crew[name].asleep = True
    for first in hops[:1]:
        crew[first].inbox.append(tuple(crew[name] for name in hops))
    from_thread = tuple(crew[name] for name in thread)
    return LastOne("last one", tuple(crew.values()), from_thread, broken, under_way=bool(hops) + bool(thread))


@pytest.mark.parametrize(
    ("workers", "hops", "thread"),
    [(2, "ABA", ""), (2, "BAB", ""), (2, "", "B"), (3, "ABC", ""), (3, "BCB", ""), (3, "", "B")],
)
def test_a_deadlock_is_declared_once_when_nothing_can_wake_anybody(workers: int, hops: str, thread: str) -> None:
    assert_holds(lambda: last_one(workers, hops, thread))


@pytest.mark.parametrize(
    ("broken", "workers", "hops", "thread", "message"),
    [
        (Broken.LOOK_BEFORE_ANNOUNCING, 2, "AB", "", "nobody noticed"),
        (Broken.INBOXES_NOT_LOOKED_INTO, 2, "AB", "", "false alarm"),
        (Broken.ONE_LOOK, 2, "BAB", "", "false alarm"),
        (Broken.ONE_LOOK, 3, "BCB", "", "false alarm"),
        (Broken.TWO_LOOKS_WITHOUT_COUNTS, 2, "", "BA", "false alarm"),
        (Broken.FLAG_READ_BEFORE_THE_INBOX, 3, "BCBC", "", "false alarm"),
        (Broken.MAIL_TAKEN_BEFORE_THE_FLAG_IS_DOWN, 2, "AB", "", "false alarm"),
        (Broken.ASK_FOR_THREADS_FIRST, 2, "", "B", "false alarm"),
        (Broken.ASK_FOR_THREADS_LAST, 2, "", "B", "false alarm"),
        (Broken.TWO_DECIDE_AT_A_TIME, 2, "AB", "", "declared twice"),
    ],
)
def test_each_broken_rule_of_the_decision_is_found(
    broken: Broken, workers: int, hops: str, thread: str, message: str
) -> None:
    assert_fails(lambda: last_one(workers, hops, thread, broken), message)
