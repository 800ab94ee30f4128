"""The futures of calls through a portal: cancelled before, during and as the task ends."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import threading
import time

import pytest

import conc
from conc.lowlevel import Instrument
from conc.threads import Portal
from tests.threads.support import PATIENCE, Stranger, hasty_switching


async def double(value: int) -> int:
    await conc.checkpoint()
    return 2 * value


def test_cancelling_the_future_cancels_the_task() -> None:
    gone: list[str] = []
    began = threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await conc.sleep_forever()
        except conc.Cancelled as error:
            gone.append(str(error))
            raise

    def call(portal: Portal) -> None:
        future = portal.start_soon(wait)
        assert began.wait(PATIENCE)
        assert future.cancel()
        assert future.cancelled()
        assert concurrent.futures.wait([future], PATIENCE).done == {future}

    async def main() -> None:
        async with conc.open_portal() as portal:
            await Stranger(call, portal).has_ended()

    conc.run(main)
    assert gone == ["cancelled (task): the future of the portal's call was cancelled"]


def test_a_future_cancelled_before_the_task_began_keeps_it_from_beginning() -> None:
    began: list[int] = []

    async def begin() -> None:
        began.append(1)

    async def main() -> None:
        async with conc.open_portal() as portal:
            future = portal.start_soon(begin)
            assert future.cancel()
            waited = conc.to_thread(concurrent.futures.wait, [future], PATIENCE)
            assert (await waited).done == {future}

    conc.run(main)
    assert began == []


def test_a_future_cancelled_as_the_task_is_made_cancels_it() -> None:
    class Canceller(Instrument):
        def task_spawned(self, task: conc.Task[object]) -> None:
            if futures:
                futures.pop().cancel()

    async def main() -> None:
        async with conc.open_portal() as portal:
            future = portal.start_soon(conc.sleep, PATIENCE)
            futures.append(future)
        assert future.cancelled()

    futures: list[concurrent.futures.Future[None]] = []
    began = time.monotonic()
    conc.run(main, instruments=[Canceller()])
    assert time.monotonic() - began < PATIENCE


def test_a_future_of_a_task_that_was_cancelled_otherwise_says_so() -> None:
    async def main() -> None:
        futures = []
        with conc.CancelScope() as scope:
            async with conc.open_portal() as portal:
                futures.append(portal.start_soon(conc.sleep_forever))
                await conc.sleep(0.001)
                scope.cancel("enough")
        with pytest.raises(conc.TaskCancelled, match=r"sleep_forever.* was cancelled .*: enough"):
            futures[0].result(0)

    conc.run(main)


def test_a_task_that_does_not_let_itself_be_cancelled_leaves_the_future_cancelled() -> None:
    async def stubborn() -> int:
        try:
            await conc.sleep_forever()
        except conc.Cancelled:
            return 1

    async def main() -> None:
        async with conc.open_portal() as portal:
            future = portal.start_soon(stubborn)
            await conc.sleep(0.001)
            future.cancel()
        assert future.cancelled()

    conc.run(main)


def test_a_future_is_answered_once_when_it_is_cancelled_as_its_task_ends() -> None:
    async def main() -> None:
        async with conc.open_portal() as portal:
            for number in range(300):
                future = portal.start_soon(double, number)
                canceller = Stranger(future.cancel)
                cancelled = await canceller.has_ended()
                assert (await conc.to_thread(concurrent.futures.wait, [future], PATIENCE)).done == {future}
                assert future.cancelled() is cancelled
                assert cancelled or future.result(0) == 2 * number

    with hasty_switching():
        conc.run(main)


def test_a_thread_interrupted_while_it_waits_cancels_its_call() -> None:
    """Ctrl-C in a main thread that has its program in another one."""
    began = threading.Event()
    ended: list[str] = []
    portals: list[Portal] = []

    async def wait() -> None:
        began.set()
        try:
            await conc.sleep_forever()
        finally:
            ended.append("cancelled")

    async def main() -> None:
        async with conc.open_portal() as portal:
            portals.append(portal)
            while not ended:
                await conc.sleep(0.001)

    def interrupt() -> None:
        assert began.wait(PATIENCE)
        time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGINT)

    program = Stranger(conc.run, main)
    while not portals:
        time.sleep(0.001)
    interrupter = Stranger(interrupt)
    with pytest.raises(KeyboardInterrupt):
        portals[0].run(wait)
    program.result()
    interrupter.result()
    assert ended == ["cancelled"]
