"""Going to sleep and being woken (DESIGN section 3, rules 2 and 3).

A worker has two deques that anybody appends to and only he pops from: ``ready`` for tasks to resume, ``inbox`` for
strands with mail. Going to sleep means: raise the flag ``asleep``, then try to take from both once more, and if there
is nothing, wait in the poller for the bell, a timer or a descriptor. Whoever adds work appends first and reads the
flag then; if it is up he takes it down, then rings. So a message is either found by him who goes to sleep, or rings
for him.

Here two packets travel to the last worker, now through a ready, now through an inbox: one from the first worker, the
other from the second or, where there are only two, from a foreign thread. To see that the rules hold, the first
packet goes back again where there are two workers, and a timer fires at any time where there are three; broken rules
show without.

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
    timer: bool = False


Packet = tuple[Worker, ...]
"""The workers on the way of a packet, from the one that has it."""


@dataclass(slots=True, eq=False, repr=False)
class Sleep(Model):
    workers: tuple[Worker, ...]
    foreign: Packet
    bell: Bell
    broken: Broken | None
    under_way: int

    def programs(self) -> dict[str, Steps[None]]:
        foreign = {"foreign": self.post(self.foreign)} if self.foreign else {}
        return {worker.name: self.run(worker) for worker in self.workers} | foreign

    def run(self, me: Worker) -> Steps[None]:
        while True:
            yield "take what is there"  # both deques in one step: to find neither is to find the first empty when
            packet = self.pop(me.ready) or self.pop(me.inbox)  # the second is, since nobody else takes
            if packet:
                yield from self.pass_on(packet)
                continue
            yield "raise its flag"
            me.asleep = True
            if self.broken is not Broken.LOOK_BEFORE_RAISING_THE_FLAG:
                packet = yield from self.look_again(me)
            if not packet:
                yield from self.poll(me)
            yield "take its flag down"
            me.asleep = False
            if packet:
                yield from self.pass_on(packet)

    def look_again(self, me: Worker) -> Steps[Packet]:
        yield "try to take from ready"
        packet = self.pop(me.ready)
        if packet or self.broken is Broken.LOOK_INTO_READY_ONLY:
            return packet
        yield "try to take from the inbox"
        return self.pop(me.inbox)

    def pop(self, packets: deque[Packet]) -> Packet:
        return packets.popleft() if packets else ()

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
            self.under_way -= 1  # nobody reads this before the end
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
        require(self.under_way == 0, "a packet got lost")


def sleep(workers: int, bell: Bell, broken: Broken | None = None) -> Sleep:
    crew = tuple(Worker(name) for name in ("A", "B", "C")[:workers])
    first, last = crew[0], crew[-1]
    first.ready.append((first, last, first) if workers == 2 and not broken else (first, last))
    if workers == 2:
        return Sleep("sleep", crew, (last,), bell, broken, under_way=2)
    crew[1].ready.append((crew[1], last))
    last.timer = not broken
    return Sleep("sleep", crew, (), bell, broken, under_way=2)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("bell", Bell)
def test_no_worker_sleeps_on_a_message(workers: int, bell: Bell) -> None:
    assert_holds(lambda: sleep(workers, bell))


@pytest.mark.parametrize("bell", Bell)
@pytest.mark.parametrize("broken", Broken)
def test_each_broken_rule_of_sleeping_is_found(bell: Bell, broken: Broken) -> None:
    assert_fails(lambda: sleep(2, bell, broken), "sleeps on a message")
