"""Calling a blocking function in a thread: what comes back, what it sees, and how many run at a time."""

from __future__ import annotations

import functools
import gc
import threading
import time
import warnings
import weakref
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
import sniffio

import conc
import conc.threads.pool as pool_module
from conc._os.threads import gil_enabled
from conc.lowlevel import current_runtime, current_task, task_tree
from conc.sync import Event
from conc_testing import VirtualClock
from tests.threads.support import Gate, goes, hasty_switching, no_collector

colour: ContextVar[str] = ContextVar("colour", default="none")


def test_the_value_comes_back() -> None:
    async def main() -> int:
        return await conc.to_thread(divmod, 17, 5) == (3, 2) and await conc.to_thread(lambda: 7)

    assert conc.run(main) == 7


def test_the_error_comes_back_with_the_place_where_it_was_raised() -> None:
    def fail() -> None:
        raise LookupError("not here")

    async def main() -> None:
        await conc.to_thread(fail)

    with pytest.raises(LookupError, match="not here") as caught:
        conc.run(main)
    assert caught.traceback[-1].name == "fail"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_exit_raised_in_the_thread_leaves_the_run(kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind("enough")

    with pytest.raises(kind, match="enough"):
        conc.run(conc.to_thread, leave)


def test_stop_iteration_becomes_a_runtime_error() -> None:
    async def main() -> None:
        await conc.to_thread(next, iter(()))

    with pytest.raises(RuntimeError, match="StopIteration") as caught:
        conc.run(main)
    assert isinstance(caught.value.__cause__, StopIteration)


def test_it_runs_in_another_thread_while_the_worker_goes_on() -> None:
    gate = Gate()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.to_thread, gate, 1)
            await gate.arrives()
            assert task.outcome is None
            gate.open()
        assert await task.join() == 1
        assert await conc.to_thread(threading.get_ident) != threading.get_ident()

    conc.run(main)


# ---- what is no blocking function ------------------------------------------------------------------------------------


async def async_function(value: int = 0) -> int:
    return value


class WithMethods:
    async def method(self) -> None:
        """Never awaited."""


@pytest.mark.parametrize("fn", [async_function, functools.partial(async_function, 1), WithMethods().method])
def test_an_async_function_is_refused_with_the_remedy(fn: Callable[[], object]) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"async: write await .*(async_function|method)\(arguments"):
            await conc.to_thread(fn)

    conc.run(main)


def test_a_coroutine_object_is_refused_and_closed() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"write await async_function\(arguments"):
            await conc.to_thread(async_function())  # type: ignore[arg-type]

    conc.run(main)
    gc.collect()  # a coroutine left open would warn now


def test_what_cannot_be_called_is_refused_by_name() -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="fn must be a blocking function, not 7"):
            await conc.to_thread(7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="abandon_on_cancel must be True or False, not 'yes'"):
            await conc.to_thread(int, abandon_on_cancel="yes")  # type: ignore[arg-type]

    conc.run(main)


def test_outside_of_a_program_it_says_so() -> None:
    coro = conc.to_thread(int)
    with pytest.raises(RuntimeError, match=r"inside conc\.run"):
        coro.send(None)


# ---- what the function sees ------------------------------------------------------------------------------------------


def test_the_function_sees_the_context_variables_of_the_task() -> None:
    async def main() -> None:
        assert await conc.to_thread(colour.get) == "none"
        colour.set("red")
        assert await conc.to_thread(colour.get) == "red"

    conc.run(main)


def test_what_the_function_sets_stays_with_it() -> None:
    async def main() -> None:
        colour.set("red")
        await conc.to_thread(colour.set, "blue")
        assert colour.get() == "red"
        assert await conc.to_thread(colour.get) == "red"

    conc.run(main)


def current_library() -> str | None:
    try:
        return sniffio.current_async_library()
    except sniffio.AsyncLibraryNotFoundError:
        return None


def test_sniffio_finds_no_library_in_the_thread() -> None:
    async def main() -> None:
        assert current_library() == "conc"
        assert await conc.to_thread(current_library) is None

    conc.run(main)
    context = copy_context()
    context.run(sniffio.current_async_library_cvar.set, "another")
    context.run(conc.run, main)


def test_a_thread_may_have_a_runtime_of_its_own() -> None:
    async def double(value: int) -> int:
        await conc.sleep(0.001)
        return 2 * value

    async def main() -> None:
        assert await conc.to_thread(conc.run, double, 4) == 8

    conc.run(main)


class Something:
    """What weak references can be made to."""


def test_nothing_keeps_arguments_and_value_alive_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.1)

    async def main() -> None:
        for _ in range(100):
            argument = Something()
            argument_gone = weakref.ref(argument)
            value = await conc.to_thread(lambda given: Something(), argument)
            value_gone = weakref.ref(value)
            del argument, value
            if gil_enabled():
                assert argument_gone() is None  # the thread has let go of it before the task went on
            await goes(argument_gone)
            await goes(value_gone)

    with no_collector(), hasty_switching():
        conc.run(main)


def test_an_error_makes_no_circle_of_references(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.1)

    gone: list[weakref.ref[Any]] = []

    class Trouble(Exception):
        pass

    def fail() -> None:
        error = Trouble()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def main() -> None:
        for _ in range(2):
            try:
                await conc.to_thread(fail)
            except Trouble:
                pass
        for reference in gone:
            await goes(reference)

    with no_collector():
        conc.run(main)
    assert len(gone) == 2


# ---- threads ---------------------------------------------------------------------------------------------------------


def test_calls_that_follow_one_another_use_one_thread() -> None:
    async def main() -> set[int]:
        return {await conc.to_thread(threading.get_ident) for _ in range(100)}

    assert len(conc.run(main)) == 1


def test_no_more_threads_than_max_blocking_threads_and_the_rest_in_order() -> None:
    gate = Gate()

    before = conc_threads()

    def block(number: int) -> None:
        gate(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(6):
                nursery.start_soon(conc.to_thread, block, number)
            await gate.arrives(2)
            assert conc_threads() - before == 2
            tree = task_tree(current_runtime())
            assert tree is not None
            lines = [node.reason or "" for node in tree.walk() if node.state == "parked"]
            assert [line.partition(", ")[2] for line in lines] == [""] * 2 + ["in line for a thread"] * 4
            assert all(line.startswith("to_thread(test_no_more_threads") for line in lines)
            gate.open()

    conc.run(main, max_blocking_threads=2)
    assert sorted(gate.passed) == list(range(6))
    assert set(gate.passed[:2]) <= {0, 1, 2}


def conc_threads() -> int:
    return sum(thread.name.startswith("conc-thread") for thread in threading.enumerate())


def test_no_thread_is_left_when_run_returns() -> None:
    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(conc.to_thread, time.sleep, 0.005)

    before = threading.enumerate()
    for _ in range(20):
        conc.run(main)
        assert threading.enumerate() == before


def test_a_runtime_has_new_threads_in_each_run() -> None:
    async def main() -> int:
        return await conc.to_thread(threading.get_ident)

    with conc.Runtime() as runtime:
        for _ in range(3):
            assert runtime.run(main) != threading.get_ident()
            assert not runtime.extensions


def test_idle_threads_are_not_taken_for_strangers_who_may_call() -> None:
    async def main() -> None:
        await conc.to_thread(int)
        await Event().wait()

    with pytest.raises(conc.Deadlock):
        conc.run(main)


def test_a_call_under_way_is_no_deadlock_and_holds_up_virtual_time() -> None:
    gate = Gate()

    async def sleep_long() -> None:
        await conc.sleep(1000)
        times.append(conc.current_time())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(sleep_long)
            threading.Timer(0.05, gate.open).start()
            await conc.to_thread(gate)
            times.append(conc.current_time())

    times: list[float] = []
    conc.run(main, clock=VirtualClock())
    assert times == [0, 1000]


def test_where_the_system_has_no_thread_the_call_fails_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> None:
        monkeypatch.setattr(pool_module, "start_daemon", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            await conc.to_thread(int)
        monkeypatch.undo()
        assert await conc.to_thread(int) == 0
        assert current_task().wait is None
        await Event().wait()  # nothing of the call that failed is waited for

    with pytest.raises(conc.Deadlock):
        conc.run(main)


def test_strands_on_several_workers_share_the_threads() -> None:
    gate = Gate()
    results: dict[int, int] = {}

    async def strand(number: int) -> None:
        for step in range(20):
            assert await conc.to_thread(divmod, number, step + 1) == divmod(number, step + 1)
        worker = threading.get_ident()
        results[number] = await conc.to_thread(gate, number)
        assert threading.get_ident() == worker

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(9):
                nursery.start_soon(strand, number)
            await gate.arrives(4)
            assert conc_threads() == 4
            gate.open()

    conc.run(main, workers=3, max_blocking_threads=4)
    assert results == {number: number for number in range(9)}


def test_calls_from_strands_in_haste_all_come_back() -> None:
    async def strand(number: int) -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(caller, number)

    async def caller(number: int) -> None:
        for step in range(30):
            assert await conc.to_thread(pow, number, step) == number**step

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for number in range(6):
                nursery.start_soon(strand, number)

    conc.run(main, workers=3, max_blocking_threads=5)


def test_a_program_with_a_thread_warns_of_nothing() -> None:
    async def main() -> None:
        await conc.to_thread(int)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conc.run(main)
