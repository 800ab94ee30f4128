"""Cancel scopes: level-triggered, nested, shielded, from any thread, with reasons; and what each of them catches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc import lowlevel
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import run


def test_a_cancelled_scope_is_left_at_the_next_cancel_point() -> None:
    trace: list[str] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            trace.append("goes on to its next cancel point")
            await conc.checkpoint()
            trace.append("not reached")
        trace.append("behind the scope")
        assert scope.cancel_called
        assert scope.cancelled_caught
        await conc.checkpoint()

    run(main)
    assert trace == ["goes on to its next cancel point", "behind the scope"]


def test_a_scope_that_nobody_cancels_changes_nothing() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            await conc.checkpoint()
        assert not scope.cancel_called
        assert not scope.cancelled_caught

    run(main)


def test_a_scope_that_is_cancelled_too_late_caught_nothing() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            await conc.checkpoint()
            scope.cancel()
        assert scope.cancel_called
        assert not scope.cancelled_caught

    run(main)


def test_a_cancellation_comes_again_until_the_scope_is_left() -> None:
    caught: list[conc.Cancelled] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            for _ in range(3):
                try:
                    await conc.sleep(1)
                except conc.Cancelled as cancelled:
                    caught.append(cancelled)
            await conc.sleep(1)

    run(main)
    assert len(caught) == 3
    assert len({id(cancelled) for cancelled in caught}) == 3, "each raise makes its own"


async def _acquire_free_semaphore() -> None:
    await Semaphore(1).acquire()


async def _wait_for_set_event() -> None:
    event = Event()
    event.set()
    await event.wait()


async def _enter_semaphore() -> None:
    async with Semaphore(1):
        raise AssertionError("entered")


async def _permits() -> None:
    async with Semaphore(3).permits(2):
        raise AssertionError("entered")


OPERATIONS: list[Callable[[], Awaitable[object]]] = [
    conc.checkpoint,
    lowlevel.checkpoint_if_cancelled,
    lambda: conc.sleep(0),
    lambda: conc.sleep(1),
    lambda: conc.sleep_until(-1),
    lambda: conc.sleep_until(1e9),
    conc.sleep_forever,
    _acquire_free_semaphore,
    _wait_for_set_event,
    _enter_semaphore,
    _permits,
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_a_cancel_point_also_when_it_need_not_wait(
    operation: Callable[[], Awaitable[object]],
) -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            await operation()
        assert scope.cancelled_caught

    run(main)


def test_a_shielded_checkpoint_lets_others_run_and_raises_nothing() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            with conc.CancelScope() as scope:
                scope.cancel()
                await lowlevel.cancel_shielded_checkpoint()
                trace.append("main")

    run(main)
    assert trace == ["other", "main"]


def test_a_cancel_only_checkpoint_lets_nobody_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(1000):
                await lowlevel.checkpoint_if_cancelled()
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_a_scope_that_was_cancelled_before_it_is_entered_cancels_its_block() -> None:
    trace: list[str] = []

    async def main() -> None:
        scope = conc.CancelScope()
        scope.cancel("early")
        await conc.checkpoint()
        with scope:
            trace.append("entered")
            await conc.checkpoint()
            trace.append("not reached")
        assert scope.cancelled_caught

    run(main)
    assert trace == ["entered"]


def test_a_scope_may_be_made_and_cancelled_outside_of_a_run() -> None:
    scope = conc.CancelScope()
    scope.cancel()

    async def main() -> None:
        with scope:
            await conc.sleep_forever()

    run(main)
    assert scope.cancelled_caught


def test_cancelling_a_scope_that_was_left_does_nothing() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            await conc.checkpoint()
        scope.cancel()
        await conc.checkpoint()
        assert not scope.cancelled_caught

    run(main)


def test_the_block_of_a_cancelled_scope_may_fail_for_a_reason_of_its_own() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="my own") as caught:
            with conc.CancelScope() as scope:
                scope.cancel()
                try:
                    await conc.checkpoint()
                finally:
                    raise ValueError("my own")
        assert isinstance(caught.value.__context__, conc.Cancelled)
        assert not scope.cancelled_caught

    run(main)


def test_everything_below_a_cancelled_scope_is_cancelled() -> None:
    ended: list[str] = []

    async def wait(name: str, depth: int) -> None:
        try:
            async with conc.open_nursery() as nursery:
                if depth:
                    nursery.start_soon(wait, f"{name}.0", depth - 1)
                    nursery.start_soon(wait, f"{name}.1", depth - 1)
                with conc.CancelScope():
                    await conc.sleep_forever()
        finally:
            ended.append(name)

    async def main() -> None:
        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(wait, "task", 3)
                await settle()
                scope.cancel()
        assert scope.cancelled_caught

    run(main)
    assert len(ended) == 15


def test_a_cancellation_that_was_kept_and_is_raised_later_is_a_mistake_that_is_named() -> None:
    kept: list[conc.Cancelled] = []

    async def child() -> None:
        with conc.CancelScope() as scope:
            scope.cancel("long ago")
            try:
                await conc.checkpoint()
            except conc.Cancelled as cancelled:
                kept.append(cancelled)
        raise kept[0]

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(child)
        (error,) = caught.value.exceptions
        assert isinstance(error, RuntimeError)
        assert "child" in str(error)
        assert "do not raise it again" in str(error)
        assert error.__cause__ is kept[0]

    run(main)


def test_no_cancellation_ever_leaves_run() -> None:
    async def main() -> None:
        raise conc.Cancelled("explicit", "made by hand")

    with pytest.raises(RuntimeError, match=r"made by hand|no scope around it"):
        run(main)


# Nested scopes: who catches.


def test_an_outer_cancellation_passes_through_an_inner_scope() -> None:
    async def main() -> None:
        with conc.CancelScope() as outer:
            with conc.CancelScope() as inner:
                outer.cancel()
                await conc.sleep_forever()
            raise AssertionError("the inner scope caught what was not its own")
        assert outer.cancelled_caught
        assert not inner.cancelled_caught
        assert not inner.cancel_called

    run(main)


def test_an_inner_cancellation_ends_at_the_inner_scope() -> None:
    trace: list[str] = []

    async def main() -> None:
        with conc.CancelScope() as outer:
            with conc.CancelScope() as inner:
                inner.cancel()
                await conc.sleep_forever()
            trace.append("between the two")
            await conc.checkpoint()
        assert inner.cancelled_caught
        assert not outer.cancelled_caught

    run(main)
    assert trace == ["between the two"]


@pytest.mark.parametrize("first", ["outer", "inner"])
def test_when_both_are_cancelled_the_outer_scope_is_left(first: str) -> None:
    async def main() -> None:
        with conc.CancelScope() as outer:
            with conc.CancelScope() as inner:
                for scope in (outer, inner) if first == "outer" else (inner, outer):
                    scope.cancel()
                await conc.sleep_forever()
            await conc.checkpoint()
            raise AssertionError("still inside a cancelled scope")
        assert outer.cancelled_caught

    run(main)


def test_an_outer_scope_that_is_cancelled_while_the_inner_unwinds_is_left_too() -> None:
    async def main() -> None:
        with conc.CancelScope() as outer:
            with conc.CancelScope() as inner:
                inner.cancel()
                try:
                    await conc.sleep_forever()
                finally:
                    outer.cancel()
            await conc.checkpoint()
            raise AssertionError("still inside a cancelled scope")
        assert outer.cancelled_caught

    run(main)


def test_a_group_is_split_and_only_the_errors_leave() -> None:
    error = ValueError("no")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            with conc.CancelScope() as scope:
                scope.cancel()
                cancellations: list[BaseException] = []
                for _ in range(2):
                    try:
                        await conc.checkpoint()
                    except conc.Cancelled as cancelled:
                        cancellations.append(cancelled)
                inner = BaseExceptionGroup("inner", [cancellations[1], error])
                raise BaseExceptionGroup("outer", [cancellations[0], inner])
        assert scope.cancelled_caught
        assert caught.value.message == "outer"
        (group,) = caught.value.exceptions
        assert isinstance(group, ExceptionGroup)
        assert group.exceptions == (error,)

    run(main)


def test_a_group_of_cancellations_alone_is_caught_whole() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            try:
                await conc.checkpoint()
            except conc.Cancelled as cancelled:
                raise BaseExceptionGroup("all cancelled", [BaseExceptionGroup("inner", [cancelled])]) from None
        assert scope.cancelled_caught

    run(main)


def test_a_group_passes_a_scope_that_is_not_cancelled_as_it_is() -> None:
    group = ExceptionGroup("mine", [ValueError("a"), KeyError("b")])

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            with conc.CancelScope():
                raise group
        assert caught.value is group

    run(main)
