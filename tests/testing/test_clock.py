"""Virtual time: when it moves, and how it is moved by hand."""

import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.sync import Event
from conc_testing import VirtualClock, settle

# ---- automatic --------------------------------------------------------------------------------------------------


async def test_time_stands_still_while_anybody_can_go_on(clock: VirtualClock, nursery: conc.Nursery) -> None:
    nursery.start_soon(conc.sleep, 0.001)

    for _ in range(1000):
        await conc.checkpoint()

    assert clock.now() == conc.current_time() == 0.0


async def test_a_sleep_of_a_year_ends_exactly_then(clock: VirtualClock) -> None:
    await conc.sleep(365 * 86400.0)

    assert clock.now() == 365 * 86400.0


@pytest.mark.conc(workers=3)
@pytest.mark.parametrize("parallel", [False, True])
async def test_sleepers_wake_in_the_order_of_their_deadlines(clock: VirtualClock, parallel: bool) -> None:
    woken: list[tuple[float, float]] = []

    async def sleeper(seconds: float) -> None:
        await conc.sleep(seconds)
        woken.append((seconds, clock.now()))

    async with conc.open_nursery(parallel=parallel) as nursery:
        for seconds in (0.3, 7.0, 0.0001, 2.5, 0.3001, 1e6):
            nursery.start_soon(sleeper, seconds)

    assert woken == [(seconds, seconds) for seconds in (0.0001, 0.3, 0.3001, 2.5, 7.0, 1e6)]


def test_a_clock_starts_where_it_is_told_and_keeps_its_time_between_runs() -> None:
    clock = VirtualClock(start=100.0)

    conc.run(conc.sleep, 1.0, clock=clock)
    conc.run(conc.sleep, 1.0, clock=clock)

    assert clock.now() == 102.0


async def test_automatic_time_can_be_stopped_and_goes_on_when_it_is_started_again(clock: VirtualClock) -> None:
    clock.auto = False
    with conc.move_on_after(5.0) as scope:
        await settle()
        assert clock.now() == 0.0
        clock.auto = True
        await conc.sleep_forever()

    assert scope.cancelled_caught
    assert clock.now() == 5.0


# ---- moved by hand ----------------------------------------------------------------------------------------------


@pytest.fixture
def by_hand(clock: VirtualClock) -> VirtualClock:
    clock.auto = False
    return clock


Log = list[tuple[str, float]]


def note(log: Log, clock: VirtualClock) -> Callable[[str], None]:
    return lambda what: log.append((what, clock.now()))


@asynccontextmanager
async def sleepers(clock: VirtualClock, *delays: float) -> AsyncIterator[list[float]]:
    """Tasks that sleep for each of the delays, and the times at which they woke."""
    woken: list[float] = []

    async def sleeper(seconds: float) -> None:
        await conc.sleep(seconds)
        woken.append(clock.now())

    async with conc.open_nursery() as nursery:
        for seconds in delays:
            nursery.start_soon(sleeper, seconds)
        await settle()
        yield woken
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("auto", [True, False])
async def test_advance_stops_at_every_deadline_the_last_moment_included(clock: VirtualClock, auto: bool) -> None:
    clock.auto = auto
    async with sleepers(clock, 1.0, 2.0, 3.0, 3.5) as woken:
        await clock.advance(3.0)

        assert woken == [1.0, 2.0, 3.0]
        assert clock.now() == 3.0


async def test_advance_lets_everything_settle_between_two_deadlines(by_hand: VirtualClock) -> None:
    log: Log = []
    said = note(log, by_hand)
    event = Event()

    async def first() -> None:
        await conc.sleep(1.0)
        said("first")
        event.set()

    async def second() -> None:
        await event.wait()
        said("second")
        await conc.sleep(0.5)
        said("second again")

    async def third() -> None:
        await conc.sleep(1.75)
        said("third")

    async with conc.open_nursery() as nursery:
        for task in (first, second, third):
            nursery.start_soon(task)
        await by_hand.advance(2.0)
        said("advanced")

    assert log == [("first", 1.0), ("second", 1.0), ("second again", 1.5), ("third", 1.75), ("advanced", 2.0)]


async def test_advancing_by_nothing_settles_and_fires_what_is_due_now(by_hand: VirtualClock) -> None:
    async with sleepers(by_hand, 1.0) as woken:
        await by_hand.advance(0.0)
        assert woken == []
        by_hand.jump(1.0)
        await by_hand.advance(0.0)

        assert woken == [1.0]


@pytest.mark.conc(workers=3)
@pytest.mark.parametrize("parallel", [False, True])
async def test_two_who_advance_stop_each_at_their_own_target(by_hand: VirtualClock, parallel: bool) -> None:
    log: Log = []
    said = note(log, by_hand)

    async def traveller(name: str, *stations: float) -> None:
        for seconds in stations:
            await by_hand.advance(seconds)
            said(name)

    async with conc.open_nursery(parallel=parallel) as nursery:
        nursery.start_soon(traveller, "slow", 5.0)
        nursery.start_soon(traveller, "quick", 1.0, 1.0, 2.0, 3.0)

    assert log == [("quick", 1.0), ("quick", 2.0), ("quick", 4.0), ("slow", 5.0), ("quick", 7.0)]


async def test_a_cancelled_advance_leaves_time_where_it_is(by_hand: VirtualClock) -> None:
    with conc.move_on_after(1.0) as scope:
        await by_hand.advance(5.0)
    await settle()

    assert scope.cancelled_caught
    assert by_hand.now() == 1.0


async def test_a_jump_makes_all_that_is_overdue_due_together(by_hand: VirtualClock) -> None:
    async with sleepers(by_hand, 2.0, 1.0, 3601.0) as woken:
        by_hand.jump(3600.0)
        assert woken == []
        await settle()

        assert woken == [3600.0, 3600.0]


@pytest.mark.conc(workers=2)
async def test_a_jump_wakes_workers_that_sleep_while_the_jumper_never_rests(by_hand: VirtualClock) -> None:
    woken = threading.Event()
    on_two_workers = threading.Barrier(2)

    async def sleeper() -> None:
        on_two_workers.wait(5.0)
        await conc.sleep(10.0)
        woken.set()

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(sleeper)
        nursery.start_soon(sleeper)
        await settle()
        by_hand.jump(10.0)
        # This blocks this worker, so only the other can do it; and it would look by itself after a second.
        assert woken.wait(0.7)


@pytest.mark.conc(workers=2)
async def test_time_that_moves_on_one_worker_moves_on_all_of_them_at_once(clock: VirtualClock) -> None:
    on_two_workers = threading.Barrier(2)

    async def sleeper(start: float) -> None:
        on_two_workers.wait(5.0)
        await conc.sleep(start)
        for _ in range(5):  # in turn with the other, each in the other's sleep
            await conc.sleep(1.0)

    started = time.monotonic()
    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(sleeper, 1.0)
        nursery.start_soon(sleeper, 1.5)

    assert clock.now() == 6.5
    assert time.monotonic() - started < 0.7  # a worker that nobody wakes looks by itself after a second


def test_a_deadline_that_a_jump_has_passed_does_not_turn_time_back() -> None:
    clock = VirtualClock()
    clock.jump(10.0)

    assert clock.advance_when_idle(5.0)
    assert clock.now() == 10.0


def test_time_may_be_moved_between_two_steps_of_a_runtime() -> None:
    clock = VirtualClock(auto=False)
    woken = []

    async def main() -> None:
        await conc.sleep(5.0)
        woken.append(clock.now())
        await conc.sleep(5.0)

    with conc.Runtime(clock=clock) as runtime:
        runtime.start(main)
        runtime.run_until_idle()
        assert woken == []
        clock.jump(6.0)
        runtime.run_until_idle()
        assert woken == [6.0]
        clock.jump(6.0)
        assert not runtime.run_until_idle()


def test_a_clock_moved_by_hand_that_nobody_moves_is_a_deadlock() -> None:
    with pytest.raises(conc.Deadlock, match=r"virtual time does not move on by itself[\s\S]*a moment in time"):
        conc.run(conc.sleep, 1.0, clock=VirtualClock(auto=False))


@given(
    delays=st.lists(st.floats(0, 10).filter(lambda delay: delay > 0), max_size=8),
    moves=st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=6),
)
def test_each_sleeper_wakes_at_its_deadline_or_at_the_end_of_the_jump_over_it(
    delays: list[float], moves: list[tuple[bool, float]]
) -> None:
    clock = VirtualClock(auto=False)
    expected = []
    left = sorted(delays)
    now = 0.0
    for is_jump, seconds in moves:
        now += seconds
        expected += [now if is_jump else delay for delay in left if delay <= now]
        left = [delay for delay in left if delay > now]

    async def main() -> list[float]:
        async with sleepers(clock, *delays) as woken:
            for is_jump, seconds in moves:
                if is_jump:
                    clock.jump(seconds)
                    await settle()
                else:
                    await clock.advance(seconds)
            return list(woken)

    assert conc.run(main, clock=clock) == expected


# ---- misuse -----------------------------------------------------------------------------------------------------


@pytest.mark.conc(clock="real")
async def test_settling_on_real_time_is_refused() -> None:
    with pytest.raises(RuntimeError, match="settle\\(\\) needs virtual time"):
        await settle()


async def test_a_clock_that_is_not_the_programs_own_is_refused() -> None:
    with pytest.raises(RuntimeError, match="advance: this is not the clock of the running program"):
        await VirtualClock().advance(1.0)
    with pytest.raises(RuntimeError, match="settle: this is not the clock"):
        await VirtualClock().settle()


@pytest.mark.parametrize("seconds", [-1.0, math.inf, math.nan])
async def test_a_bad_duration_is_named_and_moves_nothing(clock: VirtualClock, seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds must be finite and at least 0"):
        clock.jump(seconds)
    with pytest.raises(ValueError, match="seconds must be finite and at least 0"):
        await clock.advance(seconds)

    assert clock.now() == 0.0


@pytest.mark.parametrize("start", [math.inf, math.nan])
def test_a_bad_start_is_named(start: float) -> None:
    with pytest.raises(ValueError, match="start must be a finite number"):
        VirtualClock(start=start)


def test_one_clock_in_two_runs_at_a_time_is_refused_and_neither_is_harmed() -> None:
    clock = VirtualClock()
    with conc.Runtime(clock=clock) as first, conc.Runtime(clock=clock) as second:
        first.start(conc.sleep, 1.0)
        with pytest.raises(RuntimeError, match="make a VirtualClock for each"):
            second.start(conc.sleep, 1.0)
        first.run_until(lambda: False)
        second.run(conc.sleep, 1.0)

    assert clock.now() == 2.0


def test_a_clock_says_what_time_it_is_and_who_moves_it() -> None:
    assert repr(VirtualClock(start=1.5)) == "<VirtualClock at 1.5 s, automatic>"
    assert repr(VirtualClock(auto=False)) == "<VirtualClock at 0 s, moved by hand>"
