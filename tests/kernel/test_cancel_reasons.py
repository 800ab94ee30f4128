"""The text of a cancellation: who cancelled, and why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.lowlevel import current_runtime
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run


async def text_of(operation: Awaitable[object]) -> str:
    try:
        await operation
    except conc.Cancelled as cancelled:
        return f"{cancelled.source} | {cancelled.reason} | {cancelled}"
    raise AssertionError("was not cancelled")


def test_an_explicit_cancel_gives_its_reason() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel("the user has left")
            assert await text_of(conc.checkpoint()) == (
                "explicit | the user has left | cancelled (explicit): the user has left"
            )

    run(main)


def test_a_cancel_without_a_reason_says_who_did_it() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            assert await text_of(conc.checkpoint()) == "explicit | None | cancelled (explicit)"

    run(main)


def test_the_first_cause_stays() -> None:
    async def main() -> None:
        with conc.move_on_after(1) as scope:
            scope.cancel("first")
            scope.cancel("second")
            with conc.CancelScope(shield=True):
                await conc.sleep(2)
            assert (await text_of(conc.checkpoint())).endswith("cancelled (explicit): first")

    run(main)


def test_a_deadline_says_that_it_was_one() -> None:
    async def main() -> None:
        with conc.move_on_after(1):
            assert (await text_of(conc.sleep_forever())).startswith("deadline |")

    run(main)


def test_a_failed_sibling_is_the_source_nursery() -> None:
    texts: list[str] = []

    async def wait() -> None:
        texts.append(await text_of(conc.sleep_forever()))

    async def fail() -> None:
        raise ValueError

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                nursery.start_soon(wait)
                await settle()
                nursery.start_soon(fail)

    run(main)
    assert texts[0].startswith("nursery |")


def test_the_end_of_main_is_the_source_shutdown() -> None:
    texts: list[str] = []

    async def wait() -> None:
        texts.append(await text_of(conc.sleep_forever()))

    async def main() -> None:
        current_runtime().root_nursery.start_soon(wait)
        await settle()

    run(main)
    assert texts[0].startswith("shutdown |")


def test_a_deadlock_is_the_source_deadlock() -> None:
    texts: list[str] = []

    async def main() -> None:
        texts.append(await text_of(Event().wait()))

    with pytest.raises(conc.Deadlock):
        run(main)
    assert texts[0].startswith("deadlock |")


@pytest.mark.parametrize("order", ["outer first", "inner first"])
def test_of_two_cancelled_scopes_the_text_is_that_of_one_that_was_cancelled(order: str) -> None:
    async def main() -> None:
        with conc.CancelScope() as outer, conc.CancelScope() as inner:
            scopes = [outer, inner] if order == "outer first" else [inner, outer]
            for scope, reason in zip(scopes, ["one", "two"], strict=True):
                scope.cancel(reason)
            text = await text_of(conc.checkpoint())
        assert text.endswith(("cancelled (explicit): one", "cancelled (explicit): two"))

    run(main)


CANCELLERS: dict[str, Callable[[conc.CancelScope, conc.Task[None]], None]] = {
    "scope": lambda scope, task: scope.cancel("  words: %s {}\n"),
    "task": lambda scope, task: task.cancel("  words: %s {}\n"),
}


@pytest.mark.parametrize("canceller", CANCELLERS.values(), ids=CANCELLERS)
def test_a_reason_is_passed_on_letter_by_letter(
    canceller: Callable[[conc.CancelScope, conc.Task[None]], None],
) -> None:
    reasons: list[str | None] = []

    async def wait() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as cancelled:
            reasons.append(cancelled.reason)
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait)
            await settle()
            canceller(nursery.cancel_scope, task)

    run(main)
    assert reasons == ["  words: %s {}\n"]
