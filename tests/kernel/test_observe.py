"""Instruments are told what the scheduler does; a policy says who is next."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

import conc
from conc.lowlevel import Instrument, Policy, Task, current_task
from conc.sync import Event
from conc_testing import VirtualClock


class Everything(Instrument):
    """Writes down all that it is told."""

    def __init__(self) -> None:
        self.trace: list[tuple[str, str]] = []

    def _note(self, what: str, task: Task[Any]) -> None:
        self.trace.append((what, task.name.split(".")[-1]))

    def task_spawned(self, task: Task[Any]) -> None:
        self._note("spawned", task)

    def before_task_step(self, task: Task[Any]) -> None:
        self._note("before", task)

    def after_task_step(self, task: Task[Any]) -> None:
        self._note("after", task)

    def task_exited(self, task: Task[Any]) -> None:
        self._note("exited", task)


def run(main: Any, *instruments: Instrument, **options: Any) -> Any:
    return conc.run(main, clock=VirtualClock(), instruments=instruments, **options)


async def child() -> None:
    await conc.checkpoint()


async def start_a_child() -> None:
    async with conc.open_nursery() as nursery:
        nursery.start_soon(child, name="child")


def test_each_step_is_told_before_and_after() -> None:
    everything = Everything()
    run(start_a_child, everything)

    of_child = [what for what, name in everything.trace if name == "child"]
    assert of_child == ["spawned", "before", "after", "before", "exited", "after"]


def test_steps_do_not_overlap_and_none_is_left_open() -> None:
    everything = Everything()

    async def main() -> None:
        event = Event()
        async with conc.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(event.wait)
            await conc.sleep(1)
            event.set()

    run(main, everything)
    steps = [entry for entry in everything.trace if entry[0] in ("before", "after")]
    assert len(steps) % 2 == 0
    for before, after in zip(steps[::2], steps[1::2], strict=True):
        assert (before[0], after[0]) == ("before", "after")
        assert before[1] == after[1]


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_each_task_is_spawned_once_and_exits_once(parallel: bool, workers: int) -> None:
    everything = Everything()

    async def leaf(number: int) -> None:
        await conc.checkpoint()
        if number % 3 == 0:
            current_task().cancel()
            await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery(parallel=parallel) as nursery:
            for number in range(9):
                nursery.start_soon(leaf, number, name=f"leaf {number}")

    conc.run(main, workers=workers, instruments=[everything])
    told = Counter(everything.trace)
    for number in range(9):
        assert told["spawned", f"leaf {number}"] == 1
        assert told["exited", f"leaf {number}"] == 1


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_who_was_spawned_exits_also_when_the_run_is_stopped_or_a_generator_is_dropped() -> None:
    everything = Everything()

    async def generate() -> AsyncIterator[int]:
        yield 1

    async def main() -> None:
        async for _ in generate():
            break
        async with conc.open_nursery() as nursery:
            nursery.start_soon(child)
            with conc.CancelScope(shield=True):
                await Event().wait()

    with pytest.raises(conc.Deadlock):
        run(main, everything)
    told = Counter(everything.trace)
    spawned = {name: count for (what, name), count in told.items() if what == "spawned"}
    exited = {name: count for (what, name), count in told.items() if what == "exited"}
    assert spawned == exited
    assert set(spawned) == {"main", "child", "aclose"}


def test_main_itself_is_told_of() -> None:
    everything = Everything()

    async def main() -> None:
        await conc.checkpoint()

    run(main, everything)
    assert [what for what, name in everything.trace if name == "main"] == [
        "spawned", "before", "after", "before", "exited", "after"
    ]  # fmt: skip


def test_a_task_that_exits_has_its_outcome() -> None:
    seen: list[bool] = []

    class Exits(Instrument):
        def task_exited(self, task: Task[Any]) -> None:
            seen.append(task.outcome is not None)

    run(start_a_child, Exits())
    assert seen == [True, True]


def test_only_what_was_overridden_is_called() -> None:
    class Spawns(Instrument):
        count = 0

        def task_spawned(self, task: Task[Any]) -> None:
            self.count += 1

    spawns = Spawns()
    run(start_a_child, spawns)
    assert spawns.count == 2


def test_several_instruments_are_told_in_order() -> None:
    told: list[str] = []

    class Named(Instrument):
        def __init__(self, name: str) -> None:
            self.name = name

        def before_task_step(self, task: Task[Any]) -> None:
            told.append(self.name)

    async def main() -> None:
        """One step."""

    run(main, Named("first"), Named("second"))
    assert told == ["first", "second"]


@pytest.mark.parametrize("hook", ["task_spawned", "before_task_step", "after_task_step", "task_exited"])
def test_an_error_of_an_instrument_ends_the_run_with_that_error(hook: str) -> None:
    def fail(self: Instrument, task: Task[Any]) -> None:
        if task.name == "child":
            raise ValueError("of the instrument")

    faulty = type("Faulty", (Instrument,), {hook: fail})()
    with pytest.raises((ValueError, ExceptionGroup)) as caught:
        run(start_a_child, faulty)
    error: BaseException = caught.value
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert str(error) == "of the instrument"


def test_an_instrument_of_another_kind_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="instruments"):
        conc.Runtime(instruments=[object()])  # type: ignore[list-item]


class LastFirst:
    """Whoever became ready last goes on first."""

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        return len(candidates) - 1


def test_without_a_policy_whoever_became_ready_first_goes_on_first() -> None:
    assert _order(None) == [0, 1, 2, 3]


def test_a_policy_says_who_of_the_ready_tasks_goes_on() -> None:
    assert _order(LastFirst()) == [3, 2, 1, 0]


def _order(policy: Policy | None) -> list[int]:
    order: list[int] = []

    async def note(number: int) -> None:
        order.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(note, number)

    run(main, policy=policy)
    return order


def test_a_policy_chooses_among_all_who_are_ready_and_nobody_else() -> None:
    seen: list[set[str]] = []

    class Watching:
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            seen.append({task.name for task in candidates})
            return 0

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(child, name=name)
            nursery.start_soon(conc.sleep_forever, name="asleep")
            await conc.sleep(1)
            nursery.cancel_scope.cancel()

    run(main, policy=Watching())
    assert {"a", "b", "c", "asleep"} in seen
    assert {"a", "b", "c"} in seen
    assert all(seen), "asked although nobody is ready"


@pytest.mark.parametrize("index", [-1, 2, 100])
def test_a_policy_that_picks_nobody_is_named(index: int) -> None:
    class Wrong:
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            return index

        def __repr__(self) -> str:
            return "the wrong policy"

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(child)

    with pytest.raises(ValueError, match=f"the wrong policy.*{index}"):
        run(main, policy=Wrong())


def test_a_policy_needs_one_worker_and_says_so() -> None:
    with pytest.raises(ValueError, match=r"policy.*workers=1"):
        conc.Runtime(policy=LastFirst(), workers=2)


def test_with_any_policy_a_program_gives_the_same_result() -> None:
    async def main() -> list[int]:
        results: list[int] = []

        async def work(number: int, event: Event) -> None:
            await event.wait()
            await conc.sleep(number)
            results.append(number)

        async with conc.open_nursery() as nursery:
            event = Event()
            for number in range(5):
                nursery.start_soon(work, number, event)
            await conc.checkpoint()
            event.set()
        return results

    assert run(main) == run(main, policy=LastFirst()) == [0, 1, 2, 3, 4]


BAD_OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"workers": 0}, ValueError, "workers"),
    ({"workers": -3}, ValueError, "workers"),
    ({"workers": 1.0}, TypeError, "workers"),
    ({"workers": True}, TypeError, "workers"),
    ({"workers": "many"}, TypeError, "workers"),
    ({"max_blocking_threads": 0}, ValueError, "max_blocking_threads"),
    ({"max_blocking_threads": "1"}, TypeError, "max_blocking_threads"),
    ({"instruments": [1]}, TypeError, "instruments"),
    ({"instruments": 1}, TypeError, "instruments"),
    ({"seed": "words"}, TypeError, "seed"),
    ({"seed": 1.5}, TypeError, "seed"),
    ({"clock": 1}, TypeError, "clock"),
    ({"poller": 1}, TypeError, "poller"),
    ({"policy": 1}, TypeError, "policy"),
]


@pytest.mark.parametrize(("options", "error", "named"), BAD_OPTIONS)
def test_a_bad_option_of_a_runtime_is_refused_by_name(
    options: dict[str, Any], error: type[Exception], named: str
) -> None:
    async def main() -> None:
        raise AssertionError("ran")

    for attempt in (lambda: conc.Runtime(**options), lambda: conc.run(main, **options)):
        with pytest.raises(error, match=named):
            attempt()
