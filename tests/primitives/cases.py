"""What is checked: each primitive with its model, and with what tasks do to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import conc
from conc.channels import broadcast, mpmc, mpsc, mpsc_unbounded, oneshot, watch
from conc.sync import (
    Barrier,
    CapacityLimiter,
    Condition,
    Event,
    Mutex,
    Notify,
    OnceCell,
    RwLock,
    Semaphore,
    SetOnce,
)
from conc_testing import UNIQUE, Model, PrimitiveReport, check_primitive
from tests.primitives.channel_specs import BroadcastSpec, OneshotSpec, PermitSpec, QueueSpec, WatchSpec
from tests.primitives.sync_specs import (
    BarrierSpec,
    ConditionSpec,
    EventSpec,
    LimiterSpec,
    MutexSpec,
    NotifySpec,
    OnceCellSpec,
    RwLockSpec,
    SemaphoreSpec,
    SetOnceSpec,
)


@dataclass(frozen=True)
class Case:
    """A primitive, and how to check it."""

    spec: Model
    make: Callable[[], Any]
    ops: dict[str, Any]
    close: Callable[[Any], object] | None = None
    steps: int = 2  # of each task

    def check(self, **options: Any) -> PrimitiveReport:
        """As `check_primitive`."""
        return check_primitive(self.spec, self.make, self.ops, close=self.close, ops_per_task=self.steps, **options)


def of(part: int | None, name: str) -> Callable[..., Any]:
    """The method `name` of a primitive; of one that has parts, of that part. It is looked up when it is called."""
    return lambda thing, *args: getattr(thing if part is None else thing[part], name)(*args)


def methods(*names: str, **others: Any) -> dict[str, Any]:
    """Operations that are methods of the same name, and others: their names, or with arguments to choose from."""
    ops: dict[str, Any] = {}
    for name, told in {**{name: name for name in names}, **others}.items():
        method, *args = told if isinstance(told, tuple) else (told,)
        ops[name] = (of(None, method) if isinstance(method, str) else method, *args)
    return ops


def close_all(parts: tuple[Any, ...]) -> None:
    """At the end, no channel is left open."""
    for part in parts:
        part.close()


# ---- conc.sync -------------------------------------------------------------------------------------------------------


async def make_value(cell: OnceCell[Any], value: Any) -> Any:
    """Let the cell have a value, that takes a while to make, or cannot be made."""

    async def make() -> Any:
        await conc.checkpoint()
        if value == "fails":
            raise ZeroDivisionError
        return value

    return await cell.get_or_init(make)


def resize(limiter: CapacityLimiter, tokens: int) -> None:
    limiter.total_tokens = tokens


SYNC: dict[str, Case] = {
    "Mutex": Case(MutexSpec(), Mutex, methods("acquire", "acquire_nowait", "release")),
    "Semaphore": Case(
        SemaphoreSpec(1, 3),
        lambda: Semaphore(1, max_value=3),
        methods(
            "release",
            acquire=("acquire", (1,), (2,), (4,)),
            acquire_nowait=("acquire_nowait", (1,)),
        ),
    ),
    "Semaphore that is closed": Case(
        SemaphoreSpec(0, 3),
        lambda: Semaphore(0, max_value=3),
        methods(
            "release",
            "close",
            acquire=("acquire", (1,), (2,)),
            forget=("forget", (1,)),
        ),
    ),
    "CapacityLimiter": Case(
        LimiterSpec(1),
        lambda: CapacityLimiter(1),
        methods("acquire", "acquire_nowait", "release", resize=(resize, (0,), (2,))),
    ),
    "RwLock": Case(
        RwLockSpec(),
        RwLock,
        methods(
            "release",
            "downgrade",
            read="acquire_read",
            write="acquire_write",
            read_nowait="acquire_read_nowait",
            write_nowait="acquire_write_nowait",
        ),
    ),
    "Notify": Case(
        NotifySpec(),
        Notify,
        methods("notified", "notified_nowait", "notify_one", "notify_last", "notify_waiters"),
    ),
    "Event": Case(EventSpec(), Event, methods("set", "wait", "is_set")),
    "SetOnce": Case(SetOnceSpec(), SetOnce, methods("wait", "get", set=("set", (UNIQUE,)))),
    "Barrier": Case(BarrierSpec(2), lambda: Barrier(2), methods("wait")),
    "OnceCell": Case(
        OnceCellSpec(),
        OnceCell,
        methods("get", set=("set", (UNIQUE,)), make=(make_value, (UNIQUE,), ("fails",))),
    ),
    "Condition": Case(
        ConditionSpec(),
        Condition,
        methods(
            "wait",
            notify=("notify", (1,), (2,)),
            acquire=lambda condition: condition.mutex.acquire(),
            release=lambda condition: condition.mutex.release(),
        ),
        steps=3,  # to take the mutex, to wait or to notify, and to give it back
    ),
}


# ---- conc.channels ---------------------------------------------------------------------------------------------------


def of_receiver(name: str) -> Callable[..., Any]:
    """The method `name` of the receiver whose number is given first."""
    return lambda parts, number, *args: getattr(parts[1 + number], name)(*args)


QUEUE: dict[str, Any] = {
    "send": (of(0, "send"), (UNIQUE,)),
    "send_nowait": (of(0, "send_nowait"), (UNIQUE,)),
    "receive": of(1, "receive"),
    "receive_nowait": of(1, "receive_nowait"),
    "close_sender": of(0, "close"),
    "close_receiver": of(1, "close"),
}


async def send_by_permit(parts: tuple[Any, ...], places: int, item: Any) -> None:
    """Reserve some places, and use one."""
    with await parts[0].reserve_many(places) as permit:
        permit.send_nowait(item)


def two_broadcast_receivers() -> tuple[Any, ...]:
    sender, receiver = broadcast[Any](1)
    return sender, receiver, sender.subscribe()


def two_watch_receivers() -> tuple[Any, ...]:
    sender, receiver = watch[Any](None)
    return sender, receiver, sender.subscribe()


CHANNELS: dict[str, Case] = {
    "mpsc of 1": Case(QueueSpec(1, False), lambda: mpsc[Any](1), QUEUE, close_all),
    "mpsc of 2": Case(QueueSpec(2, False), lambda: mpsc[Any](2), QUEUE, close_all),
    "rendezvous": Case(QueueSpec(0, False), lambda: mpsc[Any](0), QUEUE, close_all),
    "mpsc_unbounded": Case(QueueSpec(float("inf"), False), mpsc_unbounded[Any], QUEUE, close_all),
    "mpmc of 1": Case(QueueSpec(1, True), lambda: mpmc[Any](1), QUEUE, close_all),
    "mpmc by hand": Case(QueueSpec(0, True), lambda: mpmc[Any](0), QUEUE, close_all),
    "permits": Case(
        PermitSpec(2),
        lambda: mpsc[Any](2),
        {
            "reserve": (send_by_permit, (1, UNIQUE), (2, UNIQUE)),
            "send_nowait": (of(0, "send_nowait"), (UNIQUE,)),
            "receive_nowait": of(1, "receive_nowait"),
        },
        close_all,
    ),
    "oneshot": Case(
        OneshotSpec(),
        oneshot[Any],
        {
            "send_nowait": (of(0, "send_nowait"), (UNIQUE,)),
            "receive": of(1, "receive"),
            "receive_nowait": of(1, "receive_nowait"),
            "close_sender": of(0, "close"),
            "close_receiver": of(1, "close"),
        },
        close_all,
    ),
    "broadcast": Case(
        BroadcastSpec(1, 2),
        two_broadcast_receivers,
        {
            "send_nowait": (of(0, "send_nowait"), (UNIQUE,)),
            "receive": (of_receiver("receive"), (0,), (1,)),
            "receive_nowait": (of_receiver("receive_nowait"), (0,)),
            "close_sender": of(0, "close"),
            "close_receiver": (of_receiver("close"), (1,)),
        },
        close_all,
    ),
    "watch": Case(
        WatchSpec(2),
        two_watch_receivers,
        {
            "send_nowait": (of(0, "send_nowait"), (UNIQUE,)),
            "changed": (of_receiver("changed"), (0,), (1,)),
            "changed_nowait": (of_receiver("changed_nowait"), (0,)),
            "borrow": (of_receiver("borrow"), (1,)),
            "close_sender": of(0, "close"),
        },
        close_all,
    ),
}

CASES = {**SYNC, **CHANNELS}
