"""Deadlines that move, deadlines that are looked at, and deadlines at the end of time."""

from __future__ import annotations

import math
import threading

import pytest

import conc
from tests.kernel.support import run


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
