"""Very many of everything: tasks, parked tasks that are cancelled, sockets."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

import conc
from conc.lowlevel import wait_readable
from conc.sync import Event, Semaphore
from tests.stress.churn import Run
from tests.stress.load import Dice, load

SPARE = 64  # descriptors that a test leaves to everybody else


@pytest.mark.parametrize("workers", [1, 3])
def test_a_million_tasks_run_to_their_end(run: Run, workers: int) -> None:
    count = load(1_000_000)
    ended: list[None] = []

    async def task() -> None:
        await conc.checkpoint()
        ended.append(None)

    async def strand(share: int) -> None:
        async with conc.open_nursery() as nursery:
            for number in range(share):
                nursery.start_soon(task)
                if number % 1000 == 0:
                    await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(10):
                nursery.start_soon(strand, count // 10)

    run(main, workers=workers)
    assert len(ended) == count // 10 * 10


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("by_a_deadline", [False, True])
def test_a_hundred_thousand_parked_tasks_are_cancelled_at_once(run: Run, workers: int, by_a_deadline: bool) -> None:
    count = load(100_000)
    event, semaphore = Event(), Semaphore(0)
    unwound: list[None] = []

    async def parked(number: int) -> None:
        try:
            if number % 3 == 0:
                await event.wait()
            elif number % 3 == 1:
                await semaphore.acquire()
            else:
                await conc.sleep(3600)
        finally:
            unwound.append(None)

    async def strand(begun: Semaphore) -> None:
        async with conc.open_nursery() as nursery:
            for number in range(count // 5):
                nursery.start_soon(parked, number)
            await conc.checkpoint()
            begun.release()

    async def main() -> float:
        with conc.CancelScope() as scope:
            async with conc.open_nursery(parallel=True) as nursery:
                begun = Semaphore(0)
                for _ in range(5):
                    nursery.start_soon(strand, begun)
                await begun.acquire(5)
                before = time.perf_counter()
                if by_a_deadline:
                    scope.deadline = conc.current_time() + 0.001
                else:
                    scope.cancel()
        assert scope.cancelled_caught
        return time.perf_counter() - before

    seconds = run(main, workers=workers)
    assert len(unwound) == count // 5 * 5
    assert len(event._waiters) == len(semaphore._waiters) == 0
    event._check()
    semaphore._check()
    assert seconds < 20


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    """As many connected sockets as the test takes, fewer where the system allows no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = load(10_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, wanted + SPARE), hard), hard))
    count = min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE) // 2
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            pair = socket.socketpair()
            for each in pair:
                stack.enter_context(each)
                each.setblocking(False)
            found.append(pair)
        yield found
        stack.close()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("workers", [1, 3])
def test_ten_thousand_sockets_are_waited_for_at_a_time(
    run: Run, dice: Dice, pairs: list[tuple[socket.socket, socket.socket]], workers: int
) -> None:
    """Each gets a byte, in random order, answers, and then waits again until it is cancelled."""
    served: list[int] = []
    everybody = Semaphore(0)

    async def serve(number: int) -> None:
        near = pairs[number][0]
        await wait_readable(near)
        assert near.recv(10) == b"?"
        near.send(b"!")
        served.append(number)
        everybody.release()
        await wait_readable(near)

    async def strand(numbers: range) -> None:
        async with conc.open_nursery() as nursery:
            for number in numbers:
                nursery.start_soon(serve, number)

    async def ask(number: int) -> None:
        far = pairs[number][1]
        far.send(b"?")
        await wait_readable(far)
        assert far.recv(10) == b"!"

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as servers:
            for first in range(4):
                servers.start_soon(strand, range(first, len(pairs), 4))
            async with conc.open_nursery() as clients:
                order = sorted(range(len(pairs)), key=lambda _: dice.chance())
                for number in order:
                    clients.start_soon(ask, number)
            await everybody.acquire(len(pairs))
            servers.cancel_scope.cancel()

    run(main, workers=workers)
    assert sorted(served) == list(range(len(pairs)))
