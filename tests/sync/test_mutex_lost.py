"""A mutex whose holder has ended: nobody waits for ever, whoever wants it is told which task it was."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource
from conc.lowlevel import current_runtime
from conc.sync import Event, Mutex
from conc_testing import settle
from tests.kernel.support import Driven, leaves, run
from tests.sync.actors import Actor
from tests.sync.outside import until_waiting
from tests.threads.support import Stranger

IN_STRANDS = pytest.mark.parametrize(("parallel", "workers"), [(False, 1), (True, 1), (True, 3)])
GONE = r"<Mutex held by 'keeper' #\d+, which has ended> without giving it back"


async def enter(mutex: Mutex) -> None:
    async with mutex:
        pass


async def as_async(function: Callable[[], object]) -> object:
    return function()


TAKING: list[Callable[[Mutex], Awaitable[object]]] = [
    enter,
    Mutex.acquire,
    lambda mutex: conc.select(mutex.acquiring()),
]
AT_ONCE: list[Callable[[Mutex], Awaitable[object]]] = [*TAKING, lambda mutex: as_async(mutex.acquire_nowait)]


async def keep(mutex: Mutex, until: Event) -> None:
    """Take it, and end without giving it back."""
    await mutex.acquire()
    await until.wait()


async def is_told(take: Callable[[Mutex], Awaitable[object]], mutex: Mutex) -> None:
    with pytest.raises(BrokenResource, match=GONE):
        await take(mutex)


@IN_STRANDS
@pytest.mark.parametrize("take", TAKING)
def test_those_who_wait_when_the_holder_ends_are_told(
    take: Callable[[Mutex], Awaitable[object]], parallel: bool, workers: int
) -> None:
    async def main() -> None:
        mutex, end = Mutex(), Event()
        async with conc.open_nursery(parallel=parallel) as nursery:
            nursery.start_soon(keep, mutex, end, name="keeper")
            while not mutex.locked():
                await conc.sleep(0.001)
            for _ in range(3):
                nursery.start_soon(is_told, take, mutex)
            while mutex.statistics().tasks_waiting < 3:
                await conc.sleep(0.001)
            end.set()
        mutex._check()
        assert mutex.locked()

    conc.run(main, workers=workers)


@pytest.mark.parametrize("take", AT_ONCE)
def test_those_who_come_later_are_told(take: Callable[[Mutex], Awaitable[object]]) -> None:
    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(mutex.acquire, name="keeper")
        for _ in range(3):
            await is_told(take, mutex)
            mutex._check()

    run(main)


@pytest.mark.parametrize("take", AT_ONCE)
def test_those_who_come_later_from_another_strand_are_told(take: Callable[[Mutex], Awaitable[object]]) -> None:
    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(mutex.acquire, name="keeper")
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(is_told, take, mutex)

    conc.run(main, workers=2)


@IN_STRANDS
def test_who_was_handed_it_and_ends_is_the_one_that_those_behind_are_told_of(parallel: bool, workers: int) -> None:
    async def main() -> None:
        mutex, end = Mutex(), Event()
        async with conc.open_nursery(parallel=parallel) as nursery:
            async with mutex:
                nursery.start_soon(keep, mutex, end, name="keeper")
                while mutex.statistics().tasks_waiting < 1:
                    await conc.sleep(0.001)
                for _ in range(2):
                    nursery.start_soon(is_told, Mutex.acquire, mutex)
                while mutex.statistics().tasks_waiting < 3:
                    await conc.sleep(0.001)
            end.set()

    conc.run(main, workers=workers)


@pytest.mark.parametrize("handed", [False, True])
def test_a_select_that_took_it_and_whose_task_ends_is_found_too(handed: bool) -> None:
    async def main() -> None:
        mutex = Mutex()

        async def keep_by_select() -> None:
            await conc.select(Event().waiting(), mutex.acquiring())
            await conc.sleep(1)

        async with conc.open_nursery() as nursery:
            if handed:
                await mutex.acquire()
            nursery.start_soon(keep_by_select, name="keeper")
            await settle()
            nursery.start_soon(is_told, Mutex.acquire, mutex)
            await settle()
            if handed:
                mutex.release()

    run(main)


def test_an_error_of_the_holder_is_reported_once() -> None:
    async def fail(mutex: Mutex) -> None:
        await mutex.acquire()
        await conc.sleep(1)
        raise ValueError("the holder's")

    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(fail, mutex)
            nursery.start_soon(mutex.acquire)

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [str(error) for error in leaves(caught.value)] == ["the holder's"]


def test_a_waiter_that_is_cancelled_does_not_keep_the_others_from_being_told() -> None:
    async def main() -> None:
        mutex, end = Mutex(), Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(keep, mutex, end, name="keeper")
            await settle()
            first = nursery.start_soon(mutex.acquire)
            await settle()
            first.cancel()
            await settle()
            nursery.start_soon(is_told, Mutex.acquire, mutex)
            await settle()
            end.set()

    run(main)


def test_who_gave_it_back_may_end_without_anybody_being_told() -> None:
    async def main() -> None:
        mutex, end = Mutex(), Event()

        async def hold() -> None:
            async with mutex:
                await end.wait()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(hold)
            await settle()
            waiters = [nursery.start_soon(enter, mutex) for _ in range(3)]
            await settle()
            end.set()
        assert [waiter.join_nowait() for waiter in waiters] == [None, None, None]

    run(main)


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_thread_that_waits_is_told(timeout: float | None) -> None:
    async def main() -> None:
        mutex, end = Mutex(), Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(keep, mutex, end, name="keeper")
            await settle_really(mutex.locked)
            stranger = Stranger(mutex.acquire_blocking, timeout)
            await conc.to_thread(until_waiting, mutex)
            end.set()
        with pytest.raises(BrokenResource, match=GONE):
            await stranger.has_ended()
        with pytest.raises(BrokenResource, match=GONE):
            await conc.to_thread(mutex.acquire_blocking)

    conc.run(main)


async def settle_really(condition: Callable[[], object]) -> None:
    while not condition():
        await conc.sleep(0.001)


def test_the_next_run_is_told_of_a_holder_of_the_one_before() -> None:
    mutex = Mutex()

    async def take() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(mutex.acquire, name="keeper")

    run(take)
    run(is_told, Mutex.acquire, mutex)
    mutex._check()


def test_those_who_come_after_a_thread_that_ended_with_it_are_told() -> None:
    mutex = Mutex()
    thread = threading.Thread(target=mutex.acquire_nowait, name="keeper")
    thread.start()
    thread.join()

    for take in AT_ONCE:
        with pytest.raises(BrokenResource, match="held by thread 'keeper', which has ended"):
            run(take, mutex)


@pytest.mark.parametrize("handed", [False, True])
def test_a_run_that_is_stopped_by_force_leaves_no_thread_waiting(handed: bool) -> None:
    mutex = Mutex()
    strangers: list[Stranger] = []

    async def stay() -> None:
        await mutex.acquire()
        with conc.CancelScope(shield=True):
            await conc.sleep_forever()

    async def main() -> None:
        if handed:
            await mutex.acquire()
        current_runtime().root_nursery.start_soon(stay, name="keeper")
        await settle_really(lambda: mutex.locked() and mutex.statistics().tasks_waiting == handed)
        strangers.append(Stranger(mutex.acquire_blocking))
        await conc.to_thread(until_waiting, mutex, 1 + handed)
        if handed:
            mutex.release()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.01)
    with pytest.raises(BrokenResource, match=GONE):
        strangers[0].result()


def test_a_task_that_is_closed_by_force_before_it_runs_hands_on_what_it_was_handed() -> None:
    driven, mutex = Driven(), Mutex()
    holder = Actor(driven)
    holder.tell(mutex.acquire)
    heir = driven.start(mutex.acquire)
    stranger = Stranger(mutex.acquire_blocking)
    until_waiting(mutex, 2)

    holder.do(mutex.release)
    assert mutex.owner is heir
    driven.runtime._stop("the test")
    with pytest.raises(RuntimeError, match="the test"):
        driven.runtime.step()

    stranger.result()
    assert mutex.statistics().owner is stranger


def test_a_block_that_lost_it_while_it_waited_for_a_condition_fails_with_the_reason() -> None:
    async def main() -> None:
        condition = conc.sync.Condition()
        mutex = condition.mutex

        async def wait() -> None:
            async with condition:
                await condition.wait()

        async def notify_and_end() -> None:
            await mutex.acquire()
            condition.notify_all()
            await conc.sleep(1)

        async with conc.open_nursery() as nursery:
            waiter: conc.Task[Any] = nursery.start_soon(told, wait)
            await settle()
            nursery.start_soon(notify_and_end, name="keeper")
        waiter.join_nowait()

    async def told(wait: Callable[[], Awaitable[None]]) -> None:
        with pytest.raises(BrokenResource, match=GONE):
            await wait()

    run(main)
