"""What holds for all primitives: they are for every strand, every thread and every run, and go when nobody has them."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import conc
from conc._kernel.choosing import Branch
from conc._kernel.outsider import Outsider
from conc._kernel.task import Task
from conc_testing import settle
from tests.channels.watched import stop_just_after_the_grant
from tests.kernel.support import run
from tests.sync.outside import interrupt_after_grants, until
from tests.sync.primitives import SCENES, Scene
from tests.sync.test_all_primitives import has, method, scenes_with
from tests.threads.support import PATIENCE, Stranger, goes, no_collector

FOR_THREADS = scenes_with("_blocking")
# Who is granted one of these has it, and nobody else: so it is given back if he will not learn of it.
HANDED_OVER = pytest.mark.parametrize(
    "label",
    [
        label
        for label in SCENES
        if has(label, "_nowait") and method(label) != "Sender.send" and label != "Notify.notified, all"
    ],
)

OURS = ("conc.sync.", "conc.channels.")
# What is freed by the garbage collector only, and why.
IN_CIRCLES: dict[str, str] = dict.fromkeys(
    ["Condition", "Mutex", "OnceCell", "RwLock"],
    "its line asks it who holds it",
) | dict.fromkeys(
    ["Receiver", "Semaphore", "Sender"],
    "its line serves those behind one who leaves",
)


async def somebody_waits(scene: Scene) -> None:
    """Wait in a task, on the real clock, until a thread or a task stands in line."""
    with conc.fail_after(PATIENCE):
        while not scene.standing:
            await conc.sleep(0.0002)


# ---- threads ---------------------------------------------------------------------------------------------------------


@FOR_THREADS
def test_a_thread_waits_until_a_task_lets_it_through(label: str) -> None:
    scene = SCENES[label]()

    def use() -> None:
        scene.leave(scene.blocking(PATIENCE))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            thread = Stranger(use)
            await somebody_waits(scene)
            await scene.end()
            await thread.has_ended()

    conc.run(main)
    scene.owner._check()


@FOR_THREADS
@pytest.mark.parametrize("timeout", [0, 0.002])
def test_a_thread_whose_timeout_passes_has_changed_nothing(label: str, timeout: float) -> None:
    scene = SCENES[label]()
    scene.block()
    before = scene.owner.statistics()

    with pytest.raises(TimeoutError):
        Stranger(scene.blocking, timeout).result()

    assert scene.owner.statistics() == before
    assert scene.standing == 0
    scene.owner._check()


@FOR_THREADS
def test_on_the_thread_of_a_worker_the_blocking_form_is_refused_before_anything_happened(label: str) -> None:
    scene = SCENES[label]()

    async def main() -> None:
        before = scene.owner.statistics()
        with pytest.raises(RuntimeError, match=r"a thread that runs tasks.*await"):
            getattr(scene.owner, f"{scene.twins}_blocking")(*scene.args)
        assert scene.owner.statistics() == before
        scene.owner._check()

    run(main)


@HANDED_OVER
def test_what_an_interrupted_thread_was_granted_is_as_if_it_had_not_been(
    label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = SCENES[label]()
    scene.block()
    interrupt_after_grants(monkeypatch)
    thread = Stranger(scene.blocking, PATIENCE)
    until(lambda: scene.standing == 1)
    scene.let_through()

    with pytest.raises(KeyboardInterrupt):
        thread.result()

    scene.owner._check()
    scene.leave(scene.nowait())


@pytest.mark.parametrize("label", SCENES)
def test_a_thread_lets_a_task_through(label: str) -> None:
    scene = SCENES[label]()
    blocked: list[str] = []

    def act() -> None:
        scene.block()
        blocked.append("now")
        until(lambda: scene.standing == 1)
        scene.let_through()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            await scene.prepare(nursery)
            thread = Stranger(act)
            with conc.fail_after(PATIENCE):
                while not blocked:
                    await conc.sleep(0.0002)
                await scene.use()
            await thread.has_ended()

    conc.run(main)
    scene.owner._check()


# ---- strands and runs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("label", SCENES)
def test_strands_let_one_another_through_and_a_cancelled_one_leaves_nothing(label: str, workers: int) -> None:
    scene = SCENES[label]()

    async def main() -> None:
        async with conc.open_nursery() as here, conc.open_nursery(parallel=True) as nursery:
            await scene.begin(here)
            before = scene.owner.statistics()
            task = nursery.start_soon(scene.wait)
            await somebody_waits(scene)
            task.cancel()
            with pytest.raises(conc.TaskCancelled):
                await task.join()
            assert scene.owner.statistics() == before
            task = nursery.start_soon(scene.use)
            await somebody_waits(scene)
            await scene.end()
            with conc.fail_after(PATIENCE):
                await task.join()

    conc.run(main, workers=workers)
    scene.owner._check()


@pytest.mark.parametrize("label", SCENES)
def test_a_primitive_is_made_outside_of_a_run_and_used_by_one_after_the_other(label: str) -> None:
    scene = SCENES[label]()

    async def main(last: bool) -> None:
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            task = nursery.start_soon(scene.wait)
            await settle()
            task.cancel()
            await settle()
            if last or not scene.once:
                task = nursery.start_soon(scene.use)
                await settle()
                await scene.end()
                await task.join()
            nursery.cancel_scope.cancel()

    run(main, False)
    scene.owner._check()
    run(main, True)
    scene.owner._check()


# ---- what nobody sees ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", SCENES)
def test_nobody_is_resumed_under_a_lock(label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = SCENES[label]()
    resumed: list[object] = []

    def watch(kind: type) -> None:
        resume: Callable[[Any], None] = kind.resume  # type: ignore[attr-defined]

        def watching(waiter: Any) -> None:
            assert not any(queue.lock.locked() for queue in scene.queues())
            resumed.append(waiter)
            resume(waiter)

        monkeypatch.setattr(kind, "resume", watching)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            for wait in (scene.wait, scene.select if has(label, ", for select") else scene.wait):
                task = nursery.start_soon(scene.use, wait)
                await settle()
                await scene.end()
                await task.join()
                if scene.once:
                    return
                scene.block()

    for kind in (Task, Branch, Outsider):
        watch(kind)
    run(main)
    assert resumed


@HANDED_OVER
def test_what_a_task_was_granted_whose_run_is_stopped_by_force_is_as_if_it_had_not_been(label: str) -> None:
    scene = SCENES[label]()
    with ThreadPoolExecutor(1) as another:
        another.submit(scene.block).result()

        stop_just_after_the_grant(scene.wait, lambda: another.submit(scene.let_through).result())

    scene.owner._check()
    assert scene.standing == 0
    scene.leave(scene.nowait())


@pytest.mark.parametrize("label", SCENES)
def test_a_task_that_has_waited_is_not_held_any_more(label: str) -> None:
    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            cancelled, let_through = nursery.start_soon(scene.wait), nursery.start_soon(scene.use)
            if not scene.shared:
                cancelled.cancel()  # before it waits
            waited = [weakref.ref(cancelled), weakref.ref(let_through)]
            await settle()
            cancelled.cancel()
            await settle()
            await scene.end()
            await let_through.join()
            del cancelled, let_through
            with no_collector():
                for task in waited:
                    await goes(task)
        scene.owner._check()

    run(main)


@pytest.mark.parametrize("label", SCENES)
def test_a_primitive_that_was_used_is_freed_without_the_collector_or_there_is_a_reason(label: str) -> None:
    async def use(scene: Scene) -> None:
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            for _ in range(2):
                task = nursery.start_soon(scene.wait)
                await settle()
                task.cancel()
            task = nursery.start_soon(scene.use)
            await settle()
            await scene.end()

    def use_and_drop() -> str:
        scene = SCENES[label]()
        run(use, scene)
        return type(scene.owner).__name__

    with no_collector():
        gc.collect()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            name = use_and_drop()
            gc.collect()
            in_circles = any(type(thing).__module__.startswith(OURS) for thing in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
    assert in_circles is (name in IN_CIRCLES)
