"""Async generators that are dropped, or left at the end: they are closed where they were used."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
import warnings
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import cancel_shielded_checkpoint
from conc_testing import settle
from tests.kernel.support import run


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
        generator.asend(None).send(None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(main)
    assert trace == []
    with contextlib.suppress(StopIteration):
        generator.aclose().send(None)
