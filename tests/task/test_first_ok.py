"""first_ok: the first value, or the group of all errors."""

from __future__ import annotations

import pytest

import conc
from conc.sync import Semaphore
from conc_testing import settle
from tests.kernel.support import messages, run
from tests.task.support import Log, cancel_myself, fail, give, resist


def test_the_first_value_wins_and_the_others_are_cancelled() -> None:
    log = Log()

    async def main() -> None:
        assert await conc.first_ok(log.give("a", 3), log.give("b", 1)) == "b"
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "b begins", "b ends", "a is cancelled"]


def test_errors_before_the_first_value_are_dropped() -> None:
    async def main() -> None:
        assert await conc.first_ok(fail("a", 1), fail("b"), give(None, 2), give("late", 3)) is None
        assert conc.current_time() == 2

    run(main)


def test_when_all_fail_their_errors_leave_as_a_group_in_the_order_of_the_arguments() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup, match="first_ok") as caught:
            await conc.first_ok(fail("a", 2), fail("b", 1), fail("c", 3))
        assert messages(caught.value) == ["a", "b", "c"]
        assert conc.current_time() == 3

    run(main)


def test_one_alone_that_fails_leaves_as_a_group_too() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await conc.first_ok(fail("no"))
        assert messages(caught.value) == ["no"]

    run(main)


def test_one_that_cancels_its_own_task_has_failed() -> None:
    async def main() -> None:
        assert await conc.first_ok(cancel_myself(), give("b", 1)) == "b"
        with pytest.raises(ExceptionGroup) as caught:
            await conc.first_ok(cancel_myself(), fail("b", 1))
        assert [type(error) for error in caught.value.exceptions] == [conc.TaskCancelled, ValueError]

    run(main)


def test_first_ok_of_none_is_refused() -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="at least one"):
            await conc.first_ok()

    run(main)


def test_the_others_have_ended_when_it_returns_and_their_errors_are_dropped() -> None:
    async def main() -> None:
        assert await conc.first_ok(resist(3, ValueError("in clean-up")), give("winner", 1)) == "winner"
        assert conc.current_time() == 4

    run(main)


def test_what_is_no_exception_is_never_dropped() -> None:
    log = Log()

    async def leave() -> None:
        await conc.sleep(1)
        raise SystemExit(3)

    async def main() -> None:
        with pytest.raises(BaseExceptionGroup) as caught:
            await conc.first_ok(log.give("a", 3), leave(), fail("dropped"))
        assert [type(error) for error in caught.value.exceptions] == [SystemExit]
        assert conc.current_time() == 1

    run(main)
    assert log.lines == ["a begins", "a is cancelled"]


def test_a_cancellation_drops_the_errors_that_were_there() -> None:
    async def main() -> None:
        with conc.move_on_after(2) as scope:
            await conc.first_ok(fail("a", 1), give("b", 5))
        assert scope.cancelled_caught

    run(main)


def test_the_first_value_is_returned_although_a_cancellation_comes_before_the_others_have_ended() -> None:
    got: list[str] = []

    async def main() -> None:
        with conc.move_on_after(2) as scope:
            got.append(await conc.first_ok(give("winner", 1), resist(3)))
            await conc.checkpoint()
            got.append("went on")
        assert scope.cancelled_caught

    run(main)
    assert got == ["winner"]


def test_what_was_granted_to_one_is_returned_although_all_are_cancelled_before_it_runs() -> None:
    got: list[str] = []

    async def take(semaphore: Semaphore) -> str:
        await semaphore.acquire()
        return "a permit"

    async def child(semaphore: Semaphore) -> None:
        got.append(await conc.first_ok(conc.sleep_forever(), take(semaphore)))

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
