"""Threads outside the runtime in line with its tasks: `x_blocking`, with a limit, interrupted, refused on a worker."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from textwrap import dedent

import pytest

import conc
from conc._kernel.outsider import Outsider
from conc.errors import ClosedResource
from conc.lowlevel import current_runtime
from conc.sync import Event, Semaphore
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.outside import until_waiting

ROOT = Path(__file__).parents[2]


def started(*functions: Callable[[], object]) -> list[threading.Thread]:
    """Threads that run these functions."""
    threads = [threading.Thread(target=function, daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    return threads


def join(*threads: threading.Thread) -> None:
    """Wait until they have ended."""
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_what_is_there_is_had_at_once() -> None:
    semaphore, event = Semaphore(2), Event()
    event.set()

    semaphore.acquire_blocking(2)
    event.wait_blocking()

    assert semaphore.value == 0


def test_a_thread_is_granted_what_a_task_releases() -> None:
    async def main() -> None:
        semaphore = Semaphore(0)

        async def release() -> None:
            until_waiting(semaphore)
            semaphore.release(2)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(release)
            await conc.to_thread(semaphore.acquire_blocking, 2)
        assert semaphore.value == 0
        semaphore._check()

    conc.run(main)


def test_a_thread_without_any_runtime_waits_for_another() -> None:
    semaphore, event = Semaphore(0), Event()
    threads = started(semaphore.acquire_blocking, event.wait_blocking)
    until_waiting(semaphore)
    until_waiting(event)

    semaphore.release()
    event.set()

    join(*threads)
    assert semaphore.value == 0


def test_threads_and_tasks_are_served_in_the_order_in_which_they_came() -> None:
    order: list[str] = []

    async def main() -> None:
        semaphore = Semaphore(0)
        threads: list[threading.Thread] = []

        async def take(name: str) -> None:
            await semaphore.acquire()
            order.append(name)

        async def select(name: str) -> None:
            await conc.select(semaphore.acquiring(), conc.after(60))
            order.append(name)

        def block(name: str) -> None:
            semaphore.acquire_blocking()
            order.append(name)

        async with conc.open_nursery() as nursery:
            for number, name in enumerate("abcdef", 1):
                if number % 3 == 0:
                    threads += started(partial(block, name))
                else:
                    nursery.start_soon((take, select)[number % 3 - 1], name)
                    await settle_here()
                until_waiting(semaphore, number)
            for number in range(1, 7):
                semaphore.release()
                while len(order) < number:
                    await conc.sleep(0.0002)
        join(*threads)

    async def settle_here() -> None:
        for _ in range(3):
            await conc.checkpoint()

    conc.run(main)
    assert order == list("abcdef")


def test_a_limit_that_passes_is_a_timeout_and_nothing_happened() -> None:
    semaphore = Semaphore(1)
    before = time.monotonic()

    with pytest.raises(TimeoutError, match=r"Semaphore\.acquire_blocking.*0\.02"):
        semaphore.acquire_blocking(2, timeout=0.02)

    assert time.monotonic() >= before + 0.02
    assert semaphore.statistics()[::2] == (1, 0)
    with pytest.raises(TimeoutError, match=r"Event\.wait_blocking"):
        Event().wait_blocking(timeout=0)


@pytest.mark.parametrize("timeout", [math.inf, 1e300, 60])
def test_a_limit_may_be_as_long_as_one_likes(timeout: float) -> None:
    event = Event()
    (thread,) = started(lambda: event.wait_blocking(timeout))
    until_waiting(event)
    event.set()

    join(thread)


def test_a_thread_whose_limit_passes_lets_those_behind_it_be_served() -> None:
    semaphore = Semaphore(1)

    def wait_for_two() -> None:
        with pytest.raises(TimeoutError):
            semaphore.acquire_blocking(2, timeout=0.05)

    first = started(wait_for_two)
    until_waiting(semaphore)
    second = started(semaphore.acquire_blocking)
    until_waiting(semaphore, 2)

    join(*first, *second)
    assert semaphore.value == 0


def test_a_grant_in_the_last_moment_is_kept() -> None:
    semaphore = Semaphore(0)
    (thread,) = started(lambda: semaphore.acquire_blocking(timeout=0.01))
    until_waiting(semaphore)
    waiters = semaphore._waiters
    with waiters.lock:  # the thread that wants to leave the line waits for this
        time.sleep(0.03)
        granted = waiters.grant(True)
    assert granted is not None
    granted.resume()

    join(thread)
    assert semaphore.statistics().tasks_waiting == 0


def test_a_primitive_that_is_closed_meanwhile_raises_in_the_thread() -> None:
    semaphore = Semaphore(0)
    errors: list[Exception] = []

    def wait() -> None:
        try:
            semaphore.acquire_blocking()
        except ClosedResource as error:
            errors.append(error)

    (thread,) = started(wait)
    until_waiting(semaphore)
    semaphore.close()

    join(thread)
    assert len(errors) == 1


def test_on_the_thread_of_a_worker_it_is_refused_and_says_what_to_write() -> None:
    async def main() -> None:
        semaphore, event = Semaphore(1), Event()
        event.set()
        with pytest.raises(RuntimeError, match=r"await \.\.\.acquire\(\)"):
            semaphore.acquire_blocking()
        with pytest.raises(RuntimeError, match=r"await \.\.\.wait\(\)"):
            event.wait_blocking(0)
        assert semaphore.value == 1

        refused: list[RuntimeError] = []

        def callback() -> None:
            try:
                semaphore.acquire_blocking()
            except RuntimeError as error:
                refused.append(error)

        current_runtime().root_strand.post(callback)
        await settle()
        assert len(refused) == 1

    run(main)


@pytest.mark.parametrize(
    ("timeout", "error"), [(-1, ValueError), (math.nan, ValueError), ("1", TypeError), (True, TypeError)]
)
def test_a_bad_limit_is_refused_by_name(timeout: float, error: type[Exception]) -> None:
    semaphore = Semaphore(1)

    with pytest.raises(error, match="timeout"):
        semaphore.acquire_blocking(timeout=timeout)
    assert semaphore.value == 1


def test_an_interruption_right_behind_the_taking_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    semaphore = Semaphore(1)
    lock = semaphore._waiters.lock

    class Interrupting:
        """A lock in whose release a signal handler runs."""

        acquire, release = lock.acquire, lock.release
        __enter__ = lock.__enter__

        def __exit__(self, *error: object) -> None:
            semaphore._waiters.lock = lock
            lock.release()
            raise KeyboardInterrupt

    semaphore._waiters.lock = Interrupting()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        semaphore.acquire_blocking()
    assert semaphore.value == 1

    semaphore._waiters.lock = Interrupting()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        semaphore.acquire_blocking(2)
    assert semaphore.statistics().tasks_waiting == 0
    semaphore._check()


def test_a_thread_in_line_tells_its_name() -> None:
    names: list[str] = []
    thread = threading.Thread(target=lambda: names.append(repr(Outsider())), name="a worker bee")
    thread.start()
    thread.join()

    assert names == ["<thread 'a worker bee'>"]


PRELUDE = """
import os, signal, threading
import conc
from conc._kernel.outsider import Outsider
from conc.sync import Semaphore

handled = threading.Event()

def handle(number, frame):
    handled.set()
    raise KeyboardInterrupt

def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    while not handled.wait(0.1):  # a thread may miss the signal that comes just when it falls asleep at a lock
        os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, handle)
"""


def output_of(program: str) -> str:
    """What a program in a process of its own prints."""
    ended = subprocess.run(
        [sys.executable, "-c", PRELUDE + dedent(program)],
        capture_output=True, text=True, timeout=60, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_ends_the_wait_of_the_main_thread_and_its_place_in_line() -> None:
    output = output_of("""
        semaphore = Semaphore(1)
        served = threading.Event()

        def interrupt():
            while semaphore.statistics().tasks_waiting < 1:
                pass
            behind = threading.Thread(target=take)
            behind.start()
            while semaphore.statistics().tasks_waiting < 2:
                pass
            ctrl_c()
            behind.join()

        def take():
            semaphore.acquire_blocking()
            served.set()

        interrupter = threading.Thread(target=interrupt)
        interrupter.start()
        try:
            semaphore.acquire_blocking(2)
        except KeyboardInterrupt:
            print("interrupted")
        interrupter.join()
        print(served.is_set(), semaphore)
        semaphore._check()
    """)
    assert output == "interrupted\nTrue <Semaphore 0 free, 0 waiting>\n"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
def test_ctrl_c_behind_a_grant_passes_it_on() -> None:
    output = output_of("""
        resume = Outsider.resume
        interrupted = threading.Event()

        def late(self):  # between the grant and what wakes the thread comes Ctrl-C
            ctrl_c()
            interrupted.wait()
            resume(self)

        Outsider.resume = late
        semaphore = Semaphore(0)

        async def main():
            while semaphore.statistics().tasks_waiting < 1:
                await conc.checkpoint()
            async with conc.open_nursery() as nursery:
                behind = nursery.start_soon(semaphore.acquire)
                while semaphore.statistics().tasks_waiting < 2:
                    await conc.checkpoint()
                await conc.to_thread(semaphore.release)
            print("passed on")

        running = threading.Thread(target=conc.run, args=(main,))
        running.start()
        try:
            semaphore.acquire_blocking()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            interrupted.set()
        running.join()
        print(semaphore)
        semaphore._check()
    """)
    assert output == "interrupted\npassed on\n<Semaphore 0 free, 0 waiting>\n"
