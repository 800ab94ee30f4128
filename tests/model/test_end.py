"""The end of a run, while other threads still call in (DESIGN section 3, rule 7).

A call is posted to a strand: append it to the mailbox, put the strand into its worker's inbox, then look whether that
inbox is marked closed, and if it is, empty the mailbox yourself. A worker that ends marks its inbox closed, then
empties it, and the mailboxes of the strands that stand in it. Both empty a mailbox by taking one call after the
other, each of which is one atomic step, so every call is answered once: it is run by the owner, or refused.
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

    NOBODY_LOOKS_AT_THE_MARK = auto()
    LOOK_AT_THE_MARK_BEFORE_TELLING = auto()
    EMPTY_BEFORE_MARKING = auto()
    REFUSE_BY_COPYING = auto()
    FORGET_THE_INBOX = auto()


@dataclass(slots=True, eq=False, repr=False)
class Call(Shared):
    strand: Strand
    answers: int = 0


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    worker: Worker
    mail: list[Call] = field(default_factory=list)


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    inbox: deque[Strand] = field(default_factory=deque)
    running: bool = True
    closed: bool = False


@dataclass(slots=True, eq=False, repr=False)
class End(Model):
    workers: tuple[Worker, ...]
    ways: tuple[tuple[Call, ...], ...]  # what each caller calls, one after the other
    broken: Broken | None

    def programs(self) -> dict[str, Steps[None]]:
        workers = {worker.name: self.run(worker) for worker in self.workers}
        callers = {f"caller {number}": self.post_all(way) for number, way in enumerate(self.ways, 1)}
        return workers | callers | {"main": self.stop()}

    def stop(self) -> Steps[None]:
        yield "stop all workers"  # in one step: each may be late to see it, as if it had been stopped later
        for worker in self.workers:
            worker.running = False

    # ---- callers --------------------------------------------------------------------------------------------------

    def post_all(self, calls: tuple[Call, ...]) -> Steps[None]:
        while calls:
            yield from self.post(calls[0], calls[0].strand)
            calls = calls[1:]

    def post(self, call: Call, strand: Strand) -> Steps[None]:
        worker = strand.worker
        closed = False
        yield f"append a call to the mailbox of {strand}"
        strand.mail.append(call)
        if self.broken is Broken.LOOK_AT_THE_MARK_BEFORE_TELLING:
            yield f"read whether the inbox of {worker} is closed"
            closed = worker.closed
        yield f"put {strand} into the inbox of {worker}"
        worker.inbox.append(strand)
        if self.broken not in (Broken.LOOK_AT_THE_MARK_BEFORE_TELLING, Broken.NOBODY_LOOKS_AT_THE_MARK):
            yield f"read whether the inbox of {worker} is closed"
            closed = worker.closed
        if closed:
            yield from self.refuse(strand)

    # ---- workers --------------------------------------------------------------------------------------------------

    def run(self, me: Worker) -> Steps[None]:
        while True:
            yield Wait("take a strand that has mail, or end", lambda: bool(me.inbox) or not me.running)
            if not me.running:
                yield from self.close(me)
                return
            yield from self.read_mail(me.inbox.popleft())

    def read_mail(self, strand: Strand) -> Steps[None]:
        yield f"copy the mail of {strand}"
        batch = tuple(strand.mail)
        if batch:
            yield "delete what was copied, run it"
            del strand.mail[: len(batch)]
            self.answer(batch)

    def close(self, me: Worker) -> Steps[None]:
        if self.broken is Broken.EMPTY_BEFORE_MARKING:
            yield from self.empty(me)
        if self.broken is Broken.FORGET_THE_INBOX:
            yield "clear the inbox"
            me.inbox.clear()
        yield "mark its inbox as closed"
        me.closed = True
        if self.broken is not Broken.EMPTY_BEFORE_MARKING:
            yield from self.empty(me)

    def empty(self, me: Worker) -> Steps[None]:
        while True:
            yield "take a strand out of its inbox"
            if not me.inbox:
                return
            yield from self.refuse(me.inbox.popleft())

    def refuse(self, strand: Strand) -> Steps[None]:
        if self.broken is Broken.REFUSE_BY_COPYING:
            yield from self.read_mail(strand)
            return
        while True:
            yield f"take a call out of the mailbox of {strand}, refuse it"
            if not strand.mail:
                return
            self.answer((strand.mail.pop(0),))

    def answer(self, calls: tuple[Call, ...]) -> None:
        for call in calls:
            call.answers += 1
            require(call.answers == 1, f"{call} was answered twice")

    def at_rest(self, waiting: dict[str, str]) -> None:
        require(not waiting, f"{list(waiting)} never end")
        for call in (call for way in self.ways for call in way):
            require(call.answers == 1, f"{call} was never answered")


def end(workers: int, ways: tuple[str, ...], broken: Broken | None = None) -> End:
    """`ways`: for each caller, the workers whose strands it calls."""
    names = "ABC"[:workers]
    strands = {name: Strand(f"strand of {name}", Worker(name)) for name in names}
    calls = tuple(
        tuple(Call(f"call {number}{name}", strands[name]) for name in way) for number, way in enumerate(ways, 1)
    )
    return End("end", tuple(strand.worker for strand in strands.values()), calls, broken)


@pytest.mark.parametrize(("workers", "ways"), [(2, ("A", "A")), (2, ("AB",)), (3, ("BAC",))])
def test_every_call_is_answered_once_whenever_the_run_ends(workers: int, ways: tuple[str, ...]) -> None:
    assert_holds(lambda: end(workers, ways))


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Broken.NOBODY_LOOKS_AT_THE_MARK, "was never answered"),
        (Broken.LOOK_AT_THE_MARK_BEFORE_TELLING, "was never answered"),
        (Broken.EMPTY_BEFORE_MARKING, "was never answered"),
        (Broken.REFUSE_BY_COPYING, "was answered twice"),
        (Broken.FORGET_THE_INBOX, "was never answered"),
    ],
)
def test_each_broken_rule_of_ending_is_found(broken: Broken, message: str) -> None:
    assert_fails(lambda: end(2, ("A", "A"), broken), message)
