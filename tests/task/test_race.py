"""race: the first to end decides, by value or error, and the others have ended when it returns."""

from __future__ import annotations

import pytest

import conc
from conc.errors import ClosedResource
from conc.sync import Semaphore
from conc_testing import settle
from tests.kernel.support import messages, run
from tests.task.support import Log, cancel_myself, fail, give, resist


def test_the_first_value_decides_and_the_others_are_cancelled() -> None:
    log = Log()

    async def main() -> None:
        assert await conc.race(log.give("a", 3), log.give("b", 1), log.give("c", 2)) == "b"
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "b begins", "c begins", "b ends", "a is cancelled", "c is cancelled"]


def test_the_first_error_decides_and_is_raised_itself() -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises(ValueError, match="no") as caught:
            await conc.race(log.give("a", 3), fail("no", 1))
        assert caught.value.__context__ is None
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "a is cancelled"]


def test_one_alone_wins() -> None:
    async def main() -> None:
        assert await conc.race(give(7, 1)) == 7

    run(main)


def test_of_those_that_end_at_the_same_time_the_one_given_first_wins() -> None:
    async def main() -> None:
        assert await conc.race(give("a", 1), give("b", 1)) == "a"

    run(main)


def test_a_race_of_none_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="at least one"):
            await conc.race()

    run(main)


def test_the_others_have_ended_when_a_race_returns() -> None:
    async def main() -> None:
        assert await conc.race(give("winner", 1), resist(4)) == "winner"
        assert conc.current_time() == 5

    run(main)


def test_errors_of_the_others_are_not_lost_with_a_value() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await conc.race(give("winner", 1), resist(1, ValueError("in clean-up")))
        assert messages(caught.value) == ["in clean-up"]

    run(main)


def test_errors_of_the_others_come_behind_that_of_the_first() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await conc.race(resist(2, ValueError("third")), fail("first", 1), resist(1, ValueError("second")))
        assert messages(caught.value) == ["first", "second", "third"]

    run(main)


def test_a_first_that_cancels_its_own_task_decides_that_there_is_no_value() -> None:
    async def main() -> None:
        with pytest.raises(conc.TaskCancelled, match="of my own"):
            await conc.race(give("a", 5), cancel_myself())
        assert conc.current_time() == 0

    run(main)


def test_one_that_was_cancelled_from_outside_decides_nothing() -> None:
    async def main() -> None:
        with conc.move_on_after(1) as scope:
            await conc.race(resist(3), conc.sleep_forever())
            await conc.checkpoint()
        assert scope.cancelled_caught
        assert conc.current_time() == 4

    run(main)


def test_a_race_that_was_decided_returns_although_a_cancellation_comes_before_the_others_have_ended() -> None:
    got: list[str] = []

    async def main() -> None:
        with conc.move_on_after(2) as scope:
            got.append(await conc.race(give("winner", 1), resist(3)))
            await conc.checkpoint()
            got.append("went on")
        assert scope.cancelled_caught
        assert conc.current_time() == 4

    run(main)
    assert got == ["winner"]


def test_an_error_that_decided_is_raised_although_a_cancellation_comes_before_the_others_have_ended() -> None:
    async def main() -> None:
        with conc.move_on_after(2):
            with pytest.raises(ValueError, match="no"):
                await conc.race(fail("no", 1), resist(3))

    run(main)


def test_what_was_granted_to_one_in_a_race_is_returned_although_all_are_cancelled_before_it_runs() -> None:
    got: list[str] = []

    async def take(semaphore: Semaphore) -> str:
        await semaphore.acquire()
        return "a permit"

    async def child(semaphore: Semaphore) -> None:
        got.append(await conc.race(take(semaphore), conc.sleep_forever()))

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child, semaphore)
            await settle()
            semaphore.release()
            nursery.cancel_scope.cancel()
        assert semaphore.value == 0

    run(main)
    assert got == ["a permit"]


def test_a_waiter_that_loses_gives_up_its_place_in_line() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            racer = nursery.start_soon(conc.race, semaphore.acquire(), give("winner", 1))
            await settle()
            behind = nursery.start_soon(semaphore.acquire)
            assert await racer.join() == "winner"
            semaphore.release()
            await behind.join()
        assert semaphore.value == 0

    run(main)


def test_two_waits_on_one_primitive_race_without_losing_a_permit() -> None:
    async def hold(semaphore: Semaphore) -> str:
        async with semaphore:
            return "held"

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            racer = nursery.start_soon(conc.race, hold(semaphore), hold(semaphore))
            await settle()
            semaphore.release(2)
            assert await racer.join() == "held"
        assert semaphore.value == 2
        semaphore._check()

    run(main)


def test_a_race_that_was_shielded_after_all_were_cancelled_says_that_there_is_no_value() -> None:
    async def main() -> None:
        with conc.CancelScope() as outer:
            with conc.CancelScope() as inner:
                async with conc.open_nursery() as nursery:

                    async def raise_shield() -> None:
                        with conc.CancelScope(shield=True):
                            await conc.sleep(1)
                            outer.cancel()
                            await conc.checkpoint()  # the last one has ended, and the race is about to run
                            inner.shield = True

                    nursery.start_soon(raise_shield)
                    with pytest.raises(conc.TaskCancelled, match="all that race was given"):
                        await conc.race(conc.sleep_forever())

    run(main)


def test_a_closed_resource_decides_as_any_error() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            racer = nursery.start_soon(conc.race, semaphore.acquire(), conc.sleep_forever())
            await settle()
            semaphore.close()
            with pytest.raises(conc.Cancelled):
                await racer.join()
            raise KeyError("the block goes on with its own error")

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [type(error) for error in caught.value.exceptions] == [ClosedResource, KeyError]
