"""Runtimes side by side and one after another: nothing is left of any, whatever it did and however it ended."""

from __future__ import annotations

import gc
import resource
import threading
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc import Task
from conc.lowlevel import Instrument
from conc.sync import Event
from tests.stress.churn import Churn, Refusal, Run
from tests.stress.leftovers import descriptors
from tests.stress.load import SOAKING, Dice, load
from tests.stress.watchdog import Watchdog, in_threads


def test_runtimes_in_several_threads_know_nothing_of_one_another(watchdog: Watchdog, dice: Dice) -> None:
    churns = [Churn(dice.another(), load(30_000)) for _ in range(3)]
    runtimes = [conc.Runtime(workers=workers) for workers in (1, 2, 3)]
    watchdog.runtimes += runtimes
    errors: list[BaseException] = []

    def run(runtime: conc.Runtime, churn: Churn) -> Callable[[], None]:
        def program() -> None:
            try:
                runtime.run(churn.main)
            except BaseException as error:
                errors.append(error)

        return program

    for thread in in_threads(*map(run, runtimes, churns)):
        thread.join()
    watchdog.runtimes.clear()

    assert errors == []
    for churn in churns:
        churn.check()


async def ends_well() -> None:
    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(3):
            nursery.start_soon(conc.sleep, 0.0001)


async def fails() -> None:
    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(conc.sleep, 60)
        raise Refusal


async def deadlocks() -> None:
    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(Event().wait)


async def calls_a_thread() -> None:
    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(conc.to_thread, threading.get_ident)


async def is_cancelled() -> None:
    with conc.move_on_after(0.0005):
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(conc.sleep_forever)


PROGRAMS = [ends_well, fails, deadlocks, calls_a_thread, is_cancelled]


def test_a_thousand_runs_leave_nothing_behind(dice: Dice) -> None:
    def run_one() -> None:
        try:
            conc.run(dice.pick(PROGRAMS), workers=dice.between(1, 3))
        except* (Refusal, conc.Deadlock):
            pass

    def measure() -> tuple[int, int, int]:
        gc.collect()
        return threading.active_count(), len(descriptors()), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    for _ in range(load(200)):
        run_one()
    threads, opened, memory = measure()
    most = 0
    for _ in range(load(1_000)):
        run_one()
        assert threading.active_count() == threads
        most = max(most, len(descriptors()))
    assert most - opened < 30, "descriptors wait for the garbage collector"
    assert measure()[:2] == (threads, opened)
    if SOAKING:
        assert measure()[2] - memory < 20_000  # KiB


class Saboteur(Instrument):
    """Fails on the worker where a child of that name ends."""

    def task_exited(self, task: Task[Any]) -> None:
        """An error of an instrument ends the run, wherever it comes up."""
        if task.name == "victim":
            raise Refusal


@pytest.mark.parametrize("workers", [2, 3])
def test_an_error_of_an_instrument_on_any_worker_leaves_the_run(run: Run, workers: int) -> None:
    unwound: list[str] = []
    all_there = threading.Barrier(workers)

    async def victim() -> None:
        all_there.wait()  # each on a worker of its own

    async def bystander() -> None:
        all_there.wait()
        try:
            await conc.sleep(60)
        finally:
            unwound.append("bystander")

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(victim, name="victim")
            for _ in range(workers - 1):
                nursery.start_soon(bystander)

    for _ in range(load(100)):
        with pytest.raises(Refusal):
            run(main, workers=workers, instruments=[Saboteur()])
    assert len(unwound) == load(100) * (workers - 1)
