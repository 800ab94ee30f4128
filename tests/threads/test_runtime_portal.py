"""The portal of a runtime: into the strand of the main task, open as long as the run lasts."""

from __future__ import annotations

import threading
import time

import pytest

import conc
from conc.errors import RunFinished
from conc.lowlevel import current_runtime, current_task
from conc.threads.portal import runtime_portal
from tests.threads.support import PATIENCE, Gate, Stranger


async def double(value: int) -> int:
    await conc.checkpoint()
    return 2 * value


def test_a_thread_calls_into_the_strand_of_the_main_task() -> None:
    async def strand() -> object:
        return current_task().strand

    async def main() -> None:
        portal = runtime_portal(current_runtime())
        assert runtime_portal(current_runtime()) is portal
        assert await Stranger(portal.run, strand).has_ended() is current_task().strand
        assert await Stranger(portal.run_sync, threading.get_ident).has_ended() == threading.get_ident()

    conc.run(main)


def test_a_strand_on_another_worker_may_use_it_too() -> None:
    main_thread = threading.get_ident()

    async def strand() -> None:
        future = runtime_portal(current_runtime()).start_soon(where)
        assert await conc.to_thread(future.result, PATIENCE) == main_thread

    async def where() -> int:
        return threading.get_ident()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(6):
                nursery.start_soon(strand)

    conc.run(main, workers=3)


def test_the_thread_that_keeps_the_runtime_gets_a_portal_for_each_run() -> None:
    gate = Gate()

    async def main() -> None:
        await conc.to_thread(gate)

    with conc.Runtime() as runtime:
        for _ in range(3):
            with pytest.raises(RunFinished):
                runtime_portal(runtime)
            gate = Gate()
            program = Stranger(runtime.run, main)
            gate.arrive()
            assert runtime_portal(runtime).run(double, 4) == 8
            gate.open()
            program.result()


def test_the_end_of_the_main_task_cancels_what_was_started_through_it() -> None:
    async def main() -> None:
        portal = runtime_portal(current_runtime())
        callers.append(Stranger(portal.run, conc.sleep_forever))
        await conc.sleep(0.005)

    callers: list[Stranger] = []
    conc.run(main)
    with pytest.raises(conc.TaskCancelled, match="the main task has ended"):
        callers[0].result()


def test_after_the_run_it_refuses_all_calls() -> None:
    async def main() -> None:
        portals.append(runtime_portal(current_runtime()))

    portals: list[conc.threads.Portal] = []
    conc.run(main)
    with pytest.raises(RunFinished):
        portals[0].run(double, 1)
    with pytest.raises(RunFinished):
        portals[0].run_sync(int)
    with pytest.raises(RunFinished):
        portals[0].start_soon(double, 1)
    with pytest.raises(RunFinished):
        portals[0].call_soon(int)


def test_the_error_of_a_call_that_nobody_waits_for_ends_the_run() -> None:
    def fail() -> None:
        raise LookupError("nobody's")

    async def main() -> None:
        Stranger(runtime_portal(current_runtime()).call_soon, fail)
        await conc.sleep(PATIENCE)

    with pytest.raises(ExceptionGroup) as caught:
        conc.run(main)
    assert [str(error) for error in caught.value.exceptions] == ["nobody's"]


def test_an_exit_raised_in_a_call_leaves_the_run_bare() -> None:
    def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        Stranger(runtime_portal(current_runtime()).call_soon, leave)
        await conc.sleep(PATIENCE)

    with pytest.raises(SystemExit, match="3"):
        conc.run(main)


def test_calls_are_answered_when_the_runtime_is_stepped() -> None:
    async def main() -> None:
        while not done:
            await conc.checkpoint()

    done: list[int] = []
    with conc.Runtime() as runtime:
        runtime.start(main)
        portal = runtime_portal(runtime)
        caller = Stranger(portal.run, double, 4)
        deadline = time.monotonic() + PATIENCE
        while caller.outcome is None and time.monotonic() < deadline:
            runtime.step()
        assert caller.result() == 8
        done.append(1)
        assert not runtime.run_until(lambda: False)
