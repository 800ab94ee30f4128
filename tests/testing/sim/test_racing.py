"""time="racing": a deadline may overtake work that takes no time by itself; in a calm run it never does."""

from __future__ import annotations

import conc
from conc import sync
from conc.lowlevel import call_at
from conc_testing import Budget, explore, run
from conc_testing.sim.tape import TIME
from tests.testing.sim import planted


def test_calm_time_does_not_pass_as_long_as_somebody_can_run() -> None:
    report = explore(planted.deadline_while_working, budget=Budget(runs=100))
    assert report.failure is None
    run(planted.deadline_while_working)


def test_racing_time_passes_between_any_two_steps_before_the_deadline() -> None:
    steps_done: set[int] = set()

    async def scenario() -> None:
        done: list[int] = []
        with conc.move_on_after(1):
            for number in range(4):
                await planted.pass_by()
                done.append(number)
        steps_done.add(len(done))

    report = explore(scenario, time="racing", plan=("delay<=1",))
    assert report.ok
    assert report.exhausted == "delay<=1"
    assert steps_done == {0, 1, 2, 3, 4}


def test_a_result_and_a_timeout_may_come_in_either_order() -> None:
    outcomes: set[str] = set()

    async def scenario() -> None:
        event = sync.Event()

        async def answer() -> None:
            await planted.pass_by()
            event.set()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(answer)
            with conc.move_on_after(1) as scope:
                await event.wait()
            outcomes.add("timeout" if scope.cancelled_caught else "result")

    assert explore(scenario, time="racing", plan=("delay<=1",)).ok
    assert outcomes == {"timeout", "result"}


def test_timers_still_fire_in_the_order_of_their_deadlines() -> None:
    async def scenario() -> None:
        fired: list[int] = []
        for moment in (2, 1, 3):
            call_at(moment, lambda moment=moment: fired.append(moment))  # type: ignore[misc]
        await planted.calm()
        await conc.sleep(5)
        assert fired == [1, 2, 3]

    report = explore(scenario, time="racing", budget=Budget(runs=300))
    assert report.ok


def test_time_never_runs_backwards_and_nobody_wakes_too_early() -> None:
    async def scenario() -> None:
        async def sleep(seconds: float) -> None:
            for _ in range(2):
                before = conc.current_time()
                await conc.sleep(seconds)
                assert conc.current_time() >= before + seconds

        async with conc.open_nursery() as nursery:
            for seconds in (1, 2, 3):
                nursery.start_soon(sleep, seconds)

    assert explore(scenario, time="racing", budget=Budget(runs=200)).ok


def test_a_cancelled_sleep_leaves_no_moment_to_which_time_could_pass() -> None:
    async def scenario() -> None:
        with conc.move_on_after(1):
            await conc.sleep(9)
        now = conc.current_time()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(planted.pass_by)
            nursery.start_soon(planted.pass_by)
        assert conc.current_time() == now

    report = explore(scenario, time="racing", budget=Budget(runs=100))
    assert report.ok


def test_the_deviation_says_that_time_has_passed() -> None:
    report = explore(planted.deadline_while_working, time="racing")
    assert report.failure is not None
    (deviation,) = report.failure.deviations
    assert deviation.site == TIME
    assert "time passes" in str(report.failure)
