"""The scopes of a cancellation token: cancelled with it from anywhere, and forgotten when they are left."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

import pytest

import conc
from conc.sync import CancellationToken
from conc_testing import settle
from tests.kernel.support import run
from tests.threads.support import Stranger, hasty_switching


def test_a_scope_of_the_token_is_cancelled_with_it() -> None:
    texts: list[str] = []

    async def worker(token: CancellationToken) -> None:
        with token.scope() as scope:
            try:
                await conc.sleep_forever()
            except conc.Cancelled as error:
                texts.append(str(error))
                raise
        assert scope.cancelled_caught

    async def main() -> None:
        token = CancellationToken()
        async with conc.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(worker, token.child_token())
            await settle()
            token.cancel("going home")
            assert not texts

    run(main)
    assert len(texts) == 2
    assert all("going home" in text for text in texts)


def test_everything_that_was_started_in_the_scope_is_cancelled() -> None:
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await conc.sleep_forever()
        finally:
            ended.append(number)

    async def main() -> None:
        token = CancellationToken()
        with token.scope():
            async with conc.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(child, number)
                await settle()
                token.cancel()
                await conc.sleep_forever()

    run(main)
    assert sorted(ended) == [0, 1, 2]


def test_a_token_that_is_cancelled_already_gives_a_cancelled_scope() -> None:
    async def main() -> None:
        token = CancellationToken()
        token.cancel("before")
        with token.scope() as scope:
            assert scope.cancel_called
            with pytest.raises(conc.Cancelled, match="before"):
                await conc.checkpoint()
            await conc.checkpoint()
        assert scope.cancelled_caught

    run(main)


def test_a_scope_that_was_left_is_forgotten() -> None:
    async def main() -> None:
        token = CancellationToken()
        with token.scope() as outer, token.scope() as inner:
            assert token.statistics().scopes == 2
        with pytest.raises(ValueError, match="no"), token.scope():
            raise ValueError("no")
        assert token.statistics().scopes == 0
        token.cancel()
        await conc.checkpoint()
        assert not outer.cancel_called
        assert not inner.cancelled_caught

    run(main)


def test_a_block_that_ends_by_itself_was_not_cut_short() -> None:
    async def main() -> None:
        token = CancellationToken()
        with token.scope() as scope:
            await conc.checkpoint()
            token.cancel()
        assert scope.cancel_called
        assert not scope.cancelled_caught

    run(main)


def test_cancelling_one_scope_of_a_token_leaves_the_token_and_its_other_scopes_alone() -> None:
    async def main() -> None:
        token = CancellationToken()
        with token.scope() as outer:
            with token.scope() as inner:
                inner.cancel()
                await conc.sleep_forever()
            assert inner.cancelled_caught
            await conc.checkpoint()
        assert not outer.cancel_called
        assert not token.is_cancelled

    run(main)


def test_a_scope_is_used_once_and_a_second_use_does_no_harm_to_the_first() -> None:
    async def main() -> None:
        token = CancellationToken()
        scope = token.scope()
        with scope:
            with pytest.raises(RuntimeError, match="used once"):
                scope.__enter__()
            token.cancel()
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_a_scope_left_out_of_order_is_told_and_forgotten() -> None:
    async def main() -> None:
        token = CancellationToken()
        outer = token.scope()
        outer.__enter__()
        inner = conc.CancelScope()
        inner.__enter__()
        with pytest.raises(RuntimeError, match="out of order"):
            outer.__exit__(None, None, None)
        assert token.statistics().scopes == 0

    run(main)


def test_a_yield_out_of_the_scope_is_found() -> None:
    async def numbers() -> AsyncGenerator[int, None]:
        with CancellationToken().scope():
            yield 1

    async def main() -> None:
        generator = numbers()
        try:
            async for _ in generator:
                await conc.sleep(1)
        finally:
            with contextlib.suppress(RuntimeError):
                await generator.aclose()

    with pytest.raises(RuntimeError, match="yielded inside"):
        run(main)


def test_a_thread_cancels_the_scope_of_a_running_task() -> None:
    async def main() -> None:
        token = CancellationToken()
        with token.scope() as scope:
            stranger = Stranger(token.cancel, "by a thread")
            await conc.sleep_forever()
        assert scope.cancelled_caught
        await stranger.has_ended()

    conc.run(main)


def test_nobody_of_many_strands_misses_a_cancellation_while_tokens_come_and_go() -> None:
    caught: list[bool] = []
    strands = 8

    async def strand(root: CancellationToken, begun: list[None], number: int) -> None:
        begun.append(None)
        while not root.is_cancelled:
            child = root.child_token().child_token()
            with child.scope():
                await conc.checkpoint()
        leaf = root.child_token()
        with leaf.scope() as scope:
            await (leaf.wait() if number % 2 else conc.sleep_forever())
            await conc.checkpoint()
        caught.append(scope.cancelled_caught)

    async def main() -> None:
        root = CancellationToken()
        begun: list[None] = []

        def cancel_in_the_middle() -> None:
            while len(begun) < 3:
                pass
            root.cancel()

        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(strands):
                nursery.start_soon(strand, root, begun, number)
            strangers = [Stranger(cancel_in_the_middle) for _ in range(2)]
        for stranger in strangers:
            stranger.result()
        root._check()

    with hasty_switching():
        for _ in range(3):
            conc.run(main, workers=3)
    assert caught == [True] * strands * 3


def test_who_enters_waits_or_is_born_while_a_thread_cancels_is_told() -> None:
    async def enter(token: CancellationToken) -> None:
        with token.scope():
            await conc.sleep_forever()

    async def be_born(token: CancellationToken) -> None:
        await token.child_token().child_token().wait()

    async def main() -> None:
        for _ in range(20):
            token = CancellationToken()
            async with conc.open_nursery(parallel=True) as nursery:
                stranger = Stranger(token.cancel)
                for act in (enter, be_born, CancellationToken.wait) * 2:
                    nursery.start_soon(act, token)
            await stranger.has_ended()
            token._check()

    with hasty_switching():
        conc.run(main, workers=3)
