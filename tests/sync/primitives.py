"""Every way to wait of conc.sync and conc.channels, as a scene: what makes one wait, and what ends the wait."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import conc.channels
import conc.sync
from conc.channels import Receiver, Sender, broadcast, mpmc, mpsc, mpsc_unbounded, oneshot, watch
from conc.sync import (
    Barrier,
    CancellationToken,
    CapacityLimiter,
    Condition,
    Event,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    SetOnce,
    TaskTracker,
)
from conc.task.select import TWINS
from tests.threads.support import PATIENCE, Stranger


class Scene:
    """Something to wait for. Made anywhere; `block` and `let_through` are called by one party, the waits by others.

    Args:
        owner: whose method it is.
        name: of the method, which has twins: _nowait, _blocking, and the one for select.
        args: of all of them.
        block: makes it necessary to wait; nothing unless given.
        let_through: lets the first go on who waits.
        leave: what who was let through does in the end, to give back what he has.
        counts: where the statistics count those who wait.
        alone: why only one may wait at a time.
        lasts: whether what is let through once lets all through, for good.
    """

    def __init__(
        self,
        owner: Any,
        name: str,
        *args: Any,
        let_through: Callable[[], object],
        block: Callable[[], object] = lambda: None,
        leave: Callable[[], object] = lambda: None,
        counts: str = "tasks_waiting",
        alone: bool = False,
        lasts: bool = False,
    ) -> None:
        self.owner = owner
        self.name = name
        self.args = args
        self.let_through = let_through
        self.block = block
        self.leave = leave
        self.counts = counts
        self.alone = alone
        self.lasts = lasts

    async def begin(self, nursery: conc.Nursery) -> None:
        """`block`, from a task."""
        self.block()

    async def wait(self) -> object:
        """Wait, in a task."""
        return await getattr(self.owner, self.name)(*self.args)

    async def use(self) -> None:
        """Wait, and leave."""
        await self.wait()
        self.leave()

    def nowait(self) -> object:
        """The form that does not wait."""
        return getattr(self.owner, f"{twinless(self.name)}_nowait")(*self.args)

    def blocking(self, timeout: float | None = None) -> object:
        """The form for threads."""
        return getattr(self.owner, f"{twinless(self.name)}_blocking")(*self.args, timeout=timeout)

    def operation(self) -> Any:
        """The form for select."""
        return getattr(self.owner, TWINS[self.name])(*self.args)

    def waiting(self) -> int:
        """How many wait, as the statistics say."""
        count: int = getattr(self.owner.statistics(), self.counts)
        return count

    def check(self) -> None:
        """The invariants."""
        self.owner._check()


class InBlock(Scene):
    """A wait of a condition: inside of its block."""

    async def wait(self) -> object:
        async with self.owner:
            return await super().wait()

    def blocking(self, timeout: float | None = None) -> object:
        mutex = self.owner.mutex
        mutex.acquire_blocking(timeout=PATIENCE)
        try:
            return super().blocking(timeout)
        finally:
            mutex.release()


class Making(Scene):
    """A wait for another task that makes the value of a cell."""

    async def begin(self, nursery: conc.Nursery) -> None:
        nursery.start_soon(self.owner.get_or_init, *self.args)
        await conc.checkpoint()


# ---- what there is to wait for ---------------------------------------------------------------------------------------


def barrier() -> Scene:
    barrier = Barrier(2)
    return Scene(
        barrier, "wait", let_through=lambda: Stranger(barrier.wait_blocking, PATIENCE).result()
    )


def token() -> Scene:
    token = CancellationToken()
    return Scene(token, "wait", let_through=token.cancel, lasts=True)


def limiter() -> Scene:
    limiter = CapacityLimiter(1)
    return Scene(
        limiter,
        "acquire",
        block=lambda: limiter.acquire_on_behalf_of_nowait(limiter),
        let_through=lambda: limiter.release_on_behalf_of(limiter),
        leave=limiter.release,
    )


def limiter_for_another() -> Scene:
    limiter, other = CapacityLimiter(1), object()
    return Scene(
        limiter,
        "acquire_on_behalf_of",
        other,
        block=limiter.acquire_nowait,
        let_through=limiter.release,
        leave=lambda: limiter.release_on_behalf_of(other),
        alone=True,  # one borrower holds one token
    )


def condition() -> Scene:
    condition = Condition()

    def notify() -> None:
        condition.mutex.acquire_nowait()
        condition.notify()
        condition.mutex.release()

    return InBlock(condition, "wait", let_through=notify)


def condition_that_becomes_true() -> Scene:
    scene = condition()
    let_through, true = scene.let_through, [False]

    def become_true() -> None:
        true[0] = True
        let_through()

    return InBlock(scene.owner, "wait_for", lambda: true[0], let_through=become_true)


def event() -> Scene:
    event = Event()
    return Scene(event, "wait", let_through=event.set, lasts=True)


def mutex() -> Scene:
    mutex = Mutex()
    return Scene(
        mutex, "acquire", block=mutex.acquire_nowait, let_through=mutex.release, leave=mutex.release
    )


def notify_one() -> Scene:
    notify = Notify()
    return Scene(notify, "notified", let_through=notify.notify_one)


def notify_last() -> Scene:
    notify = Notify()
    return Scene(notify, "notified", let_through=notify.notify_last)


def notify_waiters() -> Scene:
    notify = Notify()
    return Scene(notify, "notified", let_through=notify.notify_waiters)


def once_cell() -> Scene:
    made = Event()

    async def make() -> int:
        await made.wait()
        return 1

    return Making(OnceCell[int](), "get_or_init", make, let_through=made.set, lasts=True)


def reader() -> Scene:
    lock = RwLock()
    return Scene(
        lock, "acquire_read", block=lock.acquire_write_nowait, let_through=lock.release, leave=lock.release
    )


def writer() -> Scene:
    lock = RwLock()
    return Scene(
        lock, "acquire_write", block=lock.acquire_read_nowait, let_through=lock.release, leave=lock.release
    )


def semaphore() -> Scene:
    semaphore = Semaphore(2)
    return Scene(
        semaphore,
        "acquire",
        2,
        block=semaphore.acquire_nowait,
        let_through=semaphore.release,
        leave=lambda: semaphore.release(2),
    )


def set_once() -> Scene:
    cell = SetOnce[int]()
    return Scene(cell, "wait", let_through=lambda: cell.set(1), lasts=True)


def tracker() -> Scene:
    tracker = TaskTracker()
    return Scene(tracker, "wait", let_through=tracker.close, lasts=True)


def receive(make: Callable[[], tuple[Sender[int], Receiver[int]]], name: str, *args: int, alone: bool = True) -> Scene:
    sender, receiver = make()
    return Scene(
        receiver,
        name,
        *args,
        let_through=lambda: sender.send_nowait(1),
        counts="tasks_waiting_receive",
        alone=alone,  # another task in the receiver of an mpsc is BusyResource
    )


def send(name: str, *args: int, leave: Callable[[Receiver[int]], object]) -> Scene:
    sender, receiver = mpsc[int](1)
    return Scene(
        sender,
        name,
        *args,
        block=lambda: sender.send_nowait(0),
        let_through=receiver.receive_nowait,
        leave=lambda: leave(receiver),
        counts="tasks_waiting_send",
    )


class Reserving(Scene):
    """A wait for a place: who has it gives it back."""

    async def use(self) -> None:
        permit: Any = await self.wait()
        permit.release()


def reserve(name: str, *args: int) -> Scene:
    sender, receiver = mpsc[int](1)
    return Reserving(
        sender,
        name,
        *args,
        block=lambda: sender.send_nowait(0),
        let_through=receiver.receive_nowait,
        counts="tasks_waiting_send",
    )
