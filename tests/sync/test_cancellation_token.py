"""Cancellation tokens: who hears of a cancellation, what a dropped token costs, and the scopes of a token."""

from __future__ import annotations

import gc

import pytest

import conc
from conc.sync import CancellationToken, Event
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.outside import until_waiting
from tests.threads.support import Stranger

# ---- waiting ---------------------------------------------------------------------------------------------------------


def test_all_who_wait_are_woken_in_order_when_it_is_cancelled() -> None:
    order: list[int] = []

    async def waiter(token: CancellationToken, number: int) -> None:
        await token.wait()
        order.append(number)

    async def main() -> None:
        token = CancellationToken()
        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(waiter, token, number)
            await settle()
            assert order == []
            token.cancel()
            token.cancel()
            token._check()

    run(main)
    assert order == [0, 1, 2, 3]


def test_a_cancelled_token_keeps_nobody_and_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        token = CancellationToken()
        token.cancel()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await token.wait()
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_a_cancelled_waiter_leaves_the_others_waiting() -> None:
    async def main() -> None:
        token = CancellationToken()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(token.wait) for _ in range(3)]
            await settle()
            tasks[1].cancel()
            await settle()
            token._check()
            assert [task.outcome is None for task in tasks] == [True, False, True]
            token.cancel()

    run(main)


def test_a_woken_waiter_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[str] = []

    async def waiter(token: CancellationToken) -> None:
        await token.wait()
        trace.append("returned")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        token = CancellationToken()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, token)
            await settle()
            token.cancel()
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == ["returned"]


def test_a_select_waits_for_the_token_beside_others() -> None:
    async def main() -> None:
        token = CancellationToken()
        async with conc.open_nursery() as nursery:
            choosing = nursery.start_soon(conc.select, Event().waiting(), token.waiting())
            await settle()
            token.cancel()
            assert await choosing.join() == (1, None)
        assert await conc.select(token.waiting()) == (0, None)

    run(main)


def test_a_thread_waits_for_the_token_or_gives_up() -> None:
    token = CancellationToken()
    with pytest.raises(TimeoutError, match=r"CancellationToken\.wait_blocking"):
        token.wait_blocking(timeout=0)
    stranger = Stranger(token.wait_blocking)
    until_waiting(token)

    token.cancel()

    assert stranger.result() is None
    token.wait_blocking(timeout=0)


def test_a_thread_that_runs_tasks_may_not_block() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"await \.\.\.wait\(\)"):
            CancellationToken().wait_blocking()

    run(main)


# ---- parents and children --------------------------------------------------------------------------------------------


def test_children_are_cancelled_with_their_parent_and_not_the_other_way_round() -> None:
    root = CancellationToken()
    left, right = root.child_token(), root.child_token()
    below = left.child_token()

    left.cancel("enough")
    assert (root.is_cancelled, left.is_cancelled, right.is_cancelled, below.is_cancelled) == (False, True, False, True)

    root.cancel("the end")
    assert right.is_cancelled
    assert (root.reason, left.reason, right.reason, below.reason) == ("the end", "enough", "the end", "enough")
    for token in (root, left, right, below):
        token._check()


def test_a_child_of_a_cancelled_token_is_born_cancelled() -> None:
    root = CancellationToken()
    root.cancel("too late")

    child = root.child_token()

    assert child.is_cancelled
    assert child.reason == "too late"
    assert root.statistics().children == 0
    child._check()


def test_the_first_reason_stays() -> None:
    token = CancellationToken()
    assert token.reason is None

    token.cancel()
    token.cancel("later")

    assert token.reason is None


def test_who_waits_for_a_descendant_is_woken_by_its_ancestor() -> None:
    async def main() -> None:
        root = CancellationToken()
        leaf = root.child_token().child_token().child_token()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(leaf.wait)
            await settle()
            root.cancel()

    run(main)


def test_a_child_that_is_dropped_costs_nothing() -> None:
    token = CancellationToken()
    kept = token.child_token()
    for _ in range(100):
        token.child_token().child_token()
    gc.collect()

    assert token.statistics().children == 1
    token._check()
    token.cancel()
    assert kept.is_cancelled


def test_a_token_whose_parent_was_dropped_still_hears_of_what_cancels_that() -> None:
    root = CancellationToken()
    middle = root.child_token()
    leaves = [middle.child_token() for _ in range(2)]
    del middle
    gc.collect()
    later = leaves[0].child_token()

    root.cancel("from above")

    assert [leaf.reason for leaf in (*leaves, later)] == ["from above"] * 3


def test_a_token_may_be_dropped_anywhere_for_that_takes_no_lock() -> None:
    token = CancellationToken()
    child: CancellationToken | None = token.child_token()

    with token._waiters.lock:
        assert child is not None
        child = None
        gc.collect()

    assert token.statistics().children == 0


def test_a_deep_tree_is_cancelled_and_freed_without_recursion() -> None:
    root = leaf = CancellationToken()
    for _ in range(20_000):
        leaf = leaf.child_token()

    root.cancel()
    assert leaf.is_cancelled

    leaf = CancellationToken()
    for _ in range(20_000):
        leaf = leaf.child_token()
    del leaf  # and with it all the others, which nobody else knows


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_how_it_stands() -> None:
    async def main() -> None:
        token = CancellationToken()
        child = token.child_token()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(token.wait)
            await settle()
            assert repr(token) == "<CancellationToken not cancelled, 1 waiting>"
            assert "CancellationToken.wait" in repr(task)
            with token.scope():
                assert token.statistics() == (False, 1, 1, 1)
            token.cancel("over")
        assert token.statistics() == (True, 0, 0, 0)
        assert repr(child) == "<CancellationToken cancelled: over>"
        silent = CancellationToken()
        silent.cancel()
        assert repr(silent) == "<CancellationToken cancelled>"

    run(main)


def test_misuse_is_told() -> None:
    token = CancellationToken()

    with pytest.raises(TypeError, match=r"token\.is_cancelled"):
        bool(token)
    with pytest.raises(TypeError, match="reason must be a string"):
        token.cancel(7)  # type: ignore[arg-type]
    assert not token.is_cancelled
