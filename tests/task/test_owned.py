"""join, race and first_ok own the coroutines they are given: each runs as a child, or is closed unstarted."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable, Iterator
from contextvars import ContextVar
from types import coroutine
from typing import Any

import pytest

import conc
from conc.lowlevel import current_runtime, current_task
from conc.sync import Event
from conc_testing import VirtualClock, settle
from tests.kernel.support import run
from tests.task.support import COMBINATIONS, Call, Log, fail, give, is_closed

every_combination = pytest.mark.parametrize("combine", COMBINATIONS)


@pytest.fixture(autouse=True)
def _nothing_is_left_unawaited() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@every_combination
def test_each_coroutine_runs_as_a_child_task_with_its_name(combine: Call) -> None:
    tasks: list[conc.Task[Any]] = []

    async def child() -> None:
        tasks.append(current_task())

    async def main() -> None:
        await combine(child(), child())
        assert current_task() not in tasks

    run(main)
    assert [task.name.rpartition(".")[2] for task in tasks] == ["child", "child"]


@every_combination
def test_each_coroutine_sees_the_context_of_the_caller_and_sets_only_its_own(combine: Call) -> None:
    name = ContextVar("name", default="nobody")
    seen: list[str] = []

    async def child(own: str) -> None:
        seen.append(name.get())
        name.set(own)
        await conc.sleep(1)
        seen.append(name.get())

    async def main() -> None:
        name.set("the caller")
        await combine(child("first"), child("second"))
        assert name.get() == "the caller"

    run(main)
    assert seen[:3] == ["the caller", "the caller", "first"]


@every_combination
def test_a_cancelled_caller_closes_all_and_none_has_run(combine: Call) -> None:
    log = Log()
    coros = [log.give("a"), log.give("b")]

    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            await combine(*coros)
        assert scope.cancelled_caught
        assert all(map(is_closed, coros))

    run(main)
    assert log.lines == []


@every_combination
def test_a_caller_started_in_a_cancelled_nursery_closes_all(combine: Call) -> None:
    coros = [give("a"), give("b")]

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.cancel_scope.cancel()
            nursery.start_soon(combine, *coros)
        assert all(map(is_closed, coros))

    run(main)


@every_combination
@pytest.mark.parametrize("inner", COMBINATIONS)
def test_a_combination_that_is_closed_unstarted_closes_what_it_was_given(combine: Call, inner: Call) -> None:
    coros = [give("a"), give("b"), give("c")]

    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            await combine(inner(coros[0], conc.join(coros[1])), coros[2])
        assert all(map(is_closed, coros))

    run(main)


@every_combination
def test_outside_of_a_program_all_are_closed_and_the_error_says_what_is_missing(combine: Call) -> None:
    coros = [give("a"), give("b")]
    call: Any = combine(*coros)

    with pytest.raises(RuntimeError, match=r"conc\.run"):
        call.send(None)
    assert all(map(is_closed, coros))


@every_combination
@pytest.mark.parametrize(
    ("wrong", "error", "named"),
    [
        (give, TypeError, r"write \w+\(give\(arguments\.\.\.\)\), not \w+\(give\)"),
        (lambda: give(1), TypeError, r"<lambda>\(arguments\.\.\.\)"),
        (7, TypeError, "coroutines, not 7"),
        (None, TypeError, "coroutines, not None"),
        ([1], TypeError, r"not a list: write \w+\(\*coros\)"),
        (conc.sync.Semaphore(1).acquiring(), TypeError, "select"),
    ],
    ids=["function", "lambda", "number", "None", "list", "operation"],
)
def test_what_is_no_coroutine_is_refused_with_the_remedy_and_the_others_are_closed(
    combine: Call, wrong: object, error: type[Exception], named: str
) -> None:
    log = Log()
    coros = [log.give("a"), log.give("b")]

    async def main() -> None:
        with pytest.raises(error, match=named):
            await combine(coros[0], wrong, coros[1])
        assert all(map(is_closed, coros))

    run(main)
    assert log.lines == []


@every_combination
def test_a_task_is_refused_and_the_error_says_how_to_join_it(combine: Call) -> None:
    coro = give("a")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
            with pytest.raises(TypeError, match=r"task\.join\(\)"):
                await combine(coro, task)
        assert is_closed(coro)

    run(main)


@every_combination
def test_a_coroutine_given_twice_is_refused(combine: Call) -> None:
    coro = give("a")

    async def main() -> None:
        with pytest.raises(ValueError, match="twice"):
            await combine(coro, coro)
        assert is_closed(coro)

    run(main)


@every_combination
def test_a_coroutine_that_somebody_awaits_already_is_refused_and_left_alone(combine: Call) -> None:
    coro = give("its value", 5)
    other = give("other")

    async def await_it() -> str:
        return await coro

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(await_it)
            await settle()
            with pytest.raises(ValueError, match="awaits already"):
                await combine(other, coro)
            assert await task.join() == "its value"

    run(main)


@every_combination
def test_its_own_coroutine_is_refused_as_one_that_runs(combine: Call) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="awaits already"):
            await combine(current_task().coro)

    run(main)


@every_combination
def test_other_awaitables_are_waited_for_too(combine: Call) -> None:
    class Ready:
        def __await__(self) -> Any:
            yield from conc.sleep(1).__await__()
            return "ready"

    @coroutine
    def generator() -> Any:
        yield from conc.sleep(1).__await__()
        return "ready"

    async def main() -> None:
        assert await combine(Ready()) in ("ready", ("ready",))
        assert await combine(generator()) in ("ready", ("ready",))
        assert await combine(conc.checkpoint()) in (None, (None,))

    run(main)


@every_combination
def test_a_generator_coroutine_is_closed_unstarted_too(combine: Call) -> None:
    @coroutine
    def generator() -> Any:
        yield from conc.sleep(1).__await__()

    coro = generator()

    async def main() -> None:
        with pytest.raises(TypeError):
            await combine(coro, 7)

    run(main)
    assert coro.gi_frame is None  # type: ignore[attr-defined]


@every_combination
def test_it_is_a_cancel_point_for_those_it_started(combine: Call) -> None:
    log = Log()

    async def main() -> None:
        with conc.move_on_after(1) as scope:
            await combine(log.give("a", 5), log.give("b", 5))
        assert scope.cancelled_caught
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "b begins", "a is cancelled", "b is cancelled"]


@every_combination
def test_all_have_ended_when_a_cancelled_call_is_left(combine: Call) -> None:
    cleaned: list[float] = []

    async def clean_up_slowly() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(3)
            cleaned.append(conc.current_time())

    async def main() -> None:
        with conc.move_on_after(1):
            await combine(clean_up_slowly(), clean_up_slowly())
        assert conc.current_time() == 4

    run(main)
    assert cleaned == [4, 4]


@every_combination
def test_children_belong_to_the_strand_of_the_caller(combine: Call) -> None:
    async def strand() -> object:
        return current_task().strand

    async def child() -> None:
        result = await combine(strand(), strand())
        assert result in (current_task().strand, (current_task().strand,) * 2)

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(child)

    conc.run(main, workers=2)


@every_combination
def test_the_error_of_keyboard_interrupt_leaves_run_bare(combine: Call) -> None:
    log = Log()

    async def interrupt() -> None:
        await conc.checkpoint()
        raise KeyboardInterrupt

    async def main() -> None:
        await combine(log.give("a", 5), interrupt())

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert log.lines == ["a begins", "a is cancelled"]


@every_combination
def test_what_was_called_is_freed_without_the_collector(combine: Call) -> None:
    class Thing:
        """Something that can be watched dying."""

    import weakref

    references: list[weakref.ref[Thing]] = []

    def thing() -> Thing:
        made = Thing()
        references.append(weakref.ref(made))
        return made

    async def hold(held: Thing) -> Thing:
        await conc.checkpoint()
        return thing()

    async def hold_and_fail(held: Thing) -> None:
        await conc.checkpoint()
        raise ExceptionGroup("with a thing", [ValueError(thing())])

    def coros(fn: Any) -> list[Awaitable[Any]]:
        return [fn(thing()), fn(thing())]

    async def main() -> None:
        await combine(*coros(hold))
        with pytest.raises(ExceptionGroup):
            await combine(*coros(hold_and_fail))
        with conc.move_on_after(0):
            await combine(*coros(hold))
        await conc.sleep(1)  # the loop of the worker knows its last nursery until its turn is over
        assert [reference() for reference in references if reference() is not None] == []

    gc.collect()
    gc.disable()
    try:
        run(main)
    finally:
        gc.enable()


@every_combination
def test_a_cancellation_while_the_budget_is_spent_closes_all(combine: Call) -> None:
    log = Log()
    coros = [log.give("a"), log.give("b")]

    async def cancel(scope: conc.CancelScope) -> None:
        scope.cancel()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as scope:
                nursery.start_soon(cancel, scope)
                current_task().strand.worker.budget = 0  # type: ignore[union-attr]
                await combine(*coros)  # lets others run first
            assert scope.cancelled_caught

    run(main)
    assert all(map(is_closed, coros))
    assert log.lines == []


@every_combination
def test_a_run_that_is_stopped_by_force_closes_what_runs(combine: Call) -> None:
    ended: list[str] = []

    async def stay() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                try:
                    await Event().wait()
                finally:
                    ended.append("closed")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(combine, stay(), stay())
        await settle()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, clock=VirtualClock(), shutdown_timeout=5)
    assert ended == ["closed", "closed"]


@every_combination
def test_a_failing_coroutine_is_no_reason_for_others_not_to_have_begun(combine: Call) -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises((ValueError, ExceptionGroup)):
            await combine(fail("at once"), fail("later", 5), fail("too"))
        await combine(log.give("a"), log.give("b"))

    run(main)
    assert log.lines[:2] == ["a begins", "b begins"]
