"""Going to sleep and being woken (DESIGN section 3, rules 2 and 3).

A worker has two deques that anybody appends to and only he pops from: ``ready`` for tasks to resume, ``inbox`` for strands
with mail. Going to sleep means: raise the flag ``asleep``, then try to take from both once more, and if there is nothing,
wait in the poller for the bell, a timer or a descriptor. Whoever adds work appends first and reads the flag then; if it
is up he takes it down, then rings. So a message is either found by him who goes to sleep, or rings for him.

Here packets travel from worker to worker, now through a ready, now through an inbox. Foreign threads post them, all at
the same time, and a timer of each worker fires when it likes.

The bell is an eventfd. Registered edge-triggered, each write wakes one poll and nothing is ever read. Registered
level-triggered, it wakes every poll until it is emptied.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Bell(Enum):
    """How the eventfd is registered."""

    EDGE = auto()
    LEVEL = auto()


class Broken(Enum):
    """A rule broken on purpose."""

    LOOK_BEFORE_RAISING_THE_FLAG = auto()
    LOOK_INTO_READY_ONLY = auto()
    READ_FLAG_BEFORE_APPENDING = auto()
    RING_BEFORE_TAKING_THE_FLAG_DOWN = auto()
    EMPTY_THE_BELL_AFTER_LOOKING = auto()


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    ready: deque[Packet] = field(default_factory=deque)
    inbox: deque[Packet] = field(default_factory=deque)
    asleep: bool = False
    bell: bool = False
    timer: bool = True


Packet = tuple[Worker, ...]
"""The workers that a packet still has to pass; an even number of them when it lies in a ready."""


@dataclass(slots=True, eq=False, repr=False)
class Sleep(Model):
    workers: tuple[Worker, ...]
    packets: tuple[Packet, ...]
    bell: Bell
    broken: Broken | None
    arrived: int = 0

    def programs(self) -> dict[str, Steps[None]]:
        threads = {f"foreign {number}": self.post(packet) for number, packet in enumerate(self.packets, 1)}
        return {worker.name: self.run(worker) for worker in self.workers} | threads

    def run(self, me: Worker) -> Steps[None]:
        while True:
            packet = yield from self.take(me)
            while packet:
                yield from self.pass_on(packet)
                packet = yield from self.take(me)
            yield "raise its flag"
            me.asleep = True
            if self.broken is not Broken.LOOK_BEFORE_RAISING_THE_FLAG:
                packet = yield from self.take(me)
            if not packet:
                yield from self.poll(me)
            yield "take its flag down"
            me.asleep = False
            if packet:
                yield from self.pass_on(packet)

    def take(self, me: Worker) -> Steps[Packet]:
        yield "try to take from ready"
        if me.ready:
            return me.ready.popleft()
        if me.asleep and self.broken is Broken.LOOK_INTO_READY_ONLY:
            return ()
        yield "try to take from the inbox"
        if me.inbox:
            return me.inbox.popleft()
        return ()

    def poll(self, me: Worker) -> Steps[None]:
        if self.broken is Broken.EMPTY_THE_BELL_AFTER_LOOKING:
            yield "empty the bell"
            me.bell = False
        yield Wait("sleep in the poller", lambda: me.bell or me.timer)
        if not me.bell:
            me.timer = False
        elif self.bell is Bell.EDGE:
            me.bell = False
        elif self.broken is not Broken.EMPTY_THE_BELL_AFTER_LOOKING:
            yield "empty the bell"
            me.bell = False

    def pass_on(self, packet: Packet) -> Steps[None]:
        if len(packet) == 1:
            self.arrived += 1  # nobody reads this before the end
        else:
            yield from self.post(packet[1:])

    def post(self, packet: Packet) -> Steps[None]:
        target = packet[0]
        asleep = False
        if self.broken is Broken.READ_FLAG_BEFORE_APPENDING:
            yield f"read the flag of {target}"
            asleep = target.asleep
        yield f"append to a deque of {target}"
        (target.inbox if len(packet) % 2 else target.ready).append(packet)
        if self.broken is not Broken.READ_FLAG_BEFORE_APPENDING:
            yield f"read the flag of {target}"
            asleep = target.asleep
        if asleep:
            yield from self.ring(target)

    def ring(self, target: Worker) -> Steps[None]:
        if self.broken is Broken.RING_BEFORE_TAKING_THE_FLAG_DOWN:
            yield f"write the bell of {target}"
            target.bell = True
            yield f"take the flag of {target} down"
            target.asleep = False
        else:
            yield f"take the flag of {target} down"
            target.asleep = False
            yield f"write the bell of {target}"
            target.bell = True

    def at_rest(self, waiting: dict[str, str]) -> None:
        for worker in self.workers:
            require(not worker.ready and not worker.inbox, f"{worker} sleeps on a message")
        require(self.arrived == len(self.packets), "a packet got lost")


def sleep(workers: int, bell: Bell, broken: Broken | None = None) -> Sleep:
    a, b, c = crew = (Worker("A"), Worker("B"), Worker("C"))
    packets = ((a, b, a), (b, a)) if workers == 2 else ((a, b), (b, c))
    return Sleep("sleep", crew[:workers], packets, bell, broken)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("bell", Bell)
def test_no_worker_sleeps_on_a_message(workers: int, bell: Bell) -> None:
    assert_holds(lambda: sleep(workers, bell))


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("bell", Bell)
@pytest.mark.parametrize("broken", Broken)
def test_each_broken_rule_of_sleeping_is_found(workers: int, bell: Bell, broken: Broken) -> None:
    assert_fails(lambda: sleep(workers, bell, broken), "sleeps on a message")
