"""The models are worth their green only if they can be red: primitives that were broken on purpose are found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conc._kernel.waitqueue import WaitQueue
from conc.channels.audience import Seat
from conc.channels.conduit import Conduit
from conc.channels.oneshots import _Shot
from conc.channels.ring import Ring
from conc.channels.watches import WatchReceiver
from conc.sync import CapacityLimiter, Condition, Event, Mutex, Notify, OnceCell, RwLock, Semaphore, SetOnce
from tests.primitives.cases import CASES

Broken = Callable[..., Any]


@contextmanager
def in_place_of(cls: type, name: str, broken: Broken) -> Iterator[None]:
    """Let a class do something else meanwhile: `broken` gets its method, and then what that gets."""
    original = cls.__dict__[name]

    def method(*args: Any, **kwargs: Any) -> Any:
        return broken(original, *args, **kwargs)

    setattr(cls, name, method)
    try:
        yield
    finally:
        setattr(cls, name, original)


# ---- mistakes: each is given what it replaces ------------------------------------------------------------------------


def serves_who_came_last(grant: Any, queue: WaitQueue, value: Any = None) -> Any:
    return queue.grant_last(value)


def leaves_and_serves_nobody(withdraw: Any, queue: Any, waiter: Any) -> Any:
    serve, queue._serve = queue._serve, None
    try:
        return withdraw(queue, waiter)
    finally:
        queue._serve = serve


def wakes_only_one(grant_all: Any, queue: WaitQueue, value: Any = None) -> Any:
    waiter = queue.grant(value)
    return [] if waiter is None else [waiter]


def serves_nobody(serve: Any, *args: Any) -> Any:
    return []


def does_nothing(method: Any, *args: Any) -> None:
    return None


def forgets_a_permit(release: Any, semaphore: Semaphore, n: int = 1) -> None:
    if not semaphore.statistics().tasks_waiting:
        release(semaphore, n)


def lets_newcomers_overtake(head: Any, queue: WaitQueue) -> Any:
    return None


def stores_a_permit_too(notify_waiters: Any, notify: Notify) -> None:
    notify_waiters(notify)
    notify._stored = True


def wakes_the_oldest(notify_last: Any, notify: Notify) -> None:
    notify.notify_one()


def sees_what_it_was_told(got: Any, receiver: Any, granted: Any) -> Any:
    return granted.value


def gives_the_newest(take: Any, ring: Ring, seat: Seat) -> Any:
    if ring.end > seat.at:
        seat.at = ring.end - 1
    return take(ring, seat)


def sends_after_the_end(send: Any, conduit: Conduit, item: Any, woken: Any) -> Any:
    conduit.receivers += 1
    try:
        return send(conduit, item, woken)
    finally:
        conduit.receivers -= 1


def hands_the_item_to_two(put: Any, conduit: Conduit, item: Any, woken: Any) -> Any:
    conduit.items.append(item)
    return put(conduit, item, woken)


def writes_beside_readers(attempt: Any, lock: Any, party: Any) -> Any:
    readers, lock._readers = lock._readers, {}
    try:
        return attempt(lock, party)
    finally:
        lock._readers = readers


def sets_again(set_once: Any, cell: SetOnce[Any], value: Any) -> None:
    if cell.is_set():
        cell._value = value
    else:
        set_once(cell, value)


def notifies_one_too_many(notify: Any, condition: Condition, n: int) -> None:
    notify(condition, n + 1)


MUTANTS: list[tuple[str, type, str, Broken]] = [
    ("Semaphore", Semaphore, "release", forgets_a_permit),
    ("Semaphore", Semaphore, "_serve", serves_nobody),
    ("Semaphore", WaitQueue, "withdraw", leaves_and_serves_nobody),
    ("Semaphore that is closed", WaitQueue, "grant_all", wakes_only_one),
    ("CapacityLimiter", CapacityLimiter, "_serve", serves_nobody),
    ("RwLock", RwLock, "_serve", serves_nobody),
    ("RwLock", RwLock, "_attempt_write", writes_beside_readers),
    ("RwLock", WaitQueue, "withdraw", leaves_and_serves_nobody),
    ("Notify", Notify, "notify_last", wakes_the_oldest),
    ("Notify", Notify, "notify_waiters", stores_a_permit_too),
    ("Notify", WaitQueue, "grant", serves_who_came_last),
    ("Event", WaitQueue, "grant_all", wakes_only_one),
    ("Event", Event, "set", does_nothing),
    ("SetOnce", SetOnce, "set", sets_again),
    ("Barrier", WaitQueue, "grant_all", wakes_only_one),
    ("OnceCell", OnceCell, "_failed", does_nothing),
    ("OnceCell", WaitQueue, "grant_all", wakes_only_one),
    ("Condition", Condition, "_notify", notifies_one_too_many),
    ("Condition", Condition, "_notify", does_nothing),
    ("Mutex", Mutex, "release", does_nothing),
    ("mpsc of 1", Conduit, "settle", does_nothing),
    ("mpsc of 1", Conduit, "send", sends_after_the_end),
    ("mpsc of 1", WaitQueue, "grant_all", wakes_only_one),
    ("mpsc of 2", Conduit, "put", hands_the_item_to_two),
    ("mpmc by hand", WaitQueue, "grant", serves_who_came_last),
    ("permits", WaitQueue, "withdraw", leaves_and_serves_nobody),
    ("permits", WaitQueue, "head", lets_newcomers_overtake),
    ("oneshot", _Shot, "close_receiver", serves_nobody),
    ("broadcast", Ring, "take", gives_the_newest),
    ("watch", WatchReceiver, "_got", sees_what_it_was_told),
]


@pytest.mark.parametrize(
    ("name", "cls", "method", "broken"),
    MUTANTS,
    ids=[f"{name}: {cls.__name__}.{method} {broken.__name__}" for name, cls, method, broken in MUTANTS],
)
def test_a_broken_primitive_is_found(name: str, cls: type, method: str, broken: Broken) -> None:
    with in_place_of(cls, method, broken):
        report = CASES[name].check(plan=["delay<=1"], most_programs=30)

    assert report.verdict == "failed"
