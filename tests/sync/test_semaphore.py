"""A semaphore: permits are conserved, first come is first served, and a large request is not starved."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

import conc
from conc.errors import ClosedResource, WouldBlock
from conc.sync import Semaphore
from conc_testing import settle
from tests.kernel.support import run


async def take(semaphore: Semaphore, n: int, order: list[str], name: str) -> None:
    await semaphore.acquire(n)
    order.append(name)


def test_as_many_hold_a_permit_as_there_are() -> None:
    inside = 0
    most = 0

    async def use(semaphore: Semaphore) -> None:
        nonlocal inside, most
        async with semaphore:
            inside += 1
            most = max(most, inside)
            await conc.sleep(1)
            inside -= 1

    async def main() -> None:
        semaphore = Semaphore(3)
        async with conc.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(use, semaphore)
        assert semaphore.value == 3
        assert conc.current_time() == 4

    run(main)
    assert most == 3


def test_acquiring_a_free_permit_lets_nobody_else_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            async with Semaphore(1):
                trace.append("main")

    run(main)
    assert trace == ["main", "other"]


def test_waiters_are_served_in_the_order_in_which_they_came() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            for name in "abcde":
                nursery.start_soon(take, semaphore, 1, order, name)
            await settle()
            semaphore.release(2)
            await settle()
            assert order == ["a", "b"]
            semaphore.release(3)

    run(main)
    assert order == list("abcde")


def test_a_permit_that_was_handed_over_cannot_be_taken_by_a_newcomer() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(take, semaphore, 1, order, "waiter")
            await settle()
            semaphore.release()
            assert semaphore.value == 0
            with pytest.raises(WouldBlock):
                semaphore.acquire_nowait()
            nursery.start_soon(take, semaphore, 1, order, "newcomer")
            await settle()
            assert order == ["waiter"]
            semaphore.release()

    run(main)
    assert order == ["waiter", "newcomer"]


def test_a_small_request_does_not_overtake_a_large_one() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(take, semaphore, 5, order, "large")
            await settle()
            nursery.start_soon(take, semaphore, 1, order, "small")
            await settle()
            with pytest.raises(WouldBlock):
                semaphore.acquire_nowait()
            assert order == []
            assert semaphore.value == 2
            for _ in range(3):
                semaphore.release()
            await settle()
            assert order == ["large"]
            semaphore.release()

    run(main)
    assert order == ["large", "small"]


def test_a_large_request_takes_nothing_until_it_takes_all() -> None:
    async def main() -> None:
        semaphore = Semaphore(2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(semaphore.acquire, 3)
            await settle()
            assert semaphore.value == 2
            nursery.cancel_scope.cancel()
        assert semaphore.value == 2
        semaphore.acquire_nowait(2)

    run(main)


def test_a_cancelled_large_request_lets_the_ones_behind_it_be_served() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(2)
        async with conc.open_nursery() as nursery:
            large = nursery.start_soon(take, semaphore, 5, order, "large")
            for name in ("b", "c", "d"):
                nursery.start_soon(take, semaphore, 1, order, name)
            await settle()
            assert order == []
            large.cancel()
            await settle()
            assert order == ["b", "c"]
            semaphore._check()
            semaphore.release()

    run(main)
    assert order == ["b", "c", "d"]


def test_a_waiter_in_the_middle_that_is_cancelled_is_passed_over() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            tasks = {name: nursery.start_soon(take, semaphore, 1, order, name) for name in "abc"}
            await settle()
            tasks["b"].cancel()
            await settle()
            semaphore.release(2)

    run(main)
    assert order == ["a", "c"]


def test_a_granted_permit_is_kept_although_the_task_is_cancelled_before_it_runs() -> None:
    held: list[bool] = []

    async def use(semaphore: Semaphore) -> None:
        async with semaphore:
            held.append(True)
            await conc.checkpoint()
            held.append(False)

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, semaphore)
            await settle()
            semaphore.release()
            nursery.cancel_scope.cancel()
        assert semaphore.value == 1

    run(main)
    assert held == [True]


def test_a_permit_released_to_a_waiter_that_was_cancelled_goes_to_the_next() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(take, semaphore, 1, order, "first")
            nursery.start_soon(take, semaphore, 1, order, "second")
            await settle()
            first.cancel()
            semaphore.release()

    run(main)
    assert order == ["second"]


def test_a_block_of_permits_gives_back_what_it_took_also_when_it_fails() -> None:
    async def main() -> None:
        semaphore = Semaphore(5)
        async with semaphore.permits(3):
            assert semaphore.value == 2
        with pytest.raises(ValueError, match="no"):
            async with semaphore.permits(5):
                raise ValueError("no")
        with conc.CancelScope() as scope:
            async with semaphore, semaphore.permits(2):
                scope.cancel()
                await conc.checkpoint()
        assert semaphore.value == 5

    run(main)


def test_the_end_of_a_block_gives_the_permit_back_before_a_cancellation_is_raised() -> None:
    async def main() -> None:
        semaphore = Semaphore(1)
        with conc.CancelScope() as scope:
            async with semaphore:
                scope.cancel()
            assert semaphore.value == 1
        assert semaphore.value == 1

    run(main)


def test_acquire_nowait_takes_what_is_free_and_never_waits() -> None:
    semaphore = Semaphore(3)
    semaphore.acquire_nowait()
    semaphore.acquire_nowait(2)

    with pytest.raises(WouldBlock, match="1 permit"):
        semaphore.acquire_nowait()
    semaphore.release(3)
    assert semaphore.value == 3


def test_more_than_max_value_cannot_be_released_and_nothing_changes() -> None:
    semaphore = Semaphore(1, max_value=2)
    semaphore.release()

    with pytest.raises(ValueError, match="more than were taken"):
        semaphore.release()
    assert (semaphore.value, semaphore.max_value) == (2, 2)


def test_without_max_value_any_number_may_be_released() -> None:
    semaphore = Semaphore(0)
    semaphore.release(10)

    assert (semaphore.value, semaphore.max_value) == (10, None)


def test_a_request_that_could_never_be_met_is_refused_at_once() -> None:
    semaphore = Semaphore(1, max_value=2)

    async def main() -> None:
        await semaphore.acquire(3)

    with pytest.raises(ValueError, match=r"max_value.*2.*never"):
        run(main)
    for refused in (semaphore.acquire_nowait, semaphore.permits):
        with pytest.raises(ValueError, match="max_value"):
            refused(3)
    assert semaphore.value == 1


def test_forget_destroys_free_permits_and_says_how_many() -> None:
    semaphore = Semaphore(3)

    assert semaphore.forget(2) == 2
    assert semaphore.forget(5) == 1
    assert semaphore.forget(0) == 0
    assert semaphore.value == 0


def test_closing_refuses_those_who_wait_and_those_who_come() -> None:
    async def main() -> None:
        semaphore = Semaphore(1)
        refused: list[str] = []

        async def wait(n: int) -> None:
            with pytest.raises(ClosedResource):
                await semaphore.acquire(n)
            refused.append("waiter")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait, 2)
            nursery.start_soon(wait, 1)
            await settle()
            semaphore.close()
            semaphore.close()
        assert refused == ["waiter", "waiter"]
        for n in (1, 5):
            with pytest.raises(ClosedResource):
                semaphore.acquire_nowait(n)
        with pytest.raises(ClosedResource):
            await semaphore.acquire()
        semaphore.release()
        assert semaphore.value == 2
        semaphore._check()

    run(main)


def test_a_waiter_that_is_refused_and_cancelled_at_once_is_refused() -> None:
    seen: list[type[BaseException]] = []

    async def main() -> None:
        semaphore = Semaphore(0)

        async def wait() -> None:
            try:
                await semaphore.acquire()
            except BaseException as error:
                seen.append(type(error))
                await conc.checkpoint()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait)
            await settle()
            semaphore.close()
            nursery.cancel_scope.cancel()

    run(main)
    assert seen == [ClosedResource]


def test_a_thread_may_release_and_take() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        releasing = threading.Timer(0.01, semaphore.release)
        releasing.start()
        await semaphore.acquire()
        releasing.join()
        semaphore.release()
        taking = threading.Thread(target=semaphore.acquire_nowait)
        taking.start()
        taking.join()
        assert semaphore.value == 0

    conc.run(main)


def test_tasks_of_every_strand_share_the_permits() -> None:
    async def use(semaphore: Semaphore, number: int) -> None:
        for _ in range(50):
            async with semaphore.permits(1 + number % 3):
                await conc.checkpoint()

    async def main() -> None:
        semaphore = Semaphore(3)
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(9):
                nursery.start_soon(use, semaphore, number)
        assert semaphore.value == 3
        semaphore._check()

    conc.run(main, workers=3)


def test_the_text_of_a_semaphore_says_how_it_stands() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(semaphore.acquire)
            await settle()
            assert "0 free, 1 waiting" in repr(semaphore)
            assert "Semaphore.acquire" in repr(task)
            nursery.cancel_scope.cancel()
        semaphore.close()
        assert "closed" in repr(semaphore)

    run(main)


def test_statistics_tell_how_many_permits_are_free_and_who_waits() -> None:
    async def main() -> None:
        semaphore = Semaphore(1, max_value=4)
        assert semaphore.statistics() == (1, 4, 0, False)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(semaphore.acquire, 2)
            nursery.start_soon(conc.select, semaphore.acquiring(3), conc.after(1))
            await settle()
            assert semaphore.statistics()._asdict() == {
                "free": 1, "max_value": 4, "tasks_waiting": 2, "closed": False
            }  # fmt: skip
            nursery.cancel_scope.cancel()
        semaphore.close()
        assert semaphore.statistics() == (1, 4, 0, True)

    run(main)


BAD_COUNTS: list[tuple[Callable[[Semaphore], object], type[Exception], str]] = [
    (lambda _: Semaphore(-1), ValueError, "value"),
    (lambda _: Semaphore(1.5), TypeError, "value"),  # type: ignore[arg-type]
    (lambda _: Semaphore(True), TypeError, "value"),
    (lambda _: Semaphore("3"), TypeError, "value"),  # type: ignore[arg-type]
    (lambda _: Semaphore(3, max_value=2), ValueError, "value"),
    (lambda _: Semaphore(0, max_value=0), ValueError, "max_value"),
    (lambda _: Semaphore(0, max_value=1.0), TypeError, "max_value"),  # type: ignore[arg-type]
    (lambda semaphore: semaphore.acquire_nowait(0), ValueError, "n must"),
    (lambda semaphore: semaphore.acquire_nowait(-2), ValueError, "n must"),
    (lambda semaphore: semaphore.acquire_nowait(1.0), TypeError, "n must"),  # type: ignore[arg-type]
    (lambda semaphore: semaphore.acquire_nowait(True), TypeError, "n must"),
    (lambda semaphore: semaphore.acquire_blocking(0), ValueError, "n must"),
    (lambda semaphore: semaphore.acquire_blocking(1.0), TypeError, "n must"),  # type: ignore[arg-type]
    (lambda semaphore: semaphore.acquiring(0), ValueError, "n must"),
    (lambda semaphore: semaphore.acquiring(True), TypeError, "n must"),
    (lambda semaphore: semaphore.release(0), ValueError, "n must"),
    (lambda semaphore: semaphore.release(1.0), TypeError, "n must"),  # type: ignore[arg-type]
    (lambda semaphore: semaphore.release("1"), TypeError, "n must"),  # type: ignore[arg-type]
    (lambda semaphore: semaphore.forget(-1), ValueError, "n must"),
    (lambda semaphore: semaphore.permits(0), ValueError, "n must"),
    (lambda semaphore: run(semaphore.acquire, 0), ValueError, "n must"),
    (lambda semaphore: run(semaphore.acquire, 1.0), TypeError, "n must"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("attempt", "error", "named"), BAD_COUNTS)
def test_a_bad_number_of_permits_is_refused_by_name_and_nothing_changes(
    attempt: Callable[[Semaphore], object], error: type[Exception], named: str
) -> None:
    semaphore = Semaphore(2)

    with pytest.raises(error, match=named):
        attempt(semaphore)
    assert semaphore.value == 2
    assert isinstance(semaphore.value, int)
