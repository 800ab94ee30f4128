"""A capacity limiter: tokens are conserved, each borrower holds one, and its size may change at any time."""

from __future__ import annotations

import math
from typing import Any

import pytest

import conc
from conc.errors import WouldBlock
from conc.lowlevel import current_task
from conc.sync import CapacityLimiter
from conc_testing import settle
from tests.kernel.support import run


async def borrow(limiter: CapacityLimiter, order: list[str], name: str) -> None:
    await limiter.acquire_on_behalf_of(name)
    order.append(name)


# ---- borrowing and giving back ---------------------------------------------------------------------------------------


def test_as_many_borrow_at_a_time_as_there_are_tokens() -> None:
    most = 0

    async def use(limiter: CapacityLimiter) -> None:
        nonlocal most
        async with limiter:
            most = max(most, limiter.borrowed_tokens)
            await conc.sleep(1)

    async def main() -> None:
        limiter = CapacityLimiter(3)
        async with conc.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(use, limiter)
        assert limiter.available_tokens == 3
        assert conc.current_time() == 4

    run(main)
    assert most == 3


def test_borrowing_a_token_that_is_there_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            async with CapacityLimiter(1):
                trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter = CapacityLimiter(1)
        names = ["main", "a", "b", "c"]
        limiter.acquire_on_behalf_of_nowait(names[0])
        async with conc.open_nursery() as nursery:
            for name in names[1:]:
                nursery.start_soon(borrow, limiter, order, name)
            await settle()
            for name in names[:-1]:
                limiter.release_on_behalf_of(name)
                await settle()
                limiter._check()

    run(main)
    assert order == ["a", "b", "c"]


def test_a_token_that_was_handed_over_cannot_be_taken_by_a_newcomer() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter = CapacityLimiter(1)
        await limiter.acquire()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(borrow, limiter, order, "waiter")
            await settle()
            limiter.release()
            assert limiter.statistics().borrowers == ("waiter",)
            with pytest.raises(WouldBlock, match="no token to be had"):
                limiter.acquire_nowait()

    run(main)
    assert order == ["waiter"]


def test_a_borrower_that_holds_a_token_is_told() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(2)
        await limiter.acquire()
        with pytest.raises(RuntimeError, match=r"main.*holds a token of .*already"):
            await limiter.acquire()
        with pytest.raises(RuntimeError, match="already"):
            limiter.acquire_nowait()
        with pytest.raises(RuntimeError, match="already"):
            await limiter.acquire_on_behalf_of(current_task())
        with pytest.raises(RuntimeError, match="already"):
            await conc.select(limiter.acquiring())
        assert limiter.borrowed_tokens == 1
        limiter.release()

    run(main)


def test_a_borrower_that_holds_a_token_when_its_turn_comes_is_told() -> None:
    errors: list[str] = []

    async def twice(limiter: CapacityLimiter) -> None:
        try:
            await limiter.acquire_on_behalf_of(errors)
        except RuntimeError as error:
            errors.append(str(error))

    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(twice, limiter)
            nursery.start_soon(twice, limiter)
            nursery.start_soon(borrow, limiter, [], "behind")
            await settle()
            limiter.total_tokens = 1
            await settle()
            assert errors == []
            limiter.total_tokens = 2
            await settle()
            assert "holds a token" in errors[0]
            limiter._check()
            assert limiter.statistics().borrowers == (errors, "behind")
        limiter.release_on_behalf_of(errors)
        limiter._check()

    run(main)
    assert len(errors) == 1


def test_who_holds_no_token_cannot_give_one_back() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(2)
        with pytest.raises(RuntimeError, match=r"main.* holds none"):
            limiter.release()
        await limiter.acquire()
        limiter.release()
        with pytest.raises(RuntimeError, match="holds none"):
            limiter.release()
        with pytest.raises(RuntimeError, match=r"'other' gives back .* is another borrower"):
            limiter.release_on_behalf_of("other")
        assert limiter.available_tokens == 2

    run(main)


def test_borrowers_are_told_apart_by_identity_and_no_code_of_theirs_runs() -> None:
    class Borrower:
        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared under the lock")

        __hash__ = None  # type: ignore[assignment]

    limiter = CapacityLimiter(3)
    one, other = Borrower(), Borrower()
    limiter.acquire_on_behalf_of_nowait(one)
    limiter.acquire_on_behalf_of_nowait(other)
    limiter.acquire_on_behalf_of_nowait(None)

    limiter.release_on_behalf_of(one)
    limiter.release_on_behalf_of(None)

    (left,) = limiter.statistics().borrowers
    assert left is other


def test_a_task_may_give_back_what_was_borrowed_on_behalf_of_another() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(1)
        limiter.acquire_on_behalf_of_nowait(current_task())
        limiter.release()
        assert limiter.borrowed_tokens == 0

    run(main)


def test_the_end_of_a_block_gives_the_token_back_before_a_cancellation_is_raised() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(1)
        with conc.CancelScope() as scope:
            async with limiter:
                scope.cancel()
            assert limiter.borrowed_tokens == 0
        with pytest.raises(ValueError, match="no"):
            async with limiter:
                raise ValueError("no")
        assert limiter.borrowed_tokens == 0

    run(main)


# ---- its size --------------------------------------------------------------------------------------------------------


def test_more_tokens_serve_those_who_wait_at_once() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            for name in "abcd":
                nursery.start_soon(borrow, limiter, order, name)
            await settle()
            limiter.total_tokens = 2
            await settle()
            assert order == ["a", "b"]
            limiter._check()
            limiter.total_tokens = math.inf

    run(main)
    assert order == ["a", "b", "c", "d"]


def test_fewer_tokens_take_nothing_away_and_are_lent_when_enough_have_come_back() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter = CapacityLimiter(3)
        holders = ["x", "y", "z"]
        for name in holders:
            limiter.acquire_on_behalf_of_nowait(name)
        limiter.total_tokens = 1
        assert (limiter.total_tokens, limiter.borrowed_tokens, limiter.available_tokens) == (1, 3, -2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(borrow, limiter, order, "a")
            await settle()
            for name in holders[:2]:
                limiter.release_on_behalf_of(name)
                await settle()
                assert order == []
            limiter.release_on_behalf_of(holders[2])
        assert limiter.borrowed_tokens == 1
        limiter._check()

    run(main)
    assert order == ["a"]


@pytest.mark.parametrize(
    ("total", "error"),
    [(-1, ValueError), (1.5, TypeError), (2.0, TypeError), (True, TypeError), ("1", TypeError), (math.nan, TypeError)],
)
def test_a_bad_number_of_tokens_is_refused_by_name_and_nothing_changes(total: Any, error: type[Exception]) -> None:
    limiter = CapacityLimiter(2)

    with pytest.raises(error, match="total_tokens"):
        CapacityLimiter(total)
    with pytest.raises(error, match="total_tokens"):
        limiter.total_tokens = total
    assert limiter.total_tokens == 2


# ---- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancelled_waiter_borrows_nothing_and_gives_up_its_place() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            tasks = {name: nursery.start_soon(borrow, limiter, order, name) for name in "abc"}
            await settle()
            tasks["a"].cancel()
            await settle()
            tasks["b"].cancel()
            limiter.total_tokens = 1
        assert limiter.statistics().borrowers == ("c",)
        limiter._check()

    run(main)
    assert order == ["c"]


def test_a_token_that_was_lent_is_kept_although_the_task_is_cancelled_before_it_runs() -> None:
    held: list[bool] = []

    async def use(limiter: CapacityLimiter) -> None:
        async with limiter:
            held.append(True)
            await conc.checkpoint()
            held.append(False)

    async def main() -> None:
        limiter = CapacityLimiter(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, limiter)
            await settle()
            limiter.total_tokens = 1
            nursery.cancel_scope.cancel()
        assert limiter.available_tokens == 1

    run(main)
    assert held == [True]


def test_a_pending_cancellation_is_raised_before_anything_is_lent() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(1)
        with conc.CancelScope() as scope:
            scope.cancel()
            await limiter.acquire()
        assert scope.cancelled_caught
        assert limiter.borrowed_tokens == 0

    run(main)


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_how_it_stands() -> None:
    async def main() -> None:
        limiter = CapacityLimiter(1)
        async with conc.open_nursery() as nursery, limiter:
            task = nursery.start_soon(limiter.acquire)
            await settle()
            assert repr(limiter) == "<CapacityLimiter 1 of 1 borrowed, 1 waiting>"
            assert limiter.statistics() == (1, 1, (current_task(),), 1)
            assert "CapacityLimiter.acquire" in repr(task)
            nursery.cancel_scope.cancel()

    run(main)
