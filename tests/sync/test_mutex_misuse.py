"""A mutex that is misused: who takes it twice, or gives back what he does not hold, is told."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.sync import Event, Mutex
from conc_testing import settle
from tests.kernel.support import run


async def enter(mutex: Mutex) -> None:
    async with mutex:
        pass


async def hold(mutex: Mutex) -> None:
    async with mutex:
        await conc.sleep(1)


async def as_async(function: Callable[[], object]) -> object:
    return function()


AGAIN: list[Callable[[Mutex], Awaitable[object]]] = [
    enter,
    Mutex.acquire,
    lambda mutex: conc.select(mutex.acquiring()),
    lambda mutex: as_async(mutex.acquire_nowait),
]


@pytest.mark.parametrize("take", AGAIN)
@pytest.mark.parametrize("waiting", [0, 1])
def test_who_takes_it_again_is_told_that_he_would_wait_for_himself(
    take: Callable[[Mutex], Awaitable[object]], waiting: int
) -> None:
    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery, mutex:
            for _ in range(waiting):
                nursery.start_soon(hold, mutex)
            await settle()
            with pytest.raises(RuntimeError, match=r"'.*main' #0 would wait for itself.*held by '.*main' #0"):
                await take(mutex)
            assert mutex.locked()
        mutex._check()
        assert not mutex.locked()

    run(main)


def test_a_select_says_which_branch_would_wait_for_itself() -> None:
    async def main() -> None:
        mutex = Mutex()
        async with mutex:
            with pytest.raises(RuntimeError, match="wait for itself") as caught:
                await conc.select(Event().waiting(), mutex.acquiring())
            assert caught.value.branch == 1  # type: ignore[attr-defined]

    run(main)


@pytest.mark.parametrize("waiting", [0, 1])
def test_only_who_holds_it_may_give_it_back(waiting: int) -> None:
    async def main() -> None:
        mutex = Mutex()
        async with conc.open_nursery() as nursery:
            holder = nursery.start_soon(hold, mutex, name="holder")
            for _ in range(waiting):
                nursery.start_soon(hold, mutex)
            await settle()
            with pytest.raises(RuntimeError, match=r"'.*main' #0 does not hold <Mutex held by 'holder' #1, . waiting>"):
                mutex.release()
            assert mutex.owner is holder
        with pytest.raises(RuntimeError, match="does not hold <Mutex free>"):
            mutex.release()
        mutex._check()

    run(main)


def test_a_block_that_gave_it_back_itself_is_told_at_its_end() -> None:
    async def main() -> None:
        mutex = Mutex()
        with pytest.raises(RuntimeError, match="does not hold"):
            async with mutex:
                mutex.release()
        mutex._check()
        assert not mutex.locked()

    run(main)


def test_it_is_of_use_only_inside_a_task() -> None:
    mutex = Mutex()

    with pytest.raises(RuntimeError, match=r"conc\.run"):
        enter(mutex).send(None)
    assert not mutex.locked()
