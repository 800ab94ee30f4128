"""Processes are real, also where time is virtual: it stands still while a task waits for one."""

import signal

import pytest

import conc
from conc import process
from conc.process import PIPE, Process
from conc_testing import VirtualClock
from tests.process.support import READY, STUBBORN, sh, until_ready


async def test_time_stands_still_while_a_task_waits_for_the_end(clock: VirtualClock) -> None:
    start = conc.current_time()
    with conc.fail_after(0.001):
        assert (await process.run(sh("sleep 0.05; exit 3"))).returncode == 3

    assert conc.current_time() == start


async def test_time_stands_still_while_a_task_reads_or_writes(clock: VirtualClock) -> None:
    with conc.fail_after(0.001):
        completed = await process.run(sh("sleep 0.05; cat"), input=b"x" * 300_000, capture_output=True)

    assert len(completed.stdout) == 300_000


async def test_time_goes_on_while_nobody_waits_for_the_process(clock: VirtualClock) -> None:
    async with Process(["cat"], stdin=PIPE) as cat:
        await conc.sleep(1000)
        assert cat.returncode is None


async def test_who_waits_is_named_as_what_time_waits_for(clock: VirtualClock) -> None:
    async with Process(["cat"], stdin=PIPE) as cat:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(cat.wait)
            while not cat._outside.may_wake:  # type: ignore[union-attr]
                await conc.checkpoint()
            assert cat._outside.reason == f"process {cat.pid} (cat)"  # type: ignore[union-attr]
            await cat.stdin.aclose()


async def test_a_deadline_passes_while_a_task_waits_if_the_clock_is_moved_by_hand(clock: VirtualClock) -> None:
    with conc.move_on_after(10) as scope:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(_jump, clock, 10)
            await process.run(["sleep", "60"])

    assert scope.cancelled_caught


async def test_the_grace_is_of_real_seconds(clock: VirtualClock) -> None:
    async with conc.open_nursery() as nursery:
        nursery.start_soon(conc.sleep, 1000)  # a deadline that virtual time would move on to
        with pytest.raises(ZeroDivisionError):
            async with Process(sh("trap 'sleep 0.1; exit 5' TERM; echo ready; while :; do read line; done"),
                               stdin=PIPE, stdout=PIPE, grace=15) as polite:  # fmt: skip
                await until_ready(polite)
                raise ZeroDivisionError
        assert polite.returncode == 5

        with pytest.raises(ZeroDivisionError):
            async with Process(sh(STUBBORN), stdout=PIPE, grace=0.05) as stubborn:
                await until_ready(stubborn)
                raise ZeroDivisionError
        assert stubborn.returncode == -signal.SIGKILL
        assert conc.current_time() == 0


def test_a_deadlock_beside_a_process_is_found() -> None:
    async def main() -> None:
        async with Process(["cat"], stdin=PIPE):
            await conc.sync.Event().wait()

    for clock in (None, VirtualClock()):
        with pytest.raises(conc.Deadlock):
            conc.run(main, clock=clock)


async def test_a_killed_task_takes_its_process_with_it(clock: VirtualClock) -> None:
    started: list[Process] = []

    async def main() -> None:
        async with Process(sh(STUBBORN), stdout=PIPE) as stubborn:
            await until_ready(stubborn)
            started.append(stubborn)
            await stubborn.wait()

    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(main)
        while not started or task.wait is None:
            await conc.checkpoint()
        conc.lowlevel.kill(task)

    assert started[0].returncode == -signal.SIGKILL
    assert READY


async def _jump(clock: VirtualClock, seconds: float) -> None:
    await conc.checkpoint()
    clock.jump(seconds)
