"""Every way to wait in conc.sync and conc.channels, as a scene: what makes one wait, and what ends the wait."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import conc
from conc._kernel.waitqueue import WaitQueue
from conc.channels import Receiver, Sender, broadcast, mpmc, mpsc, mpsc_unbounded, oneshot, watch
from conc.channels.audience import Audience
from conc.channels.conduit import Conduit
from conc.lowlevel import Operation
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
from conc.task.selects import TWINS
from tests.threads.support import PATIENCE, Stranger


class Scene:
    """Something to wait for. It is made anywhere; one party blocks it and lets others through, who wait.

    Args:
        owner: whose method it is.
        name: of the method that waits.
        args: of it, and of its twins.
        block: makes it necessary to wait; it is, unless given.
        let_through: lets the first go on who waits, and perhaps others.
        leave: what who was let through does with the result, so that all is as before.
        counts: where the statistics count those who wait; None if nowhere.
        shared: whether several may wait at a time.
        once: whether who is let through once leaves it open to all, for good.
        twins: the name that the twins are made of, if not that of the method.
    """

    def __init__(
        self,
        owner: Any,
        name: str,
        *args: Any,
        let_through: Callable[[], object],
        block: Callable[[], object] = lambda: None,
        leave: Callable[[Any], object] = lambda result: None,
        counts: str | None = "tasks_waiting",
        shared: bool = True,
        once: bool = False,
        twins: str | None = None,
    ) -> None:
        self.owner = owner
        self.name = name
        self.args = args
        self.block = block
        self.let_through = let_through
        self.leave = leave
        self.counts = counts
        self.shared = shared
        self.once = once
        self.twins = twins or name

    async def prepare(self, nursery: conc.Nursery) -> None:
        """What has to be done in a task before it can be waited for."""

    async def begin(self, nursery: conc.Nursery) -> None:
        """`prepare`, and `block`."""
        await self.prepare(nursery)
        self.block()

    async def end(self) -> None:
        """`let_through`, where there are tasks."""
        self.let_through()

    async def wait(self) -> Any:
        """Wait, in a task."""
        return await getattr(self.owner, self.name)(*self.args)

    def nowait(self) -> Any:
        """The form that does not wait."""
        return getattr(self.owner, f"{self.twins}_nowait")(*self.args)

    def blocking(self, timeout: float | None) -> Any:
        """The form for threads."""
        return getattr(self.owner, f"{self.twins}_blocking")(*self.args, timeout=timeout)

    def operation(self) -> Operation[Any]:
        """The form for select."""
        operation: Operation[Any] = getattr(self.owner, TWINS[self.name])(*self.args)
        return operation

    async def use(self, wait: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Wait in one way or another, and leave."""
        self.leave(await (wait or self.wait)())

    async def select(self) -> Any:
        """Wait in a select."""
        _, result = await conc.select(self.operation(), conc.after(1000))
        return result

    @property
    def waiting(self) -> int:
        """How many wait, as the statistics say."""
        count: int = getattr(self.owner.statistics(), self.counts or "")
        return count

    @property
    def standing(self) -> int:
        """How many wait, as the lines say."""
        count = 0
        for queue in self.queues():
            with queue.lock:  # nobody is just getting in line
                count += len(queue)
        return count

    def queues(self) -> Iterator[WaitQueue]:
        """The lines of the primitive."""
        found: list[Any] = [self.owner]
        for thing in found:
            if isinstance(thing, WaitQueue):
                yield thing
            for kind in type(thing).__mro__:
                for name in getattr(kind, "__slots__", ()):
                    part = getattr(thing, name, None)
                    if isinstance(part, (WaitQueue, Audience, Conduit, Mutex)) and part not in found:
                        found.append(part)


class InBlock(Scene):
    """A wait for a condition, which is done with the mutex."""

    async def wait(self) -> Any:
        async with self.owner:
            return await super().wait()

    def blocking(self, timeout: float | None) -> Any:
        mutex: Mutex = self.owner.mutex
        mutex.acquire_blocking(PATIENCE)
        try:
            return super().blocking(timeout)
        finally:
            mutex.release()


class Making(Scene):
    """A wait for another task, which makes a value."""

    async def prepare(self, nursery: conc.Nursery) -> None:
        nursery.start_soon(self.wait)
        await conc.checkpoint()

    async def end(self) -> None:
        self.let_through()
        await conc.checkpoint()  # the other task, which was let go on first


# ---- conc.sync -------------------------------------------------------------------------------------------------------


def barrier() -> Scene:
    barrier = Barrier(2)
    return Scene(
        barrier,
        "wait",
        let_through=lambda: Stranger(barrier.wait_blocking, PATIENCE).result(),
        shared=False,  # two would let one another through
    )


def token() -> Scene:
    token = CancellationToken()
    return Scene(token, "wait", let_through=token.cancel, once=True)


def limiter() -> Scene:
    limiter = CapacityLimiter(1)
    return Scene(
        limiter,
        "acquire",
        block=lambda: limiter.acquire_on_behalf_of_nowait(limiter),
        let_through=lambda: limiter.release_on_behalf_of(limiter),
        leave=lambda _: limiter.release(),
    )


def limiter_for_another() -> Scene:
    limiter, borrower = CapacityLimiter(1), object()
    return Scene(
        limiter,
        "acquire_on_behalf_of",
        borrower,
        block=lambda: limiter.acquire_on_behalf_of_nowait(limiter),
        let_through=lambda: limiter.release_on_behalf_of(limiter),
        leave=lambda _: limiter.release_on_behalf_of(borrower),
        shared=False,  # one borrower holds one token
    )


def condition() -> Scene:
    condition = Condition()

    def notify() -> None:
        condition.mutex.acquire_nowait()
        condition.notify()
        condition.mutex.release()

    return InBlock(condition, "wait", let_through=notify)


def condition_that_becomes_true() -> Scene:
    condition = Condition()
    left = [0]  # how many may pass

    def become_true() -> None:
        condition.mutex.acquire_nowait()
        left[0] += 1
        condition.notify()
        condition.mutex.release()

    def take() -> bool:
        passes = left[0] > 0
        left[0] -= passes
        return passes

    return InBlock(condition, "wait_for", take, let_through=become_true)


def event() -> Scene:
    event = Event()
    return Scene(event, "wait", let_through=event.set, once=True)


def mutex() -> Scene:
    mutex = Mutex()
    return Scene(
        mutex, "acquire", block=mutex.acquire_nowait, let_through=mutex.release, leave=lambda _: mutex.release()
    )


def notify(wake: Callable[[Notify], None]) -> Scene:
    notify = Notify()
    return Scene(notify, "notified", let_through=lambda: wake(notify))


def once_cell() -> Scene:
    made = Event()

    async def make() -> int:
        await made.wait()
        return 1

    return Making(OnceCell[int](), "get_or_init", make, let_through=made.set, once=True)


def reader() -> Scene:
    lock = RwLock()
    return Scene(
        lock, "acquire_read", block=lock.acquire_write_nowait, let_through=lock.release, leave=lambda _: lock.release()
    )


def writer() -> Scene:
    lock = RwLock()
    return Scene(
        lock, "acquire_write", block=lock.acquire_read_nowait, let_through=lock.release, leave=lambda _: lock.release()
    )


def semaphore() -> Scene:
    semaphore = Semaphore(2, max_value=2)
    return Scene(
        semaphore,
        "acquire",
        2,
        block=semaphore.acquire_nowait,
        let_through=semaphore.release,
        leave=lambda _: semaphore.release(2),
    )


def set_once() -> Scene:
    cell = SetOnce[int]()
    return Scene(cell, "wait", let_through=lambda: cell.set(1), once=True)


def tracker() -> Scene:
    tracker = TaskTracker()
    return Scene(tracker, "wait", let_through=tracker.close, once=True)


# ---- conc.channels ---------------------------------------------------------------------------------------------------

Ends = tuple[Sender[int], Receiver[int]]


def receive(ends: Ends, name: str, *args: int, shared: bool = False) -> Scene:
    sender, receiver = ends
    return Scene(
        receiver,
        name,
        *args,
        let_through=lambda: sender.send_nowait(1),
        counts="tasks_waiting_receive",
        shared=shared,  # an mpsc has one consumer
    )


def send() -> Scene:
    sender, receiver = mpsc[int](1)
    return Scene(
        sender,
        "send",
        9,
        block=lambda: sender.send_nowait(0),
        let_through=receiver.receive_nowait,
        leave=lambda _: receiver.receive_nowait(),
        counts="tasks_waiting_send",
    )


def send_by_hand() -> Scene:
    sender, receiver = mpsc[int](0)
    return Scene(sender, "send", 9, let_through=receiver.receive_nowait, counts="tasks_waiting_send")


def reserve(name: str, *args: int) -> Scene:
    sender, receiver = mpsc[int](1)
    return Scene(
        sender,
        name,
        *args,
        block=lambda: sender.send_nowait(0),
        let_through=receiver.receive_nowait,
        leave=lambda permit: permit.release(),
        counts="tasks_waiting_send",
        twins="reserve",
    )


def ask() -> Scene:
    sender, receiver = oneshot[int]()
    return Scene(receiver, "receive", let_through=lambda: sender.send_nowait(1), shared=False, once=True)


def listen() -> Scene:
    sender, receiver = broadcast[int](4)
    return Scene(receiver, "receive", let_through=lambda: sender.send_nowait(1), shared=False)


def follow() -> Scene:
    sender, receiver = watch[int](0)
    return Scene(receiver, "changed", let_through=lambda: sender.send_nowait(1), shared=False)


def look_for() -> Scene:
    sender, receiver = watch[int](0)
    return Scene(
        receiver,
        "wait_for",
        lambda value: value > 0,
        let_through=lambda: sender.send_nowait(1),
        leave=lambda _: sender.send_nowait(0),
        shared=False,
    )


def closed(ends: tuple[Any, Any]) -> Scene:
    sender, receiver = ends
    return Scene(sender, "closed", let_through=receiver.close, counts=None, once=True)


SCENES: dict[str, Callable[[], Scene]] = {
    "Barrier.wait": barrier,
    "CancellationToken.wait": token,
    "CapacityLimiter.acquire": limiter,
    "CapacityLimiter.acquire_on_behalf_of": limiter_for_another,
    "Condition.wait": condition,
    "Condition.wait_for": condition_that_becomes_true,
    "Event.wait": event,
    "Mutex.acquire": mutex,
    "Notify.notified, one": lambda: notify(Notify.notify_one),
    "Notify.notified, last": lambda: notify(Notify.notify_last),
    "Notify.notified, all": lambda: notify(Notify.notify_waiters),
    "OnceCell.get_or_init": once_cell,
    "RwLock.acquire_read": reader,
    "RwLock.acquire_write": writer,
    "Semaphore.acquire": semaphore,
    "SetOnce.wait": set_once,
    "TaskTracker.wait": tracker,
    "Sender.send": send,
    "Sender.send, rendezvous": send_by_hand,
    "Sender.reserve": lambda: reserve("reserve"),
    "Sender.reserve_many": lambda: reserve("reserve_many", 1),
    "Sender.closed": lambda: closed(mpsc[int](1)),
    "Receiver.receive, mpsc": lambda: receive(mpsc[int](1), "receive"),
    "Receiver.receive, unbounded": lambda: receive(mpsc_unbounded[int](), "receive"),
    "Receiver.receive, mpmc": lambda: receive(mpmc[int](1), "receive", shared=True),
    "Receiver.receive, rendezvous": lambda: receive(mpsc[int](0), "receive"),
    "Receiver.receive_many, mpsc": lambda: receive(mpsc[int](1), "receive_many", 5),
    "Receiver.receive_many, unbounded": lambda: receive(mpsc_unbounded[int](), "receive_many", 5),
    "OneshotReceiver.receive": ask,
    "OneshotSender.closed": lambda: closed(oneshot[int]()),
    "BroadcastReceiver.receive": listen,
    "BroadcastSender.closed": lambda: closed(broadcast[int](4)),
    "WatchReceiver.changed": follow,
    "WatchReceiver.wait_for": look_for,
    "WatchSender.closed": lambda: closed(watch[int](0)),
}
