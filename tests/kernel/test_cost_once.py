"""What once cost too much: objects that waited for the garbage collector, and looks at what nobody had asked about."""

from __future__ import annotations

import contextvars
import gc
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import conc
from conc._kernel.timers import TimerQueue
from tests.kernel.support import run

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="default")


async def _returns() -> None:
    pass


async def _opens() -> None:
    async with conc.open_nursery() as nursery:
        nursery.start_soon(_returns)


async def _waits() -> None:
    await conc.sleep(60)


async def _fails() -> None:
    raise ValueError


async def _timed_out() -> None:
    with conc.move_on_after(0):
        await conc.sleep(60)


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("cancelled", ["", "task", "nursery"])
@pytest.mark.parametrize("async_fn", [_returns, _opens, _waits, _fails, _timed_out])
def test_a_task_that_has_ended_is_freed_without_the_collector(
    async_fn: Callable[[], Awaitable[None]], cancelled: str, parallel: bool
) -> None:
    async def main() -> weakref.ref[Any]:
        tasks = []
        try:
            async with conc.open_nursery(parallel=parallel) as nursery:
                tasks.append(task := nursery.start_soon(async_fn))
                if cancelled or async_fn is _waits:
                    for _ in range(9):
                        await conc.checkpoint()
                    (task if cancelled != "nursery" else nursery.cancel_scope).cancel()
        except* ValueError:
            pass
        return weakref.ref(tasks[0])

    async def look() -> None:
        reference = await main()
        for _ in range(9):
            await conc.checkpoint()
        assert reference() is None

    gc.collect()
    gc.disable()
    try:
        conc.run(look)
    finally:
        gc.enable()


def test_the_traceback_of_an_error_begins_in_the_task() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(_fails)
            with pytest.raises(conc.TaskFailed) as caught:
                await task.join()
            traceback = caught.value.__cause__.__traceback__  # type: ignore[union-attr]
            assert traceback is not None
            assert traceback.tb_frame.f_code is _fails.__code__

    with pytest.raises(BaseExceptionGroup):
        run(main)


def test_asking_for_the_next_of_many_timers_of_one_tick_is_quick() -> None:
    class Timer:
        def expire(self) -> None:
            pass

    def seconds(count: int) -> float:
        queue = TimerQueue()
        timers = [Timer() for _ in range(count)]
        for timer in timers:
            queue.add(100.0, timer)
        for timer in timers[: count // 2]:
            queue.remove(100.0, timer)
        queue.next_deadline()
        start = time.perf_counter()
        for _ in range(1000):
            queue.next_deadline()
        return time.perf_counter() - start

    assert seconds(20_000) < 20 * seconds(20) + 0.01


def test_a_scope_in_one_of_many_async_generators_costs_no_look_at_the_others() -> None:
    async def ticks() -> Any:
        with conc.CancelScope():
            await conc.checkpoint()
        yield 1

    async def iterates() -> None:
        async for _ in ticks():
            pass

    async def main(count: int) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(iterates)

    def seconds(count: int) -> float:
        start = time.perf_counter()
        conc.run(main, count)
        return (time.perf_counter() - start) / count

    assert min(seconds(4000) for _ in range(2)) < 4 * max(seconds(250) for _ in range(4))
