"""A value that is made once: one makes it, the others wait; if that fails, the next one tries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

import conc
from conc.errors import WouldBlock
from conc.sync import OnceCell
from conc_testing import settle
from tests.kernel.support import run
from tests.threads.support import Stranger, hasty_switching


async def make(trace: list[str], name: str, seconds: float = 1) -> str:
    trace.append(name)
    await conc.sleep(seconds)
    return name


async def make_in_vain(trace: list[str], name: str) -> str:
    await make(trace, name)
    raise ValueError(name)


def test_one_makes_the_value_and_all_get_it() -> None:
    trace: list[str] = []

    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(cell.get_or_init, partial(make, trace, name)) for name in "abc"]
        assert [task.join_nowait() for task in tasks] == ["a", "a", "a"]
        assert await cell.get_or_init(partial(make, trace, "late")) == "a"
        assert conc.current_time() == 1
        assert cell.get() == "a"
        cell._check()

    run(main)
    assert trace == ["a"]


def test_a_value_that_is_there_is_given_without_letting_others_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        cell: OnceCell[int] = OnceCell()
        cell.set(5)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            assert await cell.get_or_init(never) == 5
            trace.append("main")

    run(main)
    assert trace == ["main", "other"]


async def never() -> int:
    raise AssertionError("there is a value")


@pytest.mark.parametrize("value", [None, False, 0])
def test_any_value_is_a_value(value: object) -> None:
    async def give() -> object:
        return value

    async def main() -> None:
        cell: OnceCell[object] = OnceCell()
        assert await cell.get_or_init(give) is value
        assert await cell.get_or_init(never) is value
        assert cell.is_set()

    run(main)


def test_if_it_fails_who_tried_gets_the_error_and_the_next_in_line_tries() -> None:
    trace: list[str] = []

    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:

            async def fail(name: str) -> None:
                with pytest.raises(ValueError, match=name):
                    await cell.get_or_init(partial(make_in_vain, trace, name))

            nursery.start_soon(fail, "a")
            nursery.start_soon(fail, "b")
            tasks = [nursery.start_soon(cell.get_or_init, partial(make, trace, name)) for name in "cd"]
        assert [task.join_nowait() for task in tasks] == ["c", "c"]
        assert conc.current_time() == 3

    run(main)
    assert trace == ["a", "b", "c"]


def test_after_everybody_has_failed_the_cell_is_as_before() -> None:
    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        with pytest.raises(ValueError, match="a"):
            await cell.get_or_init(partial(make_in_vain, [], "a"))
        assert repr(cell) == "<OnceCell not set>"
        cell._check()
        cell.set("b")
        assert cell.get() == "b"

    run(main)


# ---- cancellation ----------------------------------------------------------------------------------------------------


def test_if_who_makes_it_is_cancelled_the_next_in_line_makes_his_own() -> None:
    trace: list[str] = []

    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:
            first, second = (nursery.start_soon(cell.get_or_init, partial(make, trace, name)) for name in "ab")
            await conc.sleep(0.5)
            first.cancel()
            await settle()
            assert cell.statistics() == (False, second, 0)
        assert second.join_nowait() == "b"
        assert conc.current_time() == 1.5

    run(main)
    assert trace == ["a", "b"]


def test_a_cancelled_waiter_touches_nobody() -> None:
    trace: list[str] = []

    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(cell.get_or_init, partial(make, trace, name)) for name in "abc"]
            await settle()
            tasks[1].cancel()
            await settle()
            cell._check()
            assert cell.statistics().tasks_waiting == 1
        assert [task.state for task in tasks] == ["returned", "cancelled", "returned"]

    run(main)
    assert trace == ["a"]


def test_a_waiter_that_was_given_the_value_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[str] = []

    async def use(cell: OnceCell[str]) -> None:
        trace.append(await cell.get_or_init(partial(make, [], "not made")))
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:

            async def make_and_cancel() -> None:
                await cell.get_or_init(partial(make, [], "value"))
                waiter.cancel()

            nursery.start_soon(make_and_cancel)
            await settle()
            waiter = nursery.start_soon(use, cell)

    run(main)
    assert trace == ["value"]


def test_a_waiter_whose_turn_it_was_and_who_is_cancelled_before_he_runs_leaves_it_to_the_next() -> None:
    trace: list[str] = []

    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:

            async def fail_and_cancel() -> None:
                with pytest.raises(ValueError, match="a"):
                    await cell.get_or_init(partial(make_in_vain, trace, "a"))
                heir.cancel()

            nursery.start_soon(fail_and_cancel)
            await settle()
            heir = nursery.start_soon(cell.get_or_init, partial(make, trace, "b"))
            last = nursery.start_soon(cell.get_or_init, partial(make, trace, "c"))
        assert (heir.state, last.join_nowait()) == ("cancelled", "c")

    run(main)
    assert trace == ["a", "b", "c"]


def test_a_cancellation_that_is_pending_is_raised_before_anything_happened() -> None:
    async def main() -> None:
        cell: OnceCell[int] = OnceCell()
        for _ in range(2):
            with conc.CancelScope() as scope:
                scope.cancel()
                await cell.get_or_init(never)
            assert scope.cancelled_caught
            if not cell.is_set():
                assert cell.statistics() == (False, None, 0)
                cell.set(1)

    run(main)


# ---- misuse ----------------------------------------------------------------------------------------------------------


def test_a_function_that_asks_for_the_value_that_it_makes_is_told() -> None:
    async def main() -> None:
        cell: OnceCell[int] = OnceCell()

        async def ask() -> int:
            return await cell.get_or_init(never)

        with pytest.raises(RuntimeError, match=r"makes <OnceCell made by '.*main' #0, 0 waiting> asks for its value"):
            await cell.get_or_init(ask)
        assert cell.statistics() == (False, None, 0)

    run(main)


def test_a_function_whose_child_asks_for_the_value_is_a_deadlock_that_names_the_circle() -> None:
    async def main() -> None:
        cell: OnceCell[int] = OnceCell()

        async def ask() -> int:
            async with conc.open_nursery() as nursery:
                child = nursery.start_soon(cell.get_or_init, never, name="child")
            return child.join_nowait()

        await cell.get_or_init(ask)

    with pytest.raises(conc.Deadlock) as caught:
        run(main)
    assert "child #1: waits for OnceCell.get_or_init, made by '" in str(caught.value)
    assert "main #0 -> child #1 -> " in str(caught.value)


def test_it_cannot_be_set_twice_or_while_it_is_made() -> None:
    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(cell.get_or_init, partial(make, [], "made"), name="maker")
            await settle()
            with pytest.raises(RuntimeError, match=r"<OnceCell made by 'maker' #1, 0 waiting> cannot be set"):
                cell.set("other")
        with pytest.raises(RuntimeError, match="<OnceCell set> cannot be set"):
            cell.set("other")
        assert cell.get() == "made"

    run(main)


def test_a_value_that_is_not_there_is_not_given() -> None:
    cell: OnceCell[int] = OnceCell()

    with pytest.raises(WouldBlock, match="<OnceCell not set> has no value yet"):
        cell.get()
    assert not cell.is_set()


def not_async() -> int:
    return 1


@pytest.mark.parametrize(("wrong", "words"), [(not_async, "not an async function"), (5, "async function is due")])
def test_what_is_no_async_function_is_refused_and_leaves_the_cell_as_it_was(
    wrong: Callable[[], Awaitable[int]], words: str
) -> None:
    async def main() -> None:
        cell: OnceCell[int] = OnceCell()
        with pytest.raises(TypeError, match=words):
            await cell.get_or_init(wrong)
        assert cell.statistics() == (False, None, 0)

    run(main)


def test_a_coroutine_is_refused_and_the_error_says_what_to_write() -> None:
    async def main() -> None:
        with pytest.raises(
            TypeError, match=r"write get_or_init\(settle\), not get_or_init\(settle\(arguments\.\.\.\)\)"
        ):
            await OnceCell[None]().get_or_init(settle())  # type: ignore[arg-type]

    run(main)


# ---- threads, strands, looking ---------------------------------------------------------------------------------------


def test_strands_make_it_once_and_threads_may_look() -> None:
    made: list[int] = []

    async def make_number(number: int) -> int:
        made.append(number)
        await conc.checkpoint()
        if number % 3 == 0:
            raise ValueError
        return number

    async def use(cell: OnceCell[int], number: int) -> int | None:
        try:
            return await cell.get_or_init(partial(make_number, number))
        except ValueError:
            return None

    def look(cell: OnceCell[int]) -> int:
        while True:
            try:
                return cell.get()
            except WouldBlock:
                pass

    async def main() -> None:
        for _ in range(50):
            made.clear()
            cell: OnceCell[int] = OnceCell()
            stranger = Stranger(look, cell)
            async with conc.open_nursery(parallel=True) as nursery:
                tasks = [nursery.start_soon(use, cell, number) for number in range(6)]
            values = {task.join_nowait() for task in tasks} - {None}
            assert values == {await stranger.has_ended()} == {made[-1]}
            assert [number % 3 for number in made[:-1]] == [0] * (len(made) - 1)
            cell._check()

    with hasty_switching():
        conc.run(main, workers=3)


def test_it_says_how_it_stands() -> None:
    async def main() -> None:
        cell: OnceCell[str] = OnceCell()
        assert repr(cell) == "<OnceCell not set>"
        async with conc.open_nursery() as nursery:
            maker = nursery.start_soon(cell.get_or_init, partial(make, [], "a"), name="maker")
            waiter = nursery.start_soon(cell.get_or_init, partial(make, [], "b"))
            await settle()
            assert cell.statistics() == (False, maker, 1)
            assert repr(cell) == "<OnceCell made by 'maker' #1, 1 waiting>"
            assert "waits for OnceCell.get_or_init, made by 'maker' #1" in repr(waiter)
        assert repr(cell) == "<OnceCell set>"
        assert cell.statistics() == (True, None, 0)

    run(main)
