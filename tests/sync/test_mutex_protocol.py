"""How a mutex is taken without a lock while nobody else wants it (`conc.sync.mutex`), in every interleaving.

To take the one thing in `free` is to have the mutex; then the name is written into `owner`. Who does not find it gets
in line under the lock, says that the mutex is `watched` unless that was said, and then looks again. Who gives it back
does so under the lock if it is watched; else he puts the thing back and looks then whether it is watched. So one of the
two sees the other.

In the same way somebody sees to it that the end of a holder will be told: who got in line sends the holder a message to
that effect, who has taken it looks whether it is watched.

Here some threads take the mutex and give it back, one of them may be cancelled, and one, the keeper, ends with it.
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

    NO_LOOK_WHEN_IN_LINE = auto()
    NO_LOOK_WHEN_GIVEN_BACK = auto()
    LOOK_BEFORE_SAYING_SO = auto()
    TAKE_WITHOUT_JOINING = auto()
    WAIT_WITHOUT_JOINING = auto()


@dataclass(slots=True, eq=False, repr=False)
class Task(Shared):
    keeps: bool = False
    result: str = ""  # what became of its wait
    mail: int = 0  # messages that ask it to tell of its end
    between_steps: bool = False
    joined: bool = False
    ended: bool = False


@dataclass(slots=True, eq=False, repr=False)
class Mutex(Model):
    tasks: tuple[Task, ...]
    cancelled: Task | None
    broken: Broken | None
    free: bool = True
    owner: Task | None = None
    watched: bool = False
    locked: bool = False
    line: deque[Task] = field(default_factory=deque)
    inside: int = 0

    def programs(self) -> dict[str, Steps[None]]:
        programs = {task.name: self.live(task) for task in self.tasks}
        programs |= {f"mail of {task}": self.read_mail(task) for task in self.tasks if task.keeps}
        if self.cancelled is not None:
            programs["canceller"] = self.cancel(self.cancelled)
        return programs

    def lock(self) -> Steps[None]:
        yield Wait("lock", lambda: not self.locked)
        self.locked = True

    def unlock(self) -> Steps[None]:
        yield "unlock"
        self.locked = False

    # ---- acquire --------------------------------------------------------------------------------------------------

    def live(self, me: Task) -> Steps[None]:
        if not me.result:
            yield from self.acquire(me)
        if me.result == "taken":
            self.inside += 1
            if not me.keeps:
                yield "leave"
                self.inside -= 1
                yield from self.release(me)
        me.between_steps = True
        yield "end"
        me.between_steps = False
        me.ended = True
        if me.joined:
            yield from self.tell()

    def take(self, me: Task) -> Steps[bool]:
        yield "look whether it is free"
        if not self.free:
            return False
        yield "take it"
        if not self.free:
            return False
        self.free = False
        yield "write the name"
        self.owner = me
        return True

    def acquire(self, me: Task) -> Steps[None]:
        taken = yield from self.take(me)
        if not taken:
            yield from self.lock()
            yield "look at the line"
            if not self.line:
                taken = yield from self.take(me)
            if taken:
                yield from self.unlock()
            else:
                yield from self.get_in_line(me)
                return
        me.result = "taken"
        yield from self.look_who_waits(me)

    def look_who_waits(self, me: Task) -> Steps[None]:
        yield "look whether it is watched"
        if self.watched and self.broken is not Broken.TAKE_WITHOUT_JOINING:
            me.joined = True

    def get_in_line(self, me: Task) -> Steps[None]:
        yield "get in line, and look whether it is watched and free"
        self.line.append(me)
        was_watched = self.watched
        free = self.free
        if not was_watched:
            yield "say that it is watched"
            self.watched = True
            if self.broken is not Broken.LOOK_BEFORE_SAYING_SO:
                yield "look whether it is free"
                free = self.free
            if free and self.broken is not Broken.NO_LOOK_WHEN_IN_LINE:
                yield "take it"
                if self.free:
                    self.free = False
                    yield from self.pass_on()
        yield from self.unlock()
        if not was_watched and self.broken is not Broken.WAIT_WITHOUT_JOINING:
            yield from self.join_holder()
        me.between_steps = True
        yield Wait("park", lambda: bool(me.result))
        me.between_steps = False
        if me.result == "granted":
            me.result = "taken"
            yield from self.look_who_waits(me)

    def join_holder(self) -> Steps[None]:
        yield "look who has it"
        holder = self.owner
        if holder is not None and holder.keeps:
            if holder.ended:
                yield from self.tell()
            else:
                yield "post a message to who has it"
                holder.mail += 1

    # ---- release --------------------------------------------------------------------------------------------------

    def release(self, me: Task) -> Steps[None]:
        require(self.owner is me, f"{me} has it, and {self.owner} is said to")
        yield "look whether it is watched"
        if self.watched:
            yield from self.lock()
            me.joined = False
            yield from self.pass_on()
            yield from self.unlock()
            return
        yield "erase the name"
        self.owner = None
        yield "give it back"
        self.free = True
        yield "look whether it is watched"
        if self.watched and self.broken is not Broken.NO_LOOK_WHEN_GIVEN_BACK:
            yield from self.lock()
            yield "look whether it is free"
            if self.free:
                yield "take it"
                if self.free:
                    self.free = False
                    yield from self.pass_on()
            yield from self.unlock()

    def pass_on(self) -> Steps[None]:
        """Under the lock, by who has it."""
        yield "hand it to the first in line"
        if self.line:
            heir = self.line.popleft()
            self.watched = bool(self.line)
            yield "write his name"
            self.owner = heir
            heir.result = "granted"
        else:
            yield "say that it is not watched"
            self.watched = False
            yield "erase the name"
            self.owner = None
            yield "give it back"
            self.free = True

    # ---- the end of a holder, and cancellation --------------------------------------------------------------------

    def read_mail(self, me: Task) -> Steps[None]:
        while True:
            yield Wait("read the mail", lambda: bool(me.mail) and (me.between_steps or me.ended))
            me.mail -= 1
            yield from self.lock()
            held = self.watched and self.owner is me
            yield from self.unlock()
            if held and me.ended:
                yield from self.tell()
            elif held:
                me.joined = True

    def tell(self) -> Steps[None]:
        yield from self.lock()
        if self.owner is not None and self.owner.ended:
            self.watched = False
            while self.line:
                self.line.popleft().result = "told"
        yield from self.unlock()

    def cancel(self, task: Task) -> Steps[None]:
        yield Wait("wait for its next await", lambda: task.between_steps or task.ended)
        yield from self.lock()
        if task in self.line:
            self.line.remove(task)
            task.result = "cancelled"
        yield from self.unlock()

    # ---- what must hold -------------------------------------------------------------------------------------------

    def always(self) -> None:
        require(self.inside <= 1, "two are inside")

    def at_rest(self, waiting: dict[str, str]) -> None:
        stuck = [name for name in waiting if not name.startswith("mail of ")]
        require(not stuck, f"{stuck} wait for ever")
        kept = self.owner is not None and self.owner.keeps
        require(kept or self.free, "it was lost")
        require(kept == any(task.keeps and task.result == "taken" for task in self.tasks), "its owner is forgotten")


def mutex(takers: int, keepers: int, cancelled: bool = False, broken: Broken | None = None) -> Mutex:
    tasks = tuple([Task(f"taker {n}") for n in range(takers)] + [Task(f"keeper {n}", True) for n in range(keepers)])
    return Mutex("mutex", tasks, tasks[0] if cancelled else None, broken)


@pytest.mark.parametrize(
    ("takers", "keepers", "cancelled"), [(2, 0, False), (2, 0, True), (3, 0, False), (1, 1, True), (2, 1, False)]
)
def test_one_at_a_time_has_it_and_nobody_waits_for_ever(takers: int, keepers: int, cancelled: bool) -> None:
    assert_holds(lambda: mutex(takers, keepers, cancelled))


@pytest.mark.parametrize(
    ("broken", "takers", "keepers"),
    [
        (Broken.NO_LOOK_WHEN_IN_LINE, 2, 0),
        (Broken.NO_LOOK_WHEN_GIVEN_BACK, 2, 0),
        (Broken.LOOK_BEFORE_SAYING_SO, 2, 0),
        (Broken.TAKE_WITHOUT_JOINING, 1, 1),
        (Broken.WAIT_WITHOUT_JOINING, 1, 1),
    ],
)
def test_each_broken_rule_of_the_mutex_is_found(broken: Broken, takers: int, keepers: int) -> None:
    assert_fails(lambda: mutex(takers, keepers, broken=broken), "wait for ever")
