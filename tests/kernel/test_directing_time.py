"""A director decides about time, too: which timer fires first, whether time passes although somebody could run, and who
is put aside meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

import conc
from conc import sync
from conc.lowlevel import Director, Task, call_at
from conc_testing import VirtualClock
from tests.kernel.directed import direct, names, start_named
from tests.kernel.support import nothing

# ---- the order of timers -------------------------------------------------------------------------------------------


class Backwards(Director):
    """Fires what was set last before all else."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def order(self, due: Sequence[Any]) -> int:
        self.asked.append(len(due))
        return len(due) - 1


def test_the_director_decides_which_of_the_timers_of_one_moment_fires_first() -> None:
    director, log = Backwards(), []

    async def sleep(number: int) -> None:
        await conc.sleep(1)
        log.append(number)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(sleep, number)

    direct(main, director)
    assert log == [3, 2, 1, 0]
    assert director.asked == [4, 3, 2]


def test_deadlines_and_callbacks_are_ordered_as_well() -> None:
    log: list[str] = []

    async def until_called(event: sync.Event) -> None:
        await event.wait()
        log.append("called")

    async def until_the_deadline() -> None:
        with conc.move_on_after(1):
            await conc.sleep_forever()
        log.append("deadline")

    async def main() -> None:
        event = sync.Event()
        call_at(1, event.set)
        await start_named(("called", lambda: until_called(event)), ("deadline", until_the_deadline))

    direct(main, Director())
    assert log == ["called", "deadline"]
    log.clear()
    direct(main, Backwards())
    assert log == ["deadline", "called"]


@pytest.mark.parametrize("leap", [False, True])
def test_timers_of_different_moments_are_not_put_in_another_order(leap: bool) -> None:
    clock = VirtualClock()
    log: list[int] = []

    async def main() -> None:
        for number in (2, 0, 1):
            call_at(1 + number / 10_000, partial(log.append, number))
        if leap:
            clock.jump(1.5)
        await conc.sleep(2)

    conc.run(main, clock=clock, policy=Backwards())
    assert log == [0, 1, 2]


# ---- time that passes although somebody could run --------------------------------------------------------------------


class Hurrying(Director):
    """Lets time pass to the next deadline, as often as it is allowed to."""

    racing = True

    def __init__(self, clock: VirtualClock, times: int) -> None:
        self.clock = clock
        self.times = times
        self.shown: list[tuple[float, ...]] = []

    def lets_time_pass(self, deadlines: Sequence[float]) -> bool:
        self.shown.append(tuple(deadlines))
        if not self.times:
            return False
        self.times -= 1
        self.clock.jump(deadlines[0] - self.clock.now())
        return True


async def _work_with_a_deadline() -> str:
    with conc.move_on_after(1):
        for _ in range(5):
            await conc.checkpoint()
        return "done"
    return "too late"


@pytest.mark.parametrize(("times", "result"), [(0, "done"), (1, "too late")])
def test_a_deadline_overtakes_work_if_the_director_lets_time_pass(times: int, result: str) -> None:
    clock = VirtualClock()
    director = Hurrying(clock, times)

    assert conc.run(_work_with_a_deadline, clock=clock, policy=director) == result
    assert set(director.shown) == {(1.0,)}


def test_time_passes_once_before_each_step_and_what_it_brings_happens_first() -> None:
    clock = VirtualClock()
    log: list[tuple[str, float]] = []

    async def main() -> None:
        for moment in (1, 2, 3):
            call_at(moment, lambda: log.append(("called", clock.now())))
        await conc.checkpoint()
        log.append(("ran", clock.now()))
        await conc.checkpoint()
        log.append(("ran", clock.now()))

    conc.run(main, clock=clock, policy=Hurrying(clock, 2))
    assert log == [("called", 1.0), ("ran", 1.0), ("called", 2.0), ("ran", 2.0)]


def test_the_next_few_moments_are_shown_in_order_and_each_once() -> None:
    clock = VirtualClock()
    director = Hurrying(clock, 0)

    async def main() -> None:
        for moment in (5, 1, 3, 3, 2, 1.0001, 9, 8, 7):
            call_at(moment, lambda: None)
        await conc.checkpoint()

    conc.run(main, clock=clock, policy=director)
    assert set(director.shown) == {(1.0, 1.0001, 2.0, 3.0)}


def test_a_director_that_does_not_race_is_not_asked_about_time() -> None:
    clock = VirtualClock()
    director = Hurrying(clock, 5)
    director.racing = False

    assert conc.run(_work_with_a_deadline, clock=clock, policy=director) == "done"
    assert director.shown == []


def test_equal_deadlines_are_ordered_also_when_time_passes_before_a_step() -> None:
    clock = VirtualClock()
    log: list[str] = []

    class Both(Hurrying, Backwards):
        def __init__(self) -> None:
            Hurrying.__init__(self, clock, 1)

        def order(self, due: Sequence[Any]) -> int:
            return len(due) - 1

    async def main() -> None:
        call_at(1, lambda: log.append("first"))
        call_at(1, lambda: log.append("second"))
        await conc.checkpoint()
        log.append("ran")

    conc.run(main, clock=clock, policy=Both())
    assert log == ["second", "first", "ran"]


# ---- tasks that are put aside --------------------------------------------------------------------------------------


class Shelf(Director):
    """Puts aside the tasks of these names, until they are let go."""

    shelving = True

    def __init__(self, *kept: str) -> None:
        self.kept = set(kept)
        self.shelf: list[Task[Any]] = []
        self.candidates: list[str] = []

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        self.candidates += names(candidates)
        return 0

    def shelve(self, task: Task[Any]) -> bool:
        if task.name not in self.kept:
            return False
        self.shelf.append(task)
        return True

    def let_go(self) -> None:
        self.kept.clear()
        for task in self.shelf:
            task.resume()


def test_a_task_on_the_shelf_does_not_run_until_it_is_resumed() -> None:
    director, log = Shelf("paused"), []

    async def write(name: str) -> None:
        for _ in range(2):
            await conc.sleep(1)
            log.append((name, conc.current_time()))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(write, "paused", name="paused")
            nursery.start_soon(write, "other", name="other")
            call_at(10, director.let_go)

    direct(main, director)
    assert log == [("other", 1), ("other", 2), ("paused", 11), ("paused", 12)]


def test_who_is_cancelled_on_the_shelf_sees_it_when_resumed() -> None:
    director, log = Shelf("paused"), []

    async def wait() -> None:
        try:
            await conc.sleep_forever()
        finally:
            log.append(conc.current_time())

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            director.kept.clear()
            task = nursery.start_soon(wait, name="paused")
            await conc.checkpoint()
            director.kept.add("paused")
            task.cancel()
            call_at(5, director.let_go)

    direct(main, director)
    assert log == [5]


def test_if_all_who_could_run_are_on_the_shelf_that_is_a_deadlock_and_the_run_ends() -> None:
    with pytest.raises(conc.Deadlock):
        direct(start_named, Shelf("paused"), ("paused", nothing))


def test_a_director_that_shelves_nothing_is_not_asked_about_it() -> None:
    director = Shelf("paused")
    director.shelving = False

    direct(start_named, director, ("paused", nothing))
    assert not director.shelf
    assert "paused" in director.candidates
