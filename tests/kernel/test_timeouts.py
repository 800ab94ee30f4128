"""Deadlines: what passes, what is cut short, who says so, and deadlines that move."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import pytest

import conc
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run

# Sleeping.


def test_a_sleep_takes_its_time() -> None:
    async def main() -> None:
        start = conc.current_time()
        await conc.sleep(2.5)
        assert conc.current_time() == start + 2.5

    run(main)


@pytest.mark.parametrize("seconds", [0.0001, 0.0005, 0.001, 0.0123, 0.05])
def test_a_sleep_on_the_real_clock_is_never_early(seconds: float) -> None:
    async def main() -> None:
        for _ in range(3):
            start = conc.current_time()
            await conc.sleep(seconds)
            assert conc.current_time() - start >= seconds

    conc.run(main)


def test_a_sleep_of_nothing_lets_each_ready_task_run_once() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")
        await conc.sleep(0)
        trace.append("other again")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await conc.sleep(0)
            trace.append("main")

    run(main)
    assert trace == ["other", "main", "other again"]


def test_a_sleep_until_a_moment_that_has_passed_is_a_checkpoint() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await conc.sleep_until(-math.inf)
            trace.append("main")

    run(main)
    assert trace == ["other", "main"]


def test_sleepers_wake_in_the_order_of_their_deadlines() -> None:
    order: list[float] = []

    async def sleeper(seconds: float) -> None:
        await conc.sleep(seconds)
        order.append(seconds)

    times = [0.5, 0.0101, 3.0, 0.0104, 0.0102, 1e-6, 0.0103, 2.0]

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for seconds in times:
                nursery.start_soon(sleeper, seconds)

    run(main)
    assert order == sorted(times)


def test_sleepers_of_one_deadline_wake_in_the_order_in_which_they_went_to_sleep() -> None:
    order: list[int] = []

    async def sleeper(number: int) -> None:
        await conc.sleep_until(7)
        order.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(sleeper, number)

    run(main)
    assert order == list(range(20))


@pytest.mark.parametrize("forever", [lambda: conc.sleep_forever(), lambda: conc.sleep(math.inf)])
def test_a_sleep_without_end_ends_by_cancellation(forever: Callable[[], object]) -> None:
    async def main() -> None:
        with conc.move_on_after(1000) as scope:
            await forever()  # type: ignore[misc]
        assert scope.cancelled_caught
        assert conc.current_time() == 1000

    run(main)


# Moving on and failing.


def test_a_block_in_time_is_left_as_if_there_were_no_deadline() -> None:
    async def main() -> None:
        with conc.move_on_after(2) as scope, conc.fail_after(2):
            await conc.sleep(1)
        assert not scope.cancelled_caught
        assert not scope.cancel_called
        await conc.sleep(10)

    run(main)


def test_move_on_leaves_a_late_block_quietly() -> None:
    async def main() -> None:
        with conc.move_on_after(2) as scope:
            await conc.sleep(5)
        assert scope.cancelled_caught
        assert conc.current_time() == 2

    run(main)


def test_fail_raises_the_builtin_error_that_names_the_deadline() -> None:
    async def main() -> None:
        await conc.sleep(40)
        with pytest.raises(TimeoutError, match=r"2\.5 s.*42\.5"):
            with conc.fail_after(2.5):
                await conc.sleep(5)
        with pytest.raises(TimeoutError, match="50"):
            with conc.fail_at(50):
                await conc.sleep_forever()
        assert conc.current_time() == 50

    run(main)


def test_move_on_at_a_moment_leaves_the_block_then() -> None:
    async def main() -> None:
        await conc.sleep(3)
        with conc.move_on_at(10) as scope:
            await conc.sleep_forever()
        assert scope.cancelled_caught
        assert conc.current_time() == 10

    run(main)


def test_the_error_of_a_timeout_does_not_drag_the_cancellation_along() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            with conc.fail_after(1):
                await conc.sleep_forever()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__

    run(main)


def test_a_block_that_never_comes_to_a_cancel_point_is_not_late() -> None:
    async def main() -> None:
        with conc.fail_after(0):
            pass
        with conc.fail_after(0) as scope:
            with conc.CancelScope(shield=True):
                await conc.sleep(5)
        assert not scope.cancelled_caught

    run(main)


def test_an_error_of_the_block_itself_wins_over_the_deadline() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="my own"):
            with conc.fail_after(1):
                try:
                    await conc.sleep_forever()
                finally:
                    raise ValueError("my own")

    run(main)


def test_a_fail_scope_that_is_cancelled_by_hand_is_left_quietly() -> None:
    async def main() -> None:
        with conc.fail_after(5) as scope:
            scope.cancel("not a timeout")
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_an_outer_cancellation_makes_no_timeout_of_an_inner_scope() -> None:
    async def main() -> None:
        with conc.move_on_after(1) as outer:
            with conc.fail_after(2):
                await conc.sleep_forever()
        assert outer.cancelled_caught

    run(main)


@pytest.mark.parametrize(("outer_limit", "inner_limit", "left"), [(1, 2, "outer"), (2, 1, "inner"), (1, 1, "outer")])
def test_of_two_deadlines_the_first_decides_and_on_a_tie_the_outer(outer_limit: int, inner_limit: int, left: str) -> None:
    async def main() -> None:
        with conc.move_on_after(outer_limit) as outer:
            with conc.move_on_after(inner_limit) as inner:
                await conc.sleep_forever()
            assert inner.cancelled_caught
        assert (outer.cancelled_caught, inner.cancelled_caught) == (left == "outer", left == "inner")

    run(main)


def test_errors_of_a_timed_out_nursery_leave_beside_the_timeout_unlost() -> None:
    async def clumsy() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        with conc.fail_after(1):
            async with conc.open_nursery() as nursery:
                nursery.start_soon(clumsy)

    with pytest.raises((ExceptionGroup, TimeoutError)) as caught:
        run(main)
    seen: list[BaseException] = [caught.value]
    for error in seen:
        seen.extend(part for part in (error.__cause__, error.__context__) if part is not None and part not in seen)
        if isinstance(error, BaseExceptionGroup):
            seen.extend(error.exceptions)
    assert "in clean-up" in [str(error) for error in seen]


@pytest.mark.parametrize("make", [conc.move_on_after, conc.fail_after])
def test_the_time_counts_from_entering_the_block(make: Callable[[float], conc.CancelScope]) -> None:
    async def main() -> None:
        scope = make(5)
        await conc.sleep(100)
        with scope:
            assert scope.deadline == 105
            await conc.sleep(4)
        assert not scope.cancelled_caught

    run(main)


@pytest.mark.parametrize("make", [conc.move_on_after, conc.fail_after])
def test_a_relative_scope_may_be_made_before_the_run(make: Callable[[float], conc.CancelScope]) -> None:
    scope = make(5)

    async def main() -> None:
        await conc.sleep(3)
        with scope:
            await conc.sleep(1)
        assert scope.deadline == 8

    run(main)


@pytest.mark.parametrize("make", [conc.move_on_after, conc.fail_after])
def test_a_timeout_may_be_a_shield(make: Callable[..., conc.CancelScope]) -> None:
    async def main() -> None:
        with conc.CancelScope() as outer:
            outer.cancel()
            with make(5, shield=True):
                await conc.sleep(1)
            assert conc.current_time() == 1
            await conc.checkpoint()
        assert outer.cancelled_caught

    run(main)


@pytest.mark.parametrize("limit", [0, -math.inf])
def test_a_deadline_that_has_passed_cancels_at_the_first_cancel_point(limit: float) -> None:
    trace: list[str] = []

    async def main() -> None:
        scope = conc.move_on_after(0) if limit == 0 else conc.move_on_at(limit)
        with scope:
            trace.append("begun")
            await conc.checkpoint()
            trace.append("not reached")
        assert scope.cancelled_caught

    run(main)
    assert trace == ["begun"]


def test_a_result_that_comes_with_the_deadline_is_not_lost() -> None:
    got: list[str] = []

    async def main() -> None:
        event = Event()

        async def setter() -> None:
            await conc.sleep_until(10)
            event.set()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(setter)
            await settle()
            with conc.move_on_at(10) as scope:
                await event.wait()
                got.append("woken")
                await conc.checkpoint()
                got.append("and not cancelled")
        assert scope.cancelled_caught == (got != ["woken", "and not cancelled"])

    run(main)
    assert got in ([], ["woken"], ["woken", "and not cancelled"])


# Deadlines that move.


def test_a_deadline_may_be_put_off_while_the_block_runs() -> None:
    async def main() -> None:
        with conc.move_on_after(2) as scope:
            for _ in range(5):
                await conc.sleep(1)
                scope.deadline += 1
            await conc.sleep_forever()
        assert scope.cancelled_caught
        assert conc.current_time() == 7

    run(main)


def test_a_deadline_may_be_brought_forward_from_another_task() -> None:
    async def hurry(scope: conc.CancelScope) -> None:
        await conc.sleep(1)
        scope.deadline = 3

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(100) as scope:
                nursery.start_soon(hurry, scope)
                await conc.sleep_forever()
        assert scope.cancelled_caught
        assert conc.current_time() == 3

    run(main)


def test_a_deadline_may_be_taken_away() -> None:
    async def main() -> None:
        with conc.move_on_after(1) as scope:
            await conc.sleep(0.5)
            scope.deadline = math.inf
            await conc.sleep(10)
        assert not scope.cancelled_caught

    run(main)


def test_a_deadline_may_be_given_to_a_scope_that_had_none() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            await conc.sleep(5)
            scope.deadline = conc.current_time() + 1
            await conc.sleep_forever()
        assert scope.cancelled_caught
        assert conc.current_time() == 6

    run(main)


def test_a_deadline_moved_into_the_past_cancels_whoever_waits_inside() -> None:
    async def hurry(scope: conc.CancelScope) -> None:
        await conc.sleep(1)
        scope.deadline = -math.inf

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as scope:
                nursery.start_soon(hurry, scope)
                await conc.sleep_forever()
            assert scope.cancelled_caught
            assert conc.current_time() == 1

    run(main)


def test_moving_the_deadline_of_a_cancelled_scope_does_not_bring_it_back() -> None:
    async def main() -> None:
        with conc.move_on_after(1) as scope:
            with pytest.raises(conc.Cancelled):
                await conc.sleep_forever()
            scope.deadline = math.inf
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_a_deadline_set_before_entering_holds() -> None:
    async def main() -> None:
        for scope in (conc.CancelScope(), conc.move_on_after(100)):
            scope.deadline = conc.current_time() + 2
            await conc.sleep(1)
            start = conc.current_time()
            with scope:
                await conc.sleep_forever()
            assert conc.current_time() == start + 1

    run(main)


def test_a_deadline_moved_many_times_fires_once_and_at_the_last() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            for deadline in (5, 3, 8, 3, 9, 4):
                scope.deadline = deadline
                await conc.sleep(0.1)
            await conc.sleep_forever()
        assert conc.current_time() == 4
        await conc.sleep(100)

    run(main)


# Looking.


def test_whether_a_scope_is_cancelled_is_asked_of_the_clock_too() -> None:
    async def main() -> None:
        with conc.CancelScope(deadline=1) as scope:
            with conc.CancelScope(shield=True):
                await conc.sleep(0.5)
                assert not scope.cancel_called
                await conc.sleep(0.5)
            assert scope.cancel_called

    run(main)


def test_the_effective_deadline_is_the_earliest_around() -> None:
    async def main() -> None:
        assert conc.current_effective_deadline() == math.inf
        with conc.move_on_at(10):
            assert conc.current_effective_deadline() == 10
            with conc.move_on_at(20):
                assert conc.current_effective_deadline() == 10
                with conc.move_on_at(5):
                    assert conc.current_effective_deadline() == 5
                with conc.CancelScope(shield=True) as shield:
                    assert conc.current_effective_deadline() == math.inf
                    shield.deadline = 15
                    assert conc.current_effective_deadline() == 15
        assert conc.current_effective_deadline() == math.inf

    run(main)


def test_the_effective_deadline_holds_in_children_too() -> None:
    async def child() -> float:
        return conc.current_effective_deadline()

    async def main() -> None:
        with conc.move_on_at(10):
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(child)
        assert task.join_nowait() == 10

    run(main)


def test_the_effective_deadline_of_who_is_cancelled_has_always_passed() -> None:
    async def main() -> None:
        with conc.move_on_at(10) as outer:
            with conc.CancelScope(shield=True) as shield:
                outer.cancel()
                assert conc.current_effective_deadline() == math.inf
                shield.cancel()
                assert conc.current_effective_deadline() == -math.inf
            assert conc.current_effective_deadline() == -math.inf

    run(main)


@pytest.mark.parametrize("seconds", [1e9, 1e12, 1e18, 1e300, 1.7e308])
def test_a_deadline_may_be_as_far_away_as_a_float_goes(seconds: float) -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            sleeper = nursery.start_soon(conc.sleep, seconds)
            with conc.fail_after(seconds):
                thread = threading.Timer(0.02, sleeper.cancel)
                thread.start()
                with pytest.raises(conc.TaskCancelled):
                    await sleeper.join()
                thread.join()

    conc.run(main)


def test_a_thread_may_move_a_deadline() -> None:
    async def main() -> None:
        with conc.move_on_after(1000) as scope:
            thread = threading.Timer(0.01, setattr, (scope, "deadline", 0))
            thread.start()
            await conc.sleep_forever()
        assert scope.cancelled_caught
        thread.join()

    conc.run(main)


def test_a_deadline_that_a_thread_takes_away_as_the_block_ends_leaves_no_timer() -> None:
    async def main() -> None:
        with conc.move_on_after(1000) as scope:
            await conc.sleep(0.01)
            thread = threading.Thread(target=setattr, args=(scope, "deadline", math.inf))
            thread.start()
            thread.join()
        await conc.sleep(0.01)
        scope._check()

    conc.run(main)
