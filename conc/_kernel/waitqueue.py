"""The wait queue: where those who wait for a shared primitive stand in line, and where each wait is decided.

Every primitive is a sequential state machine over one of these, or two that share a lock. All that has to be right
about threads is here: a waiter is taken off the queue and its wait decided in one critical section, under `lock`.
Whoever releases decides and then, with the lock given back, resumes; a cancellation is carried out by the owner of the
task, under the same lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Final

from conc._kernel.suspend import GRANTED, Marker
from conc._os.sync import Deque, Lock, new_count

PASSED: Final = Marker("PASSED")  # the `wait` of a branch that was dropped from the line, until its select leaves

_next_number = new_count()


class Waiter:
    """Who stands in line: a task, one branch of a task's select, or a thread outside.

    `wait` is the queue while it stands there, and GRANTED from the decision on; `value` is what it asked for, then what
    it was granted.
    """

    __slots__ = ()

    is_branch: ClassVar[bool] = False  # whether it stands in other lines too, so that who grants has to claim it
    decided: bool  # of a branch: whether a line has granted it
    wait: Any
    value: Any

    @property
    def party(self) -> object:
        """On whose behalf it waits: a task, or a thread."""
        return self

    def claim(self) -> bool:
        """Decide a branch: False if another line has. Under the lock."""
        raise NotImplementedError

    def resume(self) -> None:
        """Let it go on. Called once, by whoever granted, after the lock was given back."""
        raise NotImplementedError


def resume_all(waiters: Iterable[Waiter]) -> None:
    """Resume some who were granted, in order. From any thread, after the lock was given back."""
    for waiter in waiters:
        waiter.resume()


class WaitQueue:
    """A line for one primitive: first come, first served.

    A method called under the lock says so.

    Args:
        reason: what the waiters wait for, in words.
        serve: called under the lock when a waiter has left the line: grants to whoever can be served now, and returns
            them. None if a leaving waiter frees nobody.
        beside: another queue of the same primitive, whose lock serves for both.

    Invariant: an entry of `line` is dead if its waiter has more dead entries in `_dead` than stand before it; the
    others are exactly the waiters whose `wait` is this queue.
    Invariant: `_odd` is the number of dead entries and of living branches: those that have to be looked at twice.
    Invariant: dead entries are at most 16 + the live ones.
    Invariant: `_passed` is the number of branches that were dropped from the line because their select was decided
    elsewhere, and that have yet to leave: as long as it is 0, nobody waits whom `serve` would grant.

    Cost: all operations O(1), `withdraw` amortised.
    """

    __slots__ = ("_dead", "_dead_count", "_odd", "_passed", "_reason", "_serve", "line", "lock", "number")

    def __init__(
        self,
        reason: str,
        serve: Callable[[], Iterable[Waiter]] | None = None,
        beside: WaitQueue | None = None,
    ) -> None:
        self._reason = reason
        if beside is None:
            self.lock = Lock()
            self.number = _next_number()  # the order in which a select takes locks
        else:
            self.lock = beside.lock
            self.number = beside.number
        self.line: Deque[Waiter] = Deque()  # to be asked whether it is empty: then nobody waits
        self._serve = serve
        self._dead: dict[Waiter, int] = {}
        self._dead_count = 0
        self._odd = 0
        self._passed = 0

    @property
    def reason(self) -> str:
        """What is waited for, in words."""
        return self._reason

    def __len__(self) -> int:
        """How many wait. Exact under the lock, but for selects that were decided elsewhere and have not left yet."""
        count = len(self.line) - self._dead_count
        return max(0, count)  # without the lock the two may be of different moments

    def enlist(self, waiter: Waiter, request: Any = None) -> None:
        """Put a waiter at the end of the line; it then gives the lock back and suspends. Under the lock."""
        waiter.value = request
        waiter.wait = self
        self.line.append(waiter)

    def enlist_branch(self, branch: Waiter, request: Any = None) -> None:
        """As `enlist`, for one that stands in other lines too."""
        self._odd += 1
        self.enlist(branch, request)

    def head(self) -> Waiter | None:
        """Who is first in line. Under the lock."""
        if self._odd:
            self._tidy()
        line = self.line
        return line[0] if line else None

    def take(self, head: Waiter, value: Any = None) -> bool:
        """Take `head`, who is first in line, off it and decide its wait; the caller resumes it later. Under the lock.

        False if that is the branch of a select which was decided in another line meanwhile: ask for the `head` again.
        """
        self.line.popleft()
        if self._odd:
            return self._decide(head, value)
        head.value = value
        head.wait = GRANTED
        return True

    def grant(self, value: Any = None) -> Waiter | None:
        """As `take`, for whoever is first and can be granted; None if nobody waits. Under the lock."""
        if self._odd:
            while (waiter := self.head()) is not None:
                if self.take(waiter, value):
                    return waiter
            return None
        if not self.line:
            return None
        waiter = self.line.popleft()
        waiter.value = value
        waiter.wait = GRANTED
        return waiter

    def pick(self, waiter: Waiter, value: Any = None) -> bool:
        """As `take`, for one who stands anywhere in line. Under the lock. Cost: as `withdraw`."""
        self._remove(waiter)
        if waiter.is_branch and not waiter.claim():
            self._pass_over(waiter)
            return False
        waiter.value = value
        waiter.wait = GRANTED
        return True

    def grant_like(self, request: Any, value: Any = None) -> Waiter | None:
        """As `grant`, if the first in line asked for `request`; else None, and nothing is decided. Under the lock."""
        if self._odd:
            head = self.head()
            return head if head is not None and head.value == request and self.take(head, value) else None
        line = self.line
        if not line or line[0].value != request:
            return None
        waiter = line.popleft()
        waiter.value = value
        waiter.wait = GRANTED
        return waiter

    def grant_last(self, value: Any = None) -> Waiter | None:
        """As `grant`, for who came last. Under the lock. Cost: O(1) amortised."""
        line = self.line
        while line:
            waiter = line.pop()
            if waiter.wait is not self:  # the last entry of one who waits here is the living one
                self._count_down(waiter)
            elif self._decide(waiter, value):
                return waiter
        return None

    def grant_all(self, value: Any = None) -> list[Waiter]:
        """Take everybody off the line, in order. Under the lock."""
        granted: list[Waiter] = []
        if self._odd:
            while (waiter := self.grant(value)) is not None:
                granted.append(waiter)
            return granted
        granted += self.line
        self.line.clear()
        for waiter in granted:
            waiter.value = value
            waiter.wait = GRANTED
        return granted

    def send_on(self, other: WaitQueue) -> Waiter | None:
        """Let whoever is first stand at the end of another line of the same primitive, and return it; None if nobody
        waits. Under the lock; not where branches stand."""
        waiter = self.head()
        if waiter is not None:
            self.line.popleft()
            other.enlist(waiter, waiter.value)
            self._keep_short()
        return waiter

    def withdraw(self, waiter: Waiter) -> bool:
        """Take a waiter that gives up out of the line, and serve whom that frees: False if it was granted already."""
        self.lock.acquire()
        if waiter.wait is self:
            self._remove(waiter)
        elif waiter.wait is PASSED:  # who dropped it has served nobody: perhaps there was nothing to do but to look
            self._passed -= 1
        else:
            self.lock.release()
            return False
        waiter.wait = None
        served = self._serve() if self._serve is not None else ()
        self.lock.release()
        resume_all(served)
        return True

    # ---- branches of selects, and the dead ------------------------------------------------------------------------

    def _decide(self, waiter: Waiter, value: Any) -> bool:
        """Decide the wait of one who was just taken off the line: False if another line was faster."""
        if waiter.is_branch:
            self._odd -= 1
            if not waiter.claim():
                self._pass_over(waiter)
                return False
        waiter.value = value
        waiter.wait = GRANTED
        self._keep_short()
        return True

    def _remove(self, waiter: Waiter) -> None:
        line = self.line
        if line[-1] is waiter:
            line.pop()
            self._odd -= waiter.is_branch
        elif line[0] is waiter and waiter not in self._dead:
            line.popleft()
            self._odd -= waiter.is_branch
        else:
            # Somewhere in the middle: leave the entry, and skip it later. An entry that the task makes from now on
            # stands behind this one, so counting from the front tells the dead from the living.
            self._dead[waiter] = self._dead.get(waiter, 0) + 1
            self._dead_count += 1
            self._odd += not waiter.is_branch
        self._keep_short()

    def _tidy(self) -> None:
        """Drop from the front who does not wait any more."""
        line, dead = self.line, self._dead
        while line:
            first = line[0]
            if dead and first in dead:
                self._count_down(line.popleft())
            elif first.is_branch and first.decided:
                self._odd -= 1
                self._pass_over(line.popleft())
            else:
                break
        self._keep_short()

    def _pass_over(self, branch: Waiter) -> None:
        """A branch that was decided elsewhere was just dropped from the line."""
        branch.wait = PASSED
        self._passed += 1

    def _keep_short(self) -> None:
        """Drop the dead if they are many."""
        dead = self._dead_count
        if dead <= 16 or dead <= 16 + len(self.line) - dead:
            return
        line = self.line
        for _ in range(len(line)):
            if line[0] in self._dead:
                self._count_down(line.popleft())
            else:
                line.rotate(-1)  # not taken off and put back: who asks without the lock must see that somebody waits

    def _count_down(self, waiter: Waiter) -> None:
        self._dead_count -= 1
        self._odd -= 1
        count = self._dead[waiter] - 1
        if count:
            self._dead[waiter] = count
        else:
            del self._dead[waiter]

    def __repr__(self) -> str:
        return f"<WaitQueue {self.reason}, {len(self)} waiting>"

    def _check(self) -> None:
        assert self._dead_count == sum(self._dead.values()), "dead entries miscounted"
        assert self._dead_count <= 16 + len(self), "dead entries pile up"
        assert self._passed >= 0, "branches left more often than they were passed over"
        left = dict(self._dead)
        branches = 0
        for waiter in self.line:
            if left.get(waiter, 0):
                left[waiter] -= 1
            else:
                assert waiter.wait is self, f"{waiter!r} stands in line but does not wait here"
                branches += waiter.is_branch
        assert not any(left.values()), "a dead entry is missing"
        assert self._odd == self._dead_count + branches, "odd entries miscounted"
