"""When a program has come to rest, and what holds that off."""

import socket
import threading
from collections.abc import Callable

import pytest

import conc
from conc.lowlevel import expect_wakeup, wait_readable
from conc.sync import Event
from conc_testing import VirtualClock, settle


@pytest.mark.conc(workers=3)
@pytest.mark.parametrize("parallel", [False, True])
async def test_settle_returns_when_every_other_task_is_blocked_and_no_time_has_passed(
    clock: VirtualClock, parallel: bool
) -> None:
    blocked = 0
    never = Event()

    async def worker(steps: int) -> None:
        nonlocal blocked
        for _ in range(steps):
            await conc.checkpoint()
        async with conc.open_nursery() as children:
            children.start_soon(conc.sleep, 1.0)
        with lock:
            blocked += 1
        await never.wait()

    lock = threading.Lock()
    async with conc.open_nursery(parallel=parallel) as nursery:
        for steps in range(0, 200, 10):
            nursery.start_soon(worker, steps)
        await settle()
        assert (blocked, clock.now()) == (0, 0.0)
        await clock.advance(1.0)
        assert (blocked, clock.now()) == (20, 1.0)
        nursery.cancel_scope.cancel()


async def test_several_who_settle_are_resumed_in_turn_each_with_the_others_at_rest() -> None:
    log = []

    async def one(name: str) -> None:
        await settle()
        log.append(f"{name} begins")
        for _ in range(10):
            await conc.checkpoint()
        log.append(f"{name} ends")

    async with conc.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(one, name)

    assert log == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


async def test_a_cancelled_settle_ends_early_and_leaves_nobody_in_line() -> None:
    with conc.CancelScope() as scope:
        scope.cancel()
        await settle()
    assert scope.cancelled_caught

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(settle)
        await conc.checkpoint()
        task.cancel()
        await settle()
        with pytest.raises(conc.TaskCancelled):
            await task.join()


async def test_settle_and_advance_say_what_they_wait_for(clock: VirtualClock, nursery: conc.Nursery) -> None:
    resting = nursery.start_soon(settle)
    travelling = nursery.start_soon(clock.advance, 2.5)
    await conc.checkpoint()

    assert resting.state == "waits for every other task to be blocked (settle)"
    assert travelling.state == "waits for time to advance to 2.5 s"


# ---- what holds time off, and what does not ---------------------------------------------------------------------


@pytest.fixture
def sets_later() -> Callable[[Event], None]:
    """Lets a thread that conc knows nothing of set an event in a moment of real time."""
    return lambda event: threading.Timer(0.05, event.set).start()


@pytest.mark.conc(workers=2)
async def test_time_waits_for_a_declared_wakeup(clock: VirtualClock, sets_later: Callable[[Event], None]) -> None:
    event = Event()
    sets_later(event)

    with expect_wakeup(), conc.fail_after(10.0):
        await event.wait()

    assert clock.now() == 0.0


async def test_settle_and_advance_wait_for_a_declared_wakeup(
    clock: VirtualClock, nursery: conc.Nursery, sets_later: Callable[[Event], None]
) -> None:
    async def expecting(event: Event) -> None:
        with expect_wakeup():
            await event.wait()

    for waiting in (settle, lambda: clock.advance(1.0)):
        event = Event()
        nursery.start_soon(expecting, event)
        await conc.checkpoint()
        sets_later(event)
        await waiting()
        assert event.is_set()


async def test_time_does_not_wait_for_a_thread_that_nobody_declared(clock: VirtualClock) -> None:
    event = Event()
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        with conc.move_on_after(10.0) as scope:
            await event.wait()
    finally:
        ended.set()
        thread.join()

    assert scope.cancelled_caught
    assert clock.now() == 10.0


@pytest.mark.conc(workers=2)
async def test_bytes_under_way_to_a_strand_on_another_worker_arrive_before_time_moves(clock: VirtualClock) -> None:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)

    on_two_workers = threading.Barrier(2)

    async def player(ball: socket.socket) -> None:
        on_two_workers.wait(5.0)
        for _ in range(200):
            with conc.fail_after(1.0):
                await wait_readable(ball)
            ball.send(ball.recv(1))

    with left, right:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(player, left)
            nursery.start_soon(player, right)
            left.send(b".")

    assert clock.now() == 0.0
