"""A task as its owner sees it: its name, its end, what came of it, and cancelling it alone."""

from __future__ import annotations

import threading
from functools import partial

import outcome
import pytest

import conc
from conc.lowlevel import current_task
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run


async def give(value: int) -> int:
    await conc.checkpoint()
    return value


async def fail(message: str) -> None:
    await conc.checkpoint()
    raise ValueError(message)


def test_a_task_runs_when_the_spawner_waits_and_not_before() -> None:
    trace: list[str] = []

    async def child() -> None:
        trace.append("child")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child)
            trace.append("spawner")
            await conc.checkpoint()
            trace.append("spawner again")

    run(main)
    assert trace == ["spawner", "child", "spawner again"]


def test_tasks_first_run_in_the_order_in_which_they_were_started() -> None:
    order: list[int] = []

    async def child(number: int) -> None:
        order.append(number)
        await conc.checkpoint()
        order.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(child, number)

    run(main)
    assert order == [0, 1, 2, 3, 4] * 2


def test_the_outcome_is_none_until_the_end_and_the_value_afterwards() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
            assert task.outcome is None
            await conc.checkpoint()
            assert task.outcome is None
        assert task.outcome == outcome.Value(7)

    run(main)


def test_the_outcome_of_a_failed_task_holds_its_error() -> None:
    error = ValueError("no")

    async def child() -> None:
        raise error

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(child)
        assert isinstance(task.outcome, outcome.Error)
        assert task.outcome.error is error

    run(main)


def test_the_outcome_of_a_cancelled_task_holds_the_cancellation() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep_forever)
            await settle()
            task.cancel("enough")
        assert isinstance(task.outcome, outcome.Error)
        assert isinstance(task.outcome.error, conc.Cancelled)
        assert task.outcome.error.reason == "enough"

    run(main)


def test_looking_at_an_outcome_takes_nothing_away() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
        for _ in range(2):
            assert isinstance(task.outcome, outcome.Value)
            assert task.outcome.value == 7
        assert await task.join() == 7

    run(main)


class Machine:
    async def start(self) -> None:
        """Nothing; it is its name that counts."""

    async def __call__(self) -> None:
        """Nothing."""


def test_a_task_is_called_what_its_function_is_called() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert nursery.start_soon(give, 1).name.endswith("give")
            assert nursery.start_soon(Machine().start).name.endswith("Machine.start")
            assert nursery.start_soon(partial(give, 1)).name.endswith("give")
            assert "Machine" in nursery.start_soon(Machine()).name

    run(main)


def test_a_given_name_is_the_name() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 1, name="the giver")
            assert task.name == "the giver"
            assert "the giver" in repr(task)
        assert task.name == "the giver"

    run(main)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_task_has_its_name_before_it_begins_and_after_it_has_ended(parallel: bool) -> None:
    async def main() -> None:
        async with conc.open_nursery(parallel=parallel) as nursery:
            asked_at_once = nursery.start_soon(give, 1)
            assert asked_at_once.name == "give"
            asked_late = nursery.start_soon(give, 1)
        assert asked_at_once.name == asked_late.name == "give"
        assert "give" in repr(asked_late)

    run(main)


def test_no_two_tasks_share_an_id() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(give, number) for number in range(50)]
        assert len({task.id for task in tasks}) == 50

    run(main)


def test_a_task_knows_its_nursery() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 1)
            assert task.parent_nursery is nursery

    run(main)


def test_a_fresh_task_that_is_cancelled_still_runs_to_its_first_cancel_point() -> None:
    trace: list[str] = []

    async def child() -> None:
        trace.append("begun")
        try:
            await conc.checkpoint()
            trace.append("not reached")
        finally:
            trace.append("closed")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child).cancel()
        trace.append("end")

    run(main)
    assert trace == ["begun", "closed", "end"]


def test_a_parked_task_that_is_cancelled_ends_alone() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            sibling = nursery.start_soon(give, 3)
            task = nursery.start_soon(conc.sleep_forever)
            await settle()
            task.cancel()
        assert await sibling.join() == 3
        assert not nursery.cancel_scope.cancel_called

    run(main)


def test_a_ready_task_that_is_cancelled_meets_it_at_its_next_cancel_point() -> None:
    trace: list[str] = []

    async def child(event: Event) -> None:
        await event.wait()
        trace.append("woken")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child, event)
            await settle()
            event.set()
            task.cancel()

    run(main)
    assert trace == ["woken"]


def test_a_task_at_a_checkpoint_that_is_cancelled_gets_it_there() -> None:
    trace: list[str] = []

    async def child() -> None:
        trace.append("before")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            await conc.checkpoint()
            assert trace == ["before"]
            task.cancel()

    run(main)
    assert trace == ["before"]


def test_cancelling_an_ended_task_changes_nothing() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(give, 7)
            await settle()
            task.cancel()
            await settle()
        task.cancel()
        assert await task.join() == 7

    run(main)


def test_a_task_may_cancel_itself() -> None:
    trace: list[str] = []

    async def child() -> None:
        current_task().cancel("I have had enough")
        trace.append("goes on to its next cancel point")
        with pytest.raises(conc.Cancelled, match="I have had enough"):
            await conc.checkpoint()
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child)

    run(main)
    assert trace == ["goes on to its next cancel point"]


def test_cancelling_a_task_cancels_what_it_has_started() -> None:
    ended: list[str] = []

    async def grandchild() -> None:
        try:
            await conc.sleep_forever()
        finally:
            ended.append("grandchild")

    async def child() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(grandchild)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            await settle()
            task.cancel()
            await settle()
            assert ended == ["grandchild"]

    run(main)


def test_a_shield_inside_a_task_holds_against_its_cancellation() -> None:
    trace: list[str] = []

    async def child() -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep(1)
            trace.append("shielded")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            await settle()
            task.cancel()

    run(main)
    assert trace == ["shielded"]


def test_the_first_reason_to_cancel_a_task_stays() -> None:
    texts: list[str] = []

    async def child() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as cancelled:
            texts.append(str(cancelled))
            assert cancelled.source == "task"
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(child)
            await settle()
            task.cancel("first")
            task.cancel("second")

    run(main)
    assert texts == ["cancelled (task): first"]


def test_a_task_that_swallows_its_cancellation_and_returns_has_a_value() -> None:
    async def stubborn() -> str:
        try:
            await conc.sleep_forever()
        except conc.Cancelled:
            return "all the same"

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(stubborn)
            await settle()
            task.cancel()
        assert await task.join() == "all the same"

    run(main)


def test_a_task_that_fails_while_it_is_cancelled_has_failed() -> None:
    async def clumsy() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(clumsy)
                await settle()
                task.cancel()
        assert [str(error) for error in caught.value.exceptions] == ["in clean-up"]
        with pytest.raises(conc.TaskFailed):
            task.join_nowait()

    run(main)


@pytest.mark.parametrize("moment", ["fresh", "parked", "sleeping"])
def test_a_thread_may_cancel_a_task(moment: str) -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep, 60) if moment == "sleeping" else nursery.start_soon(Event().wait)
            if moment != "fresh":
                await conc.sleep(0.01)
            thread = threading.Thread(target=task.cancel, args=("from a thread",))
            thread.start()
            with pytest.raises(conc.TaskCancelled):
                await task.join()
            thread.join()

    conc.run(main)
