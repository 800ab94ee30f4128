"""The line in front of what somebody holds: it can say who, and hears of holders that end without giving it back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from conc._kernel.current import slot
from conc._kernel.joining import tell_of_end
from conc._kernel.task import Task
from conc._kernel.waitqueue import Waiter, WaitQueue, resume_all

if TYPE_CHECKING:
    from conc._kernel.strand import Strand

NAMED = 3  # owners that are called by their names; the others are counted


class OwnedQueue(WaitQueue):
    """A line for something that a task or thread has or does: the waiters wait until it is done with it.

    Args:
        reason: what the waiters wait for, in words.
        owners: who has it at the moment. From any thread, with the lock or without.
        serve: as for every line.
        by: what the owners do, in words.
    """

    __slots__ = ("_by", "_owners")

    def __init__(
        self,
        reason: str,
        owners: Callable[[], Collection[object]],
        serve: Callable[[], Iterable[Waiter]] | None = None,
        by: str = "held by",
    ) -> None:
        super().__init__(reason, serve)
        self._owners = owners
        self._by = by

    @property
    def reason(self) -> str:
        """What is waited for, and who has it."""
        owners = list(self._owners())
        if not owners:
            return self._reason
        more = f" and {len(owners) - NAMED} more" if len(owners) > NAMED else ""
        return f"{self._reason}, {self._by} {', '.join(map(name_of, owners[:NAMED]))}{more}"

    @property
    def blockers(self) -> Collection[object]:
        """Who has to do something before a wait here can end."""
        return self._owners()


class HeldQueue(OwnedQueue):
    """A line for something that is taken and given back, which a task may fail to do before it ends.

    Only while somebody waits, the queue is among those who join the holder. Who gets in line looks who holds it; who
    has taken it looks whether somebody stands in line: one of the two sees the other. A thread cannot be joined.

    Args:
        reason: what the waiters wait for, in words.
        holders: who has it at the moment. From any thread, with the lock or without.
        lost: called under the lock when a holder may have ended: refuses whom nobody will ever serve, and returns them.
        serve: as for every line.

    Invariant: while `watched`, each task that holds it is joined, or will see to that when it runs next, or has a
    message on its way that does; and who gives it back ends that.
    Invariant: somebody waits only while it is `watched`.
    """

    __slots__ = ("_lost", "watched")

    def __init__(
        self,
        reason: str,
        holders: Callable[[], Collection[object]],
        lost: Callable[[], Iterable[Waiter]],
        serve: Callable[[], Iterable[Waiter]] | None = None,
    ) -> None:
        super().__init__(reason, holders, serve)
        self._lost = lost
        self.watched = False

    def watch(self) -> Waiter | None:
        """Somebody waits. Under the lock; what this returns is to be resumed afterwards, and joins the holders. None if
        they are watched."""
        if self.watched:
            return None
        self.watched = True
        return _Watch(self)

    def took(self, party: object) -> None:
        """`party`, which is the caller, has it now, and somebody may wait for it."""
        if self.watched and isinstance(party, Task):
            party.add_joiner(self)

    def gave_up(self, party: object) -> None:
        """`party`, which is the caller, has it no more."""
        if isinstance(party, Task):
            party.drop_joiner(self)

    def join_holders(self) -> None:
        """Join each task that has it. Without the lock."""
        worker = slot.worker
        running = None if worker is None else worker.task
        for holder in self._owners():
            self.join(holder, None if running is None else running.strand)

    def join(self, holder: object, here: Strand | None) -> None:
        """Join `holder` if it is a task. Without the lock; `here` is the strand of the caller, if that is a task."""
        if has_ended(holder):
            self.tell()
        elif not isinstance(holder, Task):
            return
        elif holder.strand is here:
            holder.add_joiner(self)
        else:
            holder.strand.post(_Join(self, holder))

    def tell(self) -> None:
        """As who joins a task: it has ended. From any thread."""
        with self.lock:
            refused = self._lost()
        resume_all(refused)

    def is_held_by(self, party: object) -> bool:
        """Whether somebody waits for what `party` has. From any thread."""
        with self.lock:
            return self.watched and party in self._owners()

    def _check(self) -> None:
        super()._check()
        assert self.watched or not len(self), "somebody waits, and nobody looks whether the holder ends"


class _Watch(Waiter):
    """Stands among those who are resumed when the lock was given back, for what is not done under it."""

    __slots__ = ("_queue",)

    def __init__(self, queue: HeldQueue) -> None:
        self._queue = queue

    def resume(self) -> None:
        """Look who holds it."""
        self._queue.join_holders()


class _Join:
    """A message to the strand of a holder, who cannot give anything back while it is read."""

    __slots__ = ("_holder", "_queue")

    def __init__(self, queue: HeldQueue, holder: Task[Any]) -> None:
        self._queue = queue
        self._holder = holder

    def __call__(self) -> None:
        if self._queue.is_held_by(self._holder):
            tell_of_end(self._holder, self._queue)

    def refuse(self) -> None:
        """The runtime of the holder has ended."""
        self._queue.tell()


def has_ended(party: object) -> bool:
    """Whether a task or thread that holds something will never give it back."""
    if isinstance(party, Task):
        return party.ended
    is_alive = getattr(party, "is_alive", None)  # of a thread
    return is_alive is not None and not is_alive()


def name_of(party: object) -> str:
    """What to call a task or thread, without saying what it waits for: that could be us."""
    if isinstance(party, Task):
        return f"{party.name!r} #{party.id}"
    name = getattr(party, "name", None)
    return repr(party) if name is None else f"thread {name!r}"
