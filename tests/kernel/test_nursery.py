"""A nursery: it ends when its children have, and no error is lost on the way."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import cancel_shielded_checkpoint
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run


async def fail(error: BaseException) -> None:
    raise error


def messages(group: BaseExceptionGroup[BaseException]) -> list[str]:
    return [str(error) for error in group.exceptions]


def test_the_block_ends_when_the_last_child_has() -> None:
    ended: list[float] = []

    async def child(seconds: float) -> None:
        await conc.sleep(seconds)
        ended.append(seconds)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for seconds in (3.0, 1.0, 2.0):
                nursery.start_soon(child, seconds)
        assert ended == [1.0, 2.0, 3.0]

    run(main)


def test_children_may_start_children_after_the_block_is_through() -> None:
    trace: list[int] = []

    async def child(nursery: conc.Nursery, left: int) -> None:
        await conc.sleep(1)
        trace.append(left)
        if left:
            nursery.start_soon(child, nursery, left - 1)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child, nursery, 3)

    run(main)
    assert trace == [3, 2, 1, 0]


def test_an_empty_nursery_ends_and_lets_others_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as outer:
            outer.start_soon(other)
            async with conc.open_nursery():
                pass
            trace.append("main")

    run(main)
    assert trace == ["other", "main"]


def test_the_end_of_a_nursery_is_no_cancel_point() -> None:
    trace: list[str] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            async with conc.open_nursery():
                pass
            trace.append("behind the nursery")
            await conc.checkpoint()
            trace.append("not reached")

    run(main)
    assert trace == ["behind the nursery"]


def test_a_single_error_leaves_in_a_group() -> None:
    error = ValueError("no")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(fail, error)
        assert caught.value.exceptions == (error,)

    run(main)


def test_an_error_of_the_block_leaves_in_a_group_too() -> None:
    error = ValueError("no")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery():
                raise error
        assert caught.value.exceptions == (error,)

    run(main)


def test_an_error_of_a_child_cancels_the_block_and_the_siblings() -> None:
    cancelled: list[str] = []

    async def wait(who: str) -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as error:
            assert error.source == "nursery"
            cancelled.append(who)
            raise

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(wait, "sibling")
                nursery.start_soon(fail, ValueError("no"))
                await wait("block")
        assert messages(caught.value) == ["no"]
        assert nursery.cancel_scope.cancel_called

    run(main)
    assert sorted(cancelled) == ["block", "sibling"]


def test_an_error_of_the_block_cancels_the_children() -> None:
    cancelled: list[str] = []

    async def wait() -> None:
        try:
            await conc.sleep_forever()
        finally:
            cancelled.append("child")

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                nursery.start_soon(wait)
                await settle()
                raise ValueError("no")

    run(main)
    assert cancelled == ["child"]


def test_a_cancelled_text_names_the_error_that_caused_it() -> None:
    texts: list[str] = []

    async def wait() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as error:
            texts.append(str(error))
            raise

    async def main() -> None:
        with pytest.raises(ExceptionGroup):
            async with conc.open_nursery() as nursery:
                nursery.start_soon(wait)
                nursery.start_soon(fail, ValueError("the disk is full"), name="the writer")

    run(main)
    assert len(texts) == 1
    assert "the writer" in texts[0] or "the disk is full" in texts[0] or "ValueError" in texts[0]


def test_all_errors_leave_together() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(fail, ValueError(f"child {number}"))
                await cancel_shielded_checkpoint()
                raise KeyError("block")
        assert sorted(messages(caught.value)) == ["'block'", "child 0", "child 1", "child 2"]

    run(main)


def test_errors_raised_while_unwinding_are_kept() -> None:
    async def clumsy(number: int) -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise KeyError(number)

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(clumsy, 1)
                nursery.start_soon(clumsy, 2)
                nursery.start_soon(fail, ValueError("first"))
        assert sorted(messages(caught.value)) == ["1", "2", "first"]
        for error in caught.value.exceptions:
            assert isinstance(error, ValueError) or isinstance(error.__context__, conc.Cancelled)

    run(main)


def test_groups_of_inner_nurseries_stay_groups() -> None:
    async def inner() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("inner"))

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(inner)
        (group,) = caught.value.exceptions
        assert isinstance(group, ExceptionGroup)
        assert messages(group) == ["inner"]

    run(main)


def test_except_star_sees_each_kind_of_error() -> None:
    seen: list[str] = []

    async def main() -> None:
        try:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(fail, ValueError("v"))
                nursery.start_soon(fail, KeyError("k"))
        except* ValueError as group:
            seen.extend(messages(group))
        except* KeyError as group:
            seen.extend(messages(group))

    run(main)
    assert seen == ["v", "'k'"]


def test_an_error_keeps_the_traceback_of_where_it_was_raised() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(fail, ValueError("no"))
        traceback = caught.value.exceptions[0].__traceback__
        names = []
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert "fail" in names

    run(main)


def test_the_group_does_not_repeat_its_members_as_its_context() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(fail, ValueError("child"))
                await conc.sleep_forever()
        assert caught.value.__context__ is None or caught.value.__suppress_context__
        for error in caught.value.exceptions:
            assert error.__context__ is None

    run(main)


def test_cancelling_a_nursery_ends_it_quietly() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(conc.sleep_forever)
            await settle()
            nursery.cancel_scope.cancel("that was all")
            await conc.sleep_forever()
        assert nursery.cancel_scope.cancelled_caught

    run(main)


def test_a_task_accepted_by_a_cancelled_nursery_runs_to_its_first_cancel_point() -> None:
    trace: list[str] = []

    class Connection:
        async def handle(self) -> None:
            try:
                trace.append("handed over")
                await conc.checkpoint()
                trace.append("not reached")
            finally:
                trace.append("closed")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.cancel_scope.cancel()
            nursery.start_soon(Connection().handle)

    run(main)
    assert trace == ["handed over", "closed"]


def test_a_child_that_refuses_to_die_is_waited_for() -> None:
    trace: list[str] = []

    async def stubborn() -> None:
        for attempt in range(100):
            try:
                await conc.sleep(1)
            except conc.Cancelled:
                trace.append(f"refused {attempt}")
            if len(trace) == 5:
                return

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(stubborn)
            await settle()
            nursery.cancel_scope.cancel()
        trace.append("end")

    run(main)
    assert trace == [*[f"refused {attempt}" for attempt in range(5)], "end"]


def test_a_child_that_yields_on_refusing_to_die_holds_up_nobody_else() -> None:
    async def stubborn(event: Event) -> None:
        while not event.is_set():
            await cancel_shielded_checkpoint()

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as outer:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(stubborn, event)
                nursery.cancel_scope.cancel()
                outer.start_soon(release, event)

    async def release(event: Event) -> None:
        for _ in range(10):
            await conc.checkpoint()
        event.set()

    run(main)


def test_a_cancellation_from_outside_passes_through_a_nursery_bare() -> None:
    seen: list[type[BaseException]] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            try:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(conc.sleep_forever)
                    nursery.start_soon(conc.sleep_forever)
                    await settle()
                    scope.cancel()
                    await conc.sleep_forever()
            except BaseException as error:
                seen.append(type(error))
                raise
        assert scope.cancelled_caught

    run(main)
    assert seen == [conc.Cancelled]


def test_a_cancellation_and_errors_leave_as_a_group_of_errors_alone() -> None:
    async def clumsy() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            with conc.CancelScope() as scope:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(clumsy)
                    nursery.start_soon(conc.sleep_forever)
                    await settle()
                    scope.cancel()
                    await conc.sleep_forever()
        assert messages(caught.value) == ["in clean-up"]

    run(main)


def test_children_of_a_cancelled_block_get_the_outer_reason() -> None:
    texts: list[str] = []

    async def child() -> None:
        try:
            await conc.sleep_forever()
        except conc.Cancelled as error:
            texts.append(str(error))
            raise

    async def main() -> None:
        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(child)
                await settle()
                scope.cancel("going home")

    run(main)
    assert texts == ["cancelled (explicit): going home"]


def test_a_host_that_waits_for_its_children_is_not_woken_by_a_cancellation_before_they_end() -> None:
    trace: list[str] = []

    async def slow_to_close() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(10)
            trace.append("child closed")

    async def main() -> None:
        with conc.move_on_after(1):
            async with conc.open_nursery() as nursery:
                nursery.start_soon(slow_to_close)
        trace.append("block left")
        assert conc.current_time() == pytest.approx(11)

    run(main)
    assert trace == ["child closed", "block left"]


@pytest.mark.parametrize("error_type", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("depth", [1, 3])
def test_an_exit_leaves_run_bare_after_clean_up(error_type: type[BaseException], depth: int) -> None:
    trace: list[str] = []
    error = error_type("leaving")

    async def sibling() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(1)
            trace.append("cleaned up")

    async def nest(left: int) -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(sibling)
            if left:
                nursery.start_soon(nest, left - 1)
            else:
                nursery.start_soon(fail, error)

    with pytest.raises(error_type) as caught:
        run(nest, depth - 1)
    assert caught.value is error
    assert trace == ["cleaned up"] * depth


def test_an_exit_beside_other_errors_hides_none_of_them() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(fail, ValueError("the other error"))
            nursery.start_soon(fail, SystemExit(3))

    with pytest.raises(SystemExit) as caught:
        run(main)
    assert caught.value.code == 3
    seen: list[BaseException] = [caught.value]
    for error in seen:
        seen.extend(part for part in (error.__cause__, error.__context__) if part is not None and part not in seen)
        if isinstance(error, BaseExceptionGroup):
            seen.extend(error.exceptions)
    assert "the other error" in [str(error) for error in seen]
