"""Selects beside plain waiters and threads: whoever loses keeps nothing, and whom it held up is served.

A select stands in the lines of several semaphores (DESIGN section 5, `conc._kernel.choosing`). Who releases holds the
lock of one line only: he takes whoever is first off it and then tries to take the token of the select; if another line
was faster, the entry was dead, and he goes on with the next. A select that was granted or cancelled leaves its other
lines, one by one, and serves those behind it. Others may have dropped its entry before, in passing, without serving
anybody: it serves all the same.

A thread outside stands in line as a plain waiter. It leaves when its time is over; interrupted after a grant, it gives
back what it was granted, though it has not been resumed yet.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import pytest

from tests.model.explorer import Model, Steps, Wait, assert_fails, assert_holds, require
from tests.model.state import Shared


class Broken(Enum):
    """A rule broken on purpose."""

    CLAIM_IN_TWO_STEPS = auto()
    TAKE_THE_PERMITS_BEFORE_THE_CLAIM = auto()
    RETURN_WITHOUT_LEAVING = auto()
    LEAVE_WITHOUT_SERVING = auto()
    LEAVE_WITHOUT_SERVING_IF_PASSED_OVER = auto()
    CANCEL_WITHOUT_A_CLAIM = auto()
    LOCKS_IN_ORDER_OF_THE_BRANCHES = auto()
    ENLIST_LINE_BY_LINE = auto()
    INTERRUPTED_THREADS_KEEP_THE_GRANT = auto()


class Place(Enum):
    """What a branch is to its line."""

    NOWHERE = auto()
    IN_LINE = auto()
    GRANTED = auto()
    PASSED_OVER = auto()


class Kind(Enum):
    """What is done when somebody tells a party to give up."""

    TASK = auto()
    TIMEOUT = auto()
    INTERRUPT = auto()


@dataclass(slots=True, eq=False, repr=False)
class Line(Shared):
    free: int = 0
    given: int = 0
    entries: deque[Branch] = field(default_factory=deque)
    locked: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Branch(Shared):
    party: Party
    line: Line
    need: int
    place: Place = Place.NOWHERE


@dataclass(slots=True, eq=False, repr=False)
class Party(Shared):
    """A select, or with one branch a plain waiter."""

    kind: Kind
    branches: tuple[Branch, ...] = ()
    decided: bool = False  # the token is taken
    winner: Branch | None = None
    ready: bool = False
    told: bool = False  # to give up
    result: str = ""

    @property
    def is_select(self) -> bool:
        return len(self.branches) > 1


@dataclass(slots=True, eq=False, repr=False)
class Choosing(Model):
    lines: tuple[Line, ...]  # in the order in which they were made
    parties: tuple[Party, ...]
    releases: str  # to which line each releaser gives how many permits: "X1 Y2"
    tries: str  # to take permits without waiting
    told: tuple[Party, ...]
    broken: Broken | None

    def programs(self) -> dict[str, Steps[None]]:
        programs = {party.name: self.run(party) for party in self.parties}
        programs |= {f"release {text}": self.release(self.line(text), int(text[1:])) for text in self.releases.split()}
        programs |= {f"try {text}": self.attempt_now(self.line(text), int(text[1:])) for text in self.tries.split()}
        return programs | {f"tell {party}": self.tell(party) for party in self.told}

    def line(self, text: str) -> Line:
        return next(line for line in self.lines if line.name == text[0])

    # ---- a line, under its lock -----------------------------------------------------------------------------------

    def lock(self, line: Line) -> Steps[None]:
        yield Wait(f"lock {line}", lambda: not line.locked)
        line.locked = True

    def unlock(self, line: Line) -> Steps[None]:
        yield f"unlock {line}"
        line.locked = False

    def head(self, line: Line) -> Steps[Branch | None]:
        """Who is first in line, after those were dropped whose select was decided elsewhere."""
        while line.entries:
            first = line.entries[0]
            if not first.party.is_select:
                return first
            yield f"look whether {first.party} is decided"
            if not first.party.decided:
                return first
            line.entries.popleft()
            first.place = Place.PASSED_OVER
        return None

    def attempt(self, line: Line, need: int) -> Steps[bool]:
        head = yield from self.head(line)
        if head is not None or line.free < need:
            return False
        line.free -= need
        return True

    def claim(self, branch: Branch) -> Steps[bool]:
        party = branch.party
        if party.is_select:
            yield f"take the token of {party}"
            if party.decided:
                return False
            if self.broken is Broken.CLAIM_IN_TWO_STEPS:
                yield f"the token of {party} is taken"
            party.decided = True
            yield f"{branch} wins"
        party.winner = branch
        return True

    def serve(self, line: Line) -> Steps[tuple[Branch, ...]]:
        served: tuple[Branch, ...] = ()
        while True:
            head = yield from self.head(line)
            if head is None or head.need > line.free:
                return served
            line.entries.popleft()
            if self.broken is Broken.TAKE_THE_PERMITS_BEFORE_THE_CLAIM:
                line.free -= head.need
            claimed = yield from self.claim(head)
            if claimed:
                if self.broken is not Broken.TAKE_THE_PERMITS_BEFORE_THE_CLAIM:
                    line.free -= head.need
                head.place = Place.GRANTED
                served = (*served, head)
            else:
                head.place = Place.PASSED_OVER

    def resume(self, served: tuple[Branch, ...]) -> Steps[None]:
        """With the lock given back."""
        while served:
            party, served = served[0].party, served[1:]
            yield f"resume {party}"
            is_gone = party.kind is Kind.INTERRUPT and party.result == "gave up"
            require(not party.ready and (not party.result or is_gone), f"{party} is resumed twice, or too late")
            party.ready = True

    # ---- who gives, looks in, and tells to give up ----------------------------------------------------------------

    def release(self, line: Line, n: int) -> Steps[None]:
        yield from self.lock(line)
        line.free += n
        line.given += n
        served = yield from self.serve(line)
        yield from self.unlock(line)
        yield from self.resume(served)

    def attempt_now(self, line: Line, n: int) -> Steps[None]:
        yield from self.lock(line)
        done = yield from self.attempt(line, n)
        if done:
            line.given -= n
        yield from self.unlock(line)

    def tell(self, party: Party) -> Steps[None]:
        yield f"tell {party} to give up"
        party.told = True

    # ---- who waits ------------------------------------------------------------------------------------------------

    def run(self, me: Party) -> Steps[None]:
        if self.broken is Broken.ENLIST_LINE_BY_LINE:
            yield from self.begin_line_by_line(me)
        elif not any(branch.place is Place.IN_LINE for branch in me.branches):
            yield from self.begin(me)
        while not me.result:
            yield Wait("wait", lambda: me.ready or me.told)
            if me.ready:
                yield from self.end(me)
            else:
                me.told = False
                yield from self.give_up(me)

    def begin(self, me: Party) -> Steps[None]:
        """Do one of the operations, or get in line for all."""
        lines = self.lines_of(me)
        left = lines
        while left:
            yield from self.lock(left[0])
            left = left[1:]
        branches = me.branches
        while branches and not me.result:
            done = yield from self.attempt(branches[0].line, branches[0].need)
            if done:
                branches[0].place = Place.GRANTED
                me.result = "granted"
            branches = branches[1:]
        if not me.result:
            yield "get in line"  # one step: nobody can look before the locks are given back
            for branch in me.branches:
                self.enlist(branch)
        left = lines
        while left:
            yield from self.unlock(left[0])
            left = left[1:]

    def begin_line_by_line(self, me: Party) -> Steps[None]:
        branches = me.branches
        while branches and not me.result:
            branch, branches = branches[0], branches[1:]
            yield from self.lock(branch.line)
            done = yield from self.attempt(branch.line, branch.need)
            if done:
                branch.place = Place.GRANTED
                me.result = "granted"
            else:
                self.enlist(branch)
            yield from self.unlock(branch.line)

    def enlist(self, branch: Branch) -> None:
        branch.line.entries.append(branch)
        branch.place = Place.IN_LINE

    def lines_of(self, party: Party) -> tuple[Line, ...]:
        mine = tuple(dict.fromkeys(branch.line for branch in party.branches))
        if self.broken is Broken.LOCKS_IN_ORDER_OF_THE_BRANCHES:
            return mine
        return tuple(line for line in self.lines if line in mine)

    def end(self, me: Party) -> Steps[None]:
        require(me.winner is not None, f"{me} runs before its wait is decided")
        if self.broken is not Broken.RETURN_WITHOUT_LEAVING:
            yield from self.leave_all(me)
        yield "return"
        me.result = "granted"

    def leave_all(self, me: Party) -> Steps[None]:
        left = tuple(branch for branch in me.branches if branch is not me.winner)
        while left:
            yield from self.withdraw(left[0])
            left = left[1:]

    def give_up(self, me: Party) -> Steps[None]:
        if me.is_select:
            if self.broken is not Broken.CANCEL_WITHOUT_A_CLAIM:
                yield f"take the token of {me}"
                if me.decided:
                    return
                me.decided = True
            yield from self.leave_all(me)
            withdrawn = True
        else:
            withdrawn = yield from self.withdraw(me.branches[0])
        if withdrawn:
            me.result = "gave up"
        elif me.kind is Kind.INTERRUPT:
            if self.broken is not Broken.INTERRUPTED_THREADS_KEEP_THE_GRANT:
                branch = me.branches[0]
                branch.line.given -= branch.need  # what comes is no new permit
                branch.place = Place.NOWHERE
                yield from self.release(branch.line, branch.need)
            me.result = "gave up"

    def withdraw(self, branch: Branch) -> Steps[bool]:
        """Leave one line; whoever that frees is served."""
        line = branch.line
        yield from self.lock(line)
        was_passed_over = branch.place is Place.PASSED_OVER
        if branch.place is Place.IN_LINE:
            line.entries.remove(branch)
        elif not was_passed_over:
            yield from self.unlock(line)
            return False
        branch.place = Place.NOWHERE
        served: tuple[Branch, ...] = ()
        silent = self.broken is Broken.LEAVE_WITHOUT_SERVING
        if not silent and not (was_passed_over and self.broken is Broken.LEAVE_WITHOUT_SERVING_IF_PASSED_OVER):
            served = yield from self.serve(line)
        yield from self.unlock(line)
        yield from self.resume(served)
        return True

    # ---- what must hold -------------------------------------------------------------------------------------------

    def at_rest(self, waiting: dict[str, str]) -> None:
        stuck = {name: step for name, step in waiting.items() if step != "wait"}
        require(not stuck, f"deadlock: {stuck}")
        for party in self.parties:
            granted = [branch for branch in party.branches if branch.place is Place.GRANTED]
            require(len(granted) == (party.result == "granted"), f"{party} {party.result}, but holds {granted}")
            if party.result:
                left = [branch for branch in party.branches if branch in branch.line.entries]
                require(not left, f"{left} is left in line")
        for line in self.lines:
            held = 0
            for party in self.parties:
                held += sum(b.need for b in party.branches if b.line is line and b.place is Place.GRANTED)
            require(line.free + held == line.given, f"{line} was given {line.given}, {line.free} + {held} are there")
            if line.entries:
                head = line.entries[0]
                require(head.need > line.free, f"{head} waits beside {line.free} free permits")


def choosing(
    standing: str = "",
    coming: str = "",
    *,
    releases: str = "",
    free: str = "",
    tries: str = "",
    told: str = "",
    kind: Kind = Kind.TASK,
    broken: Broken | None = None,
) -> Choosing:
    """Parties as text, who stand in line already and who come: "X5 Y1, X1" is a select that wants five permits of X or
    one of Y, and a plain waiter for one of X; they are called A, B and so on. `told` names those who are told to give
    up, and `kind` says how they take it."""
    lines = {name: Line(name) for name in "XY"}
    for text in free.split():
        lines[text[0]].free = lines[text[0]].given = int(text[1:])
    parties = []
    texts = [(text, True) for text in standing.split(", ")] if standing else []
    texts += [(text, False) for text in coming.split(", ")] if coming else []
    for (text, stands), name in zip(texts, "ABCDEF", strict=False):
        party = Party(name, kind if name in told else Kind.TASK)
        wants = enumerate(text.split())
        party.branches = tuple(Branch(f"{name}{i} ({b})", party, lines[b[0]], int(b[1:])) for i, b in wants)
        parties.append(party)
        for branch in party.branches if stands else ():
            branch.line.entries.append(branch)
            branch.place = Place.IN_LINE
    tellable = tuple(party for party in parties if party.name in told)
    return Choosing("model", tuple(lines.values()), tuple(parties), releases, tries, tellable, broken)


SCENES: dict[str, dict[str, Any]] = {
    "two selects beside plain waiters": {"standing": "X1 Y1, Y1 X1, X1", "releases": "X1 Y1"},
    "two selects and a cancellation": {"standing": "X1 Y1, Y1 X1, Y1", "releases": "X1 Y1", "told": "A"},
    "two selects that come, and permits": {"coming": "X1 Y1, Y1 X1", "releases": "X1 Y1"},
    "a select that comes, and is cancelled": {"standing": "X1", "coming": "X1 Y1", "releases": "X1 Y1", "told": "B"},
    "a select that wants much holds up others": {"standing": "X5 Y1, X1, X1", "free": "X2", "releases": "Y1"},
    "others look in meanwhile": {"standing": "X5 Y1, X1", "free": "X2", "releases": "Y1", "tries": "X1"},
    "a select that wants much is cancelled": {"standing": "X5 Y1, X1", "free": "X2", "releases": "Y1", "told": "A"},
    "both branches on one primitive": {"standing": "X1 X2, X1", "releases": "X1 X2"},
    "all of it": {"standing": "X3 Y1, X1", "coming": "Y1 X1", "free": "X2", "releases": "Y1", "told": "A"},
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_select_does_one_thing_and_keeps_nothing_of_the_others(scene: str) -> None:
    assert_holds(lambda: choosing(**SCENES[scene]))


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.INTERRUPT])
@pytest.mark.parametrize(
    ("standing", "told"), [("X2, X1", "A"), ("X1, X1 Y1, X1", "A"), ("X1, X1 Y1, X1", "AC"), ("X1 Y1, X1", "B")]
)
def test_a_thread_that_gives_up_was_granted_nothing_or_passes_it_on(kind: Kind, standing: str, told: str) -> None:
    assert_holds(lambda: choosing(standing, releases="X1 Y1", told=told, kind=kind))


@pytest.mark.parametrize(
    ("broken", "scene", "message"),
    [
        (Broken.CLAIM_IN_TWO_STEPS, "two selects beside plain waiters", "is resumed twice"),
        (Broken.TAKE_THE_PERMITS_BEFORE_THE_CLAIM, "two selects beside plain waiters", "are there"),
        (Broken.RETURN_WITHOUT_LEAVING, "two selects beside plain waiters", "is left in line"),
        (Broken.LEAVE_WITHOUT_SERVING, "a select that wants much holds up others", "free permits"),
        (Broken.LEAVE_WITHOUT_SERVING, "a select that wants much is cancelled", "free permits"),
        (Broken.LEAVE_WITHOUT_SERVING_IF_PASSED_OVER, "others look in meanwhile", "free permits"),
        (Broken.CANCEL_WITHOUT_A_CLAIM, "two selects and a cancellation", "too late"),
        (Broken.LOCKS_IN_ORDER_OF_THE_BRANCHES, "two selects that come, and permits", "deadlock"),
        (Broken.ENLIST_LINE_BY_LINE, "two selects that come, and permits", "too late"),
    ],
)
def test_each_broken_rule_of_choosing_is_found(broken: Broken, scene: str, message: str) -> None:
    assert_fails(lambda: choosing(**SCENES[scene], broken=broken), message)


def test_an_interrupted_thread_that_keeps_what_it_was_granted_is_found() -> None:
    broken = Broken.INTERRUPTED_THREADS_KEEP_THE_GRANT
    assert_fails(lambda: choosing("X1, X1", releases="X1", told="A", kind=Kind.INTERRUPT, broken=broken), "but holds")
