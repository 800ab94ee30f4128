"""A function that was set to be called at a time is called then, once, between two steps; unless it was called off."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.lowlevel import call_at, current_runtime, current_task
from conc.sync import Event
from conc_testing import VirtualClock
from tests.kernel.directed import run_by_steps, run_whole
from tests.kernel.support import Watch, run

WAYS = pytest.mark.parametrize("way", [run_whole, run_by_steps])
MOMENTS = st.integers(-3, 12).map(lambda quarters: quarters / 4)


@given(moments=st.lists(MOMENTS), cancelled=st.sets(st.integers(0, 20)))
def test_calls_come_in_the_order_of_their_deadlines_and_of_their_making(
    moments: list[float], cancelled: set[int]
) -> None:
    called: list[tuple[float, int]] = []

    async def main() -> None:
        callbacks = [
            call_at(moment, partial(lambda number: called.append((conc.current_time(), number)), number))
            for number, moment in enumerate(moments)
        ]
        for number in cancelled & set(range(len(moments))):
            assert callbacks[number].cancel()
        await conc.sleep(4)
        assert not any(callback.cancel() for callback in callbacks)

    run(main)
    kept = [number for number in range(len(moments)) if number not in cancelled]
    expected = sorted(kept, key=lambda number: moments[number])
    assert called == [(max(0.0, moments[number]), number) for number in expected]


def test_a_call_that_was_called_off_does_not_come() -> None:
    async def main() -> list[str]:
        called: list[str] = []
        callback = call_at(1, lambda: called.append("called"))
        assert callback.cancel()
        assert not callback.cancel()
        await conc.sleep(2)
        return called

    assert run(main) == []


def test_a_call_may_be_called_off_by_another_one_of_the_same_moment() -> None:
    async def main() -> list[object]:
        seen: list[object] = []
        call_at(1, lambda: seen.append(("called off", later.cancel())))
        later = call_at(1, lambda: seen.append("called"))
        await conc.sleep(2)
        return seen

    assert run(main) == [("called off", True)]


def test_a_call_does_not_come_in_the_step_that_made_it_though_it_is_due() -> None:
    async def main() -> list[str]:
        log: list[str] = []
        call_at(-1, lambda: log.append("called"))
        log.append("made")
        await conc.sleep(0.5)
        return log

    assert run(main) == ["made", "called"]


def test_a_call_may_set_the_next_one() -> None:
    async def main() -> list[float]:
        times: list[float] = []

        def again() -> None:
            times.append(conc.current_time())
            if len(times) < 3:
                call_at(conc.current_time() + 2, again)

        call_at(1, again)
        await conc.sleep(10)
        return times

    assert run(main) == [1, 3, 5]


def test_no_task_runs_while_the_function_is_called() -> None:
    async def main() -> list[str]:
        said: list[str] = []

        def look() -> None:
            with pytest.raises(RuntimeError, match="no task is running") as caught:
                current_task()
            said.append(str(caught.value))

        call_at(1, look)
        await conc.sleep(2)
        return said

    assert len(run(main)) == 1


@pytest.mark.parametrize("clock", [VirtualClock, None], ids=["virtual time", "real time"])
def test_a_call_that_is_to_come_may_wake_somebody_so_this_is_no_deadlock(
    clock: Callable[[], VirtualClock] | None,
) -> None:
    async def main() -> float:
        event = Event()
        began = conc.current_time()
        call_at(began + 0.01, event.set)
        await event.wait()
        return conc.current_time() - began

    assert conc.run(main, clock=clock and clock()) >= 0.01 - 1e-9


def test_without_the_call_it_is_a_deadlock() -> None:
    async def main() -> None:
        event = Event()
        call_at(1, event.set).cancel()
        await event.wait()

    with pytest.raises(conc.Deadlock):
        run(main)


@WAYS
def test_an_error_of_the_function_ends_the_run_and_clean_up_has_run(
    way: Callable[[conc.Runtime, Callable[[], object]], None],
) -> None:
    log: list[str] = []

    def fail() -> None:
        raise ArithmeticError("of the function")

    async def sleep() -> None:
        try:
            await conc.sleep(2)
        finally:
            log.append("cleaned up")

    async def main() -> None:
        call_at(1, fail)
        call_at(1, lambda: log.append("called"))
        async with conc.open_nursery() as nursery:
            nursery.start_soon(sleep)

    runtime = conc.Runtime(clock=VirtualClock())
    with pytest.raises(ArithmeticError, match="of the function"):
        way(runtime, main)
    assert log == ["cleaned up"]
    assert runtime.idle
    assert runtime.run(answer) == 42


async def answer() -> int:
    return 42


def test_what_is_still_to_come_does_not_keep_the_run_and_never_comes() -> None:
    called: list[str] = []

    async def main() -> float:
        call_at(100, lambda: called.append("called"))
        await conc.sleep(1)
        return conc.current_time()

    assert run(main) == 1
    assert called == []


def test_what_is_still_to_come_is_seen_among_the_timers_of_the_runtime() -> None:
    async def main() -> tuple[bool, bool]:
        callback = call_at(5, lambda: None)
        before = callback in current_runtime().timers
        callback.cancel()
        return before, callback in current_runtime().timers

    assert run(main) == (True, False)


def test_nothing_is_kept_of_a_call_that_has_come_or_was_called_off() -> None:
    watch = Watch()

    class Function:
        def __call__(self) -> None:
            pass

    async def main() -> None:
        call_at(1, watch.on("called", Function()))
        callback = call_at(1, watch.on("called off", Function()))
        callback.cancel()
        del callback
        await conc.sleep(2)
        assert watch.left() == []
        call_at(9, watch.on("never called", Function()))

    run(main)
    gc.collect()
    assert watch.left() == []


@pytest.mark.parametrize("deadline", [math.inf, -math.inf])
def test_a_moment_that_never_comes_is_refused(deadline: float) -> None:
    async def main() -> None:
        call_at(deadline, lambda: None)

    with pytest.raises(ValueError, match="deadline must be a finite number"):
        run(main)


@pytest.mark.parametrize(("deadline", "error"), [(math.nan, ValueError), ("1", TypeError), (None, TypeError)])
def test_what_is_no_moment_is_refused_and_named(deadline: float, error: type[Exception]) -> None:
    async def main() -> None:
        call_at(deadline, lambda: None)

    with pytest.raises(error, match="deadline must be a number"):
        run(main)


def test_outside_of_a_program_there_is_nobody_who_could_call() -> None:
    with pytest.raises(RuntimeError, match="needs a running conc program"):
        call_at(1, lambda: None)

    async def main() -> None:
        await conc.to_thread(call_at, 1, lambda: None)

    with pytest.raises(RuntimeError, match="needs a running conc program"):
        run(main)


def test_each_worker_calls_its_own_on_its_own_thread() -> None:
    async def child(idents: list[tuple[int, int]]) -> None:
        event = Event()
        ident = threading.get_ident()

        def called() -> None:
            idents.append((ident, threading.get_ident()))
            event.set()

        call_at(conc.current_time() + 1, called)
        await event.wait()

    async def main() -> list[tuple[int, int]]:
        idents: list[tuple[int, int]] = []
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(8):
                nursery.start_soon(child, idents)
        return idents

    idents = conc.run(main, clock=VirtualClock(), workers=4)
    assert len(idents) == 8
    assert all(made == called for made, called in idents)
