"""Scopes that real threads cancel, at any time: before, while and after the block runs."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator

import pytest

import conc
from conc.sync import Event, Semaphore


@pytest.fixture(autouse=True)
def _threads_take_turns_as_often_as_they_can() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def test_a_thread_may_cancel_a_scope_whose_block_waits() -> None:
    texts: list[str] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            thread = threading.Timer(0.01, scope.cancel, ("from a thread",))
            thread.start()
            try:
                await conc.sleep(60)
            except conc.Cancelled as cancelled:
                texts.append(str(cancelled))
                raise
        assert scope.cancelled_caught
        thread.join()

    conc.run(main)
    assert texts == ["cancelled (explicit): from a thread"]


def test_a_thread_may_cancel_a_scope_before_it_is_entered() -> None:
    scope = conc.CancelScope()
    thread = threading.Thread(target=scope.cancel)
    thread.start()
    thread.join()

    async def main() -> None:
        with scope:
            await conc.sleep(60)
        assert scope.cancelled_caught

    conc.run(main)


def test_a_cancellation_from_a_thread_is_seen_by_a_block_that_never_waits() -> None:
    async def main() -> None:
        with conc.CancelScope() as scope:
            thread = threading.Timer(0.01, scope.cancel)
            thread.start()
            while True:
                await conc.checkpoint()
        assert scope.cancelled_caught
        thread.join()

    conc.run(main)


def test_a_cancellation_from_a_thread_at_the_moment_of_entering_is_not_lost() -> None:
    rounds = 150

    async def main() -> None:
        scopes = [conc.CancelScope() for _ in range(rounds)]
        entering = threading.Semaphore(0)

        def cancel_each() -> None:
            for scope in scopes:
                entering.acquire()
                scope.cancel()

        thread = threading.Thread(target=cancel_each)
        thread.start()
        for scope in scopes:
            entering.release()
            with scope:
                await conc.sleep(60)
            assert scope.cancelled_caught
        thread.join()

    conc.run(main)


@pytest.mark.parametrize("what", ["scope", "task"])
def test_cancelling_from_a_thread_at_a_random_moment_ends_every_task_inside(what: str) -> None:
    chance = random.Random(5)

    async def work(semaphore: Semaphore, event: Event) -> None:
        async with semaphore:
            with conc.CancelScope():
                await conc.checkpoint()
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(event.wait)
                    await conc.sleep(0.0001)

    async def root(semaphore: Semaphore, ready: Event) -> None:
        ready.set()
        async with conc.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(work, semaphore, Event())
            await conc.sleep(60)

    async def main() -> None:
        for _ in range(60):
            semaphore = Semaphore(2)
            ready = Event()
            with conc.fail_after(30):
                async with conc.open_nursery() as nursery:
                    task = nursery.start_soon(root, semaphore, ready)
                    await ready.wait()
                    cancel = task.cancel if what == "task" else nursery.cancel_scope.cancel
                    thread = threading.Timer(chance.random() * 0.001, cancel)
                    thread.start()
            thread.join()
            assert isinstance(getattr(task.outcome, "error", None), conc.Cancelled)
            assert semaphore.value == 2
            semaphore._check()
            nursery._check()

    conc.run(main)


def test_a_grant_and_a_cancellation_from_two_threads_at_once_decide_each_wait_once() -> None:
    rounds = 200

    async def main() -> None:
        semaphore = Semaphore(0)
        released = 0
        acquired = 0
        scopes: list[conc.CancelScope] = []
        go = [threading.Semaphore(0), threading.Semaphore(0)]

        def release_each() -> None:
            for _ in range(rounds):
                go[0].acquire()
                semaphore.release()

        def cancel_each() -> None:
            for _ in range(rounds):
                go[1].acquire()
                scopes[-1].cancel()

        threads = [threading.Thread(target=release_each), threading.Thread(target=cancel_each)]
        for thread in threads:
            thread.start()
        for _ in range(rounds):
            with conc.CancelScope() as scope:
                scopes.append(scope)
                released += 1
                for gate in go:
                    gate.release()
                await semaphore.acquire()
                acquired += 1
            semaphore._check()
        for thread in threads:
            thread.join()
        assert semaphore.value == released - acquired

    conc.run(main)


def test_many_threads_may_cancel_the_same_scope() -> None:
    async def main() -> None:
        for _ in range(20):
            with conc.CancelScope() as scope:
                threads = [threading.Thread(target=scope.cancel, args=(f"thread {number}",)) for number in range(4)]
                for thread in threads:
                    thread.start()
                await conc.sleep(60)
            for thread in threads:
                thread.join()
            assert scope.cancelled_caught

    conc.run(main)


def test_a_thread_that_cancels_after_the_run_does_no_harm() -> None:
    scopes: list[conc.CancelScope] = []
    tasks: list[conc.Task[None]] = []

    async def main() -> None:
        with conc.CancelScope() as scope:
            scopes.append(scope)
        async with conc.open_nursery() as nursery:
            tasks.append(nursery.start_soon(conc.sleep, 0))

    conc.run(main)
    for cancel in (scopes[0].cancel, tasks[0].cancel):
        thread = threading.Thread(target=cancel)
        thread.start()
        thread.join()
    assert not scopes[0].cancelled_caught
    assert tasks[0].join_nowait() is None
