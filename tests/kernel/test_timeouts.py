"""Deadlines: what passes, what is cut short, who says so, and deadlines that move."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

import conc
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import all_told, run


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
def test_of_two_deadlines_the_first_decides_and_on_a_tie_the_outer(
    outer_limit: int, inner_limit: int, left: str
) -> None:
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
    assert "in clean-up" in all_told(caught.value)


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
