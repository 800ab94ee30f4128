"""A nursery: it ends when its children have, and no error is lost on the way."""

from __future__ import annotations

import pytest

import conc
from conc.lowlevel import cancel_shielded_checkpoint
from conc_testing import settle
from tests.kernel.support import fail, messages, run


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
