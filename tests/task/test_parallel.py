"""JoinSets and maps whose children are strands of their own, and what other strands may do with them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from random import Random

import pytest

import conc
from conc.lowlevel import current_task
from conc.sync import Event
from conc.task import JoinSet, Map
from tests.kernel.support import leaves, messages
from tests.task.support import Log, fail, give

WORKERS = 3


@pytest.fixture(autouse=True)
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


async def steps(number: int) -> int:
    for _ in range(number % 5):
        await conc.checkpoint()
    return number


def test_every_task_of_a_parallel_set_is_given_once() -> None:
    async def main() -> None:
        async with conc.open_join_set(parallel=True) as tasks:
            started = {tasks.start_soon(steps, number) for number in range(300)}
            taken = [task async for task in tasks]
            assert len(taken) == 300
            assert set(taken) == started

    conc.run(main, workers=WORKERS)


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("seed", range(5))
def test_every_task_is_given_once_although_tasks_and_takers_are_cancelled(seed: int, parallel: bool) -> None:
    dice = Random(seed)

    async def cancel_later(what: conc.Task[int] | conc.CancelScope, number: int) -> None:
        await steps(number)
        what.cancel()

    async def main() -> None:
        async with conc.open_join_set(limit=4, parallel=parallel) as tasks, conc.open_nursery() as nursery:
            started = [tasks.start_soon(steps, dice.randrange(5)) for _ in range(200)]
            for task in dice.sample(started, 60):
                nursery.start_soon(cancel_later, task, dice.randrange(5))
            taken: list[conc.Task[int]] = []
            while len(tasks):
                with conc.CancelScope() as scope:
                    nursery.start_soon(cancel_later, scope, dice.randrange(5))
                    taken.append(await anext(tasks))
            assert len(taken) == 200
            assert set(taken) == set(started)
            tasks._check()

    conc.run(main, workers=WORKERS)


@pytest.mark.parametrize("limit", [1, 3, 50])
def test_at_most_the_limit_of_strands_run_at_a_time(limit: int) -> None:
    lock = threading.Lock()
    running = 0
    most = 0

    async def work(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        await steps(number)
        with lock:
            running -= 1
        return number

    async def main() -> None:
        async with conc.open_join_set(limit=limit, parallel=True) as tasks:
            for number in range(200):
                tasks.start_soon(work, number)
            assert sorted([task.join_nowait() async for task in tasks]) == list(range(200))
            tasks._check()

    conc.run(main, workers=WORKERS)
    assert 1 <= most <= limit


def test_strands_start_others_in_the_set_around_them() -> None:
    async def spread(tasks: JoinSet, depth: int) -> int:
        if depth:
            for _ in range(3):
                tasks.start_soon(spread, tasks, depth - 1)
        await conc.checkpoint()
        return depth

    async def main() -> None:
        async with conc.open_join_set(limit=4, parallel=True) as tasks:
            tasks.start_soon(spread, tasks, 4)
            depths = [task.join_nowait() async for task in tasks]
        assert sorted(depths) == sorted([4] + [3] * 3 + [2] * 9 + [1] * 27 + [0] * 81)

    conc.run(main, workers=WORKERS)


def test_errors_of_strands_stay_in_their_tasks_and_leave_if_nobody_took_them() -> None:
    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_join_set(limit=2, parallel=True) as tasks:
                for number in range(6):
                    tasks.start_soon(fail, str(number))
                for _ in range(4):
                    task = await tasks.join_next()
                    assert task is not None
                    with pytest.raises(conc.TaskFailed):
                        task.join_nowait()
        assert len(caught.value.exceptions) == 2

    conc.run(main, workers=WORKERS)


def test_strands_that_had_not_begun_never_do_when_the_block_fails() -> None:
    log = Log()

    async def main() -> None:
        begun = Event()

        async def work(name: str) -> None:
            begun.set()
            await log.give(name, 60)

        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_join_set(limit=1, parallel=True) as tasks:
                started = [tasks.start_soon(work, name) for name in "abcd"]
                await begun.wait()
                raise ValueError("of the block")
        assert messages(caught.value) == ["of the block"]
        for task in started:
            with pytest.raises(conc.TaskCancelled):
                await task.join()
        assert "work" in started[3].name

    conc.run(main, workers=WORKERS)
    assert log.lines == ["a begins", "a is cancelled"]


def test_cancel_all_keeps_strands_that_had_not_begun_from_beginning() -> None:
    log = Log()

    async def main() -> None:
        begun = Event()

        async def work(name: str) -> None:
            begun.set()
            await log.give(name, 60)

        async with conc.open_join_set(limit=1, parallel=True) as tasks:
            for name in "abcd":
                tasks.start_soon(work, name)
            await begun.wait()
            tasks.cancel_all("enough")
            taken = [task async for task in tasks]
            assert len(taken) == 4
            for task in taken:
                with pytest.raises(conc.TaskCancelled, match="enough"):
                    task.join_nowait()
            tasks._check()

    conc.run(main, workers=WORKERS)
    assert log.lines == ["a begins", "a is cancelled"]


def test_a_strand_cancelled_alone_before_its_turn_is_told_when_its_turn_comes() -> None:
    async def main() -> None:
        async with conc.open_join_set(limit=1, parallel=True) as tasks:
            tasks.start_soon(give, "first", 0.01)
            second = tasks.start_soon(conc.sleep_forever)
            second.cancel("not needed")
            with pytest.raises(conc.TaskCancelled, match="not needed"):
                await second.join()
            assert len(tasks) == 2

    conc.run(main, workers=WORKERS)


def test_a_set_is_taken_from_only_in_its_own_strand() -> None:
    async def stranger(tasks: JoinSet) -> None:
        for call in (tasks.join_next_nowait, tasks.joining_next, tasks.cancel_all):
            with pytest.raises(RuntimeError, match="at home in another strand"):
                call()
        with pytest.raises(RuntimeError, match="at home in another strand"):
            await tasks.join_next()
        with pytest.raises(RuntimeError, match="at home in another strand"):
            async for _ in tasks:
                pass

    async def main() -> None:
        async with conc.open_join_set() as tasks, conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(stranger, tasks)

    conc.run(main, workers=WORKERS)


def test_strands_below_start_tasks_in_an_ordinary_set_and_they_belong_to_its_strand() -> None:
    async def strand() -> object:
        return current_task().strand

    async def child(tasks: JoinSet) -> None:
        for _ in range(20):
            tasks.start_soon(strand)
            await conc.checkpoint()

    async def main() -> None:
        async with conc.open_join_set(limit=3) as tasks:
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(5):
                    nursery.start_soon(child, tasks)
            strands = [task.join_nowait() async for task in tasks]
        assert strands == [current_task().strand] * 100

    conc.run(main, workers=WORKERS)


@pytest.mark.parametrize("ordered", [True, False])
def test_a_parallel_map_gives_every_value_once(ordered: bool) -> None:
    home: list[object] = []

    async def where() -> None:
        home.append(current_task().strand)

    class Source:
        """Is read in the strand of the block."""

        def __iter__(self) -> Iterator[int]:
            for number in range(200):
                home.append(current_task().strand)
                yield number

    async def call(number: int) -> tuple[int, bool]:
        await steps(number)
        return number, current_task().strand is home[0]

    async def main() -> None:
        await where()
        async with conc.open_map(call, Source(), limit=7, ordered=ordered, parallel=True) as results:
            values = [value async for value in results]
        numbers = [number for number, _ in values]
        assert (numbers if ordered else sorted(numbers)) == list(range(200))
        assert not any(at_home for _, at_home in values)
        assert len(set(home)) == 1

    conc.run(main, workers=WORKERS)


def test_an_error_in_a_parallel_map_leaves_once() -> None:
    async def call(number: int) -> int:
        await steps(number)
        if number == 20:
            raise ValueError("twenty")
        return number

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            async with conc.open_map(call, range(1000), limit=5, parallel=True) as results:
                async for _ in results:
                    pass
        assert [str(error) for error in leaves(caught.value)] == ["twenty"]
        assert messages(caught.value) == ["twenty"]

    conc.run(main, workers=WORKERS)


def test_a_map_is_taken_from_only_in_its_own_strand() -> None:
    async def stranger(results: Map[int]) -> None:
        with pytest.raises(RuntimeError, match="at home in another strand"):
            await anext(results)

    async def main() -> None:
        async with conc.open_map(give, range(3), limit=1) as results, conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(stranger, results)

    conc.run(main, workers=WORKERS)
