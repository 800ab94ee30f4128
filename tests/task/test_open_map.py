"""open_map: an async function over many items, and its source never read further ahead than the limit."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, assert_type

import pytest

import conc
from conc.lowlevel import current_task
from conc.task import Map
from tests.kernel.support import run
from tests.task.support import AsyncCounted, Counted, both_orders, double, give


async def countdown(number: int) -> int:
    """The later items are done first."""
    await conc.sleep(100 - number)
    return number


# ---- values ---------------------------------------------------------------------------------------------------------


def test_values_come_in_the_order_of_the_items() -> None:
    async def main() -> None:
        async with conc.open_map(countdown, range(10), limit=10) as results:
            assert_type(results, Map[int])
            assert [value async for value in results] == list(range(10))

    run(main)


def test_unordered_values_come_as_they_are_there() -> None:
    async def main() -> None:
        async with conc.open_map(countdown, range(10), limit=10, ordered=False) as results:
            assert [value async for value in results] == list(range(10))[::-1]

    run(main)


@both_orders
def test_at_most_the_limit_of_calls_run_at_a_time(ordered: bool) -> None:
    running = 0
    most = 0

    async def watch(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await conc.sleep(1 + number % 3)
        running -= 1
        return number

    async def main() -> None:
        async with conc.open_map(watch, range(30), limit=4, ordered=ordered) as results:
            assert sorted([value async for value in results]) == list(range(30))

    run(main)
    assert most == 4


@both_orders
@pytest.mark.parametrize("kind", [Counted, AsyncCounted])
@pytest.mark.parametrize("limit", [1, 3, 50])
def test_the_source_is_never_read_further_ahead_than_the_limit(ordered: bool, kind: type[Counted], limit: int) -> None:
    source = kind(20)
    taken = 0
    ahead: list[int] = []

    async def call(number: int) -> int:
        ahead.append(source.read - taken)
        await conc.sleep(number % 5)
        ahead.append(source.read - taken)
        return number

    async def main() -> None:
        nonlocal taken
        async with conc.open_map(call, source, limit=limit, ordered=ordered) as results:
            await conc.sleep(200)  # nobody takes anything yet
            assert source.read == min(limit, 20)
            async for _ in results:
                taken += 1
                await conc.sleep(taken % 4 * 10)
                assert source.read <= taken + limit

    run(main)
    assert taken == source.read == 20
    assert max(ahead) <= limit


@both_orders
def test_calls_go_on_while_the_one_who_takes_is_busy(ordered: bool) -> None:
    async def main() -> None:
        async with conc.open_map(double, range(3), limit=3, ordered=ordered) as results:
            await conc.sleep(1)
            start = conc.current_time()
            assert sorted([value async for value in results]) == [0, 2, 4]
            assert conc.current_time() == start

    run(main)


@both_orders
def test_values_of_a_slow_source_are_there_before_its_next_item(ordered: bool) -> None:
    times: list[tuple[int, float]] = []

    async def main() -> None:
        async with conc.open_map(give, AsyncCounted(3), limit=5, ordered=ordered) as results:
            times.extend([(value, conc.current_time()) async for value in results])

    run(main)
    assert times == [(0, 1), (1, 2), (2, 3)]


@both_orders
@pytest.mark.parametrize("source", [[], AsyncCounted(0)])
def test_an_empty_source_gives_nothing(ordered: bool, source: Any) -> None:
    async def main() -> None:
        async with conc.open_map(double, source, limit=5, ordered=ordered) as results:
            assert [value async for value in results] == []

    run(main)


def test_an_endless_source_is_left_in_the_middle() -> None:
    def count() -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1

    async def main() -> None:
        async with conc.open_map(double, count(), limit=5) as results:
            async for value in results:
                if value == 20:
                    break
        assert conc.current_time() == 3

    run(main)


def test_several_tasks_may_take_from_one_map() -> None:
    taken: list[tuple[str, int]] = []

    async def take(name: str, results: Map[int]) -> None:
        while (value := await anext(results, None)) is not None:
            taken.append((name, value))

    async def main() -> None:
        async with conc.open_map(double, range(6), limit=2) as results, conc.open_nursery() as nursery:
            nursery.start_soon(take, "a", results)
            nursery.start_soon(take, "b", results)

    run(main)
    assert taken == [("a", 0), ("b", 2), ("a", 4), ("b", 6), ("a", 8), ("b", 10)]


def test_calls_are_tasks_with_the_name_of_the_function_and_the_context_of_the_block() -> None:
    name = ContextVar("name", default="nobody")

    async def call(_: int) -> tuple[str, str]:
        return current_task().name.rpartition(".")[2], name.get()

    async def main() -> None:
        name.set("the block")
        async with conc.open_map(call, range(2), limit=2) as results:
            assert [value async for value in results] == [("call", "the block")] * 2

    run(main)


# ---- the rest -------------------------------------------------------------------------------------------------------


def test_a_block_of_a_map_is_entered_once() -> None:
    async def main() -> None:
        block = conc.open_map(double, range(2), limit=1)
        async with block:
            pass
        with pytest.raises(RuntimeError, match=r"open_map\(\) for each"):
            async with block:
                pass

    run(main)


def test_bad_arguments_are_refused_by_name() -> None:
    with pytest.raises(TypeError, match="async function"):
        conc.open_map(7, range(3), limit=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="coroutine object"):
        conc.open_map(double(1), range(3), limit=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="source"):
        conc.open_map(double, 7, limit=1)  # type: ignore[arg-type]
    for limit in (0, -1):
        with pytest.raises(ValueError, match="limit"):
            conc.open_map(double, [], limit=limit)
    with pytest.raises(TypeError, match="limit"):
        conc.open_map(double, [], limit=None)  # type: ignore[arg-type]
    for name in ("ordered", "parallel"):
        with pytest.raises(TypeError, match=name):
            conc.open_map(double, [], limit=1, **{name: 1})  # type: ignore[arg-type]


def test_a_map_that_was_left_early_is_freed_without_the_collector() -> None:
    class Thing:
        """Something that can be watched dying."""

    references: list[weakref.ref[object]] = []

    async def make(_: int) -> Thing:
        thing = Thing()
        references.append(weakref.ref(thing))
        return thing

    async def use() -> None:
        async with conc.open_map(make, range(9), limit=3) as results:
            references.append(weakref.ref(await anext(results)))
            await conc.sleep(1)
        async with conc.open_join_set() as tasks:
            tasks.start_soon(make, 1)

    async def main() -> None:
        await use()
        await conc.sleep(1)  # the loop of the worker knows its last nursery until its turn is over
        assert len(references) > 3
        assert [reference() for reference in references if reference() is not None] == []

    gc.collect()
    gc.disable()
    try:
        run(main)
    finally:
        gc.enable()
