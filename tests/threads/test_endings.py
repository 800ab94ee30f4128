"""Calls that race with the end: of a portal's block, of the run, of a run that is stopped. Each has an answer, once."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

import conc
import conc._kernel.runtime as runtime_module
from conc.errors import RunFinished
from conc.lowlevel import cancel_shielded_checkpoint, current_runtime, current_task
from conc.threads import Portal
from conc.threads.portal import runtime_portal
from tests.threads.support import PATIENCE, Gate, Stranger, hasty_switching

ROUNDS = 3200 if os.environ.get("CONC_SOAK") else 320  # for each way to end: 1,000 in all


async def double(value: int) -> int:
    await conc.checkpoint()
    return 2 * value


def is_answered(call: Callable[[], object], expected: object) -> str:
    """One call: "made" with the expected result, or the name of the answer in its place."""
    try:
        result = call()
    except (RunFinished, conc.TaskCancelled) as error:
        return type(error).__name__
    assert result == expected
    return "made"


def call_until_refused(portal: Portal, ready: threading.Event) -> list[str]:
    """All kinds of calls in turn, until one is refused."""
    answers = []
    number = 0
    soon: list[int] = []
    posted: list[int] = []
    futures: list[concurrent.futures.Future[int]] = []
    while "RunFinished" not in answers:
        number += 1
        answers.append(is_answered(lambda number=number: portal.run(double, number), 2 * number))  # type: ignore[misc]
        answers.append(is_answered(lambda number=number: portal.run_sync(abs, -number), number))  # type: ignore[misc]
        ready.set()
        try:
            futures.append(portal.start_soon(double, number))
            portal.call_soon(soon.append, number)
            posted.append(number)
        except RunFinished:
            answers.append("RunFinished")
    _, unanswered = concurrent.futures.wait(futures, PATIENCE)
    assert not unanswered
    assert soon == posted or (len(soon) < len(posted) and soon == posted[: len(soon)])
    return answers


async def leave_the_block(portal_of: list[Portal], ready: threading.Event) -> None:
    async with conc.open_portal() as portal:
        portal_of.append(portal)
        while not ready.is_set():
            await conc.sleep(0.0001)


async def cancel_the_block(portal_of: list[Portal], ready: threading.Event) -> None:
    with conc.CancelScope() as scope:
        async with conc.open_portal() as portal:
            portal_of.append(portal)
            while not ready.is_set():
                await conc.sleep(0.0001)
            scope.cancel()


async def end_the_main_task(portal_of: list[Portal], ready: threading.Event) -> None:
    portal_of.append(runtime_portal(current_runtime()))
    while not ready.is_set():
        await conc.sleep(0.0001)


async def leave_blocks_on_other_workers(portal_of: list[Portal], ready: threading.Event) -> None:
    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(2):
            nursery.start_soon(leave_the_block, portal_of, ready)


def race(main: Callable[..., Awaitable[None]], workers: int) -> list[str]:
    """A run, and threads that call into it until it ends."""
    portals: list[Portal] = []
    ready = threading.Event()

    def call(which: int) -> list[str]:
        deadline = time.monotonic() + PATIENCE
        while not portals:
            assert time.monotonic() < deadline
            time.sleep(0.0001)
        return call_until_refused(portals[which % len(portals)], ready)

    callers = [Stranger(call, number) for number in range(2)]
    conc.run(main, portals, ready, workers=workers)
    return [answer for caller in callers for answer in caller.result()]


@pytest.mark.parametrize(
    ("main", "workers", "rounds"),
    [
        (leave_the_block, 1, ROUNDS),
        (cancel_the_block, 1, ROUNDS),
        (end_the_main_task, 1, ROUNDS),
        (leave_blocks_on_other_workers, 3, ROUNDS // 5),
    ],
)
def test_each_call_that_races_with_the_end_has_one_answer(
    main: Callable[..., Awaitable[None]], workers: int, rounds: int
) -> None:
    answers: dict[str, int] = {}
    with hasty_switching():
        for _ in range(rounds):
            for answer in race(main, workers):
                answers[answer] = answers.get(answer, 0) + 1

    assert answers.pop("made") >= rounds
    assert answers.pop("RunFinished") >= 2 * rounds
    assert set(answers) <= {"TaskCancelled"}


@pytest.mark.parametrize("workers", [1, 3])
def test_each_call_has_an_answer_when_the_run_is_stopped(workers: int) -> None:
    async def never_ends() -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep_forever()

    async def strand(portals: list[Portal]) -> None:
        async with conc.open_portal() as portal:
            portals.append(portal)
            await never_ends()

    async def strands(portals: list[Portal]) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(strand, portals)

    async def main() -> None:
        runtime_portal(current_runtime()).start_soon(strands, portals)
        while len(portals) < 3:
            await conc.sleep(0.001)
        for portal in portals:
            callers.append(Stranger(portal.run, never_ends))
            callers.append(Stranger(call_until_refused, portal, threading.Event()))
            callers.append(Stranger(lambda portal=portal: portal.start_soon(never_ends).result(PATIENCE)))
        await conc.sleep(0.005)

    portals: list[Portal] = []
    callers: list[Stranger] = []
    for _ in range(10):
        with pytest.raises(RuntimeError, match="shutdown_timeout"):
            conc.run(main, workers=workers, shutdown_timeout=0.01)
        for caller in callers:
            try:
                caller.result()
            except (RunFinished, conc.TaskCancelled):
                pass
        assert len(callers) == 9
        callers.clear()
        portals.clear()


def test_each_task_has_an_answer_when_the_run_is_stopped_before_its_first_step() -> None:
    async def spin() -> None:
        while True:
            await cancel_shielded_checkpoint()

    async def main() -> None:
        portal = runtime_portal(current_runtime())
        for _ in range(300):
            portal.start_soon(spin)
        callers.append(Stranger(start_until_refused, portal))
        await conc.sleep(0.005)

    def start_until_refused(portal: Portal) -> list[concurrent.futures.Future[int]]:
        futures = []
        try:
            while True:
                futures.append(portal.start_soon(double, 1))
                time.sleep(0.0001)
        except RunFinished:
            return futures

    callers: list[Stranger] = []
    with pytest.raises(RuntimeError, match="shutdown_timeout"):
        conc.run(main, shutdown_timeout=0.01)
    futures = callers[0].result()
    assert futures
    assert not concurrent.futures.wait(futures, PATIENCE).not_done


def test_calls_on_a_worker_that_does_not_come_back_have_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "CLOSING_SECONDS", 0.02)
    gate = Gate()
    portals: list[Portal] = []

    async def block_the_worker() -> None:
        gate()

    async def strand() -> None:
        time.sleep(0.03)  # so that other workers take the others
        async with conc.open_portal() as portal:
            portals.append(portal)
            await conc.sleep_forever()

    async def strands() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(3):
                nursery.start_soon(strand)

    async def main() -> None:
        runtime_portal(current_runtime()).start_soon(strands)
        while len(portals) < 3:
            await conc.sleep(0.001)
        main_thread = current_task().strand.worker
        away = next(portal for portal in portals if portal._nursery.strand.worker is not main_thread)
        callers.append(Stranger(away.run, block_the_worker))
        await gate.arrives()
        callers.append(Stranger(away.run, double, 1))
        await conc.sleep(0.005)

    callers: list[Stranger] = []
    with pytest.raises(RuntimeError, match="still in a step"):
        conc.run(main, workers=3, shutdown_timeout=0.02)
    with pytest.raises(RunFinished):
        callers[0].result()
    gate.open()
    with pytest.raises(RunFinished):
        callers[1].result()


def test_thread_calls_to_a_worker_that_does_not_come_back_have_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_module, "CLOSING_SECONDS", 0.02)
    gate = Gate()
    answers: list[type[BaseException]] = []
    answered = threading.Event()

    main_thread = threading.get_ident()

    async def block_the_worker() -> None:
        gate()

    def call() -> None:
        try:
            conc.from_thread.run(block_the_worker)
        except BaseException as error:
            answers.append(type(error))
            raise
        finally:
            answered.set()

    async def strand() -> None:
        time.sleep(0.03)  # so that other workers take the others
        if threading.get_ident() != main_thread:
            await conc.to_thread(call)

    async def strands() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(2):
                nursery.start_soon(strand)

    async def main() -> None:
        runtime_portal(current_runtime()).start_soon(strands)
        await gate.arrives()

    with pytest.raises(RuntimeError, match="still in a step"):
        conc.run(main, workers=2, shutdown_timeout=0.02)
    assert answered.wait(PATIENCE)
    assert answers == [RunFinished]
    gate.open()


def test_calls_soon_posted_before_the_end_are_made_and_later_ones_are_refused() -> None:
    """No call disappears between the two: what call_soon accepted happens."""
    made: list[int] = []
    accepted: list[int] = []

    def call(portal: Portal, began: threading.Event, base: int) -> None:
        number = base
        try:
            while True:
                portal.call_soon(made.append, number)
                accepted.append(number)
                number += 1
                began.set()
                if not number % 20:
                    time.sleep(0.0001)  # or a free-threaded build posts far more than it can read
        except RunFinished:
            pass

    async def main() -> None:
        began = threading.Event()
        async with conc.open_portal() as portal:
            callers.extend(Stranger(call, portal, began, base) for base in (0, 1_000_000))
            while not began.is_set():
                await conc.checkpoint()
        for caller in callers:
            await caller.has_ended()

    with hasty_switching():
        for _ in range(ROUNDS // 5):
            callers: list[Stranger] = []
            conc.run(main)
            assert sorted(made) == sorted(accepted)
            made.clear()
            accepted.clear()


def test_thread_calls_that_race_with_the_end_of_their_task_are_answered() -> None:
    """from_thread in a thread whose task leaves at the same moment."""
    answers: list[str] = []
    asks: list[Callable[[], int]] = [
        lambda: conc.from_thread.run(double, 1),
        lambda: conc.from_thread.run_sync(abs, -2),
    ]

    def call() -> None:
        while True:
            for ask in asks:
                try:
                    assert ask() == 2
                except (conc.Cancelled, RunFinished) as error:
                    answers.append(type(error).__name__)
                    return

    async def main() -> None:
        for pause in range(8):
            with conc.CancelScope() as scope:
                async with conc.open_nursery() as nursery:
                    nursery.start_soon(abandoning)
                    for _ in range(3 * pause):
                        await conc.checkpoint()
                    await conc.sleep(0.0003)
                    scope.cancel()

    async def abandoning() -> None:
        began.append(0)
        await conc.to_thread(call, abandon_on_cancel=True)

    began: list[int] = []
    with hasty_switching():
        for _ in range(ROUNDS // 10):
            conc.run(main)
    deadline = time.monotonic() + PATIENCE
    while any(thread.name.startswith("conc-thread") for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread got no answer"
        time.sleep(0.001)
    assert len(answers) <= len(began)
    assert answers
