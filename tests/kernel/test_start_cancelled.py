"""`nursery.start` and cancellation: before the child is ready the caller's scopes act, afterwards the nursery's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc_testing import settle
from tests.kernel.support import run


async def never_ready(*, task_status: conc.TaskStatus) -> None:
    await conc.sleep_forever()


def test_a_caller_that_is_cancelled_takes_the_child_with_it() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(1)
            trace.append("child ended")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(2) as scope:
                await nursery.start(child)
            trace.append("start ended")
            assert scope.cancelled_caught
            assert not nursery.cancel_scope.cancel_called

    run(main)
    assert trace == ["child ended", "start ended"]


def test_the_callers_scopes_have_no_power_over_a_child_that_is_ready() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        task_status.started()
        await conc.sleep(10)
        trace.append("slept on")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as scope:
                await nursery.start(child)
                scope.cancel()

    run(main)
    assert trace == ["slept on"]


def test_a_value_is_delivered_although_the_caller_is_cancelled_before_it_runs() -> None:
    got: list[str] = []

    async def main() -> None:
        scope = conc.CancelScope()

        async def child(*, task_status: conc.TaskStatus) -> None:
            task_status.started("ready")
            scope.cancel()
            await conc.sleep(1)
            got.append("child went on")

        async with conc.open_nursery() as nursery:
            with scope:
                got.append(await nursery.start(child))
                await conc.checkpoint()
                got.append("not reached")

    run(main)
    assert got == ["ready", "child went on"]


def test_a_value_is_delivered_although_the_caller_was_cancelled_before_the_child_was_ready() -> None:
    got: list[str] = []

    async def stubborn(*, task_status: conc.TaskStatus) -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep(5)
            task_status.started("all the same")
        await conc.sleep(5)
        got.append("child went on")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(1) as scope:
                got.append(await nursery.start(stubborn))
                assert conc.current_time() == 5
                await conc.checkpoint()
            assert scope.cancelled_caught

    run(main)
    assert got == ["all the same", "child went on"]


def test_a_shielded_child_of_a_cancelled_caller_lets_start_go_when_it_is_ready_not_when_it_ends() -> None:
    async def shielded(*, task_status: conc.TaskStatus) -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep(5)
            task_status.started()
            await conc.sleep(100)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(1):
                await nursery.start(shielded)
            assert conc.current_time() == 5

    run(main)


def test_cancelling_the_nursery_does_not_touch_a_child_that_is_not_ready() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        await conc.sleep(5)
        trace.append("not touched")
        task_status.started("ready")
        try:
            await conc.checkpoint()
        except conc.Cancelled:
            trace.append("cancelled at its first cancel point in the nursery")
            raise

    async def starter(nursery: conc.Nursery) -> None:
        trace.append(await nursery.start(child))

    async def main() -> None:
        async with conc.open_nursery() as outer:
            async with conc.open_nursery() as nursery:
                outer.start_soon(starter, nursery)
                await settle()
                nursery.cancel_scope.cancel()
            assert conc.current_time() == 5

    run(main)
    assert trace[0] == "not touched"
    assert sorted(trace[1:]) == ["cancelled at its first cancel point in the nursery", "ready"]


def test_a_nursery_that_is_cancelled_around_its_caller_ends_start_at_once() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(cancel_after, nursery.cancel_scope, 1)
            await nursery.start(never_ready)
        assert nursery.cancel_scope.cancelled_caught
        assert conc.current_time() == 1

    async def cancel_after(scope: conc.CancelScope, seconds: float) -> None:
        await conc.sleep(seconds)
        scope.cancel()

    run(main)


def test_a_nursery_waits_for_a_start_that_is_under_way() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        await conc.sleep(5)
        task_status.started()
        await conc.sleep(5)
        trace.append("child ended")

    async def starter(nursery: conc.Nursery) -> None:
        await nursery.start(child)
        trace.append("started")

    async def main() -> None:
        async with conc.open_nursery() as outer:
            async with conc.open_nursery() as nursery:
                outer.start_soon(starter, nursery)
                await settle()
            trace.append("nursery ended")

    run(main)
    assert trace == ["started", "child ended", "nursery ended"]


def test_a_nursery_that_waited_for_a_start_in_vain_ends() -> None:
    async def starter(nursery: conc.Nursery) -> None:
        with conc.move_on_after(5):
            await nursery.start(never_ready)

    async def main() -> None:
        async with conc.open_nursery() as outer:
            async with conc.open_nursery() as nursery:
                outer.start_soon(starter, nursery)
                await settle()
            assert conc.current_time() == 5

    run(main)


def test_a_shielded_caller_gets_its_value_from_a_cancelled_nursery() -> None:
    got: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        await conc.sleep(1)
        task_status.started("ready")
        await conc.checkpoint()
        got.append("not reached")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.cancel_scope.cancel()
            with conc.CancelScope(shield=True):
                got.append(await nursery.start(child))

    run(main)
    assert got == ["ready"]


@pytest.mark.parametrize("cancelled", ["caller", "nursery"])
def test_scopes_that_the_child_has_open_when_it_is_ready_move_with_it(cancelled: str) -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        with conc.fail_after(100), conc.CancelScope():
            task_status.started()
            await conc.sleep(10)
            trace.append("slept on")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as scope:
                await nursery.start(child)
                (scope if cancelled == "caller" else nursery.cancel_scope).cancel()
                await conc.sleep(1)

    run(main)
    assert trace == (["slept on"] if cancelled == "caller" else [])


@pytest.mark.parametrize("cancelled", ["caller", "nursery"])
def test_children_that_the_child_has_when_it_is_ready_move_with_it(cancelled: str) -> None:
    trace: list[str] = []

    async def grandchild() -> None:
        await conc.sleep(10)
        trace.append("slept on")

    async def child(*, task_status: conc.TaskStatus) -> None:
        async with conc.open_nursery() as inner:
            inner.start_soon(grandchild)
            await settle()
            task_status.started()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as scope:
                await nursery.start(child)
                (scope if cancelled == "caller" else nursery.cancel_scope).cancel()
                await conc.sleep(1)

    run(main)
    assert trace == (["slept on"] if cancelled == "caller" else [])


def test_a_child_that_becomes_ready_under_a_passed_deadline_of_the_caller_is_free_of_it() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        with pytest.raises(conc.Cancelled):
            await conc.sleep_forever()
        task_status.started()
        await conc.sleep(1)
        trace.append("free")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(2):
                await nursery.start(child)

    run(main)
    assert trace == ["free"]


def test_a_start_inside_a_start_passes_the_child_on() -> None:
    async def inner(*, task_status: conc.TaskStatus) -> None:
        await conc.sleep(1)
        task_status.started("from inside")
        await conc.sleep(1)

    async def outer(*, task_status: conc.TaskStatus) -> None:
        async with conc.open_nursery() as nursery:
            task_status.started(await nursery.start(inner))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            assert await nursery.start(outer) == "from inside"
            assert conc.current_time() == 1

    run(main)


def test_start_in_a_cancelled_scope_starts_nothing() -> None:
    trace: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        trace.append("begun")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.CancelScope() as scope:
                scope.cancel()
                await nursery.start(child)
            assert scope.cancelled_caught

    run(main)
    assert trace == []


def test_start_leaves_nothing_behind_when_it_is_given_up() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                with conc.move_on_after(1):
                    await nursery.start(never_ready)
            assert not nursery.children

    run(main)


def test_a_child_that_says_ready_on_its_way_out_of_a_cancelled_caller_ends_cancelled_and_harms_nobody() -> None:
    got: list[str] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        try:
            await conc.sleep_forever()
        finally:
            task_status.started("on its way out")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(1):
                got.append(await nursery.start(child))
            await conc.sleep(1)
            got.append("nobody was harmed")
            assert not nursery.cancel_scope.cancel_called

    run(main)
    assert got == ["on its way out", "nobody was harmed"]


@pytest.mark.parametrize("wait", [conc.sleep_forever, conc.checkpoint])
def test_a_child_whom_a_helper_makes_ready_in_the_step_of_the_cancellation_harms_nobody(
    wait: Callable[[], Awaitable[object]],
) -> None:
    statuses: list[conc.TaskStatus] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        statuses.append(task_status)
        while True:
            await wait()

    async def caller(nursery: conc.Nursery, scope: conc.CancelScope) -> None:
        with scope:
            await nursery.start(child)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            scope = conc.CancelScope()
            nursery.start_soon(caller, nursery, scope)
            for _ in range(5):
                await conc.checkpoint()
            scope.cancel()
            statuses[0].started()
            for _ in range(5):
                await conc.checkpoint()
            assert not nursery.cancel_scope.cancel_called
            assert len(nursery.children) == (1 if wait is conc.checkpoint else 0)
            nursery.cancel_scope.cancel()

    run(main)


def test_saying_ready_after_the_end_is_an_error() -> None:
    statuses: list[conc.TaskStatus] = []

    async def child(*, task_status: conc.TaskStatus) -> None:
        statuses.append(task_status)
        await conc.sleep_forever()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            with conc.move_on_after(1):
                await nursery.start(child)
            with pytest.raises(RuntimeError, match="ended"):
                statuses[0].started()
            assert not nursery.children

    run(main)
