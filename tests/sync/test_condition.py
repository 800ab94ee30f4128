"""A condition: who waits has given the mutex back, and has it again however the wait ends; no notification is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.errors import WouldBlock
from conc.sync import Condition, Mutex
from conc_testing import settle
from tests.kernel.support import Driven, run
from tests.sync.actors import Actor


async def wait(condition: Condition, trace: list[str], name: str) -> None:
    async with condition:
        await condition.wait()
        assert condition.mutex.owner is conc.lowlevel.current_task()
        trace.append(name)


async def notify(condition: Condition, n: int = 1) -> None:
    async with condition:
        condition.notify(n)


def test_who_waits_gives_the_mutex_back_and_has_it_again() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait, condition, trace, "a")
            await settle()
            assert not condition.mutex.locked()
            async with condition:
                condition.notify()
                await settle()
                assert trace == []
            await settle()
            assert trace == ["a"]
        condition._check()
        assert not condition.mutex.locked()

    run(main)


def test_as_many_are_notified_as_was_said_and_those_first_who_came_first() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            for name in "abcde":
                nursery.start_soon(wait, condition, trace, name)
            await settle()
            await notify(condition, 0)
            await settle()
            assert trace == []
            await notify(condition, 2)
            await settle()
            assert trace == ["a", "b"]
            assert condition.statistics().tasks_waiting == 3
            async with condition:
                condition.notify_all()
            await settle()
            assert trace == list("abcde")
            await notify(condition, 7)

    run(main)


def test_the_notified_stand_behind_those_who_wait_for_the_mutex_already() -> None:
    trace: list[str] = []

    async def hold(mutex: Mutex) -> None:
        async with mutex:
            trace.append("mutex")

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait, condition, trace, "notified")
            await settle()
            async with condition:
                nursery.start_soon(hold, condition.mutex)
                await settle()
                condition.notify()
                assert condition.statistics() == (0, (True, conc.lowlevel.current_task(), 2))

    run(main)
    assert trace == ["mutex", "notified"]


def test_a_notification_that_nobody_waits_for_is_not_kept() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            await notify(condition, 5)
            nursery.start_soon(wait, condition, trace, "a")
            await settle()
            assert trace == []
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == []


def test_several_conditions_may_share_a_mutex() -> None:
    trace: list[str] = []

    async def main() -> None:
        mutex = Mutex()
        full, empty = Condition(mutex), Condition(mutex)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait, full, trace, "full")
            nursery.start_soon(wait, empty, trace, "empty")
            await settle()
            async with mutex:
                empty.notify_all()
            await settle()
            assert trace == ["empty"]
            await notify(full)
        assert full.mutex is mutex

    run(main)


# ---- wait_for --------------------------------------------------------------------------------------------------------


def test_it_waits_until_the_predicate_is_true_and_returns_what_it_gave() -> None:
    async def main() -> None:
        condition = Condition()
        items: list[int] = []

        async def take() -> list[int]:
            async with condition:
                return await condition.wait_for(lambda: items[:2] if len(items) >= 2 else [])

        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(take)
            for number in range(2):
                await settle()
                assert task.outcome is None
                async with condition:
                    items.append(number)
                    condition.notify()
        assert task.join_nowait() == [0, 1]

    run(main)


def test_a_predicate_that_is_true_already_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery, condition:
            nursery.start_soon(wait, condition, trace, "other")
            assert await condition.wait_for(lambda: "yes") == "yes"
            assert trace == []
            assert condition.mutex.locked()
            nursery.cancel_scope.cancel()

    run(main)


def test_a_predicate_that_fails_leaves_the_mutex_with_the_task() -> None:
    async def main() -> None:
        condition = Condition()
        calls: list[None] = []

        def predicate() -> bool:
            assert condition.mutex.owner is conc.lowlevel.current_task()
            calls.append(None)
            if len(calls) == 2:
                raise ValueError("no")
            return False

        async def fail() -> None:
            async with condition:
                with pytest.raises(ValueError, match="no"):
                    await condition.wait_for(predicate)
                assert condition.mutex.owner is conc.lowlevel.current_task()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(fail)
            await settle()
            await notify(condition)

    run(main)


# ---- cancellation ----------------------------------------------------------------------------------------------------


def test_a_cancelled_waiter_has_the_mutex_again_before_it_is_told() -> None:
    trace: list[str] = []

    async def waiter(condition: Condition) -> None:
        async with condition:
            try:
                await condition.wait()
            except conc.Cancelled:
                assert condition.mutex.owner is conc.lowlevel.current_task()
                trace.append("cancelled")
                raise

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(waiter, condition)
            await settle()
            async with condition:
                task.cancel()
                task.cancel()
                await conc.sleep(1)
                assert trace == []
                assert condition.statistics() == (0, (True, conc.lowlevel.current_task(), 1))
            await settle()
            assert trace == ["cancelled"]
        condition._check()
        assert not condition.mutex.locked()

    run(main)


def test_a_waiter_that_was_notified_and_cancelled_before_it_had_the_mutex_passes_it_on() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            tasks = {name: nursery.start_soon(wait, condition, trace, name) for name in "abc"}
            await settle()
            async with condition:
                condition.notify()
                tasks["a"].cancel()
                await settle()
            await settle()
            assert trace == ["b"]
            assert tasks["a"].state == "cancelled"
            assert condition.statistics().tasks_waiting == 1
            condition._check()
            await notify(condition)

    run(main)
    assert trace == ["b", "c"]


def test_a_waiter_that_has_the_mutex_already_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            tasks = {name: nursery.start_soon(wait, condition, trace, name) for name in "ab"}
            await settle()
            async with condition:
                condition.notify()
            assert condition.mutex.owner is tasks["a"]
            tasks["a"].cancel()
            await settle()
            assert trace == ["a"]
            nursery.cancel_scope.cancel()

    run(main)


def test_a_waiter_that_was_cancelled_before_the_notification_is_not_notified() -> None:
    trace: list[str] = []

    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(wait, condition, trace, name) for name in "ab"]
            await settle()
            async with condition:
                tasks[0].cancel()
                condition.notify()

    run(main)
    assert trace == ["b"]


def test_a_cancellation_that_is_pending_is_raised_before_the_mutex_was_given_back() -> None:
    async def main() -> None:
        condition = Condition()
        for operation in (condition.wait, lambda: condition.wait_for(lambda: True)):
            async with condition:
                with conc.CancelScope() as scope:
                    scope.cancel()
                    await operation()
                assert scope.cancelled_caught
                assert condition.mutex.owner is conc.lowlevel.current_task()
                assert condition.statistics().tasks_waiting == 0

    run(main)


def test_a_deadline_ends_a_wait_and_the_mutex_is_held() -> None:
    async def main() -> None:
        condition = Condition()
        async with condition:
            with conc.move_on_after(3) as scope:
                await condition.wait_for(lambda: False)
            assert scope.cancelled_caught
            assert conc.current_time() == 3
            assert condition.mutex.locked()

    run(main)


def test_a_waiter_that_is_interrupted_when_it_has_the_mutex_already_keeps_it_and_passes_the_notification_on() -> None:
    driven, condition = Driven(), Condition()
    trace: list[str] = []

    async def interrupted() -> None:
        with pytest.raises(KeyError):
            await wait(condition, trace, "not reached")

    first = driven.start(interrupted)
    driven.start(wait, condition, trace, "second")
    holder = Actor(driven)
    holder.tell(condition.mutex.acquire)
    holder.do(condition.notify)
    holder.do(condition.mutex.release)
    assert condition.mutex.owner is first

    driven.do(lambda: first.throw_now(KeyError()))  # as a second Ctrl-C does
    driven.settle()
    assert trace == ["second"]
    assert condition.mutex.owner is None
    condition._check()
    driven.close()


@pytest.mark.parametrize("notified", [False, True])
def test_a_run_that_is_stopped_by_force_closes_those_who_wait_without_complaints(notified: bool) -> None:
    driven, condition = Driven(), Condition()
    trace: list[str] = []
    waiter = driven.start(wait, condition, trace, "not reached")
    holder = Actor(driven)
    holder.tell(condition.mutex.acquire)
    if notified:
        holder.do(condition.notify)
        holder.do(condition.mutex.release)
        assert condition.mutex.owner is waiter
    driven.runtime._stop("the test")

    with pytest.raises(RuntimeError, match="the test") as caught:
        driven.runtime.step()
    assert "does not hold" not in str(getattr(caught.value, "__notes__", ""))
    assert trace == []
    assert condition.mutex.owner is (None if notified else holder.task)


# ---- misuse ----------------------------------------------------------------------------------------------------------


def test_who_does_not_hold_the_mutex_is_told() -> None:
    async def main() -> None:
        condition = Condition()
        told = pytest.raises(
            RuntimeError, match=r"#0 does not hold the mutex of <Condition 0 waiting, with <Mutex free>>"
        )
        with told:
            await condition.wait()
        with told:
            await condition.wait_for(lambda: True)
        for call in (condition.notify, condition.notify_all):
            with told:
                call()
        condition._check()

    run(main)


def test_the_mutex_of_another_task_is_not_enough() -> None:
    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(condition.mutex.acquire, name="other")
            await settle()
            with pytest.raises(RuntimeError, match="does not hold"):
                condition.notify()
            with pytest.raises(RuntimeError, match="does not hold"):
                await condition.wait()

    run(main)


BAD: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Condition(object()), TypeError, "mutex"),  # type: ignore[arg-type]
    (lambda: Condition().notify(-1), ValueError, "n must"),
    (lambda: Condition().notify(1.0), TypeError, "n must"),  # type: ignore[arg-type]
    (lambda: Condition().wait_blocking(-1), ValueError, "timeout"),
]


@pytest.mark.parametrize(("attempt", "error", "named"), BAD)
def test_a_bad_argument_is_refused_by_name(attempt: Callable[[], Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        attempt()


def test_what_is_no_plain_predicate_is_refused_for_it_would_be_true_of_everything() -> None:
    async def main() -> None:
        condition = Condition()
        async with condition:
            with pytest.raises(TypeError, match="predicate must be a function, not True"):
                await condition.wait_for(True)  # type: ignore[arg-type]
            with pytest.raises(TypeError, match=r"plain function is due.*settle"):
                _ = await condition.wait_for(settle)

    run(main)


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_how_many_wait_and_how_its_mutex_stands() -> None:
    async def main() -> None:
        condition = Condition()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(wait, condition, [], "a")
            await settle()
            assert repr(condition) == "<Condition 1 waiting, with <Mutex free>>"
            assert condition.statistics() == (1, (False, None, 0))
            assert "waits for Condition.wait" in repr(task)
            async with condition:
                condition.notify()
                assert "waits for Mutex.acquire, held by" in repr(task)
                with pytest.raises(WouldBlock):
                    await conc.to_thread(condition.mutex.acquire_nowait)

    run(main)
