"""What is given in place of an async function, awaited in place of a coroutine, or called where it may not be."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator
from functools import partial
from types import coroutine
from typing import Any

import pytest

import conc
import conc.lowlevel
from conc.lowlevel import current_runtime, current_task
from conc.sync import Event, Semaphore
from tests.kernel.support import leaves, nothing, run

# What is awaited.


def test_a_task_is_not_awaited_but_joined() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(nothing)
            with pytest.raises(TypeError, match=r"await task\.join\(\)"):
                await task

    run(main)


class Foreign:
    """An awaitable of some other library."""

    def __init__(self, thing: object) -> None:
        self._thing = thing

    def __await__(self) -> Generator[object, None, None]:
        yield self._thing


def test_an_asyncio_future_is_refused_in_the_task_that_awaits_it() -> None:
    async def main() -> None:
        loop = asyncio.new_event_loop()
        try:
            with pytest.raises(TypeError, match=r"(?s)main.*Future.*asyncio"):
                await loop.create_future()
        finally:
            loop.close()
        await conc.checkpoint()

    run(main)


def test_asyncio_sleep_is_refused_by_a_word_of_someone() -> None:
    async def main() -> None:
        with pytest.raises((TypeError, RuntimeError), match=r"(?i)asyncio|event loop"):
            await asyncio.sleep(1)
        await conc.checkpoint()

    run(main)


@pytest.mark.parametrize("thing", [7, "words", object(), (), [None]])
def test_a_foreign_awaitable_is_refused_by_what_it_gave(thing: object) -> None:
    trace: list[str] = []

    async def main() -> None:
        try:
            await Foreign(thing)
        except TypeError as error:
            assert repr(thing) in str(error)
            trace.append("told")
        await conc.sleep(1)
        trace.append("goes on")

    run(main)
    assert trace == ["told", "goes on"]


def test_a_foreign_awaitable_in_a_child_fails_that_child() -> None:
    async def child() -> None:
        await Foreign("stranger")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(child)
        (error,) = caught.value.exceptions
        assert isinstance(error, TypeError)
        assert "stranger" in str(error)

    run(main)


def test_something_that_is_not_awaitable_is_pythons_own_error() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="can't be"):
            await 7  # type: ignore[misc]

    run(main)


def test_a_generator_marked_as_a_coroutine_is_welcome() -> None:
    @coroutine
    def old_style() -> Generator[Any, Any, int]:
        yield from conc.sleep(1).__await__()
        return 7

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start_soon(old_style).join() == 7

    run(main)


# Where an async function is due.

Start = Callable[[Any], Any]


async def _start_soon(function: Any) -> Any:
    async with conc.open_nursery() as nursery:
        return await nursery.start_soon(function).join()


async def _start(function: Any) -> Any:
    async with conc.open_nursery() as nursery:
        return await nursery.start(function)


def _inside(starter: Callable[[Any], Awaitable[Any]]) -> Start:
    return lambda function: run(starter, function)


STARTS: list[Start] = [_inside(_start_soon), _inside(_start), conc.run, lambda function: conc.Runtime().run(function)]


def refusal(start: Start, given: object) -> str:
    with pytest.raises((TypeError, ExceptionGroup)) as caught:
        start(given)
    (error,) = leaves(caught.value)
    assert isinstance(error, TypeError)
    return str(error)


@pytest.mark.parametrize("start", STARTS)
def test_a_coroutine_object_in_place_of_a_function_shows_the_call_to_write(start: Start) -> None:
    text = refusal(start, nothing())

    assert "coroutine object" in text
    assert "nothing, " in text or "nothing)" in text


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("given", [None, 7, "name"])
def test_what_cannot_be_called_is_refused_by_name(start: Start, given: object) -> None:
    assert repr(given) in refusal(start, given)


def blocking(**_: object) -> int:
    return 7


@pytest.mark.parametrize("start", STARTS)
def test_a_plain_function_is_refused_with_a_remedy(start: Start) -> None:
    text = refusal(start, blocking)

    assert "blocking" in text
    assert "async def" in text
    assert "to_thread" in text


async def generating() -> Any:
    yield 7


@pytest.mark.parametrize("start", [STARTS[0], STARTS[2]])
def test_an_async_generator_function_is_refused(start: Start) -> None:
    text = refusal(start, generating)

    assert "generating" in text


@pytest.mark.parametrize("start", [STARTS[0], STARTS[2]])
def test_missing_arguments_are_pythons_own_error(start: Start) -> None:
    async def demanding(first: int) -> None:
        """Never called right."""

    assert "first" in refusal(start, demanding)


def test_a_wrong_call_raises_where_it_stands_and_harms_nobody() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            sibling = nursery.start_soon(conc.sleep, 1)
            with pytest.raises(TypeError):
                nursery.start_soon(nothing, "one argument too many")  # type: ignore[arg-type]
            assert list(nursery.children) == [sibling]
        assert sibling.join_nowait() is None

    run(main)


def test_what_wraps_an_async_function_may_be_started() -> None:
    class Machine:
        async def __call__(self) -> int:
            return 1

        async def method(self) -> int:
            return 2

    async def add(first: int, second: int) -> int:
        return first + second

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            tasks = [
                nursery.start_soon(Machine()),
                nursery.start_soon(Machine().method),
                nursery.start_soon(partial(add, 1, second=2)),
                nursery.start_soon(lambda: add(2, 2)),
            ]
        assert [task.join_nowait() for task in tasks] == [1, 2, 3, 4]

    run(main)


def test_a_refused_start_leaves_no_coroutine_unawaited() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            pass
        with pytest.raises(RuntimeError):
            nursery.start_soon(nothing)
        with pytest.raises((RuntimeError, TypeError)):
            nursery.start_soon(nothing())  # type: ignore[arg-type]

    run(main)


def test_a_forgotten_await_is_pointed_out() -> None:
    async def main() -> None:
        for forget in (lambda: conc.sleep(1), Event().wait, Semaphore(1).acquire, current_task().join):
            with pytest.warns(RuntimeWarning, match="never awaited"):
                forget()

    run(main)


# Where calls may be made.


def test_run_inside_run_is_an_error_with_a_remedy() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"(?s)inside.*await.*to_thread"):
            conc.run(nothing)
        with pytest.raises(RuntimeError, match="inside"):
            conc.Runtime().run(nothing)
        await conc.checkpoint()

    run(main)


def test_a_runtime_that_runs_cannot_be_run_again_meanwhile() -> None:
    async def main() -> None:
        errors: list[BaseException] = []

        def run_again() -> None:
            try:
                runtime.run(nothing)
            except RuntimeError as error:
                errors.append(error)

        thread = threading.Thread(target=run_again)
        thread.start()
        thread.join()
        assert "running already" in str(errors[0])

    runtime = conc.Runtime()
    runtime.run(main)
    assert runtime.run(nothing) is None


def drive(awaitable: Awaitable[object]) -> None:
    coroutine = awaitable.__await__()
    try:
        next(coroutine)
    finally:
        if hasattr(coroutine, "close"):
            coroutine.close()


@pytest.mark.parametrize(
    "call",
    [
        conc.current_time,
        conc.current_effective_deadline,
        current_task,
        current_runtime,
        lambda: conc.CancelScope().__enter__(),
        lambda: drive(conc.open_nursery().__aenter__()),
        lambda: drive(conc.sleep(0.1)),
        lambda: drive(conc.sleep_forever()),
        lambda: drive(conc.lowlevel.checkpoint_if_cancelled()),
        lambda: drive(Event().wait()),
        lambda: drive(Semaphore(1).acquire()),
    ],
)
def test_a_call_outside_of_a_run_says_that_a_run_is_needed(call: Callable[[], object]) -> None:
    with pytest.raises(RuntimeError, match=r"conc\.run"):
        call()


def test_a_call_in_another_thread_says_how_to_come_in() -> None:
    errors: list[BaseException] = []

    def call() -> None:
        try:
            conc.current_time()
        except RuntimeError as error:
            errors.append(error)

    async def main() -> None:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()

    run(main)
    assert "portal" in str(errors[0])


def test_a_scope_entered_by_another_thread_is_refused() -> None:
    errors: list[BaseException] = []
    scope = conc.CancelScope()

    def enter() -> None:
        try:
            scope.__enter__()
        except RuntimeError as error:
            errors.append(error)

    async def main() -> None:
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        with scope:
            await conc.checkpoint()

    run(main)
    assert "conc.run" in str(errors[0])


def test_a_shield_is_not_moved_from_another_thread() -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        with conc.CancelScope() as scope:

            def lower() -> None:
                try:
                    scope.shield = True
                except RuntimeError as error:
                    errors.append(error)

            thread = threading.Thread(target=lower)
            thread.start()
            thread.join()
            assert scope.shield is False

    run(main)
    assert "strand" in str(errors[0])
