"""How open_map ends: errors of calls and of the source, cancellations, and blocks that are left early."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest

import conc
from conc.sync import Event, Semaphore
from conc.task import Map
from conc_testing import settle
from tests.kernel.support import messages, run
from tests.task.support import AsyncCounted, Counted, both_orders, cancel_myself, double, resist

# ---- errors ---------------------------------------------------------------------------------------------------------


@both_orders
def test_an_error_of_a_call_cancels_the_others_and_the_block_and_leaves_as_a_group(ordered: bool) -> None:
    cancelled: list[int] = []

    async def call(number: int) -> int:
        try:
            await conc.sleep(number)
        except conc.Cancelled:
            cancelled.append(number)
            raise
        if number == 2:
            raise ValueError("two")
        return number

    async def main() -> None:
        taken: list[int] = []
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(call, range(10), limit=4, ordered=ordered) as results:
                while True:
                    taken.append(await anext(results))
        assert messages(caught.value) == ["two"]
        assert taken == [0, 1]
        assert conc.current_time() == 2

    run(main)
    assert cancelled == [3, 4, 5]


def test_errors_of_calls_and_of_the_block_are_in_one_group() -> None:
    async def call(number: int) -> None:
        if number == 0:
            await resist(1, ValueError("of a call in clean-up"))
        await conc.sleep(1)
        raise ValueError("of a call")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(call, range(2), limit=2):
                try:
                    await conc.sleep_forever()
                finally:
                    raise KeyError("of the block")
        assert [type(error) for error in caught.value.exceptions] == [ValueError, KeyError, ValueError]

    run(main)


@both_orders
@pytest.mark.parametrize("kind", [Counted, AsyncCounted])
def test_an_error_of_the_source_is_raised_in_the_loop_after_the_values_before_it(
    ordered: bool, kind: type[Counted]
) -> None:
    async def main() -> None:
        taken: list[int] = []
        async with conc.open_map(double, kind(3, ValueError("no more")), limit=10, ordered=ordered) as results:
            with pytest.raises(ValueError, match="no more"):
                while True:
                    taken.append(await anext(results))
            assert [value async for value in results] == []
        assert taken == [0, 2, 4]

    run(main)


def test_an_error_of_the_source_that_nobody_was_told_leaves_with_the_block() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(double, Counted(1, ValueError("no more")), limit=10):
                await conc.sleep(5)
        assert messages(caught.value) == ["no more"]

    run(main)


def test_an_error_of_the_source_in_its_clean_up_is_not_lost() -> None:
    async def source() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(double, source(), limit=2) as results:
                await anext(results)
        assert messages(caught.value) == ["in clean-up"]

    run(main)


def test_a_function_that_is_not_async_is_an_error_of_the_call() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(str, range(3), limit=1) as results:  # type: ignore[arg-type, var-annotated]
                async for _ in results:
                    pytest.fail("there is no value")
        assert "not an async function" in messages(caught.value)[0]

    run(main)


def test_a_call_that_cancelled_its_own_task_has_no_value_and_the_loop_says_so() -> None:
    async def call(number: int) -> int:
        return await cancel_myself() if number == 1 else number

    async def main() -> None:
        async with conc.open_map(call, range(3), limit=1) as results:
            assert await anext(results) == 0
            with pytest.raises(conc.TaskCancelled):
                await anext(results)
            assert await anext(results) == 2

    run(main)


@both_orders
def test_a_loop_behind_a_shield_ends_when_a_call_has_failed(ordered: bool) -> None:
    async def call(number: int) -> int:
        await conc.sleep(number)
        if number == 2:
            raise ValueError("two")
        return number

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(call, range(9), limit=5, ordered=ordered) as results:
                with conc.CancelScope(shield=True):
                    assert [value async for value in results] == [0, 1]
        assert messages(caught.value) == ["two"]

    run(main)


def test_keyboard_interrupt_of_a_call_leaves_run_bare() -> None:
    async def call(_: int) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        async with conc.open_map(call, range(3), limit=2) as results:
            async for _ in results:
                pass

    with pytest.raises(KeyboardInterrupt):
        run(main)


# ---- cancelling -----------------------------------------------------------------------------------------------------


@both_orders
def test_a_cancelled_taker_took_nothing(ordered: bool) -> None:
    async def main() -> None:
        async with conc.open_map(double, range(2), limit=2, ordered=ordered) as results:
            with conc.move_on_after(0.5) as scope:
                await anext(results)
            assert scope.cancelled_caught
            assert [value async for value in results] == [0, 2]

    run(main)


@both_orders
def test_a_taker_that_was_given_a_value_returns_it_although_it_is_cancelled_before_it_runs(ordered: bool) -> None:
    got: list[object] = []

    async def take(results: Map[Any], scope: conc.CancelScope) -> None:
        with scope:
            got.append(await anext(results))
            await conc.checkpoint()
            got.append("went on")

    async def main() -> None:
        event = Event()
        scope = conc.CancelScope()

        async def call(number: int) -> int:
            await event.wait()
            return number

        async with conc.open_map(call, [7], limit=1, ordered=ordered) as results, conc.open_nursery() as nursery:
            nursery.start_soon(take, results, scope)
            await settle()
            event.set()
            await conc.checkpoint()  # the call has ended, and the taker is about to run
            scope.cancel()
            await settle()
            assert got == [7]
            assert scope.cancelled_caught
            assert [value async for value in results] == []

    run(main)


def test_leaving_the_block_cancels_the_calls_and_waits_for_their_clean_up() -> None:
    async def call(number: int) -> str:
        return await resist(3) if number else "first"

    async def main() -> None:
        async with conc.open_map(call, range(5), limit=3) as results:
            assert await anext(results) == "first"
        assert conc.current_time() == 3
        assert [value async for value in results] == []

    run(main)


def test_a_cancelled_block_ends_its_calls_and_the_reading() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)

        async def call(_: int) -> None:
            await semaphore.acquire()

        with conc.move_on_after(1) as scope:
            async with conc.open_map(call, AsyncCounted(5), limit=5) as results:
                async for _ in results:
                    pass
        assert scope.cancelled_caught
        assert "0 waiting" in repr(semaphore)

    run(main)


@pytest.mark.parametrize("takes", [0, 1, 10])
def test_an_async_generator_is_closed_when_the_block_is_left(takes: int) -> None:
    log: list[str] = []

    async def source() -> AsyncGenerator[int, None]:
        try:
            for number in range(5):
                yield number
        finally:
            log.append("closed")

    async def main() -> None:
        async with conc.open_map(double, source(), limit=2) as results:
            await conc.sleep(1)
            for _ in range(takes):
                with contextlib.suppress(StopAsyncIteration):
                    await anext(results)
        assert log == ["closed"]

    run(main)


def test_an_async_generator_is_closed_also_where_it_waits() -> None:
    log: list[str] = []

    async def source() -> AsyncGenerator[int, None]:
        yield 1
        try:
            await conc.sleep_forever()
        except conc.Cancelled:
            log.append("cancelled")
            raise
        finally:
            log.append("closed")

    async def main() -> None:
        async with conc.open_map(double, source(), limit=2) as results:
            assert await anext(results) == 2
        assert log == ["cancelled", "closed"]

    run(main)


def test_other_sources_are_left_as_they_are() -> None:
    async def main() -> None:
        source = iter(range(10))
        async with conc.open_map(double, source, limit=2) as results:
            assert await anext(results) == 0
        assert next(source) > 1

    run(main)
