"""join: the values of all, in order; or the errors, as a group."""

from __future__ import annotations

from typing import assert_type

import pytest

import conc
from conc.sync import Semaphore
from conc_testing import settle
from tests.kernel.support import messages, run
from tests.task.support import Log, cancel_myself, fail, give, resist


def test_values_come_in_the_order_of_the_arguments() -> None:
    async def main() -> None:
        assert await conc.join(give("a", 3), give("b", 1), give("c", 2)) == ("a", "b", "c")
        assert conc.current_time() == 3

    run(main)


def test_each_value_keeps_its_type() -> None:
    async def main() -> None:
        assert_type(await conc.join(), tuple[()])
        assert_type(await conc.join(give(1), give("a")), tuple[int, str])
        assert_type(await conc.join(*[give(number) for number in range(10)]), tuple[int, ...])

    run(main)


def test_a_hundred_coroutines_run_at_the_same_time() -> None:
    async def main() -> None:
        assert await conc.join(*[give(number, 100 - number) for number in range(100)]) == tuple(range(100))
        assert conc.current_time() == 100

    run(main)


def test_they_begin_in_the_order_of_the_arguments() -> None:
    log = Log()

    async def main() -> None:
        await conc.join(log.give("a"), log.give("b"), log.give("c"))

    run(main)
    assert log.lines == ["a begins", "b begins", "c begins", "a ends", "b ends", "c ends"]


def test_a_value_may_be_an_error_or_none() -> None:
    error = ValueError("as a value")

    async def main() -> None:
        assert await conc.join(give(None), give(error)) == (None, error)

    run(main)


def test_join_of_nothing_is_empty_and_waits_for_nobody() -> None:
    log = Log()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(log.give, "other")
            assert await conc.join() == ()
            assert log.lines == []

    run(main)


def test_join_of_nothing_is_a_cancel_point() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            scope.cancel()
            await conc.join()
        assert scope.cancelled_caught

    run(main)


def test_an_error_cancels_the_rest_and_leaves_as_a_group() -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await conc.join(log.give("a", 5), fail("no", 1), log.give("b", 5))
        assert messages(caught.value) == ["no"]
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "b begins", "a is cancelled", "b is cancelled"]


def test_all_errors_are_in_the_group() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await conc.join(fail("first", 1), fail("second", 1), resist(1, ValueError("in clean-up")))
        assert messages(caught.value) == ["first", "second", "in clean-up"]

    run(main)


def test_one_that_cancels_its_own_task_has_no_value_and_join_says_so() -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises(conc.TaskCancelled, match="of my own"):
            await conc.join(cancel_myself(), log.give("other", 1))

    run(main)
    assert log.lines == ["other begins", "other ends"]


def test_a_join_whose_coroutines_have_all_ended_returns_although_a_cancellation_comes_before_it_runs() -> None:
    got: list[object] = []

    async def join(scope: conc.CancelScope, semaphore: Semaphore) -> None:
        with scope:
            got.append(await conc.join(semaphore.acquire(), give("b", 1)))
            await conc.checkpoint()
            got.append("went on")

    async def main() -> None:
        scope = conc.CancelScope()
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(join, scope, semaphore)
            await conc.sleep(2)
            semaphore.release()
            await conc.checkpoint()  # the last one ends, and the join is about to run
            scope.cancel()
        assert scope.cancelled_caught
        assert semaphore.value == 0

    run(main)
    assert got == [(None, "b")]


def test_a_permit_granted_to_one_that_is_cancelled_before_it_runs_is_not_lost() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)

        async def hold() -> None:
            async with semaphore:
                await conc.sleep(1)

        with conc.CancelScope() as scope:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(conc.join, hold(), hold())
                await settle()
                semaphore.release()
                scope.cancel()
        assert semaphore.value == 1

    run(main)


def test_joins_may_be_nested() -> None:
    async def main() -> None:
        assert await conc.join(conc.join(give(1), give(2)), conc.race(give(3), give(4, 1)), conc.join()) == (
            (1, 2),
            3,
            (),
        )

    run(main)


def test_coroutines_given_to_join_from_every_strand_have_their_values() -> None:
    async def strand(number: int) -> list[tuple[int, int]]:
        return [await conc.join(give(number), give(number + 1)) for _ in range(20)]

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            tasks = [nursery.start_soon(strand, number) for number in range(8)]
        assert [task.join_nowait() for task in tasks] == [[(number, number + 1)] * 20 for number in range(8)]

    conc.run(main, workers=3)
