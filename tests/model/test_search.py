"""Workers without work look for strands to take, one at a time (DESIGN section 3, rule 2).

An unstarted strand stands in the ``fresh`` deque of the worker that spawned it. A worker that has nothing to do
searches the deques of all others, if it gets the role of the searcher: one token in a deque. It takes half of what
the first of them has. If it finds nothing it gives the role up, lists itself as idle, and only then looks everywhere
once more; it may skip that while somebody searches. Who adds a strand puts it, then reads whether somebody searches,
and if not takes one worker off the list and rings for it. A searcher is told of nothing, so whoever finds work wakes
the next. And who was taken off the list looks everywhere before it does anything else: nobody else was woken.

What must hold is more than that no strand is left while all sleep. Strands here compute for ever unless they are said
to end, as CPU-bound ones do in effect: a worker that sleeps beside an unstarted strand is one core too few.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Skip(Enum):
    """When a worker that is listed as idle does not look everywhere once more."""

    NEVER = auto()
    SOMEBODY_SEARCHES = auto()


class Broken(Enum):
    """A rule broken on purpose."""

    NO_SECOND_LOOK = auto()
    LISTED_AFTER_THE_SECOND_LOOK = auto()
    SKIP_IF_SOMEBODY_SEARCHED_BEFORE_IT_WAS_LISTED = auto()
    ROLE_GIVEN_UP_AFTER_THE_SECOND_LOOK = auto()
    FINDER_WAKES_NOBODY = auto()
    SECOND_FINDER_WAKES_NOBODY = auto()
    WAKE_BEFORE_ADDING = auto()
    WAKE_NOBODY_IF_THE_CHOSEN_ONE_LEFT_THE_LIST = auto()
    CHOSEN_ONE_HAS_OTHER_THINGS_TO_DO = auto()
    CHOSEN_ONE_WAKES_THE_NEXT_IF_IT_HAS_MAIL_ALREADY = auto()


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    children: tuple[Strand, ...] = ()
    ends: bool = False
    starts: int = 0


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    fresh: deque[Strand] = field(default_factory=deque)
    mail: bool = False  # something of its own to do, that takes for ever
    bell: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Search(Model):
    workers: tuple[Worker, ...]
    root: Strand
    skip: Skip
    broken: Broken | None
    mail_for: Worker | None = None
    role: deque[str] = field(default_factory=lambda: deque(["searcher"]))
    idle: deque[Worker] = field(default_factory=deque)

    def programs(self) -> dict[str, Steps[None]]:
        posters = {"poster": self.post(self.mail_for)} if self.mail_for else {}
        first, *others = self.workers
        return {first.name: self.begin(first)} | {other.name: self.run(other) for other in others} | posters

    def post(self, worker: Worker) -> Steps[None]:
        yield f"post to {worker} and ring for it"  # see test_sleep.py for the steps of that
        worker.mail = True

    # ---- who adds work --------------------------------------------------------------------------------------------

    def spawn(self, me: Worker, children: tuple[Strand, ...]) -> Steps[None]:
        while children:
            if self.broken is Broken.WAKE_BEFORE_ADDING:
                yield from self.rouse()
            yield f"add {children[0]} to its fresh strands"
            me.fresh.append(children[0])
            if self.broken is not Broken.WAKE_BEFORE_ADDING:
                yield from self.rouse()
            children = children[1:]

    def rouse(self) -> Steps[None]:
        """Wake one idle worker, unless somebody searches already."""
        yield "read whether somebody searches"
        if not self.role:
            return
        yield "take an idle worker off the list"  # the first: kernel code that chooses must choose again if it is gone
        chosen = self.idle[0] if self.idle else None
        if chosen and self.broken is Broken.WAKE_NOBODY_IF_THE_CHOSEN_ONE_LEFT_THE_LIST:
            yield f"take {chosen} off the list"
            chosen = chosen if chosen in self.idle else None
        if chosen:
            self.idle.remove(chosen)
            yield f"ring for {chosen}"
            chosen.bell = True

    # ---- who looks for work ---------------------------------------------------------------------------------------

    def begin(self, me: Worker) -> Steps[None]:
        yield from self.spawn(me, self.root.children)
        if self.root.ends:
            yield from self.run(me)

    def run(self, me: Worker) -> Steps[None]:
        while True:
            yield "look into its own queues, try to get the role"  # nobody else fills these: one step
            if me.mail:
                return
            strand = me.fresh.popleft() if me.fresh else None
            searcher = bool(self.role) and strand is None
            if searcher:
                self.role.popleft()
            if strand is None:
                strand = yield from self.search(me, searcher)
            if strand is None:
                strand = yield from self.sleep(me)
            if strand is not None:
                require(strand.starts == 0, f"{strand} was started twice")
                strand.starts += 1
                yield from self.spawn(me, strand.children)
                if not strand.ends:
                    return

    def search(self, me: Worker, searcher: bool) -> Steps[Strand | None]:
        """Look for a strand as the searcher, then as one of the idle."""
        if not searcher:
            return (yield from self.look_again(me, searcher))
        strand = yield from self.take(me)
        if self.broken is Broken.ROLE_GIVEN_UP_AFTER_THE_SECOND_LOOK and strand is None:
            strand = yield from self.look_again(me, searcher)
            yield "give the role up"
            self.role.append("searcher")
            return strand
        yield "give the role up"
        self.role.append("searcher")
        if strand is None:
            return (yield from self.look_again(me, searcher))
        if self.broken is not Broken.FINDER_WAKES_NOBODY:
            yield from self.rouse()
        return strand

    def look_again(self, me: Worker, searcher: bool) -> Steps[Strand | None]:
        if self.broken is not Broken.LISTED_AFTER_THE_SECOND_LOOK:
            yield "be listed as idle"
            self.idle.append(me)
        look = self.broken is not Broken.NO_SECOND_LOOK
        if self.broken is Broken.SKIP_IF_SOMEBODY_SEARCHED_BEFORE_IT_WAS_LISTED:
            look = searcher
        elif look and self.skip is Skip.SOMEBODY_SEARCHES:
            yield "read whether somebody searches"
            look = bool(self.role)
        strand = None
        if look:
            strand = yield from self.take(me)
        if strand is not None:
            yield from self.leave_the_list(me)
            if self.broken is not Broken.SECOND_FINDER_WAKES_NOBODY:
                yield from self.rouse()
        elif self.broken is Broken.LISTED_AFTER_THE_SECOND_LOOK:
            yield "be listed as idle"
            self.idle.append(me)
        return strand

    def sleep(self, me: Worker) -> Steps[Strand | None]:
        yield Wait("sleep in the poller, unless there is mail", lambda: me.bell or me.mail)
        me.bell = False
        chosen = yield from self.leave_the_list(me)
        if not chosen or self.broken is Broken.CHOSEN_ONE_HAS_OTHER_THINGS_TO_DO:
            return None
        if self.broken is Broken.CHOSEN_ONE_WAKES_THE_NEXT_IF_IT_HAS_MAIL_ALREADY:
            if me.mail:
                yield from self.rouse()
            return None
        # Who chose it relies on it, so this comes before its mail, also before mail that is still to come.
        strand = yield from self.take(me)
        if strand is not None:
            yield from self.rouse()
        return strand

    def leave_the_list(self, me: Worker) -> Steps[bool]:
        """Returns whether somebody has taken it off before."""
        yield "leave the list of the idle"
        if me not in self.idle:
            return True
        self.idle.remove(me)
        return False

    def take(self, me: Worker) -> Steps[Strand | None]:
        """Half of what the first of the others has: one to start, the rest to its own fresh strands."""
        at = self.workers.index(me)
        others = self.workers[at + 1 :] + self.workers[:at]
        while others:
            yield f"take a fresh strand of {others[0]}"
            more = (len(others[0].fresh) - 1) // 2
            if others[0].fresh:
                strand = others[0].fresh.popleft()
                while more > 0:
                    yield f"take one more of {others[0]}"
                    more -= 1
                    if others[0].fresh:
                        me.fresh.append(others[0].fresh.popleft())
                return strand
            others = others[1:]
        return None

    # ---- what must hold -------------------------------------------------------------------------------------------

    def at_rest(self, waiting: dict[str, str]) -> None:
        left = [strand.name for worker in self.workers for strand in worker.fresh]
        require(not left or not waiting, f"{left} wait to be started, but {list(waiting)} sleep")


def search(workers: int, strands: int, ends: bool, mail: bool, skip: Skip, broken: Broken | None = None) -> Search:
    """The first worker spawns strands, then computes for ever if they do, else joins the others; B may get mail."""
    crew = tuple(Worker(name) for name in ("A", "B", "C")[:workers])
    children = tuple(Strand(f"strand {number}", (), ends) for number in range(1, strands + 1))
    return Search("search", crew, Strand("root", children, ends), skip, broken, crew[1] if mail else None)


@pytest.mark.parametrize("skip", Skip)
@pytest.mark.parametrize(
    ("workers", "strands", "ends", "mail"),
    [(2, 3, True, False), (2, 1, True, True), (2, 2, False, False), (3, 2, False, False), (3, 1, False, True)],
)
def test_no_worker_sleeps_beside_an_unstarted_strand(
    workers: int, strands: int, ends: bool, mail: bool, skip: Skip
) -> None:
    assert_holds(lambda: search(workers, strands, ends, mail, skip))


@pytest.mark.parametrize("broken", Broken)
def test_each_broken_rule_of_searching_is_found(broken: Broken) -> None:
    mail = broken in (
        Broken.WAKE_NOBODY_IF_THE_CHOSEN_ONE_LEFT_THE_LIST,
        Broken.CHOSEN_ONE_HAS_OTHER_THINGS_TO_DO,
        Broken.CHOSEN_ONE_WAKES_THE_NEXT_IF_IT_HAS_MAIL_ALREADY,
    )
    strands = 1 if mail else 2
    assert_fails(lambda: search(3, strands, False, mail, Skip.SOMEBODY_SEARCHES, broken), "wait to be started, but")
