"""What a run leaves behind is told, each kind with the line that made it; what was there before is not."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

import conc
from conc import channels, sync
from conc.lowlevel import current_runtime
from conc_testing import Budget, Leak, allow_leak, explore, run
from conc_testing.sim.created import CLASSES
from tests.testing.sim import planted

Scenario = Callable[[], Awaitable[object]]
HERE = r"test_leaks\.py:\d+"


@pytest.fixture(autouse=True)
def _constructors_are_as_before() -> Iterator[None]:
    before = {cls: cls.__init__ for cls in CLASSES}
    yield
    assert {cls: cls.__init__ for cls in CLASSES} == before
    assert gc.isenabled()


async def permit() -> None:
    await sync.Semaphore(3).acquire(2)


async def mutex() -> None:
    await sync.Mutex().acquire()


async def read_lock() -> None:
    await sync.RwLock().read().__aenter__()


async def write_lock() -> None:
    await sync.RwLock().write().__aenter__()


async def token() -> None:
    await sync.CapacityLimiter(2).acquire()


async def generator() -> None:
    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await conc.checkpoint()

    async for _ in generate():
        break


async def coroutine() -> None:
    planted.calm()  # type: ignore[unused-coroutine]


async def coroutine_in_a_circle() -> None:
    circle: list[object] = [planted.calm()]
    circle.append(circle)


async def guest() -> None:
    current_runtime().root_nursery.start_soon(conc.sleep, 5, name="guest")
    await conc.checkpoint()


KINDS: dict[str, tuple[Scenario, str]] = {
    "permit": (permit, rf"2 of 3 permits of <Semaphore .*>, made in {HERE}, were not given back"),
    "mutex": (mutex, rf"Mutex.*, made in {HERE}, is still locked"),
    "read lock": (read_lock, rf"RwLock.*, made in {HERE}, is still locked"),
    "write lock": (write_lock, rf"RwLock.*, made in {HERE}, is still locked"),
    "token": (token, rf"1 tokens of .*CapacityLimiter.*, made in {HERE}, were not given back"),
    "async generator": (generator, rf"the async generator .*{HERE}\) was dropped before it was finished"),
    "coroutine": (coroutine, "coroutine 'calm' was never awaited"),
    "coroutine in a circle": (coroutine_in_a_circle, "coroutine 'calm' was never awaited"),
    "task": (guest, rf"task beside/0:guest still runs, started in {HERE}"),
}
EACH = pytest.mark.parametrize(("scenario", "words"), KINDS.values(), ids=KINDS)


@EACH
def test_each_kind_of_leak_is_an_error_with_the_line_that_made_it(scenario: Scenario, words: str) -> None:
    with pytest.raises(Leak, match=words):
        run(scenario)


@EACH
def test_each_kind_is_found_by_a_search_and_shown_as_it_is(scenario: Scenario, words: str) -> None:
    report = explore(scenario, budget=Budget(runs=3))
    assert report.failure is not None
    assert isinstance(report.failure.error, Leak)
    with pytest.raises(AssertionError, match=words):
        report.assert_ok()


@EACH
@pytest.mark.filterwarnings("error")
def test_whoever_wants_it_so_may_leave_things_behind(scenario: Scenario, words: str) -> None:
    run(scenario, leaks="ignore")


def test_a_thread_that_still_runs_is_a_leak_and_one_that_ran_before_is_none() -> None:
    go = threading.Event()

    async def start(name: str) -> None:
        threading.Thread(target=go.wait, name=name, daemon=True).start()

    try:
        with pytest.raises(Leak, match="thread of the run still runs"):
            run(start, "of the run")
        run(planted.calm)
    finally:
        go.set()


@pytest.mark.parametrize("deviations", [0, 1])
def test_an_error_of_the_scenario_is_told_and_not_what_it_left(deviations: int) -> None:
    async def scenario() -> None:
        await sync.Semaphore(1).acquire()
        raise ArithmeticError("first")

    with pytest.raises(ArithmeticError, match="first"):
        run(scenario)


def test_what_was_made_before_the_run_is_none_of_its_business() -> None:
    semaphore = sync.Semaphore(2)

    async def scenario() -> None:
        semaphore.acquire_nowait()

    run(scenario)
    assert semaphore.value == 1


def test_what_conc_makes_for_itself_is_none_of_the_programs_business() -> None:
    async def double(number: int) -> int:
        await conc.checkpoint()
        return 2 * number

    async def scenario() -> list[int]:
        async with conc.open_map(double, range(4), limit=2) as results:
            return [result async for result in results]
        return []

    assert run(scenario) == [0, 2, 4, 6]


def test_permits_that_are_added_or_given_back_by_another_task_are_no_leak() -> None:
    async def scenario() -> None:
        added, handed = sync.Semaphore(0), sync.Semaphore(1)
        added.release(3)
        await added.acquire(3)
        await handed.acquire()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(_release, handed)

    run(scenario)


async def _release(semaphore: sync.Semaphore) -> None:
    semaphore.release()


def test_everything_that_is_given_back_is_no_leak() -> None:
    async def scenario() -> None:
        sender, receiver = channels.mpsc[int](1)
        with sender, receiver:
            await sender.send(1)
            await receiver.receive()
        async with sync.Mutex(), sync.Semaphore(1), sync.RwLock().read(), sync.CapacityLimiter(1):
            with conc.move_on_after(1):
                await conc.sleep(2)
        await conc.to_thread(len, "abc")

    run(scenario)


def test_several_leaks_are_told_together() -> None:
    async def scenario() -> None:
        await permit()
        await mutex()

    with pytest.raises(Leak, match=r"left at the end of the run:\n- .*permits.*\n- .*is still locked"):
        run(scenario)


def test_other_warnings_are_passed_on() -> None:
    async def scenario() -> None:
        warnings.warn("do not do that", DeprecationWarning, stacklevel=1)

    with pytest.warns(DeprecationWarning, match="do not do that"):
        run(scenario)


def test_simulations_one_after_another_and_one_inside_a_thread_of_another_see_their_own_leaks() -> None:
    async def outer() -> None:
        with pytest.raises(Leak, match="permits"):
            await conc.to_thread(run, permit)
        await mutex()

    with pytest.raises(Leak) as caught:
        run(outer)
    assert "is still locked" in str(caught.value)
    assert "permits" not in str(caught.value)
    run(planted.calm)


def test_after_an_error_that_leaves_the_search_the_constructors_are_as_before() -> None:
    async def leave() -> None:
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(leave)


def test_the_end_of_a_channel_that_was_dropped_with_somebody_waiting_is_told() -> None:
    async def scenario() -> None:
        sender, receiver = channels.mpsc[int](1)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(_receive, receiver)
            await conc.checkpoint()
            del sender
            nursery.cancel_scope.cancel()

    with pytest.raises(Leak, match=r"Sender|sender"):
        run(scenario)


async def _receive(receiver: Any) -> None:
    with receiver:
        await receiver.receive()


def test_a_leak_that_is_allowed_is_none() -> None:
    async def scenario() -> None:
        countdown = allow_leak(sync.Semaphore(3))
        await countdown.acquire()
        countdown.forget(1)

    run(scenario)


def test_to_allow_one_leak_allows_no_other() -> None:
    async def scenario() -> None:
        allow_leak(sync.Semaphore(1)).acquire_nowait()
        sync.Semaphore(2).acquire_nowait()

    with pytest.raises(Leak, match="1 of 2 permits"):
        run(scenario)


def test_the_line_of_a_coroutine_that_was_never_awaited_is_told() -> None:
    with pytest.raises(Leak, match=r"(?s)'calm' was never awaited.*test_leaks\.py"):
        run(coroutine)
