"""Async generators: what was dropped is closed where it was used; and a yield out of a scope is found when it happens."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import cancel_shielded_checkpoint, drives_generators
from conc_testing import settle
from tests.kernel.support import run

# Dropped generators.


def counting(trace: list[str]) -> Callable[[], AsyncGenerator[int, None]]:
    async def count() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            trace.append("closed")

    return count


def test_a_dropped_generator_is_closed_with_a_warning_that_names_it() -> None:
    trace: list[str] = []
    count = counting(trace)

    async def main() -> None:
        async for _ in count():
            break
        await settle()
        assert trace == ["closed"]

    with pytest.warns(ResourceWarning, match=r"count.*aclosing"):
        run(main)


def test_a_generator_that_is_left_at_the_end_is_closed_with_a_warning() -> None:
    trace: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []
    count = counting(trace)

    async def main() -> None:
        generator = count()
        kept.append(generator)
        assert await anext(generator) == 1

    with pytest.warns(ResourceWarning, match="count"):
        run(main)
    assert trace == ["closed"]


def test_a_generator_that_was_finished_or_closed_gives_no_warning() -> None:
    trace: list[str] = []
    count = counting(trace)

    async def main() -> None:
        assert [number async for number in count()] == [1, 2]
        async with contextlib.aclosing(count()) as generator:
            assert await anext(generator) == 1
        count()  # never iterated: nothing to close
        await settle()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
    assert trace == ["closed", "closed"]


def test_the_clean_up_of_a_dropped_generator_may_await_but_not_wait_unshielded() -> None:
    trace: list[str] = []

    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            with contextlib.suppress(conc.Cancelled):
                await conc.sleep(100)
                trace.append("not reached")
            with conc.move_on_after(5, shield=True):
                await conc.sleep(1)
                trace.append("shielded")

    async def main() -> None:
        async for _ in generate():
            break
        await conc.sleep(10)
        assert trace == ["shielded"]

    with pytest.warns(ResourceWarning, match="generate"):
        run(main)


def test_the_clean_up_of_a_generator_left_at_the_end_may_await() -> None:
    trace: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []

    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(1)
            trace.append("closed")

    async def main() -> None:
        kept.append(generate())
        await anext(kept[0])

    with pytest.warns(ResourceWarning, match="generate"):
        run(main)
    assert trace == ["closed"]


def test_a_dropped_generator_is_closed_on_the_thread_of_its_strand() -> None:
    threads: list[int] = []
    count = 4

    async def generate() -> AsyncGenerator[int, None]:
        first = threading.get_ident()
        try:
            yield 1
        finally:
            threads.extend((first, threading.get_ident()))

    async def child() -> None:
        async for _ in generate():
            break
        await conc.sleep(0.01)

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(count):
                nursery.start_soon(child)

    with pytest.warns(ResourceWarning, match="generate"):
        conc.run(main, workers=2)
    assert len(threads) == 2 * count
    assert threads[::2] == threads[1::2]


def test_a_generator_in_a_cycle_is_closed_when_the_cycle_is_found() -> None:
    trace: list[str] = []
    count = counting(trace)

    class Knot:
        me: Any
        generator: AsyncGenerator[int, None]

    async def main() -> None:
        knot = Knot()
        knot.me = knot
        knot.generator = count()
        await anext(knot.generator)
        del knot
        gc.collect()
        await settle()
        assert trace == ["closed"]

    with pytest.warns(ResourceWarning, match="count"):
        run(main)


def test_an_error_in_the_clean_up_of_a_dropped_generator_is_not_lost() -> None:
    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        async for _ in generate():
            break
        await settle()

    with pytest.warns(ResourceWarning, match="generate"), pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [str(error) for error in caught.value.exceptions] == ["in clean-up"]


@pytest.mark.parametrize("dropped", ["in between", "at the end"])
def test_where_warnings_are_errors_the_generator_is_closed_and_the_error_leaves_run(dropped: str) -> None:
    trace: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []
    count = counting(trace)

    async def main() -> None:
        generator = count()
        await anext(generator)
        if dropped == "at the end":
            kept.append(generator)
        del generator
        await settle()
        trace.append("main goes on")

    with warnings.catch_warnings(), pytest.raises(ExceptionGroup) as caught:
        warnings.simplefilter("error")
        run(main)
    assert sorted(trace) == ["closed", "main goes on"]
    assert [type(error) for error in caught.value.exceptions] == [ResourceWarning]


def test_a_generator_whose_clean_up_never_ends_is_reported_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conc._kernel.runtime.CLOSING_SECONDS", 0.1)
    kept: list[AsyncGenerator[int, None]] = []

    async def generate() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            while True:
                await cancel_shielded_checkpoint()

    async def main() -> None:
        kept.append(generate())
        await anext(kept[0])

    with pytest.warns(ResourceWarning, match="generate"), pytest.raises(ExceptionGroup) as caught:
        conc.run(main)
    assert "did not end within 0.1 s" in str(caught.value.exceptions[0])


def test_many_generators_left_at_the_end_are_all_closed() -> None:
    trace: list[str] = []
    kept: list[AsyncGenerator[int, None]] = []
    count = counting(trace)

    async def main() -> None:
        for _ in range(50):
            kept.append(count())
            await anext(kept[-1])

    with pytest.warns(ResourceWarning, match="count"):
        run(main)
    assert trace == ["closed"] * 50


def test_the_interpreters_hooks_are_put_back_after_a_run() -> None:
    before = sys.get_asyncgen_hooks()

    async def main() -> None:
        assert sys.get_asyncgen_hooks() != before

    run(main)
    assert sys.get_asyncgen_hooks() == before


def test_a_generator_that_was_begun_outside_of_the_run_is_left_to_whoever_began_it() -> None:
    trace: list[str] = []
    generator = counting(trace)()

    async def main() -> None:
        with contextlib.suppress(RuntimeError):
            await anext(generator)

    with contextlib.suppress(StopIteration):
        generator.asend(None).send(None)  # type: ignore[arg-type]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
    assert trace == []
    with contextlib.suppress(StopIteration):
        generator.aclose().send(None)


# A yield out of a scope.


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


def leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


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
    count = counting(trace)

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
