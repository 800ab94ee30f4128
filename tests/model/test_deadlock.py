"""The last worker to fall asleep decides whether anything can still wake anybody (DESIGN section 4, Deadlock).

A worker that goes to sleep announces it, looks into its queues once more, and then looks at all others, one worker at a
time decides. There is no moment at which it sees them all at once, so flags and queues alone are not enough: while it
looks at the second worker the first may wake, take its mail, post to the third and fall asleep again. So each sleep has a
number. The one that decides reads the numbers of all, then whether a thread that is not ours lives, then all inboxes, and
then the numbers again: if they are the same, there was a moment, between the two readings, at which all slept, and
nobody outside and nothing in the inboxes could wake them.

Here packets travel from worker to worker; the first worker also starts a thread of its own, which posts and ends.
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
    ONE_WORKER_AFTER_THE_OTHER = auto()
    FLAGS_THEN_INBOXES = auto()
    FLAGS_WITHOUT_NUMBERS = auto()
    MAIL_TAKEN_BEFORE_THE_FLAG_IS_DOWN = auto()
    ASK_FOR_THREADS_FIRST = auto()
    ASK_FOR_THREADS_LAST = auto()
    TWO_DECIDE_AT_A_TIME = auto()


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    inbox: deque[Packet] = field(default_factory=deque)
    asleep: int = 0  # the number of this sleep, or 0
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
        if me.asleep:
            yield from self.sleep(me)
        while True:
            yield "take what is there"
            if me.inbox:
                yield from self.pass_on(me.inbox.popleft())
                continue
            if self.broken is Broken.LOOK_BEFORE_ANNOUNCING:
                nobody = yield from self.decide(me)
                yield "announce its sleep"
                me.sleeps += 1
                me.asleep = me.sleeps
            else:
                yield "announce its sleep"
                me.sleeps += 1
                me.asleep = me.sleeps
                yield "look into its inbox once more"
                if me.inbox:
                    packet = me.inbox.popleft() if self.broken is Broken.MAIL_TAKEN_BEFORE_THE_FLAG_IS_DOWN else ()
                    yield "take its flag down"
                    me.asleep = 0
                    if packet:
                        yield from self.pass_on(packet)
                    continue
                nobody = yield from self.decide(me)
            if nobody:
                require(self.under_way == 0, "false alarm: a packet is under way")
                require(not self.thread_lives, "false alarm: a thread lives")
                require(not self.declared, "the deadlock is declared twice")
                self.declared = True
                return
            yield from self.sleep(me)

    def sleep(self, me: Worker) -> Steps[None]:
        yield Wait("sleep", lambda: me.bell or (me.relook and not self.thread_lives))
        me.bell = False
        yield "take its flag down"
        me.asleep = 0

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
            target.asleep = 0
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
            me.asleep = 0  # until it has looked again nobody is the last one; before the next can have the lock
        return nobody

    def nobody_can_wake_us(self, me: Worker) -> Steps[bool]:
        plan = PLANS.get(self.broken, ("all asleep", "no thread", "inboxes empty", "same sleep"))
        others = tuple(worker for worker in self.workers if worker is not me)
        numbers: tuple[int, ...] = ()
        holds = True
        me.relook = False
        while plan and holds:
            if plan[0] == "all asleep":
                numbers = yield from self.numbers_of(others)
                holds = len(numbers) == len(others)
            elif plan[0] == "same sleep":
                again = yield from self.numbers_of(others)
                holds = len(again) == len(numbers) if self.broken is Broken.FLAGS_WITHOUT_NUMBERS else again == numbers
            elif plan[0] == "inboxes empty":
                holds = yield from self.are_empty(self.workers)
            elif plan[0] == "each asleep and empty":
                holds = yield from self.are_asleep_and_empty(others)
            else:
                yield "look for threads that are not ours"
                holds = not self.thread_lives
                me.relook = self.thread_lives
            plan = plan[1:]
        return holds

    def numbers_of(self, workers: tuple[Worker, ...]) -> Steps[tuple[int, ...]]:
        """Up to the first that does not sleep."""
        numbers: tuple[int, ...] = ()
        while len(numbers) < len(workers):
            yield f"read whether {workers[len(numbers)]} sleeps"
            if not workers[len(numbers)].asleep:
                break
            numbers += (workers[len(numbers)].asleep,)
        return numbers

    def are_empty(self, workers: tuple[Worker, ...]) -> Steps[bool]:
        while workers:
            yield f"look into the inbox of {workers[0]}"
            if workers[0].inbox:
                return False
            workers = workers[1:]
        return True

    def are_asleep_and_empty(self, workers: tuple[Worker, ...]) -> Steps[bool]:
        while workers:
            yield f"read whether {workers[0]} sleeps"
            if not workers[0].asleep:
                return False
            empty = yield from self.are_empty(workers[:1])
            if not empty:
                return False
            workers = workers[1:]
        return True

    def at_rest(self, waiting: dict[str, str]) -> None:
        require(self.declared, "nobody noticed the deadlock")


PLANS = {
    Broken.INBOXES_NOT_LOOKED_INTO: ("all asleep", "no thread", "same sleep"),
    Broken.ONE_WORKER_AFTER_THE_OTHER: ("no thread", "each asleep and empty"),
    Broken.FLAGS_THEN_INBOXES: ("all asleep", "no thread", "inboxes empty"),
    Broken.ASK_FOR_THREADS_FIRST: ("no thread", "all asleep", "inboxes empty", "same sleep"),
    Broken.ASK_FOR_THREADS_LAST: ("all asleep", "inboxes empty", "same sleep", "no thread"),
}


def last_one(workers: int, hops: str, thread: str = "", broken: Broken | None = None) -> LastOne:
    crew = {name: Worker(name) for name in "ABC"[:workers]}
    way = tuple(crew[name] for name in hops)
    if workers == 3:
        crew["C"].asleep = crew["C"].sleeps = 1
    if way:
        way[0].inbox.append(way)
    return LastOne("last one", tuple(crew.values()), tuple(crew[name] for name in thread), broken, bool(hops) + bool(thread))
