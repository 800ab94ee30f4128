"""Who is killed ends where it stands, without unwinding; all that it waited for forgets it, and the others go on."""

from __future__ import annotations

import gc
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

import conc
from conc import channels, sync
from conc.lowlevel import Task, current_runtime, current_task, kill, wait_readable
from conc_testing import VirtualClock, settle
from tests.kernel.support import Thing, Watch, run

Log = list[str]


async def guarded(log: Log, operation: Callable[[], Awaitable[object]]) -> None:
    """Do something that waits, and tell of all that would be unwinding."""
    try:
        await operation()
        log.append("went on")
    except BaseException as error:
        log.append(f"except {type(error).__name__}")
        raise
    finally:
        log.append("finally")


async def kill_in(operation: Callable[[], Awaitable[object]], log: Log) -> Task[None]:
    """Kill a task that stands in an operation. What it was in ends without it."""
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(guarded, log, operation, name="victim")
        await settle()
        assert kill(task) == [task]
    return task


# ---- no unwinding ---------------------------------------------------------------------------------------------------


def test_no_clean_up_runs_until_the_run_is_over() -> None:
    log: Log = []

    async def main() -> None:
        await kill_in(conc.sleep_forever, log)
        gc.collect()
        await conc.sleep(10)
        assert log == []

    run(main)
    assert log == ["except GeneratorExit", "finally"]


def test_coroutines_are_closed_at_the_end_in_the_order_in_which_they_were_killed_parents_first() -> None:
    log: Log = []

    async def tree(name: str, depth: int) -> None:
        try:
            async with conc.open_nursery() as nursery:
                for number in range(2 if depth else 0):
                    nursery.start_soon(tree, f"{name}{number}", depth - 1)
                await conc.sleep_forever()
        finally:
            log.append(name)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(tree, "a", 2)
            second = nursery.start_soon(tree, "b", 0)
            await settle()
            kill(second)
            killed = kill(first)
        assert [task.name.rpartition(".")[2] for task in killed] == ["tree"] * 7
        log.append("main ends")

    run(main)
    assert log == ["main ends", "b", "a", "a0", "a1", "a00", "a01", "a10", "a11"]


def test_nobody_hears_what_comes_out_of_closing_them() -> None:
    async def fail() -> None:
        try:
            await conc.sleep_forever()
        finally:
            raise ArithmeticError("of clean-up that never was")

    async def wait_again() -> None:
        while True:
            try:
                await conc.sleep_forever()
            except GeneratorExit:
                await conc.checkpoint()

    async def main() -> str:
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(fail), nursery.start_soon(wait_again)]
            await settle()
            for task in tasks:
                kill(task)
        return "ended"

    assert run(main) == "ended"


def test_the_outcome_is_a_cancellation_that_says_so_and_cancelling_changes_nothing() -> None:
    async def main() -> Task[None]:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.sleep_forever)
            await settle()
            kill(task, "the machine burns")
            task.cancel()
            assert kill(task) == []
        return task

    task = run(main)
    with pytest.raises(conc.TaskCancelled, match="the machine burns"):
        task.join_nowait()
    assert task.ended
    assert "cancelled" in repr(task)


def test_memory_of_the_dead_is_kept_until_the_end_and_not_beyond() -> None:
    watch = Watch()

    async def hold() -> None:
        thing = watch.on("thing", Thing())
        await conc.sleep_forever()
        del thing

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(hold)
            await settle()
            kill(task)
        del task, nursery
        gc.collect()
        assert watch.left() == ["thing"]

    run(main)
    gc.collect()
    assert watch.left() == []


# ---- where they stand -----------------------------------------------------------------------------------------------


async def _join(task: Task[Any]) -> None:
    await task.join()


async def _wait_in_shield() -> None:
    with conc.CancelScope(shield=True):
        await conc.sleep(5)


async def _generate() -> AsyncIterator[int]:
    try:
        yield 1
        await conc.sleep_forever()
    finally:
        await conc.sleep(1)


async def _iterate() -> None:
    async for _ in _generate():
        pass


async def _with_deadline() -> None:
    with conc.move_on_after(5):
        await conc.sleep_forever()


WAITS: dict[str, Callable[[], Awaitable[object]]] = {
    "acquire": lambda: sync.Semaphore(0).acquire(),
    "async generator": _iterate,
    "event": lambda: sync.Event().wait(),
    "receive": channels.mpsc[int](1)[1].receive,
    "select": lambda: conc.select(sync.Event().waiting(), sync.Semaphore(0).acquiring(), conc.after(3)),
    "shield": _wait_in_shield,
    "sleep": lambda: conc.sleep(5),
    "sleep for ever": conc.sleep_forever,
    "with a deadline": _with_deadline,
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("operation", WAITS.values(), ids=WAITS)
def test_whatever_it_waits_for_it_does_not_go_on(operation: Callable[[], Awaitable[object]]) -> None:
    log: Log = []

    async def main() -> float:
        await kill_in(operation, log)
        await conc.sleep(10)
        assert log == []
        assert current_runtime().timers == []
        return conc.current_time()

    assert run(main) == 10


def test_who_is_ready_or_has_not_begun_does_not_run_any_more() -> None:
    log: Log = []

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            ready = nursery.start_soon(guarded, log, conc.checkpoint)
            await conc.checkpoint()
            fresh = nursery.start_soon(guarded, log, conc.checkpoint)
            granted = nursery.start_soon(guarded, log, conc.checkpoint)
            granted.cancel()
            for task in (ready, fresh, granted):
                assert kill(task) == [task]
        assert log == []

    run(main)
    assert "went on" not in log


def test_who_is_being_cancelled_dies_without_seeing_it() -> None:
    log: Log = []

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(guarded, log, conc.sleep_forever)
            await settle()
            task.cancel()
            kill(task)
        assert log == []

    run(main)
    assert log == ["except GeneratorExit", "finally"]


def test_a_descriptor_that_the_dead_waited_for_is_free_for_others() -> None:
    left, right = socket.socketpair()
    left.setblocking(False)
    log: Log = []

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(guarded, log, lambda: wait_readable(left))
            await conc.checkpoint()
            await conc.checkpoint()
            kill(task)
            other = nursery.start_soon(wait_readable, left)
            await conc.checkpoint()
            right.send(b"x")
            await other.join()
        assert log == []

    with left, right:
        conc.run(main)


def test_a_thread_that_works_for_the_dead_is_abandoned_and_its_end_is_nobodys() -> None:
    begun, go = threading.Event(), threading.Event()
    log: Log = []

    def work() -> None:
        begun.set()
        go.wait(10)
        log.append("worked")

    async def main() -> float:
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(guarded, log, lambda: conc.to_thread(work))
            await conc.checkpoint()
            await conc.to_thread(begun.wait)
            kill(task)
        await conc.sleep(3)
        assert log == []
        go.set()
        return conc.current_time()

    assert run(main) == 3
    assert "went on" not in log


# ---- families -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("started", [True, False])
@pytest.mark.parametrize("parallel", [True, False])
def test_children_die_with_their_parent(parallel: bool, started: bool) -> None:
    log: Log = []

    async def parent() -> None:
        async with conc.open_nursery(parallel=parallel) as nursery:
            for _ in range(3):
                nursery.start_soon(guarded, log, conc.sleep_forever)
            await conc.sleep_forever()

    async def main() -> int:
        async with conc.open_nursery(parallel=parallel) as nursery:
            task = nursery.start_soon(parent)
            await conc.checkpoint()
            while not task.started:
                await conc.checkpoint()
            if started:
                await settle()
            killed = kill(task)
        await conc.sleep(3)
        assert all(one.ended for one in killed)
        assert log == []
        return len(killed)

    assert run(main) == 4
    assert log == (["except GeneratorExit", "finally"] * 3 if started else [])


def test_who_is_part_of_it_cannot_kill_it() -> None:
    said: list[str] = []

    async def kill_above(task: Task[Any]) -> None:
        with pytest.raises(RuntimeError, match="cannot kill itself, nor a task that it is a part of") as caught:
            kill(task)
        said.append(str(caught.value))

    async def parent() -> None:
        await kill_above(current_task())
        async with conc.open_nursery() as nursery:
            nursery.start_soon(kill_above, current_task())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(parent)

    run(main)
    assert len(said) == 2


def test_the_main_task_and_who_came_from_outside_cannot_be_killed() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="is the main task of the run"):
            kill(current_task())
        runtime = current_runtime()
        guest = runtime.root_nursery.start_soon(conc.sleep_forever)
        with pytest.raises(RuntimeError, match="main task of the run"):
            kill(guest)
        guest.cancel()

    run(main)


def test_a_task_of_another_thread_cannot_be_killed() -> None:
    async def child(tasks: list[Task[Any]], all_there: sync.Barrier) -> int:
        tasks.append(current_task())
        await all_there.wait()
        foreign = [task for task in tasks if task.strand.worker is not current_task().strand.worker]
        for task in foreign:
            with pytest.raises(RuntimeError, match="lives on another thread"):
                kill(task)
        await all_there.wait()
        return len(foreign)

    async def main() -> int:
        tasks: list[Task[Any]] = []
        barrier = sync.Barrier(6)
        async with conc.open_nursery(parallel=True) as nursery:
            children = [nursery.start_soon(child, tasks, barrier) for _ in range(6)]
        return sum(task.join_nowait() for task in children)

    assert conc.run(main, workers=3, clock=VirtualClock()) >= 0


def test_outside_of_a_program_nobody_can_be_killed() -> None:
    async def main() -> Task[None]:
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(conc.checkpoint)]
        return tasks[0]

    task = run(main)
    with pytest.raises(RuntimeError, match="needs a running conc program"):
        kill(task)
