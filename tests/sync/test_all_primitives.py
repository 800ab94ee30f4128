"""What holds for all primitives: a wait has all its forms, is seen from outside, and leaves nothing when it ends."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator

import pytest

import conc
import conc.channels
import conc.sync
from conc.errors import BusyResource, WouldBlock
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
    "OnceCell.get_or_init, for select": "who is granted may have to make the value, which no other branch may undo",
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


# What a newcomer may have although it was just granted to who waited, and why.
OPEN_TO_NEWCOMERS: dict[str, str] = {
    "CapacityLimiter.acquire_on_behalf_of": "the borrower, which is the same, holds the token now and is told so",
    "RwLock.acquire_read": "readers read together",
}


def scenes_with(form: str) -> pytest.MarkDecorator:
    """The scenes whose method has a form: ``_nowait``, ``_blocking`` or ``, for select``."""
    return pytest.mark.parametrize("label", [label for label in SCENES if has(label, form)])


def has(label: str, form: str) -> bool:
    """Whether the method of a scene has a form."""
    return method(label) + form not in WITHOUT


def method(label: str) -> str:
    """``Semaphore.acquire``"""
    return label.partition(",")[0]


def classes() -> Iterator[type]:
    """The classes of conc.sync and conc.channels that are no statistics, functions in disguise or protocols."""
    for package in (conc.sync, conc.channels):
        for name in package.__all__:
            thing = getattr(package, name)
            if inspect.isclass(thing) and not issubclass(thing, tuple) and not getattr(thing, "_is_protocol", False):
                yield thing


def waits() -> Iterator[tuple[type, str]]:
    """Their methods that wait."""
    for owner in classes():
        for name, _ in inspect.getmembers(owner, inspect.iscoroutinefunction):
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


@scenes_with("_nowait")
def test_without_waiting_it_is_refused_and_nothing_changes(label: str) -> None:
    async def refused(scene: Scene) -> None:
        before = scene.owner.statistics()
        for _ in range(3):
            with pytest.raises((WouldBlock, BusyResource)):
                scene.nowait()
        assert scene.owner.statistics() == before

    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            await nursery.start_soon(refused, scene).join()
            task = nursery.start_soon(scene.use)
            await settle()
            await scene.end()
            if not scene.once and label not in OPEN_TO_NEWCOMERS:
                await refused(scene)  # although who was granted it has not run yet
            await task.join()
        scene.owner._check()

    run(main)


@scenes_with(", for select")
def test_a_select_that_takes_another_branch_leaves_nothing_and_one_that_waits_is_let_through(label: str) -> None:
    async def lose(scene: Scene) -> None:
        before = scene.owner.statistics()
        for _ in range(3):
            assert await conc.select(scene.operation(), conc.after(1)) == (1, None)
        assert scene.owner.statistics() == before
        scene.owner._check()

    async def main() -> None:
        scene = SCENES[label]()
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            await nursery.start_soon(lose, scene).join()
            task = nursery.start_soon(scene.use, scene.select)
            await settle()
            await scene.end()
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
            await scene.end()
            await task.join()
            assert scene.waiting == 0

    run(main)


@pytest.mark.parametrize("label", SCENES)
def test_the_text_follows_the_state_without_taking_a_lock(label: str) -> None:
    async def main() -> None:
        scene = SCENES[label]()
        texts = [look(scene)]
        async with conc.open_nursery() as nursery:
            await scene.begin(nursery)
            texts.append(look(scene))
            task = nursery.start_soon(scene.use)
            await settle()
            texts.append(look(scene))
            if scene.counts:
                assert texts[-1] != texts[-2]
            await scene.end()
            texts.append(look(scene))
            assert texts[-1] != texts[-2]
            await task.join()
            texts.append(look(scene))
        assert all(text.startswith(f"<{type(scene.owner).__name__}") and text.endswith(">") for text in texts)

    run(main)


def look(scene: Scene) -> str:
    """The text, in a thread that would hang if it took a lock, for somebody else has all of them."""
    locks = list({queue.lock: None for queue in scene.queues()})
    for lock in locks:
        lock.acquire()
    try:
        text: str = Stranger(repr, scene.owner).result()
    finally:
        for lock in locks:
            lock.release()
    assert locks
    return text


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
            await scene.end()
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
            await scene.end()
            assert trace == []
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
