"""The tree of who waits for what: as data and as text, from inside, from outside, and over several workers."""

import re
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import conc
from conc.lowlevel import TaskNode, current_runtime, expect_wakeup, task_tree, wait_readable
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock, settle


def tree(timeout: float = 5.0) -> TaskNode:
    """The tree of the running program."""
    top = task_tree(current_runtime(), timeout)
    assert top is not None
    return top


def named(name: str, within: TaskNode | None = None) -> TaskNode:
    """The one task of that name."""
    (node,) = [node for node in (within or tree()).walk() if node.name == name]
    return node


def picture(node: TaskNode) -> str:
    """The text, without what differs from machine to machine and from version to version."""
    text = re.sub(r"#\d+", "#N", str(node))
    text = re.sub(r"  \S*/(\w+\.py):\d+", r"  \1", text)
    return text.replace("test_the_text_is_a_picture_of_the_tree.<locals>.", "")


async def forever() -> None:
    await conc.sleep_forever()


# ---- as data ----------------------------------------------------------------------------------------------------


async def test_tasks_stand_below_the_nursery_that_they_were_started_in() -> None:
    async def parent() -> None:
        async with conc.open_nursery() as outer:
            outer.start_soon(forever, name="outer child")
            async with conc.open_nursery(parallel=True) as inner:
                inner.start_soon(forever, name="first strand")
                inner.start_soon(forever, name="second strand")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(parent, name="parent")
        await settle()
        outer, inner = named("parent").nurseries

        assert (outer[0], [child.name for child in outer[1]]) == (False, ["outer child"])
        assert (inner[0], [child.name for child in inner[1]]) == (True, ["first strand", "second strand"])
        nursery.cancel_scope.cancel()


async def test_a_walk_gives_parents_before_children_and_siblings_in_order() -> None:
    async def parent() -> None:
        async with conc.open_nursery() as children:
            children.start_soon(forever, name="b")
            children.start_soon(forever, name="c")

    async with conc.open_nursery() as nursery:
        nursery.start_soon(parent, name="a")
        nursery.start_soon(forever, name="d")
        await settle()

        assert [node.name for node in tree().walk()][1:] == ["a", "b", "c", "d"]
        nursery.cancel_scope.cancel()


async def test_each_state_is_told_apart() -> None:
    async def spins() -> None:
        while True:
            await conc.checkpoint()

    async with conc.open_nursery() as nursery:
        ready = nursery.start_soon(spins)
        parked = nursery.start_soon(forever)
        await conc.checkpoint()
        fresh = nursery.start_soon(forever)
        async with conc.open_nursery(parallel=True) as strands:
            unstarted = strands.start_soon(forever)

            states = {node.id: (node.state, node.worker) for node in tree().walk()}

            assert states.pop(tree().id) == ("running", 0)
            assert states == {
                ready.id: ("ready", 0),
                parked.id: ("parked", 0),
                fresh.id: ("fresh", 0),
                unstarted.id: ("fresh", None),
            }
            strands.cancel_scope.cancel()
        nursery.cancel_scope.cancel()


async def test_a_parked_task_says_what_it_waits_for_and_since_when(clock: VirtualClock) -> None:
    semaphore = Semaphore(0)
    left, right = socket.socketpair()
    async with conc.open_nursery() as nursery:
        joined = nursery.start_soon(forever, name="joined")
        nursery.start_soon(Event().wait, name="event")
        nursery.start_soon(semaphore.acquire, name="semaphore")
        nursery.start_soon(conc.sleep, 100.0, name="sleep")
        nursery.start_soon(joined.join, name="join")
        nursery.start_soon(wait_readable, left, name="descriptor")
        await clock.advance(1.5)
        await clock.advance(1.0)

        top = tree()
        reasons = {node.name: (node.reason, node.waited) for node in top.walk() if node is not top}
        number = left.fileno()
        named_task = {task.name: task for task in nursery.children}
        named_task["descriptor"].cancel()
        await settle()
        nursery.cancel_scope.cancel()
    left.close()
    right.close()

    assert reasons == {
        "joined": ("nothing (sleep_forever)", 2.5),
        "event": ("Event.wait", 2.5),
        "semaphore": ("Semaphore.acquire", 2.5),
        "sleep": ("a moment in time (sleep)", 2.5),
        "join": (f"join of 'joined' #{joined.id}", 2.5),
        "descriptor": (f"descriptor {number} to be readable", 2.5),
    }


async def test_a_parked_task_shows_where_it_stands_outermost_first_without_the_kernel(nursery: conc.Nursery) -> None:
    async def inner() -> None:
        await Event().wait()

    async def middle() -> None:
        await inner()

    nursery.start_soon(middle, name="waiting")
    await settle()
    stack = named("waiting").stack

    assert [frame.function.rpartition(".")[2] for frame in stack] == ["middle", "inner", "wait"]
    assert [Path(frame.file).name for frame in stack] == ["test_tree.py", "test_tree.py", "event.py"]
    lines = [Path(frame.file).read_text(encoding="utf-8").splitlines()[frame.line - 1].strip() for frame in stack]
    assert lines[:2] == ["await inner()", "await Event().wait()"]


async def test_async_generators_and_context_managers_are_on_the_await_stack(nursery: conc.Nursery) -> None:
    async def numbers() -> AsyncIterator[int]:
        await Event().wait()
        yield 1

    async def loop() -> None:
        async for _ in numbers():
            pass

    @asynccontextmanager
    async def block() -> AsyncIterator[None]:
        yield
        await Event().wait()

    async def use() -> None:
        async with block():
            pass

    nursery.start_soon(loop, name="loop")
    nursery.start_soon(use, name="use")
    await settle()

    assert [frame.function.rpartition(".")[2] for frame in named("loop").stack] == ["loop", "numbers", "wait"]
    assert [frame.function.rpartition(".")[2] for frame in named("use").stack] == ["use", "__aexit__", "block", "wait"]


def test_there_is_no_tree_before_and_after_a_run() -> None:
    with conc.Runtime() as runtime:
        assert task_tree(runtime) is None
        runtime.run(conc.sleep, 0.0)
        assert task_tree(runtime) is None


# ---- as text ----------------------------------------------------------------------------------------------------


async def test_the_text_is_a_picture_of_the_tree(clock: VirtualClock) -> None:
    async def host() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(deeper, name="reader")
            nursery.start_soon(conc.sleep, 30.0, name="timer")
            await Semaphore(0).acquire()

    async def deeper() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(Event().wait, name="leaf")

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(host, name="host")
        nursery.start_soon(forever, name="other")
        await settle()
        await clock.advance(2.0)
        main = tree()
        nursery.cancel_scope.cancel()

    main.name = "main"
    assert picture(main) == PICTURE.strip()


PICTURE = """
main #N: running  [worker 0]
├═══host #N: waits for Semaphore.acquire, for 2 s  [worker 0]
│   │       at host  test_tree.py
│   │       at Semaphore.acquire  semaphore.py
│   ├── reader #N: waits for 1 child of its nursery, for 2 s  [worker 0]
│   │   │       at deeper  test_tree.py
│   │   └── leaf #N: waits for Event.wait, for 2 s  [worker 0]
│   │               at Event.wait  event.py
│   └── timer #N: waits for a moment in time (sleep), for 2 s  [worker 0]
│               at sleep  sleeping.py
└═══other #N: waits for nothing (sleep_forever), for 2 s  [worker 0]
            at forever  test_tree.py
            at sleep_forever  sleeping.py
            at _for_ever  sleeping.py
"""


# ---- over threads -----------------------------------------------------------------------------------------------


def test_another_thread_may_look_at_a_running_program() -> None:
    found: list[TaskNode | None] = []

    async def main() -> None:
        looked = Event()

        def look(runtime: conc.Runtime) -> None:
            found.append(task_tree(runtime, timeout=5.0))
            looked.set()

        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(forever)
            await settle()
            thread = threading.Thread(target=look, args=(current_runtime(),))
            with expect_wakeup():
                thread.start()
                await looked.wait()
            thread.join()
            nursery.cancel_scope.cancel()

    conc.run(main, workers=3, clock=VirtualClock())

    (top,) = found
    assert top is not None
    assert (top.state, top.reason) == ("parked", "Event.wait")
    assert [(node.state, node.reason) for node in top.walk()][1:] == [("parked", "nothing (sleep_forever)")] * 4
    assert {bool(node.stack) for node in top.walk()} == {True}


@pytest.mark.conc(workers=2)
async def test_strands_of_other_workers_are_described_by_their_owners_and_a_busy_one_is_running() -> None:
    on_two_workers = threading.Barrier(2)
    release = threading.Event()
    seen: list[TaskNode] = []

    async def strand() -> None:
        on_two_workers.wait(5.0)
        if threading.current_thread() is not threading.main_thread():
            release.wait(5.0)
            return
        async with conc.open_nursery() as nursery:
            nursery.start_soon(forever, name="beside")
            await conc.checkpoint()
            seen.append(tree(timeout=0.05))
            release.set()
            nursery.cancel_scope.cancel()

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(strand)
        nursery.start_soon(strand)

    (top,) = seen
    here, there = sorted(top.nurseries[0][1], key=lambda node: node.worker or 0)
    assert (here.state, here.worker) == ("running", 0)
    assert (there.state, there.worker, there.stack) == ("running", 1, [])
    assert named("beside", here).reason == "nothing (sleep_forever)"


@pytest.mark.conc(workers=3)
async def test_looking_while_everything_moves_gives_a_tree_each_time() -> None:
    stop = False

    async def parent() -> None:
        while not stop:
            async with conc.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(conc.sleep, 0.0, name="child")

    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(4):
            nursery.start_soon(parent, name="parent")
        for _ in range(10):
            top = tree()
            names = [node.name for node in top.walk()][1:]
            assert set(names) <= {"parent", "child"}
            assert names.count("parent") == 4
            assert str(top).count("\n") >= len(names)
            await conc.checkpoint()
        stop = True
