"""Scopes and nurseries that are misused: an error where it happens, which names the mistake and the remedy."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

import conc
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import nothing, run

# Scopes out of order.


def test_a_scope_that_is_left_before_an_inner_one_is_an_error() -> None:
    async def main() -> None:
        outer, inner = conc.CancelScope(), conc.CancelScope()
        outer.__enter__()
        inner.__enter__()
        with pytest.raises(RuntimeError, match=r"(?s)out of order.*inner.*`with`"):
            outer.__exit__(None, None, None)
        await conc.checkpoint()
        with conc.move_on_after(1) as scope:
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


def test_a_scope_that_is_left_in_another_task_is_an_error_that_names_both() -> None:
    async def leave(scope: conc.CancelScope) -> None:
        with pytest.raises(RuntimeError, match=r"(?s)the culprit.*one task"):
            scope.__exit__(None, None, None)

    async def main() -> None:
        scope = conc.CancelScope()
        scope.__enter__()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(leave, scope, name="the culprit")

    with pytest.raises(RuntimeError, match=r"never left|left already|out of order"):
        run(main)


def test_a_scope_is_used_once() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            with pytest.raises(RuntimeError, match=r"used once.*make a new one"):
                scope.__enter__()
        with pytest.raises(RuntimeError, match="used once"):
            with scope:
                raise AssertionError("entered again")
        await conc.checkpoint()

    run(main)


def test_a_scope_that_was_never_entered_cannot_be_left() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"never entered.*`with"):
            conc.CancelScope().__exit__(None, None, None)

    run(main)


def test_a_scope_is_left_once() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            pass
        with pytest.raises(RuntimeError, match="left already"):
            scope.__exit__(None, None, None)

    run(main)


def test_a_task_that_ends_inside_a_scope_fails_and_its_siblings_are_told() -> None:
    async def forgetful() -> None:
        conc.CancelScope().__enter__()

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(forgetful)
                await conc.sleep_forever()
        (error,) = caught.value.exceptions
        assert isinstance(error, RuntimeError)
        assert "forgetful" in str(error)
        assert "never left" in str(error)

    run(main)


def test_the_error_of_a_scope_out_of_order_keeps_the_error_of_the_block() -> None:
    async def main() -> None:
        outer, inner = conc.CancelScope(), conc.CancelScope()
        outer.__enter__()
        inner.__enter__()
        error = ValueError("of the block")
        with pytest.raises(RuntimeError, match="out of order") as caught:
            outer.__exit__(ValueError, error, None)
        assert caught.value.__cause__ is error

    run(main)


def test_a_sync_generator_that_yields_in_a_scope_may_be_a_context_manager() -> None:
    @contextmanager
    def limited() -> Generator[conc.CancelScope, None, None]:
        with conc.move_on_after(1) as scope:
            yield scope

    async def main() -> None:
        with limited() as scope:
            await conc.sleep_forever()
        assert scope.cancelled_caught

    run(main)


# Nurseries.


def test_a_nursery_that_has_ended_starts_nothing() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            pass
        with pytest.raises(RuntimeError, match=r"(?s)ended.*inside its `async with` block"):
            nursery.start_soon(nothing)
        with pytest.raises(RuntimeError, match="ended"):
            await nursery.start(nothing)

    run(main)


def test_a_nursery_is_not_entered_with_a_plain_with() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"async with conc.open_nursery"):
            with conc.open_nursery():
                raise AssertionError("entered")

    run(main)


def test_a_nursery_block_is_entered_once() -> None:
    async def main() -> None:
        manager = conc.open_nursery()
        async with manager:
            pass
        with pytest.raises(RuntimeError, match=r"opened before.*open_nursery()"):
            async with manager:
                raise AssertionError("entered again")
        await conc.checkpoint()

    run(main)


def test_a_nursery_starts_nothing_for_another_thread() -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        async with conc.open_nursery() as nursery:

            def start() -> None:
                try:
                    nursery.start_soon(nothing)
                except BaseException as error:
                    errors.append(error)

            thread = threading.Thread(target=start)
            thread.start()
            thread.join()
            assert not nursery.children

    run(main)
    assert isinstance(errors[0], RuntimeError)
    assert "portal" in str(errors[0])


def test_a_nursery_starts_nothing_for_another_runtime() -> None:
    async def inner(nursery: conc.Nursery) -> None:
        with pytest.raises(RuntimeError, match="another strand"):
            nursery.start_soon(nothing)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            thread = threading.Thread(target=lambda: errors.append(conc.run(inner, nursery)))
            thread.start()
            thread.join()

    errors: list[None] = []
    run(main)
    assert errors == [None]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_nursery_starts_nothing_for_a_strand_that_it_is_not_around(workers: int) -> None:
    nurseries: list[conc.Nursery] = []
    texts: list[str] = []
    over = Event()

    async def owner() -> None:
        async with conc.open_nursery() as nursery:
            nurseries.append(nursery)
            await over.wait()
            assert not nursery.children

    async def stranger() -> None:
        while not nurseries:
            await conc.sleep(0.001)
        for start in (nurseries[0].start_soon, nurseries[0].start):
            try:
                result = start(nothing)
                if isinstance(result, Awaitable):
                    await result
            except RuntimeError as error:
                texts.append(str(error))
        over.set()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(owner)
            nursery.start_soon(stranger)

    conc.run(main, workers=workers)
    assert len(texts) == 2
    assert "at home in another strand" in texts[0]
    assert "channel" in texts[0]
    assert "strand" in texts[1]


def test_a_nursery_that_is_left_in_another_task_is_an_error() -> None:
    async def leave(manager: Any) -> None:
        with pytest.raises(RuntimeError, match="one task"):
            await manager.__aexit__(None, None, None)

    async def main() -> None:
        manager = conc.open_nursery()
        await manager.__aenter__()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(leave, manager)

    with pytest.raises(RuntimeError):
        run(main)


def test_a_nursery_that_is_left_before_an_inner_scope_ends_its_children_and_says_so() -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await conc.sleep_forever()
        finally:
            ended.append("child")

    async def main() -> None:
        manager = conc.open_nursery()
        nursery = await manager.__aenter__()
        nursery.start_soon(child)
        await settle()
        conc.CancelScope().__enter__()
        with pytest.raises(RuntimeError, match="out of order"):
            await manager.__aexit__(None, None, None)
        assert ended == ["child"]
        await conc.checkpoint()

    run(main)


def test_a_task_that_ends_inside_a_nursery_takes_its_children_along() -> None:
    ended: list[str] = []

    async def child() -> None:
        try:
            await conc.sleep_forever()
        finally:
            ended.append("child")

    async def forgetful() -> None:
        nursery = await conc.open_nursery().__aenter__()
        nursery.start_soon(child)
        await settle()

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(forgetful)
        assert "never left" in str(caught.value.exceptions[0])

    run(main)
    assert ended == ["child"]
