"""A task tracker: what is counted, from when to when, and when its waiters are let go."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable

import pytest

import conc
from conc.sync import Event, TaskTracker
from conc_testing import settle
from tests.kernel.support import fail, messages, nothing, run
from tests.sync.outside import until_waiting
from tests.threads.support import Stranger, hasty_switching


def test_waiting_ends_when_it_is_closed_and_what_was_started_has_ended() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as one, conc.open_nursery() as other:
            for seconds, nursery in ((1.0, one), (2.0, other), (3.0, one)):
                tracker.start_soon(nursery, conc.sleep, seconds)
            assert len(tracker) == 3
            tracker.close()
            await tracker.wait()
            assert conc.current_time() == 3
            assert len(tracker) == 0

    run(main)


@pytest.mark.parametrize("closed_first", [False, True])
def test_neither_closed_nor_empty_alone_is_enough(closed_first: bool) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        event = Event()
        acts: list[Callable[[], None]] = [event.set, tracker.close]
        async with conc.open_nursery() as nursery:
            tracker.start_soon(nursery, event.wait)
            waiting = nursery.start_soon(tracker.wait)
            await settle()
            for act in acts[::-1] if closed_first else acts:
                assert waiting.outcome is None
                act()
                await settle()
                tracker._check()
            assert waiting.outcome is not None

    run(main)


def test_a_closed_and_empty_tracker_keeps_nobody_and_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        tracker = TaskTracker()
        tracker.close()
        tracker.close()
        assert tracker.is_closed
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            await tracker.wait()
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_a_task_has_its_value_name_and_arguments() -> None:
    async def add(one: int, other: int) -> int:
        await conc.checkpoint()
        return one + other

    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            task = tracker.start_soon(nursery, add, 2, 3)
            named = tracker.start_soon(nursery, add, 2, 3, name="sum")
            assert task.name.endswith("add")
            assert named.name == "sum"
            assert await task.join() == 5

    run(main)


def test_a_task_is_counted_from_the_call_on_also_before_it_begins() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            tracker.start_soon(nursery, conc.sleep, 1)
            tracker.close()
            waiting = nursery.start_soon(tracker.wait)
            await conc.checkpoint()
            assert waiting.outcome is None

    run(main)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_task_that_fails_or_is_cancelled_is_not_counted_any_more(parallel: bool) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tracker.close()
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery(parallel=parallel) as nursery:
                tracker.start_soon(nursery, conc.sleep_forever)
                tracker.start_soon(nursery, fail, ValueError("no"))
        assert messages(caught.value) == ["no"]
        await tracker.wait()

    run(main)


def test_a_task_in_a_cancelled_nursery_is_counted_to_its_end() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tracker.close()
        async with conc.open_nursery() as nursery:
            nursery.cancel_scope.cancel()
            tracker.start_soon(nursery, conc.sleep, 1)
            assert len(tracker) == 1
        assert len(tracker) == 0

    run(main)


def test_what_cannot_be_started_is_not_counted() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            with pytest.raises(TypeError, match="positional argument"):
                tracker.start_soon(nursery, nothing, 1)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="write start_soon"):
                tracker.start_soon(nursery, nothing())  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="name must be"):
                tracker.start_soon(nursery, nothing, name=7)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match="not an async function"):
                tracker.start_soon(nursery, len, "")  # type: ignore[arg-type]
        with pytest.raises(RuntimeError, match="has ended"):
            tracker.start_soon(nursery, nothing)
        assert len(tracker) == 0

    run(main)
    gc.collect()  # a coroutine left open would warn now


def test_what_cannot_be_called_in_a_strand_is_not_counted_any_more() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery(parallel=True) as nursery:
                tracker.start_soon(nursery, nothing, 1)  # type: ignore[arg-type]
        assert isinstance(caught.value.exceptions[0], TypeError)
        assert len(tracker) == 0

    run(main)


# ---- closing and opening again ---------------------------------------------------------------------------------------


def test_a_closed_tracker_starts_tasks_and_waits_for_them_too() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tracker.close()
        async with conc.open_nursery() as nursery:
            tracker.start_soon(nursery, conc.sleep, 1)
            await tracker.wait()
            assert conc.current_time() == 1

    run(main)


def test_a_reopened_tracker_keeps_its_waiters() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tracker.close()
        async with conc.open_nursery() as nursery:
            task = tracker.start_soon(nursery, conc.sleep, 1)
            waiting = nursery.start_soon(tracker.wait)
            await settle()
            tracker.reopen()
            assert not tracker.is_closed
            await task.join()
            await settle()
            assert waiting.outcome is None
            tracker.close()

    run(main)


def test_one_moment_is_enough_for_those_who_wait() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            waiting = nursery.start_soon(tracker.wait)
            await settle()
            tracker.close()
            tracker.reopen()
            busy = tracker.start_soon(nursery, conc.sleep_forever)
            await settle()
            assert waiting.outcome is not None
            busy.cancel()

    run(main)


# ---- blocks that are counted -----------------------------------------------------------------------------------------


def test_a_token_counts_from_when_it_is_made_until_its_block_is_left() -> None:
    tracker = TaskTracker()

    token = tracker.token()
    assert len(tracker) == 1
    with pytest.raises(ValueError, match="no"), token:
        assert len(tracker) == 1
        raise ValueError("no")

    assert len(tracker) == 0


def test_a_token_is_for_one_block() -> None:
    tracker = TaskTracker()
    token = tracker.token()
    with token, pytest.raises(RuntimeError, match="make one for each block"):
        token.__enter__()
    with pytest.raises(RuntimeError, match="make one for each block"):
        token.__enter__()
    assert len(tracker) == 0


def test_a_token_that_is_dropped_unused_is_told() -> None:
    tracker = TaskTracker()

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tracker.token()
        gc.collect()

    assert [warning.category for warning in told] == [ResourceWarning]
    assert "counted for ever" in str(told[0].message)


def test_a_thread_does_its_work_under_a_token_and_another_waits_for_it() -> None:
    tracker = TaskTracker()
    token = tracker.token()
    go = Event()

    def work() -> None:
        with token:
            go.wait_blocking()

    working, waiting = Stranger(work), Stranger(tracker.wait_blocking)
    tracker.close()
    until_waiting(tracker)
    with pytest.raises(TimeoutError, match=r"TaskTracker\.wait_blocking"):
        tracker.wait_blocking(timeout=0)
    go.set()

    assert working.result() is None
    assert waiting.result() is None


# ---- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancelled_waiter_leaves_the_others_waiting() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(tracker.wait) for _ in range(3)]
            await settle()
            tasks[1].cancel()
            await settle()
            tracker._check()
            assert [task.outcome is None for task in tasks] == [True, False, True]
            tracker.close()

    run(main)


def test_a_waiter_that_was_let_go_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[str] = []

    async def waiter(tracker: TaskTracker) -> None:
        await tracker.wait()
        trace.append("returned")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, tracker)
            await settle()
            tracker.close()
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == ["returned"]


def test_a_select_waits_for_the_tracker_beside_others() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            choosing = nursery.start_soon(conc.select, Event().waiting(), tracker.waiting())
            await settle()
            tracker.close()
            assert await choosing.join() == (1, None)
        assert await conc.select(tracker.waiting()) == (0, None)

    run(main)


def test_nobody_is_let_go_too_early_while_strands_and_threads_start_and_end() -> None:
    ended: list[None] = []

    async def job() -> None:
        await conc.checkpoint()
        ended.append(None)

    async def strand(tracker: TaskTracker) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(50):
                tracker.start_soon(nursery, job)
                await conc.checkpoint()

    def thread(tracker: TaskTracker) -> None:
        for _ in range(50):
            with tracker.token():
                ended.append(None)

    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                tracker.start_soon(nursery, strand, tracker)
            tokens = [tracker.token() for _ in range(2)]

            def work(number: int) -> None:
                with tokens[number]:
                    thread(tracker)

            strangers = [Stranger(work, number) for number in range(2)]
            tracker.close()
            await tracker.wait()
            assert len(ended) == 4 * 50 + 2 * 50
        for stranger in strangers:
            stranger.result()
        tracker._check()

    with hasty_switching():
        conc.run(main, workers=3)


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_how_it_stands() -> None:
    async def main() -> None:
        tracker = TaskTracker()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(tracker.wait)
            tracker.start_soon(nursery, conc.sleep_forever)
            await settle()
            assert repr(tracker) == "<TaskTracker open, 1 tracked, 1 waiting>"
            assert tracker.statistics() == (1, False, 1)
            assert "TaskTracker.wait" in repr(task)
            tracker.close()
            assert repr(tracker) == "<TaskTracker closed, 1 tracked, 1 waiting>"
            nursery.cancel_scope.cancel()
        with pytest.raises(TypeError, match=r"len\(tracker\)"):
            bool(tracker)

    run(main)
