"""Thread jobs of simulated runs: one thread moves at a time, in an order that is chosen, with all that threads have."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial

import pytest

import conc
from conc import from_thread
from conc.sync import CapacityLimiter
from conc_testing import Budget, VirtualClock, explore, replay, settle
from tests.testing.sim.baton import PATIENCE, Steps, run, simulated


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread} was left"


# ---- the order --------------------------------------------------------------------------------------------------


def order_of_jobs(seed: int, limit: int = 4) -> list[str]:
    """What four jobs do that call back, in the order in which they do it, and all steps."""
    log: list[str] = []

    async def sleep(seconds: float) -> None:
        await conc.sleep(seconds)

    def job(name: str) -> None:
        thread = threading.current_thread().name
        log.append(f"{name} begins on {thread}")
        from_thread.run(sleep, 1.0)
        log.append(f"{name} goes on")
        from_thread.run_sync(log.append, f"{name} calls")
        from_thread.check_cancelled()
        log.append(f"{name} ends on {threading.current_thread().name}")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for name in "abcd":
                nursery.start_soon(conc.to_thread, job, name)
            nursery.start_soon(other)

    async def other() -> None:
        for number in range(5):
            log.append(f"other {number}")
            await conc.checkpoint()

    steps = Steps()
    run(main, seed=seed, max_blocking_threads=limit, instruments=[steps])
    return log + steps.names


@pytest.mark.parametrize("limit", [1, 2, 4])
def test_the_same_choices_give_the_same_order_a_hundred_times(limit: int) -> None:
    first = order_of_jobs(seed=7, limit=limit)

    assert [order_of_jobs(seed=7, limit=limit) for _ in range(100)] == [first] * 100


def test_other_choices_give_other_orders_of_what_threads_do() -> None:
    orders = {tuple(order_of_jobs(seed)) for seed in range(20)}
    beginnings = {next(line for line in order if " begins " in line) for order in orders}

    assert len(orders) == 20
    assert len(beginnings) == 4
    assert any(order.index("other 4") < min(order.index(line) for line in order if " begins " in line)
               for order in orders)  # fmt: skip


def test_nothing_happens_beside_a_function_that_runs() -> None:
    """Without a lock: of two that do this at the same time one would miss what the other did."""
    moving = 0
    count = 0

    def job() -> None:
        nonlocal moving, count
        for _ in range(200):
            assert moving == 0
            moving += 1
            before = count
            moving -= 1
            count = before + 1
        from_thread.check_cancelled()
        count += 1

    async def task() -> None:
        nonlocal count
        for _ in range(50):
            assert moving == 0
            count += 1
            await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(conc.to_thread, job)
                nursery.start_soon(task)

    run(main)

    assert count == 10 * 201 + 10 * 50


def test_a_job_is_a_task_with_the_name_of_its_function() -> None:
    steps = Steps()

    run(conc.to_thread, order_of_jobs, 3, instruments=[steps])

    assert set(steps.names) == {"to_thread", "to_thread(order_of_jobs)"}


# ---- threads ----------------------------------------------------------------------------------------------------


def test_a_function_has_one_thread_from_beginning_to_end_and_it_is_used_again() -> None:
    local = threading.local()
    seen: list[tuple[bool, bool]] = []

    async def where() -> int:
        await conc.checkpoint()
        return threading.get_ident()

    def job() -> None:
        used = hasattr(local, "used")
        local.used = local.mine = threading.get_ident()
        assert from_thread.run(where) == worker != threading.get_ident()
        from_thread.check_cancelled()
        seen.append((used, local.mine == threading.get_ident()))

    async def main() -> None:
        for _ in range(3):
            await conc.to_thread(job)

    worker = threading.get_ident()
    run(main)

    assert seen == [(False, True), (True, True), (True, True)]


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_functions_have_begun_at_a_time_than_the_runtime_allows(limit: int) -> None:
    begun = 0
    most = 0

    def job() -> None:
        nonlocal begun, most
        begun += 1
        most = max(most, begun)
        from_thread.run(conc.sleep, 1.0)
        begun -= 1

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(7):
                nursery.start_soon(conc.to_thread, job)

    clock = VirtualClock()
    run(main, clock=clock, max_blocking_threads=limit)

    assert most == limit
    assert clock.now() == -(-7 // limit)


def test_with_one_thread_jobs_run_in_the_order_in_which_they_came() -> None:
    log: list[int] = []

    async def call(number: int) -> None:
        for _ in range(number):
            await settle()
        await conc.to_thread(job, number)

    def job(number: int) -> None:
        if number == 0:
            from_thread.run(conc.sleep, 1.0)
        log.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(call, number)

    for seed in range(10):
        log.clear()
        run(main, seed=seed, max_blocking_threads=1)
        assert log == list(range(6))


def test_a_token_of_a_limiter_is_held_until_the_function_has_ended() -> None:
    limiter = CapacityLimiter(1)
    log: list[tuple[str, float]] = []
    clock = VirtualClock()

    def job(name: str) -> None:
        log.append((name, clock.now()))
        from_thread.run(conc.sleep, 1.0)
        from_thread.check_cancelled()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for name in "ab":
                nursery.start_soon(partial(conc.to_thread, job, name, limiter=limiter))

    run(main, clock=clock)

    assert sorted(time for _, time in log) == [0.0, 1.0 + 2**-10]
    assert limiter.borrowed_tokens == 0


def test_where_the_system_has_no_thread_the_call_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(conc.to_thread, int)


def test_a_runtime_may_run_again_with_threads_of_its_own() -> None:
    runtime = simulated()

    first = runtime.run(conc.to_thread, threading.current_thread)
    second = runtime.run(conc.to_thread, threading.current_thread)

    assert first is not second
    assert not first.is_alive()


def test_strands_of_a_parallel_nursery_have_thread_jobs_too() -> None:
    seen: list[int] = []

    def job(number: int) -> None:
        from_thread.run_sync(seen.append, number)

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(5):
                nursery.start_soon(conc.to_thread, job, number)

    run(main)

    assert sorted(seen) == list(range(5))


# ---- searched ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("in_one_piece", "verdict"), [(False, "failed"), (True, "passed")])
def test_a_search_finds_the_update_that_two_functions_lose(in_one_piece: bool, verdict: str) -> None:
    async def scenario() -> None:
        count = 0

        def add_one() -> None:
            nonlocal count
            before = count
            if not in_one_piece:
                from_thread.check_cancelled()
            count = before + 1

        async with conc.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(conc.to_thread, add_one)
        assert count == 2

    report = explore(scenario, budget=Budget(runs=60, seconds=20))

    assert report.verdict == verdict
    if report.failure is not None:
        assert replay(scenario, report.failure.token).verdict == "failed"
