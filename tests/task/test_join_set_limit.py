"""A JoinSet with a limit: so many run, the others wait unstarted, in order."""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar

import pytest

import conc
from conc.lowlevel import current_runtime, task_tree
from conc.sync import Event
from conc.task import JoinSet
from conc_testing import VirtualClock, settle
from tests.kernel.support import messages, run
from tests.task.support import Log, cancel_myself, fail, give, resist


@pytest.fixture(autouse=True)
def _nothing_is_left_unawaited() -> Iterator[None]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


def test_at_most_the_limit_run_and_the_others_begin_in_order() -> None:
    running: list[str] = []
    seen: list[str] = []

    async def work(name: str) -> None:
        running.append(name)
        seen.append("".join(running))
        await conc.sleep(1)
        running.remove(name)

    async def main() -> None:
        async with conc.open_join_set(limit=2) as tasks:
            for name in "abcde":
                tasks.start_soon(work, name)
                tasks._check()
        assert conc.current_time() == 3

    run(main)
    assert seen == ["a", "ab", "c", "cd", "e"]


def test_the_end_of_the_block_waits_for_those_that_wait_for_their_turn() -> None:
    log = Log()

    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            for name in "abc":
                tasks.start_soon(log.give, name, 1)

    run(main)
    assert log.lines == ["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]


async def end_well() -> None:
    await conc.checkpoint()


async def end_badly() -> None:
    await fail("no")


@pytest.mark.parametrize("child", [end_well, end_badly, cancel_myself])
def test_every_end_lets_the_next_begin(child: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            for _ in range(3):
                tasks.start_soon(child)
            last = tasks.start_soon(give, "last")
            seen = [task async for task in tasks]
            assert seen[-1] is last
            assert len(seen) == 4
            tasks._check()

    run(main)


def test_who_waits_for_its_turn_says_so() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(give, 1, 1)
            second = tasks.start_soon(give, 2, 1)
            third = tasks.start_soon(give, 3, name="the third")
            assert second.outcome is None
            assert "give" in second.name
            assert "the third" in repr(third)
            assert "its turn" in repr(third)
            assert "waits for its turn in a JoinSet" in str(task_tree(current_runtime()))

    run(main)


def test_who_waits_for_its_turn_can_be_joined() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(give, 1, 1)
            second = tasks.start_soon(give, 2, 1)
            assert await second.join() == 2
            assert len(tasks) == 2

    run(main)


def test_a_task_sees_the_context_of_the_moment_in_which_it_was_started() -> None:
    name = ContextVar("name", default="nobody")

    async def look() -> str:
        return name.get()

    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            for value in "abc":
                name.set(value)
                tasks.start_soon(look)
            assert [task.join_nowait() async for task in tasks] == ["a", "b", "c"]

    run(main)


# ---- cancelling ------------------------------------------------------------------------------------------------------


def test_a_task_cancelled_before_its_turn_never_begins_and_ends_at_once() -> None:
    log = Log()

    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(log.give, "a", 5)
            second = tasks.start_soon(log.give, "b")
            third = tasks.start_soon(log.give, "c")
            await settle()
            second.cancel("not needed")
            assert await tasks.join_next() is second
            assert conc.current_time() == 0
            with pytest.raises(conc.TaskCancelled, match="not needed"):
                second.join_nowait()
            tasks._check()
            await third.join()

    run(main)
    assert log.lines == ["a begins", "a ends", "c begins", "c ends"]


def test_a_joiner_of_a_task_that_was_cancelled_before_its_turn_is_told() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks, conc.open_nursery() as nursery:
            tasks.start_soon(give, 1, 5)
            second = tasks.start_soon(give, 2)

            async def join() -> None:
                with pytest.raises(conc.TaskCancelled):
                    await second.join()
                assert conc.current_time() == 1

            nursery.start_soon(join)
            await conc.sleep(1)
            second.cancel()

    run(main)


def test_an_error_of_the_block_keeps_those_that_had_not_begun_from_beginning() -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_join_set(limit=2) as tasks:
                started = [tasks.start_soon(log.give, name, 5) for name in "abcd"]
                await conc.sleep(1)
                raise ValueError("of the block")
        assert messages(caught.value) == ["of the block"]
        for task in started:
            with pytest.raises(conc.TaskCancelled):
                task.join_nowait()

    run(main)
    assert log.lines == ["a begins", "b begins", "a is cancelled", "b is cancelled"]


def test_a_cancellation_from_outside_keeps_those_that_had_not_begun_from_beginning() -> None:
    log = Log()

    async def main() -> None:
        with conc.move_on_after(1):
            async with conc.open_join_set(limit=1) as tasks:
                for name in "abc":
                    tasks.start_soon(log.give, name, 5)
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "a is cancelled"]


def test_cancel_all_gives_every_task_to_who_takes_and_those_that_had_not_begun_never_do() -> None:
    log = Log()

    async def main() -> None:
        async with conc.open_join_set(limit=2) as tasks:
            for name in "abcde":
                tasks.start_soon(log.give, name, 5)
            await conc.sleep(1)
            tasks.cancel_all()
            taken = [task async for task in tasks]
            assert len(taken) == 5
            tasks._check()
            tasks.start_soon(log.give, "f")

    run(main)
    assert log.lines == ["a begins", "b begins", "a is cancelled", "b is cancelled", "f begins", "f ends"]


def test_what_was_started_in_a_cancelled_set_beyond_the_limit_never_begins() -> None:
    log = Log()

    async def main() -> None:
        with conc.CancelScope():
            async with conc.open_join_set(limit=1) as tasks:
                tasks.cancel_scope.cancel()
                tasks.start_soon(log.give, "a")  # runs to its first cancel point, as in any nursery
                tasks.start_soon(log.give, "b")
                tasks.start_soon(log.give, "c")

    run(main)
    assert log.lines == ["a begins", "a is cancelled"]


def test_a_place_is_free_again_only_when_a_cancelled_task_has_ended() -> None:
    log = Log()

    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            first = tasks.start_soon(resist, 3)
            tasks.start_soon(log.give, "next")
            await settle()
            first.cancel()
            await conc.sleep(2)
            assert log.lines == []

    run(main)
    assert log.lines == ["next begins", "next ends"]


def test_thousands_that_never_begin_end_without_deep_recursion() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            for _ in range(5000):
                tasks.start_soon(conc.sleep_forever)
            await settle()
            tasks.cancel_scope.cancel()

    run(main)


def test_thousands_that_were_cancelled_one_by_one_let_the_last_have_its_turn() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(give, 0, 1)
            skipped = [tasks.start_soon(conc.sleep_forever) for _ in range(5000)]
            last = tasks.start_soon(give, "last")
            for task in reversed(skipped):
                task.cancel()
            assert await last.join() == "last"
            assert len(tasks) == 5002

    run(main)


def test_a_run_that_is_stopped_by_force_leaves_no_coroutine_behind() -> None:
    async def hold_on() -> None:
        with conc.CancelScope(shield=True):
            await Event().wait()

    async def child() -> None:
        with conc.CancelScope(shield=True):
            async with conc.open_join_set(limit=1) as tasks:
                for _ in range(3):
                    tasks.start_soon(hold_on)

    async def main() -> None:
        current_runtime().root_nursery.start_soon(child)
        await settle()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, clock=VirtualClock(), shutdown_timeout=5)


def test_a_task_that_waits_for_its_turn_lets_go_of_its_arguments_when_it_is_cancelled() -> None:
    class Thing:
        """Something that can be watched dying."""

    references: list[weakref.ref[Thing]] = []

    async def hold(thing: Thing) -> None:
        await conc.sleep_forever()

    def start(tasks: JoinSet) -> conc.Task[None]:
        thing = Thing()
        references.append(weakref.ref(thing))
        return tasks.start_soon(hold, thing)

    async def main() -> None:
        async with conc.open_join_set(limit=1) as tasks:
            tasks.start_soon(give, 0, 1)
            task = start(tasks)
            task.cancel()
            await tasks.join_next()
            assert references[0]() is None

    run(main)
