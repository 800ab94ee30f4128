"""Mail to a strand that is just being taken (DESIGN section 3, rule 1).

An unstarted strand stands in the ``fresh`` deque of the worker that spawned it, from where any worker may take it.
Taking means: pop it, publish yourself as its owner, look into its mailbox, start it. Posting means: append to the
mailbox, read the owner, and if there is one put the strand into his inbox, so that he looks (again).

Here the first worker, home, has a fresh strand, all workers want to take it, and two threads post to it: one posts
"cancel" and then "join", the other posts "abort" when it knows that "cancel" is posted.
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

    LOOK_BEFORE_PUBLISHING = auto()
    READ_OWNER_BEFORE_APPENDING = auto()
    COPY_AND_CLEAR = auto()
    POST_TO_THE_WORKER = auto()
    FORWARD_TO_THE_NEXT_OWNER = auto()


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    worker: Worker | None = None
    mail: list[str] = field(default_factory=list)
    started: bool = False
    handled: tuple[str, ...] = ()


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    fresh: deque[Strand] = field(default_factory=deque)
    inbox: deque[Strand] = field(default_factory=deque)  # strands that have mail
    letters: deque[str] = field(default_factory=deque)  # messages themselves, where the rule is broken


@dataclass(slots=True, eq=False, repr=False)
class Mail(Model):
    workers: tuple[Worker, ...]
    strand: Strand
    broken: Broken | None
    cancel_is_posted: bool = False

    def programs(self) -> dict[str, Steps[None]]:
        posters = {"first": self.post_cancel_and_join(), "second": self.post_abort()}
        return {worker.name: self.run(worker) for worker in self.workers} | posters

    # ---- workers --------------------------------------------------------------------------------------------------

    def run(self, me: Worker) -> Steps[None]:
        home = self.workers[0]
        while True:
            yield Wait("take what is there", lambda: bool(me.inbox or me.letters or home.fresh))
            if me.inbox:
                me.inbox.popleft()
                yield from self.look(me)
            elif me.letters:
                yield from self.read(me, me.letters.popleft())
            else:
                home.fresh.popleft()
                yield from self.take(me)

    def take(self, me: Worker) -> Steps[None]:
        if self.broken is Broken.LOOK_BEFORE_PUBLISHING:
            yield from self.look(me)
        yield "publish itself as the owner"
        self.strand.worker = me
        if self.broken is not Broken.LOOK_BEFORE_PUBLISHING:
            yield from self.look(me)
        require(not self.strand.started, "the strand was started twice")
        self.strand.started = True

    def look(self, me: Worker) -> Steps[None]:
        yield "copy the mail"
        batch = tuple(self.strand.mail)
        while batch:
            yield "delete what was copied, handle it"
            del self.strand.mail[: len(self.strand.mail) if self.broken is Broken.COPY_AND_CLEAR else len(batch)]
            while batch:
                self.handle(me, batch[0])
                batch = batch[1:]
            yield "copy the mail"
            batch = tuple(self.strand.mail)

    def read(self, me: Worker, letter: str) -> Steps[None]:
        yield "handle the letter"
        owner = self.owner()
        if owner is not me and self.broken is Broken.FORWARD_TO_THE_NEXT_OWNER:
            owner.letters.append(letter)
        else:
            self.handle(me, letter)

    def owner(self) -> Worker:
        return self.strand.worker or self.workers[0]

    def handle(self, me: Worker, message: str) -> None:
        require(self.strand.worker in (None, me), f"{message} was handled by a worker that is not the owner")
        require(message == "cancel" or "cancel" in self.strand.handled, f"{message} has overtaken cancel")
        require(message not in self.strand.handled, f"{message} was handled twice")
        self.strand.handled += (message,)

    # ---- posters --------------------------------------------------------------------------------------------------

    def post_cancel_and_join(self) -> Steps[None]:
        yield from self.post("cancel")
        self.cancel_is_posted = True
        yield from self.post("join")

    def post_abort(self) -> Steps[None]:
        yield Wait("hear that cancel is posted", lambda: self.cancel_is_posted)
        yield from self.post("abort")

    def post(self, message: str) -> Steps[None]:
        if self.broken in (Broken.POST_TO_THE_WORKER, Broken.FORWARD_TO_THE_NEXT_OWNER):
            yield "read the owner"
            owner = self.owner()
            yield f"append {message} to the letters of the owner"
            owner.letters.append(message)
            return
        if self.broken is Broken.READ_OWNER_BEFORE_APPENDING:
            yield "read the owner"
            worker = self.strand.worker
            yield f"append {message} to the mailbox"
            self.strand.mail.append(message)
        else:
            yield f"append {message} to the mailbox"
            self.strand.mail.append(message)
            yield "read the owner"
            worker = self.strand.worker
        if worker is not None:
            yield "put the strand into the owner's inbox"
            worker.inbox.append(self.strand)

    # ---- what must hold -------------------------------------------------------------------------------------------

    def at_rest(self, waiting: dict[str, str]) -> None:
        require(self.strand.started, "the strand was never started")
        lost = {"cancel", "join", "abort"} - set(self.strand.handled)
        require(not lost, f"{' and '.join(sorted(lost))} got lost")


def mail(workers: int, broken: Broken | None = None) -> Mail:
    crew = tuple(Worker(name) for name in ("home", "B", "C")[:workers])
    strand = Strand("strand")
    crew[0].fresh.append(strand)
    return Mail("mail", crew, strand, broken)


@pytest.mark.parametrize("workers", [2, 3])
def test_mail_is_handled_once_in_order_and_by_the_owner_while_a_strand_is_taken(workers: int) -> None:
    assert_holds(lambda: mail(workers))


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Broken.LOOK_BEFORE_PUBLISHING, "got lost"),
        (Broken.READ_OWNER_BEFORE_APPENDING, "got lost"),
        (Broken.COPY_AND_CLEAR, "got lost"),
        (Broken.POST_TO_THE_WORKER, "handled by a worker that is not the owner"),
        (Broken.FORWARD_TO_THE_NEXT_OWNER, "has overtaken cancel"),
    ],
)
def test_each_broken_rule_of_mail_is_found(workers: int, broken: Broken, message: str) -> None:
    assert_fails(lambda: mail(workers, broken), message)
