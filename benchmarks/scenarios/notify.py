"""notify: 100 tasks wait and are woken, all at once or one after another; the next round begins when all wait again."""

import asyncio
from collections.abc import Generator
from typing import Any

from benchmarks.measure import timed
from benchmarks.peers import anyio, conc, tinyio, tonio, trio
from benchmarks.scenario import Scenario, contestants
from benchmarks.tally import AnyioTally, AsyncioTally, ConcTally, Tally, TinyioTally, TonioTally, TrioTally

WAITERS = 100


class Place:
    """Where those wait who have only events that stay set: a new one for each round."""

    __slots__ = ("event",)

    def __init__(self, event: Any) -> None:
        self.event = event

    def wake_all(self, next_event: Any) -> None:
        event, self.event = self.event, next_event
        event.set()


async def waiter(wait: Any, tally: Tally, rounds: int) -> None:
    """For libraries that have one thing to wait for again and again."""
    for _ in range(rounds):
        tally.left -= 1
        if not tally.left:
            tally.complete()
        await wait()


async def waiter_with_events(place: Place, tally: Tally, rounds: int) -> None:
    for _ in range(rounds):
        tally.left -= 1
        if not tally.left:
            tally.complete()
        await place.event.wait()


async def conc_all(size: int) -> None:
    rounds, tally, notify = max(1, size // WAITERS), ConcTally(WAITERS), conc.sync.Notify()
    async with conc.open_nursery() as nursery:
        for _ in range(WAITERS):
            nursery.start_soon(waiter, notify.notified, tally, rounds)
        for _ in range(rounds):
            await tally.wait()
            notify.notify_waiters()


async def conc_one(size: int) -> None:
    rounds, tally, notify = max(1, size // WAITERS), ConcTally(WAITERS), conc.sync.Notify()
    async with conc.open_nursery() as nursery:
        for _ in range(WAITERS):
            nursery.start_soon(waiter, notify.notified, tally, rounds)
        for _ in range(rounds):
            await tally.wait()
            for _ in range(WAITERS):
                notify.notify_one()


async def asyncio_all(size: int) -> None:
    rounds, tally, event = max(1, size // WAITERS), AsyncioTally(WAITERS), asyncio.Event()
    tasks = [asyncio.create_task(waiter(event.wait, tally, rounds)) for _ in range(WAITERS)]
    for _ in range(rounds):
        await tally.wait()
        event.set()
        event.clear()
    for task in tasks:
        await task


async def asyncio_one(size: int) -> None:
    rounds, tally, semaphore = max(1, size // WAITERS), AsyncioTally(WAITERS), asyncio.Semaphore(0)
    tasks = [asyncio.create_task(waiter(semaphore.acquire, tally, rounds)) for _ in range(WAITERS)]
    for _ in range(rounds):
        await tally.wait()
        for _ in range(WAITERS):
            semaphore.release()
    for task in tasks:
        await task


async def trio_all(size: int) -> None:
    rounds, tally, lot = max(1, size // WAITERS), TrioTally(WAITERS), trio.lowlevel.ParkingLot()
    async with trio.open_nursery() as nursery:
        for _ in range(WAITERS):
            nursery.start_soon(waiter, lot.park, tally, rounds)
        for _ in range(rounds):
            await tally.wait()
            lot.unpark_all()


async def trio_one(size: int) -> None:
    rounds, tally, lot = max(1, size // WAITERS), TrioTally(WAITERS), trio.lowlevel.ParkingLot()
    async with trio.open_nursery() as nursery:
        for _ in range(WAITERS):
            nursery.start_soon(waiter, lot.park, tally, rounds)
        for _ in range(rounds):
            await tally.wait()
            for _ in range(WAITERS):
                lot.unpark()


async def anyio_all(size: int) -> None:
    rounds, tally, place = max(1, size // WAITERS), AnyioTally(WAITERS), Place(anyio.Event())
    async with anyio.create_task_group() as group:
        for _ in range(WAITERS):
            group.start_soon(waiter_with_events, place, tally, rounds)
        for _ in range(rounds):
            await tally.wait()
            place.wake_all(anyio.Event())


async def anyio_one(size: int) -> None:
    rounds, tally, semaphore = max(1, size // WAITERS), AnyioTally(WAITERS), anyio.Semaphore(0, fast_acquire=True)
    async with anyio.create_task_group() as group:
        for _ in range(WAITERS):
            group.start_soon(waiter, semaphore.acquire, tally, rounds)
        for _ in range(rounds):
            await tally.wait()
            for _ in range(WAITERS):
                semaphore.release()


def tinyio_waiter(place: Place, tally: Tally, rounds: int) -> Generator[Any, Any, None]:
    for _ in range(rounds):
        tally.left -= 1
        if not tally.left:
            tally.complete()
        yield from place.event.wait()


def tinyio_waker(place: Place, tally: TinyioTally, rounds: int) -> Generator[Any, Any, None]:
    for _ in range(rounds):
        yield from tally.wait()
        place.wake_all(tinyio.Event())


def tinyio_all(size: int) -> Generator[Any, Any, None]:
    rounds, tally, place = max(1, size // WAITERS), TinyioTally(WAITERS), Place(tinyio.Event())
    yield [*[tinyio_waiter(place, tally, rounds) for _ in range(WAITERS)], tinyio_waker(place, tally, rounds)]


async def tonio_all(size: int) -> None:
    rounds, tally, place = max(1, size // WAITERS), TonioTally(WAITERS), Place(tonio.colored.Event())
    waited = tonio.colored.spawn.without_results(*[waiter_with_events(place, tally, rounds) for _ in range(WAITERS)])
    for _ in range(rounds):
        await tally.wait()
        place.wake_all(tonio.colored.Event())
    await waited


async def tonio_sleeper(events: list[Any], tally: Tally, rounds: int) -> None:
    for _ in range(rounds):
        event = tonio.colored.Event()
        events.append(event)
        tally.left -= 1
        if not tally.left:
            tally.complete()
        await event.wait()


async def tonio_one(size: int) -> None:
    rounds, tally = max(1, size // WAITERS), TonioTally(WAITERS)
    events: list[Any] = []
    waited = tonio.colored.spawn.without_results(*[tonio_sleeper(events, tally, rounds) for _ in range(WAITERS)])
    for _ in range(rounds):
        await tally.wait()
        woken = events.copy()
        events.clear()
        for event in woken:
            event.set()
    await waited


SCENARIOS = (
    Scenario(
        name="notify_waiters_100",
        family="notify",
        title="100 tasks wait and are woken all at once",
        unit="wake-up",
        size=100_000,
        measure=timed,
        contestants=contestants(
            {
                "conc": conc_all,
                "asyncio": asyncio_all,
                "trio": trio_all,
                "anyio": anyio_all,
                "tinyio": tinyio_all,
                "tonio": tonio_all,
            }
        ),
        notes="The next round follows when all wait again. conc: `notify_waiters`. asyncio: an Event, set and cleared."
        " trio: `ParkingLot.unpark_all`. anyio, tinyio, tonio: a new Event for each round.",
    ),
    Scenario(
        name="notify_one_100",
        family="notify",
        title="100 tasks wait and are woken one after another",
        unit="wake-up",
        size=100_000,
        measure=timed,
        contestants=contestants(
            {"conc": conc_one, "asyncio": asyncio_one, "trio": trio_one, "anyio": anyio_one, "tonio": tonio_one}
        ),
        excused={"tinyio": "it has nothing that wakes one of several"},
        notes="conc: `notify_one`. asyncio, anyio: `Semaphore(0)`. trio: `ParkingLot.unpark`. tonio: an Event for each"
        " wait.",
    ),
)
