"""Workers without work look for strands to take, one at a time (DESIGN section 3, rule 2).

An unstarted strand stands in the ``fresh`` deque of the worker that spawned it. A worker that has nothing to do searches
the deques of all others, if it gets the role of the searcher: one token in a deque. It takes half of what the first of
them has. If it finds nothing it gives the role up, lists itself as idle, and only then looks everywhere once more; it
may skip that while somebody searches. Who adds a strand puts it, then reads whether somebody searches, and if not wakes
one that is listed. A searcher is told of nothing, so whoever finds work wakes the next.

What must hold is more than that no strand is left while all sleep: strands here compute for ever unless they are said to
end, as CPU-bound ones do in effect, so each worker that sleeps beside an unstarted strand is one core too few.
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
    FINDER_WAKES_NOBODY = auto()
    SECOND_FINDER_WAKES_NOBODY = auto()
    WAKE_BEFORE_ADDING = auto()
    ROLE_GIVEN_UP_LAST = auto()


@dataclass(slots=True, eq=False, repr=False)
class Strand(Shared):
    children: tuple[Strand, ...] = ()
    ends: bool = False
    starts: int = 0


@dataclass(slots=True, eq=False, repr=False)
class Worker(Shared):
    fresh: deque[Strand] = field(default_factory=deque)
    bell: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Search(Model):
    workers: tuple[Worker, ...]
    root: Strand
    skip: Skip
    broken: Broken | None
    role: deque[str] = field(default_factory=lambda: deque(["searcher"]))
    idle: deque[Worker] = field(default_factory=deque)

    def programs(self) -> dict[str, Steps[None]]:
        first, *others = self.workers
        return {first.name: self.run(first, self.root)} | {other.name: self.run(other, None) for other in others}

    def run(self, me: Worker, strand: Strand | None) -> Steps[None]:
        while True:
            if strand is None:
                strand = yield from self.find(me)
            require(strand.starts == 0, f"{strand} was started twice")
            strand.starts += 1
            yield from self.spawn(me, strand.children)
            if not strand.ends:
                return
            strand = None

    # ---- who adds work --------------------------------------------------------------------------------------------

    def spawn(self, me: Worker, children: tuple[Strand, ...]) -> Steps[None]:
        while children:
            if self.broken is Broken.WAKE_BEFORE_ADDING:
                yield from self.wake_a_searcher()
            yield f"add {children[0]} to its fresh strands"
            me.fresh.append(children[0])
            if self.broken is not Broken.WAKE_BEFORE_ADDING:
                yield from self.wake_a_searcher()
            children = children[1:]

    def wake_a_searcher(self) -> Steps[None]:
        yield "read whether somebody searches"
        if self.role:
            yield from self.wake_the_next()

    def wake_the_next(self) -> Steps[None]:
        yield "pop an idle worker"
        if self.idle:
            worker = self.idle.popleft()
            yield f"ring for {worker}"
            worker.bell = True

    # ---- who looks for work ---------------------------------------------------------------------------------------

    def find(self, me: Worker) -> Steps[Strand]:
        while True:
            yield "take a fresh strand of its own, or the role"
            if me.fresh:
                return me.fresh.popleft()
            somebody_searched = not self.role  # nobody else puts a strand there: one step for both hides no order
            if self.role:
                self.role.popleft()
                strand = yield from self.search(me)
                if strand:
                    return strand
            strand = yield from self.look_again(me, somebody_searched)
            if strand:
                return strand
            yield Wait("sleep in the poller", lambda: me.bell)
            me.bell = False
            yield from self.leave_the_list(me)

    def search(self, me: Worker) -> Steps[Strand | None]:
        strand = yield from self.take(me)
        if self.broken is Broken.ROLE_GIVEN_UP_LAST and not strand:
            strand = yield from self.look_again(me, False)
        yield "give the role up"
        self.role.append("searcher")
        if strand and self.broken is not Broken.FINDER_WAKES_NOBODY:
            yield from self.wake_the_next()
        return strand

    def look_again(self, me: Worker, somebody_searched: bool) -> Steps[Strand | None]:
        if self.broken is not Broken.LISTED_AFTER_THE_SECOND_LOOK:
            yield "be listed as idle"
            self.idle.append(me)
        if self.broken is Broken.NO_SECOND_LOOK:
            return None
        if self.broken is Broken.SKIP_IF_SOMEBODY_SEARCHED_BEFORE_IT_WAS_LISTED:
            if somebody_searched:
                return None
        elif self.skip is Skip.SOMEBODY_SEARCHES:
            yield "read whether somebody searches"
            if not self.role:
                return None
        strand = yield from self.take(me)
        if strand:
            yield from self.leave_the_list(me)
            if self.broken is not Broken.SECOND_FINDER_WAKES_NOBODY:
                yield from self.wake_the_next()
        elif self.broken is Broken.LISTED_AFTER_THE_SECOND_LOOK:
            yield "be listed as idle"
            self.idle.append(me)
        return strand

    def leave_the_list(self, me: Worker) -> Steps[None]:
        yield "leave the list of the idle"
        if me in self.idle:
            self.idle.remove(me)

    def take(self, me: Worker) -> Steps[Strand | None]:
        """Half of what the first of the others has: one to start, the rest to its own fresh strands."""
        at = self.workers.index(me)
        others = self.workers[at + 1 :] + self.workers[:at]
        while others:
            yield f"take a fresh strand of {others[0]}"
            half = (len(others[0].fresh) + 1) // 2
            if half:
                strand = others[0].fresh.popleft()
                while half > 1:
                    yield f"take one more of {others[0]}"
                    half -= 1
                    if others[0].fresh:
                        me.fresh.append(others[0].fresh.popleft())
                return strand
            others = others[1:]
        return None

    def at_rest(self, waiting: dict[str, str]) -> None:
        left = [strand.name for worker in self.workers for strand in worker.fresh]
        require(not left or not waiting, f"{left} wait to be started, but {list(waiting)} sleep")


def mk(workers,tree,ends,skip,broken=None):
    crew=tuple(Worker(n) for n in "ABC"[:workers])
    strands={}
    for n in reversed(sorted(set("".join(k+"".join(v) for k,v in tree.items())))):
        strands[n]=Strand(n,tuple(strands[c] for c in tree.get(n,"")),n in ends)
    return Search("search",crew,strands["0"],skip,broken)
