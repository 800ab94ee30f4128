"""What holds for all primitives: each wait has its forms, its statistics and its text, and leaves nothing when it ends."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

import conc
import conc.channels
import conc.sync
from conc.errors import WouldBlock
from conc.task.selects import TWINS
from conc_testing import settle
from tests.kernel.support import run
from tests.sync.primitives import SCENES, Scene
from tests.threads.support import Stranger

# Forms that a wait does not have, and why.
WITHOUT: dict[str, str] = {
    "Barrier.wait_nowait": "alone it would always have to wait, but for a barrier of one",
    "Barrier.wait, for select": "it lets through all or nobody, and a branch might be granted elsewhere that moment",
    "BroadcastSender.closed_nowait": "is_closed() says it",
    "BroadcastSender.closed_blocking": "a thread is told by the next send_nowait",
    "CancellationToken.wait_nowait": "is_cancelled says it",
    "Condition.wait_nowait": "it always waits",
    "Condition.wait, for select": "it would have to wait for the mutex after the select was decided",
    "Condition.wait_for_nowait": "call the predicate",
    "Condition.wait_for_blocking": "the predicate is called by who waits: a loop around wait_blocking",
    "Condition.wait_for, for select": "as wait",
    "Event.wait_nowait": "is_set() says it",
    "OnceCell.get_or_init_nowait": "to make the value is to wait; get() looks whether there is one",
    "OnceCell.get_or_init_blocking": "the value is made by a task",
    "OnceCell.get_or_init, for select": "a branch that has to make the value would begin what a loser may not have begun",
    "OneshotSender.closed_nowait": "is_closed() says it",
    "OneshotSender.closed_blocking": "a thread is told by send_nowait",
    "Sender.closed_nowait": "is_closed() says it",
    "Sender.closed_blocking": "a thread is told by the next send",
    "Sender.reserve_many_nowait": "reserve_nowait takes the number of places",
    "Sender.reserve_many_blocking": "reserve_blocking takes the number of places",
    "SetOnce.wait_nowait": "get() is that",
    "TaskTracker.wait_nowait": "is_closed and len() say it",
    "WatchReceiver.wait_for_nowait": "borrow_and_update(), and call the predicate",
    "WatchReceiver.wait_for_blocking": "the predicate is called by who waits: a loop around changed_blocking",
    "WatchReceiver.wait_for, for select": "the predicate is called by who waits: a loop around a select of changing()",
    "WatchSender.closed_nowait": "is_closed() says it",
    "WatchSender.closed_blocking": "a thread is told by the next send_nowait",
}
# Classes without statistics, and why.
UNCOUNTED: dict[str, str] = {
    "AtomicInt": "nobody waits for it",
    "AtomicRef": "nobody waits for it",
    "Permit": "len() is all there is to know; its places are in the statistics of its channel",
    "WeakSender": "the channel has them; ask a sender",
}


def labels(of: Callable[[str], bool]) -> Any:
    """The scenes whose method has what is asked for."""
    return pytest.mark.parametrize("label", [label for label in SCENES if of(method(label))])


def method(label: str) -> str:
    """``Semaphore.acquire``"""
    return label.partition(",")[0]


def classes() -> Iterator[type]:
    """The classes of conc.sync and conc.channels that are no statistics and no functions in disguise."""
    for package in (conc.sync, conc.channels):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing) and not issubclass(thing, tuple):
                yield thing


def waits() -> Iterator[tuple[type, str]]:
    """Their methods that wait."""
    for owner in classes():
        for name, function in inspect.getmembers(owner, inspect.iscoroutinefunction):
            if not name.startswith("_"):
                yield owner, name


def forms() -> Iterator[tuple[str, type, str | None]]:
    """Each form that each wait should have: what it is called in WITHOUT, and whose method of what name it is."""
    for owner, name in waits():
        label = f"{owner.__name__}.{name}"
        for ending in ("_nowait", "_blocking"):
            yield label + ending, owner, name + ending
        yield f"{label}, for select", owner, TWINS.get(name)


async def then_a_cancel_point(wait: Callable[[], Awaitable[object]], trace: list[str]) -> None:
    """Wait, pass a cancel point, and note how far it comes."""
    await wait()
    trace.append("let through")
    await conc.checkpoint()
    trace.append("went on")


# ---- forms -----------------------------------------------------------------------------------------------------------


def test_every_method_that_waits_has_a_scene() -> None:
    assert {f"{owner.__name__}.{name}" for owner, name in waits()} == {method(label) for label in SCENES}


@pytest.mark.parametrize(("label", "owner", "name"), list(forms()), ids=[label for label, _, _ in forms()])
def test_each_wait_has_all_forms_or_there_is_a_reason(label: str, owner: type, name: str | None) -> None:
    has_it = name is not None and hasattr(owner, name)

    assert has_it is (label not in WITHOUT)


def test_no_reason_is_left_for_a_form_that_nobody_expects() -> None:
    assert WITHOUT.keys() <= {label for label, _, _ in forms()}


@labels(lambda name: f"{name}_nowait" not in WITHOUT)
def test_without_waiting_it_is_refused_and_nothing_changes(label: str) -> None:
    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            before = scene.owner.statistics()
            for _ in range(3):
                with pytest.raises(WouldBlock):
                    scene.nowait()
            assert scene.owner.statistics() == before
            nursery.start_soon(scene.use)
            await settle()
            with pytest.raises((WouldBlock, conc.errors.BusyResource)):  # a newcomer does not overtake who waits
                scene.nowait()
            scene.let_through()
        scene.owner._check()

    run(main)


@labels(lambda name: f"{name}, for select" not in WITHOUT)
def test_a_select_that_takes_another_branch_leaves_nothing_and_one_that_waits_is_let_through(label: str) -> None:
    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            before = scene.owner.statistics()
            for _ in range(3):
                assert await conc.select(scene.operation(), conc.after(1)) == (1, None)
            assert scene.owner.statistics() == before
            scene.owner._check()
            task = nursery.start_soon(scene.use, scene.select)
            await settle()
            scene.let_through()
            await task.join()
            scene.owner._check()

    run(main)


# ---- statistics and text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", list(classes()), ids=lambda owner: owner.__name__)
def test_each_class_has_statistics_or_there_is_a_reason(owner: type) -> None:
    assert hasattr(owner, "statistics") is (owner.__name__ not in UNCOUNTED)


@pytest.mark.parametrize("label", [label for label, make in SCENES.items() if make().counts])
def test_who_waits_is_counted_in_the_statistics_and_who_ceased_to_is_not(label: str) -> None:
    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            before = scene.owner.statistics()
            assert scene.waiting == 0
            count = 3 if scene.shared else 1
            tasks = [nursery.start_soon(scene.use) for _ in range(count)]
            await settle()
            assert scene.waiting == count
            for left in reversed(range(count)):
                tasks[left].cancel()
                await settle()
                assert scene.waiting == left
            assert scene.owner.statistics() == before
            task = nursery.start_soon(scene.use)
            await settle()
            scene.let_through()
            await task.join()
            assert scene.waiting == 0

    run(main)


@pytest.mark.parametrize("label", SCENES)
def test_the_text_follows_the_state_without_taking_a_lock(label: str) -> None:
    def look(scene: Scene) -> str:
        """From a thread that would hang, as somebody else holds the lock."""
        queues = {queue.lock: None for queue in locks(scene)}
        for lock in queues:
            lock.acquire()
        try:
            text: str = Stranger(repr, scene.owner).result()
        finally:
            for lock in queues:
                lock.release()
        assert text.startswith(f"<{type(scene.owner).__name__} ")
        assert text.endswith(">")
        return text

    async def main() -> None:
        scene = SCENES[label]()
        texts = [look(scene)]
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            texts.append(look(scene))
            task = nursery.start_soon(scene.wait if scene.once else scene.use)
            await settle()
            texts.append(look(scene))
            scene.let_through()
            texts.append(look(scene))
            await task.join()
            texts.append(look(scene))
        assert len(set(texts)) > 1, texts

    run(main)


def locks(scene: Scene) -> Iterator[Any]:
    """What has a lock, in what a primitive refers to."""
    found = [scene.owner]
    for thing in found:
        if hasattr(thing, "lock"):
            yield thing
        for kind in type(thing).__mro__:
            for name in getattr(kind, "__slots__", ()):
                part = getattr(thing, name, None)
                if type(part).__module__.startswith("conc.") and part not in found:
                    found.append(part)


# ---- cancelled -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("label", SCENES)
def test_a_wait_that_is_cancelled_leaves_nothing_behind_and_the_next_is_let_through(label: str) -> None:
    trace: list[str] = []

    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            before = scene.owner.statistics()
            task = nursery.start_soon(then_a_cancel_point, scene.wait, trace)
            await settle()
            task.cancel()
            await settle()
            assert scene.owner.statistics() == before
            scene.owner._check()
            task = nursery.start_soon(scene.use)
            await settle()
            scene.let_through()
            await task.join()
            scene.owner._check()

    run(main)
    assert trace == []


@pytest.mark.parametrize("label", SCENES)
def test_a_wait_that_was_let_through_before_it_was_cancelled_returns_and_the_next_cancel_point_raises(
    label: str,
) -> None:
    trace: list[str] = []

    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            task = nursery.start_soon(then_a_cancel_point, scene.use, trace)
            await settle()
            scene.let_through()
            task.cancel()
            await settle()
            assert task.outcome is not None
            scene.owner._check()
            if not scene.once:  # what it left, another one can have
                await scene.begin(nursery)
                task = nursery.start_soon(scene.use)
                await settle()
                scene.let_through()
                await task.join()
                scene.owner._check()

    run(main)
    assert trace == ["let through"]


@pytest.mark.parametrize("label", SCENES)
def test_a_pending_cancellation_is_raised_before_anything_happened(label: str) -> None:
    trace: list[str] = []

    async def main() -> None:
        scene = SCENES[label]()
        before = scene.owner.statistics()
        with conc.CancelScope() as scope:
            scope.cancel()
            await then_a_cancel_point(scene.wait, trace)
        assert scope.cancelled_caught
        assert scene.owner.statistics() == before
        scene.owner._check()

    run(main)
    assert trace == []
