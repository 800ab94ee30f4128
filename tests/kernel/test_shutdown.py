"""How a run ends: cancel and wait, with a limit; then stop, with a report of what did not end and where it stands."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.lowlevel import cancel_shielded_checkpoint, current_runtime
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock, settle
from tests.kernel.support import all_told, run


async def stuck() -> None:
    """Does not end when cancelled."""
    with conc.CancelScope(shield=True):
        await conc.sleep_forever()


def run_with_limit(main: Callable[[], Any], seconds: float) -> Any:
    return conc.run(main, clock=VirtualClock(), shutdown_timeout=seconds)


def test_what_runs_beside_main_is_cancelled_and_awaited_when_main_ends() -> None:
    trace: list[str] = []

    async def beside() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(100)
            trace.append("cleaned up")

    async def main() -> str:
        current_runtime().root_nursery.start_soon(beside)
        await settle()
        trace.append("main ends")
        return "value"

    assert run(main) == "value"
    assert trace == ["main ends", "cleaned up"]


def test_an_error_of_what_runs_beside_main_cancels_main_and_leaves_run() -> None:
    async def beside() -> None:
        raise ValueError("beside")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(beside)
        await conc.sleep_forever()

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [str(error) for error in caught.value.exceptions] == ["beside"]


def test_an_error_of_clean_up_after_mains_end_is_not_lost() -> None:
    async def beside() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise ValueError("in clean-up")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(beside)
        await settle()

    with pytest.raises(ExceptionGroup) as caught:
        run(main)
    assert [str(error) for error in caught.value.exceptions] == ["in clean-up"]


def test_clean_up_within_the_limit_is_waited_for() -> None:
    trace: list[str] = []

    async def beside() -> None:
        try:
            await conc.sleep_forever()
        finally:
            with conc.CancelScope(shield=True):
                await conc.sleep(4)
            trace.append("cleaned up")

    async def main() -> str:
        current_runtime().root_nursery.start_soon(beside)
        await conc.sleep(100)  # the limit is for the end, not for this
        return "value"

    assert run_with_limit(main, 5) == "value"
    assert trace == ["cleaned up"]


def test_after_the_limit_the_run_is_stopped_with_a_report_of_who_stands_where() -> None:
    async def holds_on(semaphore: Semaphore) -> None:
        with conc.CancelScope(shield=True):
            await semaphore.acquire()

    async def main() -> None:
        nursery = current_runtime().root_nursery
        nursery.start_soon(holds_on, Semaphore(0), name="the one that holds on")
        await settle()

    start = time.monotonic()
    with pytest.raises(RuntimeError) as caught:
        run_with_limit(main, 5)
    text = str(caught.value)
    assert "shutdown_timeout" in text
    assert "5 s" in text
    assert "the one that holds on" in text
    assert "Semaphore.acquire" in text
    assert "holds_on" in text
    assert "test_shutdown.py" in text
    assert time.monotonic() - start < 60


def test_a_main_task_that_does_not_end_after_a_deadlock_is_stopped_with_a_report() -> None:
    async def main() -> None:
        with conc.CancelScope(shield=True):
            await Event().wait()

    with pytest.raises(conc.Deadlock) as caught:
        run(main)
    report = str(caught.value) + "".join(caught.value.__notes__)
    assert "Event.wait" in report
    assert "cannot be cancelled" in report


def test_stopping_runs_the_finally_clauses_of_what_did_not_end() -> None:
    trace: list[str] = []

    async def holds_on() -> None:
        try:
            await stuck()
        finally:
            trace.append("closed")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(holds_on)
        await settle()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        run_with_limit(main, 5)
    assert trace == ["closed"]


def test_stopping_closes_children_before_their_parents() -> None:
    trace: list[str] = []

    async def child(name: str) -> None:
        try:
            await stuck()
        finally:
            trace.append(name)

    async def parent() -> None:
        try:
            async with conc.open_nursery() as nursery:
                nursery.start_soon(child, "child")
                await child("block")
        finally:
            trace.append("parent")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(parent)
        await settle()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        run_with_limit(main, 5)
    assert trace.index("child") < trace.index("parent")
    assert trace.index("block") < trace.index("parent")


def test_stopping_leaves_no_waiter_in_any_line() -> None:
    semaphore = Semaphore(0)
    event = Event()

    async def wait_shielded(wait: Callable[[], Any]) -> None:
        with conc.CancelScope(shield=True):
            await wait()

    async def main() -> None:
        for _ in range(3):
            current_runtime().root_nursery.start_soon(wait_shielded, semaphore.acquire)
            current_runtime().root_nursery.start_soon(wait_shielded, event.wait)
        await settle()

    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        run_with_limit(main, 5)
    assert "0 waiting" in repr(semaphore)
    assert "0 waiting" in repr(event)
    semaphore.release()
    assert semaphore.value == 1
    event.set()


def test_an_error_while_stopping_is_not_lost() -> None:
    async def clumsy() -> None:
        try:
            await stuck()
        finally:
            raise ValueError("while stopping")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(clumsy)
        await settle()

    with pytest.raises((RuntimeError, ExceptionGroup)) as caught:
        run_with_limit(main, 5)
    told = all_told(caught.value)
    assert "while stopping" in told
    assert any("shutdown_timeout" in words for words in told)


def test_the_error_of_main_is_not_lost_when_the_rest_has_to_be_stopped() -> None:
    async def main() -> None:
        current_runtime().root_nursery.start_soon(stuck)
        await settle()
        raise ValueError("of main")

    with pytest.raises(RuntimeError, match="shutdown_timeout") as caught:
        run_with_limit(main, 5)
    assert "of main" in str(caught.value.__cause__)


@pytest.mark.parametrize("busy", [False, True])
def test_the_limit_holds_in_real_time_too(busy: bool) -> None:
    async def holds_on() -> None:
        while busy:
            await cancel_shielded_checkpoint()
        await stuck()

    async def main() -> None:
        current_runtime().root_nursery.start_soon(holds_on)
        await conc.sleep(0.01)

    start = time.monotonic()
    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.05)
    assert 0.05 <= time.monotonic() - start < 10


@pytest.mark.parametrize("workers", [1, 3])
def test_strands_on_every_worker_are_stopped_after_the_limit(workers: int) -> None:
    ended: list[int] = []

    async def strand(number: int) -> None:
        try:
            await stuck()
        finally:
            ended.append(number)

    async def beside() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(5):
                nursery.start_soon(strand, number, name=f"strand {number}")

    async def main() -> None:
        current_runtime().root_nursery.start_soon(beside)
        await conc.sleep(0.05)

    with pytest.raises(RuntimeError, match="shutdown_timeout") as caught:
        conc.run(main, workers=workers, shutdown_timeout=0.05)
    assert sorted(ended) == [0, 1, 2, 3, 4]
    for number in range(5):
        assert f"strand {number}" in str(caught.value)


def test_a_worker_that_blocks_for_good_is_named_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conc._kernel.runtime.CLOSING_SECONDS", 0.1)
    release = threading.Event()
    blocked = threading.Event()

    async def block() -> None:
        blocked.set()
        release.wait(20)

    async def beside() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(block, name="the blocker")
            assert blocked.wait(20)  # in this step: so it is the other worker that takes it

    async def main() -> None:
        current_runtime().root_nursery.start_soon(beside)
        await conc.sleep(0.001)

    try:
        with pytest.raises(RuntimeError, match="shutdown_timeout") as caught:
            conc.run(main, workers=2, shutdown_timeout=0.05)
        assert "the blocker" in str(caught.value)
        assert "conc-worker" in str(caught.value)
    finally:
        release.set()


def test_a_runtime_that_was_stopped_may_run_again() -> None:
    async def main() -> None:
        current_runtime().root_nursery.start_soon(stuck)
        await settle()

    async def again() -> str:
        await conc.sleep(1)
        return "as good as new"

    runtime = conc.Runtime(clock=VirtualClock(), shutdown_timeout=5)
    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        runtime.run(main)
    assert runtime.run(again) == "as good as new"


@pytest.mark.skipif(os.name != "posix", reason="needs signals")
@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts descriptors")
@pytest.mark.parametrize("end", ["value", "error", "deadlock", "stopped", "interrupt"])
@pytest.mark.parametrize("workers", [1, 2])
def test_nothing_is_left_after_a_run_however_it_ended(end: str, workers: int) -> None:
    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(conc.sleep, 0.001)
        match end:
            case "error":
                raise ValueError
            case "deadlock":
                await Event().wait()
            case "stopped":
                current_runtime().root_nursery.start_soon(stuck)
                await conc.sleep(0.001)
            case "interrupt":
                os.kill(os.getpid(), signal.SIGINT)
                await conc.sleep(60)

    def left() -> tuple[int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    def run_once() -> None:
        try:
            conc.run(main, workers=workers, shutdown_timeout=0.02)
        except (ValueError, conc.Deadlock, KeyboardInterrupt):
            pass
        except RuntimeError as error:
            assert end == "stopped", error

    if end == "deadlock" and threading.active_count() > 1:
        pytest.skip("a foreign thread could still send")
    run_once()
    before = left()
    for _ in range(3):
        run_once()
    assert left() == before


@pytest.mark.parametrize("seconds", [-1, float("nan"), -0.001])
def test_a_bad_limit_is_refused_by_name(seconds: float) -> None:
    with pytest.raises(ValueError, match="shutdown_timeout"):
        conc.Runtime(shutdown_timeout=seconds)


@pytest.mark.parametrize("seconds", ["5", True, object()])
def test_a_limit_that_is_no_number_is_refused_by_name(seconds: Any) -> None:
    with pytest.raises(TypeError, match="shutdown_timeout"):
        conc.Runtime(shutdown_timeout=seconds)
