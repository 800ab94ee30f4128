"""Thread jobs of simulated runs: how they are cancelled, abandoned, killed and broken off, and what they raise."""

from __future__ import annotations

import gc
import signal
import threading
import weakref
from collections.abc import Iterator

import outcome
import pytest

import conc
from conc import from_thread
from conc.errors import RunFinished
from conc.lowlevel import kill
from conc.sync import Event
from conc.threads.pool import here
from conc_testing import VirtualClock, settle
from conc_testing.sim.offload import BatonThread
from tests.testing.sim.baton import PATIENCE, run, simulated


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive(), f"{thread} was left"


# ---- cancelling -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("abandon", [False, True])
def test_a_function_that_asks_whether_it_is_cancelled_ends_at_the_deadline(abandon: bool) -> None:
    clock = VirtualClock()
    ended: list[float] = []

    def poll() -> None:
        try:
            while True:
                from_thread.check_cancelled()
        finally:
            ended.append(clock.now())

    async def main() -> None:
        with conc.move_on_after(2.0) as scope:
            await conc.to_thread(poll, abandon_on_cancel=abandon)
        assert scope.cancelled_caught
        assert clock.now() == pytest.approx(2.0, abs=2**-9)

    run(main, clock=clock)

    assert ended == [pytest.approx(2.0, abs=2**-9)]


@pytest.mark.parametrize("seed", range(10))
def test_an_abandoned_function_goes_on_and_its_task_does_not_wait_for_it(seed: int) -> None:
    log: list[str] = []

    def job() -> None:
        log.append("begins")
        with pytest.raises(conc.Cancelled):
            from_thread.run(conc.sleep, 10.0)
        from_thread.run_sync(log.append, "not called")

    async def main() -> None:
        with conc.move_on_after(1.0) as scope:
            await conc.to_thread(job, abandon_on_cancel=True)
        assert scope.cancelled_caught
        log.append("left")

    run(main, seed=seed)

    assert log == ["begins", "left"]


@pytest.mark.parametrize("seed", range(10))
def test_a_call_that_is_cancelled_before_it_begins_never_does(seed: int) -> None:
    log: list[str] = []

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, from_thread.run, conc.sleep, 1.0)
            await settle()
            nursery.start_soon(conc.to_thread, log.append, "the last")
            unlucky = nursery.start_soon(conc.to_thread, log.append, "cancelled")
            await settle()
            assert "in line for a thread" in unlucky.state
            unlucky.cancel()

    run(main, seed=seed, max_blocking_threads=1)

    assert log == ["the last"]


def test_a_call_is_cancelled_or_gives_its_value_as_it_is_chosen() -> None:
    def came_to(seed: int) -> tuple[bool, bool]:
        ran = False

        def job() -> None:
            nonlocal ran
            ran = True

        async def main() -> bool:
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(conc.to_thread, job)
                for _ in range(4):
                    await conc.checkpoint()
                task.cancel()
            return isinstance(task.outcome, outcome.Value)

        value = run(main, seed=seed)
        return ran, value

    assert {came_to(seed) for seed in range(30)} == {(False, False), (True, True)}


def test_the_task_of_a_function_is_not_cancelled_with_others() -> None:
    log: list[str] = []

    def job() -> None:
        from_thread.run_sync(log.append, "asked")
        from_thread.run(clean_up)
        log.append("ends")

    async def clean_up() -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep(1.0)
        log.append("clean")

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, job)
            await settle()
            raise KeyboardInterrupt  # the program ends, and cancels all that it has started

    with pytest.raises(KeyboardInterrupt):
        run(main)

    assert log == ["asked", "clean", "ends"]


# ---- what ends otherwise ----------------------------------------------------------------------------------------


def test_a_function_that_waits_for_what_nobody_does_is_a_deadlock() -> None:
    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(conc.to_thread, from_thread.run, event.wait)
            await settle()
            nursery.start_soon(conc.to_thread, from_thread.run_sync, event.set)

    with pytest.raises(conc.Deadlock, match=r"waits for Event\.wait[\s\S]*in line for a thread"):
        run(main, max_blocking_threads=1)


def test_errors_of_functions_come_to_the_task_and_leave_no_circles() -> None:
    class Trouble(Exception):
        pass

    gone: list[weakref.ref[Trouble]] = []

    def fail() -> None:
        error = Trouble()
        gone.append(weakref.ref(error))
        from_thread.check_cancelled()
        try:
            raise error
        finally:
            del error

    async def main() -> None:
        try:
            await conc.to_thread(fail)
        except Trouble:
            pass

    gc.disable()
    try:
        run(main)
        assert [reference() for reference in gone] == [None]
    finally:
        gc.enable()


def test_nothing_keeps_arguments_and_values_alive_when_the_task_goes_on() -> None:
    class Thing:
        pass

    async def main() -> None:
        argument = Thing()
        references = [weakref.ref(argument)]
        value = await conc.to_thread(lambda given: Thing(), argument)
        references.append(weakref.ref(value))
        del argument, value
        gc.collect()  # on free-threaded builds what a thread has made dies when that looks
        await conc.to_thread(int)
        assert [reference() for reference in references] == [None, None]

    run(main)


def test_the_error_of_an_abandoned_function_goes_to_the_hook_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)

    def job() -> None:
        with pytest.raises(conc.Cancelled):
            from_thread.run(conc.sleep, 10.0)
        raise LookupError

    async def main() -> None:
        with conc.move_on_after(1.0):
            await conc.to_thread(job, abandon_on_cancel=True)

    run(main)

    [details] = reported
    assert details.exc_type is LookupError
    assert details.thread is not None
    assert details.thread.name == "conc-thread-1"


def test_functions_of_a_run_that_is_stopped_hear_of_it_and_end() -> None:
    heard: list[type[BaseException]] = []

    async def never_ends() -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep_forever()

    def job() -> None:
        try:
            from_thread.run(never_ends)
        except BaseException as error:
            heard.append(type(error))
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(conc.to_thread, job)

    with pytest.raises(conc.Deadlock):
        run(main, max_blocking_threads=2)
    for thread in threading.enumerate():
        if thread.name.startswith("conc-thread"):
            thread.join(PATIENCE)

    assert heard == [RunFinished] * 2


@pytest.mark.parametrize("asks", [False, True])
def test_a_function_whose_task_is_killed_goes_on_and_hears_of_it_when_it_asks(asks: bool) -> None:
    heard: list[type[BaseException]] = []

    def job() -> None:
        try:
            if asks:
                from_thread.run(conc.sleep, 10.0)
            while True:
                from_thread.check_cancelled()
        except BaseException as error:
            heard.append(type(error))
            raise

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.to_thread, job)
            await conc.sleep(1.0)
            kill(task)
            await settle()
        await conc.sleep(20.0)

    clock = VirtualClock()
    run(main, clock=clock)

    assert heard == [RunFinished if asks else conc.Cancelled]
    assert clock.now() == 21.0


def test_ctrl_c_twice_leaves_a_function_that_blocks_to_itself() -> None:
    free = threading.Event()
    ended = threading.Event()
    runtime = simulated()
    main_thread = threading.get_ident()

    def job() -> None:
        thread = here.thread
        assert isinstance(thread, BatonThread)
        while not thread.is_free:
            signal.pthread_kill(main_thread, signal.SIGINT)
            free.wait(0.02)  # one that comes just before the worker waits is not heard
        assert free.wait(PATIENCE)
        with pytest.raises(RunFinished):
            from_thread.run_sync(int)
        ended.set()

    with pytest.raises(KeyboardInterrupt):
        runtime.run(conc.to_thread, job)
    assert not ended.is_set()
    free.set()
    assert ended.wait(PATIENCE)
