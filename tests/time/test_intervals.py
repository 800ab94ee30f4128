"""Intervals: when ticks come, and what becomes of missed ones."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc_testing import VirtualClock
from tests.time.support import take

# When ticks come.


async def test_the_first_tick_comes_at_once_and_the_others_a_period_apart() -> None:
    start = conc.current_time()
    seen: list[tuple[float, float]] = []

    async for tick in conc.interval(2.5):
        seen.append((tick - start, conc.current_time() - start))
        if len(seen) == 4:
            break

    assert seen == [(0, 0), (2.5, 2.5), (5, 5), (7.5, 7.5)]


async def test_work_between_the_ticks_does_not_shift_them() -> None:
    seen: list[float] = []

    async for tick in conc.interval(1):
        seen.append(tick)
        await conc.sleep(0.7)
        if len(seen) == 4:
            break

    assert seen == [0, 1, 2, 3]


async def test_an_interval_begins_with_its_first_tick() -> None:
    ticks = conc.interval(10)
    await conc.sleep(25)

    assert await take(ticks, 3) == [25, 35, 45]


def test_an_interval_may_be_made_before_the_run() -> None:
    ticks = conc.interval(1)

    assert conc.run(take, ticks, 3, clock=VirtualClock(start=7)) == [7, 8, 9]


async def test_ticks_do_not_drift() -> None:
    ticks = await take(conc.interval(0.1), 10_001)

    assert ticks == [number * 0.1 for number in range(10_001)]


@pytest.mark.conc(clock="real")
async def test_on_the_real_clock_no_tick_comes_before_its_time() -> None:
    ticks = conc.interval(0.01)

    for _ in range(5):
        tick = await ticks.tick()
        assert conc.current_time() >= tick


# Checkpoints.


async def test_a_tick_that_is_due_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(other)
        await conc.interval(1).tick()
        trace.append("tick")

    assert trace == ["tick", "other"]


async def test_who_catches_up_without_end_keeps_nobody_out() -> None:
    others = 0

    async def other() -> None:
        nonlocal others
        for _ in range(5):
            others += 1
            await conc.checkpoint()

    ticks = conc.interval(1)
    await ticks.tick()
    ticks.reset_at(-1e6)
    async with conc.open_nursery() as nursery:
        nursery.start_soon(other)
        await take(ticks, 10_000)
        assert others == 5


async def test_a_tick_of_a_cancelled_task_is_not_taken_although_it_is_due() -> None:
    ticks = conc.interval(1)

    with conc.CancelScope() as scope:
        scope.cancel()
        await ticks.tick()

    assert scope.cancelled_caught
    await conc.sleep(5)
    assert await take(ticks, 2) == [5, 6]


# Missed ticks.


@pytest.mark.parametrize(
    ("missed", "later"),
    [
        ("burst", [(1, 3.4), (2, 3.4), (3, 3.4), (4, 4), (5, 5)]),
        ("delay", [(1, 3.4), (4.4, 4.4), (5.4, 5.4)]),
        ("skip", [(1, 3.4), (4, 4), (5, 5)]),
    ],
)
async def test_after_a_long_pause_ticks_come_as_was_asked(missed: str, later: list[tuple[float, float]]) -> None:
    ticks = conc.interval(1, missed=missed)  # type: ignore[arg-type]
    await ticks.tick()

    await conc.sleep(3.4)

    for tick, moment in later:
        assert await ticks.tick() == pytest.approx(tick)
        assert conc.current_time() == pytest.approx(moment)


@pytest.mark.parametrize("missed", ["burst", "delay", "skip"])
async def test_a_tick_that_is_taken_within_the_grace_was_not_missed(missed: str) -> None:
    ticks = conc.interval(1, missed=missed)  # type: ignore[arg-type]
    await ticks.tick()

    await conc.sleep(1.004)

    assert await take(ticks, 3) == [1, 2, 3]


@pytest.mark.parametrize(("missed", "following"), [("burst", 2), ("delay", 2.006), ("skip", 2)])
async def test_a_tick_that_is_taken_later_than_that_was_missed(missed: str, following: float) -> None:
    ticks = conc.interval(1, missed=missed)  # type: ignore[arg-type]
    await ticks.tick()

    await conc.sleep(1.006)

    assert await take(ticks, 2) == pytest.approx([1, following])


async def test_a_tick_that_comes_just_when_the_next_is_due_skips_that_one() -> None:
    ticks = conc.interval(1, missed="skip")
    await ticks.tick()

    await conc.sleep(3)

    assert await take(ticks, 3) == [1, 4, 5]


def missed_model(period: int, missed: str, pauses: list[int]) -> list[tuple[int, int]]:
    """Milliseconds throughout: the tick and the moment of it, for each tick taken after a pause."""
    now = following = 0
    seen = []
    for pause in pauses:
        now = max(now + pause, following)
        seen.append((following, now))
        if now - following <= 5 or missed == "burst":
            following += period
        elif missed == "delay":
            following = now + period
        else:
            following += ((now - following) // period + 1) * period
    return seen


@given(
    period=st.integers(1, 50),
    missed=st.sampled_from(["burst", "delay", "skip"]),
    pauses=st.lists(st.integers(0, 120), min_size=1, max_size=20),
)
def test_ticks_are_those_of_whole_numbers(period: int, missed: str, pauses: list[int]) -> None:
    milli = 2**-10  # as good as a millisecond, and floats add it exactly; the grace lies between 5 and 6 of them

    async def main() -> list[tuple[float, float]]:
        ticks = conc.interval(period * milli, missed=missed)  # type: ignore[arg-type]
        seen: list[tuple[float, float]] = []
        for pause in pauses:
            await conc.sleep(pause * milli if seen else 0)
            seen.append((await ticks.tick() / milli, conc.current_time() / milli))
        return seen

    assert conc.run(main, clock=VirtualClock()) == missed_model(period, missed, [0, *pauses[1:]])


# Extremes.


@pytest.mark.parametrize("missed", ["burst", "delay", "skip"])
@pytest.mark.parametrize("period", [1e308, 1.7e308, math.inf, 10**300, 10**400])
async def test_a_period_beyond_all_measure_is_waited_for_without_an_error(period: float, missed: str) -> None:
    ticks = conc.interval(period, missed=missed)  # type: ignore[arg-type]
    assert await ticks.tick() == 0

    with conc.move_on_after(1e9) as scope:
        await ticks.tick()

    assert scope.cancelled_caught
    assert conc.current_time() == 1e9


@pytest.mark.parametrize("missed", ["burst", "delay", "skip"])
async def test_a_time_beyond_all_measure_overflows_to_never(missed: str) -> None:
    ticks = conc.interval(1.7e308, missed=missed)  # type: ignore[arg-type]
    ticks.reset_at(-1.7e308)

    assert await ticks.tick() == -1.7e308
    with conc.move_on_after(10):
        assert await ticks.tick() == 0
        await ticks.tick()
    assert conc.current_time() == 10


@pytest.mark.parametrize("missed", ["burst", "delay", "skip"])
@pytest.mark.parametrize("period", [5e-324, 1e-300, 1e-17])
async def test_a_period_below_all_measure_gives_ticks_and_no_error(period: float, missed: str) -> None:
    await conc.sleep(100)
    ticks = conc.interval(period, missed=missed)  # type: ignore[arg-type]

    await ticks.tick()
    await conc.sleep(1)

    for tick in await take(ticks, 100):
        assert 100 <= tick <= 101 + 1e-9


async def test_a_wait_for_a_tick_that_never_comes_is_a_deadlock_with_its_reason() -> None:
    async def main() -> None:
        async for _ in conc.interval(math.inf):
            pass

    def program() -> None:
        conc.run(main, clock=VirtualClock())

    with pytest.raises(conc.Deadlock, match=r"Interval\.tick, every inf s"):
        await conc.to_thread(program)


@pytest.mark.parametrize("period", [0, -1, -math.inf, math.nan])
def test_a_period_that_is_no_length_of_time_is_refused(period: float) -> None:
    with pytest.raises(ValueError, match="period"):
        conc.interval(period)


@pytest.mark.parametrize("period", ["1", None, True])
def test_a_period_that_is_no_number_is_refused(period: object) -> None:
    with pytest.raises(TypeError, match="period"):
        conc.interval(period)  # type: ignore[arg-type]


def test_an_unknown_rule_for_missed_ticks_is_refused() -> None:
    with pytest.raises(ValueError, match="missed must be 'burst', 'delay' or 'skip', not 'late'"):
        conc.interval(1, missed="late")  # type: ignore[arg-type]
