"""A `yield` out of a scope or nursery in an async generator: found when it happens, and fine in a context manager."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import pytest

import conc
from conc.lowlevel import drives_generators
from tests.kernel.support import leaves, run

# Dropped generators.


async def yields_in_scope(values: int) -> AsyncGenerator[int, None]:
    with conc.move_on_after(1):
        for value in range(values):
            yield value


async def yields_in_nursery(values: int) -> AsyncGenerator[int, None]:
    async with conc.open_nursery():
        for value in range(values):
            yield value


async def yields_after_an_inner_scope(values: int) -> AsyncGenerator[int, None]:
    async with conc.open_nursery():
        with conc.move_on_after(1):
            await conc.checkpoint()
        for value in range(values):
            yield value


async def yields_after_waiting(values: int) -> AsyncGenerator[int, None]:
    with conc.CancelScope():
        for value in range(values):
            await conc.sleep(0.01)
            yield value


async def yields_after_a_caught_cancellation(values: int) -> AsyncGenerator[int, None]:
    with conc.CancelScope(shield=True):
        with conc.move_on_after(0.01):
            await conc.sleep_forever()
        for value in range(values):
            yield value


YIELDERS = [
    yields_in_scope,
    yields_in_nursery,
    yields_after_an_inner_scope,
    yields_after_waiting,
    yields_after_a_caught_cancellation,
]


@pytest.mark.parametrize("yielder", YIELDERS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_yield_out_of_a_scope_is_found_at_the_callers_next_wait(
    yielder: Callable[[int], AsyncGenerator[int, None]],
) -> None:
    reached: list[str] = []

    async def main() -> None:
        generator = yielder(3)
        try:
            async for _ in generator:
                await conc.sleep(100)
                reached.append("slept under a scope of somebody else")
        except RuntimeError as error:
            text = str(error)
            assert yielder.__name__ in text
            assert "yielded inside" in text
            assert "asynccontextmanager" in text or "around the loop" in text
            raise
        finally:
            with contextlib.suppress(RuntimeError):
                await generator.aclose()

    with pytest.raises((RuntimeError, ExceptionGroup)) as caught:
        run(main)
    assert "yielded inside" in str(leaves(caught.value)[0])
    assert reached == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_yield_out_of_a_scope_is_found_when_the_loop_is_left_in_the_middle() -> None:
    async def main() -> None:
        async for _ in yields_in_scope(3):
            break
        await conc.sleep(100)
        raise AssertionError("the scope of the generator surrounds main")

    with pytest.raises((RuntimeError, ExceptionGroup)) as caught:
        run(main)
    assert "yields_in_scope" in str(leaves(caught.value)[0])


def test_a_generator_that_yields_outside_of_its_scopes_is_welcome() -> None:
    async def generate() -> AsyncGenerator[int, None]:
        for value in range(3):
            with conc.move_on_after(1):
                await conc.sleep(0.1)
            async with conc.open_nursery() as nursery:
                nursery.start_soon(conc.sleep, 0.1)
            yield value

    async def main() -> None:
        seen = []
        async with contextlib.aclosing(generate()) as generator:
            async for value in generator:
                await conc.sleep(10)
                seen.append(value)
        assert seen == [0, 1, 2]

    run(main)


def test_a_generator_inside_a_scope_of_its_caller_is_welcome() -> None:
    trace: list[str] = []

    async def count() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            trace.append("closed")

    async def main() -> None:
        with conc.fail_after(5):
            async with conc.open_nursery() as nursery:
                async for _ in count():
                    nursery.start_soon(conc.sleep, 0.1)
                    await conc.sleep(1)

    run(main)
    assert trace == ["closed"]


def test_context_managers_made_of_generators_may_yield_inside_scopes() -> None:
    @contextlib.asynccontextmanager
    async def limited() -> AsyncIterator[conc.CancelScope]:
        with conc.move_on_after(3) as scope:
            yield scope

    @contextlib.asynccontextmanager
    async def background() -> AsyncIterator[conc.Nursery]:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep_forever)
            await conc.sleep(0.01)
            yield nursery
            nursery.cancel_scope.cancel()

    async def main() -> None:
        async with background() as nursery:
            await conc.sleep(1)
            async with limited() as scope:
                nursery.start_soon(conc.sleep, 1)
                await conc.sleep(1)
                await conc.sleep_forever()
            assert scope.cancelled_caught
            await conc.sleep(1)

    run(main)


def test_a_context_manager_used_as_a_decorator_or_in_an_exit_stack_may_yield_inside_scopes() -> None:
    @contextlib.asynccontextmanager
    async def limited() -> AsyncIterator[None]:
        with conc.CancelScope():
            yield

    @limited()
    async def decorated() -> None:
        await conc.sleep(1)
        await conc.sleep(1)

    async def main() -> None:
        await decorated()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(limited())
            await conc.sleep(1)
            await stack.enter_async_context(limited())
            await conc.sleep(1)

    run(main)


def test_who_drives_generators_in_order_may_say_so() -> None:
    async def fixture() -> AsyncGenerator[int, None]:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep, 1)
            yield 7

    @drives_generators
    async def drive(generator: AsyncGenerator[int, None]) -> int:
        return await anext(generator)

    @drives_generators
    async def finish(generator: AsyncGenerator[int, None]) -> None:
        with contextlib.suppress(StopAsyncIteration):
            await anext(generator)

    async def main() -> None:
        generator = fixture()
        assert await drive(generator) == 7
        await conc.sleep(1)
        await conc.sleep(1)
        await finish(generator)

    run(main)


def test_an_error_thrown_into_a_context_manager_ends_its_nursery() -> None:
    @contextlib.asynccontextmanager
    async def background() -> AsyncIterator[None]:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.sleep_forever)
            yield

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with background():
                await conc.sleep(1)
                raise ValueError("no")
        assert [str(error) for error in caught.value.exceptions] == ["no"]

    run(main)
