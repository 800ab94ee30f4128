"""Receivers in strands on other threads, and runtimes that are not on the main thread."""

from __future__ import annotations

import os
import signal
import threading

import pytest

import conc
from conc._kernel.current import current_worker
from conc.errors import RunFinished
from conc.signals import open_receiver
from conc.signals.handlers import watch_of
from conc.sync import Barrier
from tests.kernel.strands import Meeting, many
from tests.signals.support import HUP, USR1, USR2, handlers_come_back

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs signals")

WORKERS = 4


def run_strands(strand: object, *, workers: int = WORKERS) -> None:
    """One strand on each worker; at the end all handlers are as before."""

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(workers):
                nursery.start_soon(strand)  # type: ignore[arg-type]

    former = signal.signal(USR1, lambda *_: None)  # for signals that come when their receiver has closed
    try:
        with handlers_come_back():
            conc.run(main, workers=workers)
    finally:
        signal.signal(USR1, former)


def test_each_strand_opens_receives_and_closes_on_its_own_thread() -> None:
    meeting = Meeting(WORKERS)
    got: list[tuple[int, int]] = []

    async def strand() -> None:
        index = meeting()
        for _ in range(50):
            with open_receiver(USR1, USR2) as received:
                os.kill(os.getpid(), USR1)
                got.append((index, await received.receive()))

    run_strands(strand)

    assert sorted(index for index, _ in got) == sorted(list(range(WORKERS)) * 50)
    assert {signum for _, signum in got} == {USR1}


def test_one_signal_reaches_the_receivers_of_all_strands() -> None:
    meeting = Meeting(WORKERS)
    all_open, all_got = Barrier(WORKERS), Barrier(WORKERS)  # which block no thread: the main thread has to open for all
    got: list[int] = []

    async def strand() -> None:
        index = meeting()
        with open_receiver(HUP) as received:
            await all_open.wait()
            if index == 0:
                os.kill(os.getpid(), HUP)
            got.append(await received.receive())
            await all_got.wait()

    run_strands(strand)
    assert got == [HUP] * WORKERS


def test_opening_waits_for_the_step_of_the_main_thread_and_no_longer() -> None:
    meeting = Meeting(2)
    opened = threading.Event()
    order: list[str] = []

    async def strand() -> None:
        if meeting() == 0:
            assert not opened.wait(0.1)  # the main thread is in its step
            order.append("the step ends")
            await conc.sleep(0.1)
            return
        with open_receiver(USR1):
            order.append("open")
            opened.set()

    run_strands(strand, workers=2)
    assert order == ["the step ends", "open"]


def test_opening_gives_up_when_the_run_is_stopped() -> None:
    meeting = Meeting(2)
    raised: list[BaseException] = []

    async def strand() -> None:
        if meeting() == 0:
            # What stops a run by force: from here on the main thread carries nothing out any more.
            runtime = current_worker().crew.runtime
            runtime._stop("the test")
            return
        try:
            with open_receiver(USR1):
                pass
        except RunFinished as error:
            raised.append(error)

    with handlers_come_back(), pytest.raises((RuntimeError, BaseExceptionGroup), match="stopped because of the test"):
        run_strands(strand, workers=2)
    assert [str(error) for error in raised] == ["the run ends, and the main thread installs no handler any more"]


def test_a_runtime_off_the_main_thread_says_what_to_do() -> None:
    errors: list[BaseException] = []

    async def main() -> None:
        with open_receiver(USR1):
            errors.append(AssertionError("it was opened"))

    def run() -> None:
        try:
            conc.run(main)
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert "SIGUSR1 cannot be received here: this runtime does not run on the main thread" in str(errors[0])
    assert "conc.signals.prepare" in str(errors[0])
    assert signal.getsignal(USR1) is signal.SIG_DFL
    assert not watch_of(USR1).receivers, "who could not open receives all the same"


def test_only_the_main_thread_prepares() -> None:
    errors: list[BaseException] = []

    def prepare() -> None:
        try:
            conc.signals.prepare(USR1).__enter__()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=prepare)
    thread.start()
    thread.join()
    assert "is for the main thread" in str(errors[0])


@many
async def test_a_receiver_may_be_used_by_strands_that_did_not_open_it() -> None:
    got: list[int] = []
    with open_receiver(USR1, USR2) as received:

        async def receive() -> None:
            got.append(await received.receive())

        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(receive)
            nursery.start_soon(receive)
            os.kill(os.getpid(), USR1)
            os.kill(os.getpid(), USR2)
    assert sorted(got) == sorted([USR1, USR2])
