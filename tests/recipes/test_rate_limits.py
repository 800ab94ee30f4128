"""The rate limiter of the examples, on pyrate-limiter: never too fast, first come first served, nothing lost."""

from __future__ import annotations

import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrate_limiter import Duration, Rate

import conc
from conc_testing import VirtualClock, settle
from examples.rate_limit import RateLimiter

END = 1e-9  # what floats make of the end of a window


async def acquire(limiter: RateLimiter, weight: int, times: list[tuple[float, int]]) -> None:
    await limiter.acquire(weight)
    times.append((round(conc.current_time(), 6), weight))


async def test_a_full_bucket_gives_at_once_and_an_empty_one_at_its_rate() -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(10, Duration.SECOND, burst=3))

    async with conc.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(acquire, limiter, 1, times)

    assert [time for time, _ in times] == [0, 0, 0, 0.1, 0.2, 0.3]


async def test_what_is_not_used_is_saved_up_to_the_burst() -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(1, Duration.SECOND, burst=2))
    await limiter.acquire(2)

    await conc.sleep(1000)
    for _ in range(3):
        await acquire(limiter, 1, times)

    assert [time for time, _ in times] == [1000, 1000, 1001]


async def test_of_several_rates_each_is_kept() -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(2, Duration.SECOND, burst=1), Rate(3, Duration.MINUTE, burst=3))

    for _ in range(5):
        await acquire(limiter, 1, times)

    assert [time for time, _ in times] == [0, 0.5, 1, 20, 40]


async def test_a_large_request_is_not_overtaken_by_small_ones() -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(1, Duration.SECOND, burst=5))
    await limiter.acquire(5)

    async with conc.open_nursery() as nursery:
        for weight in (4, 1, 1):
            nursery.start_soon(acquire, limiter, weight, times)

    assert times == [(4, 4), (5, 1), (6, 1)]


async def test_a_request_that_never_fits_is_refused_and_holds_nobody_up() -> None:
    limiter = RateLimiter(Rate(1, Duration.SECOND, burst=5))

    with pytest.raises(ValueError, match="weight"):
        await limiter.acquire(6)
    await limiter.acquire(5)
    assert conc.current_time() == 0


@pytest.mark.parametrize("which", [0, 1, 2])
async def test_a_wait_that_is_cancelled_has_used_nothing_up(which: int) -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(1, Duration.SECOND, burst=1))
    await limiter.acquire()

    async with conc.open_nursery() as nursery:
        tasks = [nursery.start_soon(acquire, limiter, 1, times) for _ in range(3)]
        await settle()
        tasks[which].cancel()

    assert [time for time, _ in times] == [1, 2]


async def test_who_was_let_through_and_then_cancelled_has_been_counted() -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(1, Duration.SECOND, burst=1))
    await limiter.acquire()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(acquire, limiter, 1, times)
        await conc.sleep(1)  # asleep since just before the other, so woken just before it
        task.cancel()
        await settle()
    await acquire(limiter, 1, times)

    assert [time for time, _ in times] == [1, 2]


async def test_a_request_of_a_cancelled_task_takes_nothing() -> None:
    limiter = RateLimiter(Rate(1, Duration.SECOND, burst=1))

    with conc.CancelScope() as scope:
        scope.cancel()
        await limiter.acquire()
    assert scope.cancelled_caught
    await limiter.acquire()
    assert conc.current_time() == 0


@given(
    limit=st.integers(1, 20),
    burst=st.integers(1, 5),
    arrivals=st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 5)), max_size=30),
)
def test_no_stretch_of_time_sees_more_than_burst_and_rate_allow(
    limit: int, burst: int, arrivals: list[tuple[int, int]]
) -> None:
    times: list[tuple[float, int]] = []

    async def main() -> None:
        limiter = RateLimiter(Rate(limit, Duration.SECOND, burst=burst))
        async with conc.open_nursery() as nursery:
            for milliseconds, weight in sorted(arrivals):
                await conc.sleep_until(milliseconds / 1000)
                nursery.start_soon(acquire, limiter, min(weight, burst), times)

    conc.run(main, clock=VirtualClock())

    assert len(times) == len(arrivals)
    for first in range(len(times)):
        used = 0
        for time, weight in times[first:]:
            used += weight
            assert used <= burst + limit * (time - times[first][0]) + END


@pytest.mark.conc(workers=3)
async def test_strands_that_share_a_limiter_keep_the_rate_together() -> None:
    times: list[tuple[float, int]] = []
    limiter = RateLimiter(Rate(100, Duration.SECOND, burst=1))

    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(101):
            nursery.start_soon(acquire, limiter, 1, times)

    assert len(times) == 101
    assert conc.current_time() == pytest.approx(1.0)


@pytest.mark.conc(clock="real")
async def test_on_the_real_clock_it_takes_at_least_its_time() -> None:
    limiter = RateLimiter(Rate(100, Duration.SECOND, burst=1))
    start = conc.current_time()

    for _ in range(6):
        await limiter.acquire()

    assert conc.current_time() - start > 0.05 - 0.001  # the bucket counts in milliseconds


async def test_the_library_starts_no_thread_and_no_other_event_loop() -> None:
    before = threading.active_count()
    limiter = RateLimiter(Rate(1, Duration.SECOND))

    await limiter.acquire()
    await limiter.acquire()

    assert threading.active_count() == before
    asyncio = sys.modules.get("asyncio.events")
    assert asyncio is None or asyncio._get_running_loop() is None
