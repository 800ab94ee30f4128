"""A capacity limiter among selects and threads: who borrows, and what those leave behind that are interrupted."""

from __future__ import annotations

import pytest

import conc
from conc.sync import CapacityLimiter, Event
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger, hasty_switching


async def borrow(limiter: CapacityLimiter, order: list[str], name: str) -> None:
    await limiter.acquire_on_behalf_of(name)
    order.append(name)


# ---- several at a time -----------------------------------------------------------------------------------------------


def test_a_select_borrows_for_its_task_and_only_if_that_branch_is_granted() -> None:
    order: list[str] = []

    async def main() -> None:
        limiter, event = CapacityLimiter(1), Event()
        await limiter.acquire_on_behalf_of("main")
        async with conc.open_nursery() as nursery:
            losing = nursery.start_soon(conc.select, limiter.acquiring(), event.waiting())
            winning = nursery.start_soon(conc.select, limiter.acquiring(), limiter.acquiring_on_behalf_of("else"))
            nursery.start_soon(borrow, limiter, order, "behind")
            await settle()
            event.set()
            limiter.release_on_behalf_of("main")
            assert await losing.join() == (1, None)
            index, _ = await winning.join()
            limiter._check()
            (borrower,) = limiter.statistics().borrowers
            assert borrower is (winning, "else")[index]
            assert order == []
            limiter.release_on_behalf_of(borrower)

    run(main)
    assert order == ["behind"]


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_a_thread_borrows_for_itself() -> None:
    limiter = CapacityLimiter(0)

    def use() -> bool:
        limiter.acquire_blocking()
        with pytest.raises(RuntimeError, match="already"):
            limiter.acquire_nowait()
        (borrower,) = limiter.statistics().borrowers
        limiter.release()
        return borrower is stranger

    stranger = Stranger(use)
    until_waiting(limiter)
    limiter.total_tokens = 1

    assert stranger.result()
    assert limiter.borrowed_tokens == 0


def test_a_thread_gives_up_after_its_timeout_and_borrows_nothing() -> None:
    limiter = CapacityLimiter(0)

    with pytest.raises(TimeoutError, match=r"CapacityLimiter\.acquire_blocking"):
        limiter.acquire_blocking(timeout=0)
    with pytest.raises(TimeoutError, match="on_behalf_of_blocking"):
        limiter.acquire_on_behalf_of_blocking("somebody", timeout=0)
    limiter.total_tokens = 1
    limiter.acquire_on_behalf_of_blocking("somebody", timeout=0)
    assert limiter.statistics() == (1, 1, ("somebody",), 0)


@pytest.mark.parametrize("for_another", [False, True])
def test_an_interrupted_thread_gives_the_token_back(for_another: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after_grants(monkeypatch)
    limiter = CapacityLimiter(0)
    stranger = (
        Stranger(limiter.acquire_on_behalf_of_blocking, "other") if for_another else Stranger(limiter.acquire_blocking)
    )
    until_waiting(limiter)

    limiter.total_tokens = 1

    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert limiter.available_tokens == 1


def test_tokens_are_conserved_among_strands_and_threads_that_are_cancelled_and_resized() -> None:
    most = 5
    inside: list[None] = []
    peak: list[int] = []

    async def strand(limiter: CapacityLimiter) -> None:
        for number in range(60):
            with conc.move_on_after(0.0005 * (number % 3)):
                async with limiter:
                    inside.append(None)
                    peak.append(len(inside))
                    try:
                        await conc.checkpoint()
                    finally:
                        inside.pop()

    def thread(limiter: CapacityLimiter) -> None:
        for number in range(60):
            try:
                limiter.acquire_blocking(timeout=0.0005 * (number % 3))
            except TimeoutError:
                continue
            inside.append(None)
            peak.append(len(inside))
            inside.pop()
            limiter.release()

    def resize(limiter: CapacityLimiter) -> None:
        for number in range(120):
            limiter.total_tokens = number % (most + 1)
            with limiter._waiters.lock:
                limiter._check()
        limiter.total_tokens = most

    async def main() -> None:
        limiter = CapacityLimiter(most)
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(6):
                nursery.start_soon(strand, limiter)
            strangers = [Stranger(act, limiter) for act in (thread, thread, resize)]
        for stranger in strangers:
            stranger.result()
        limiter._check()
        assert limiter.statistics() == (0, most, (), 0)

    with hasty_switching():
        conc.run(main, workers=3)
    assert 0 < max(peak) <= most
