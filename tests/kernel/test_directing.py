"""A director is asked wherever the scheduler leaves a choice, and what it says is done."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc import channels, sync
from conc.lowlevel import Director, Instrument, Task, current_runtime, current_task
from conc_testing import VirtualClock
from tests.kernel.directed import Recorder, direct, names, run_by_steps, run_whole, start_named
from tests.kernel.support import nothing


class OthersFirst(Director):
    """Lets somebody else run wherever that is possible."""

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        return len(candidates) - 1


class SecondInBetween(Director):
    """Runs the task "second" as soon as "first" has made a step."""

    _begun = False

    def pick(self, candidates: Sequence[Task[Any]]) -> int:
        wanted = "second" if self._begun else "first"
        found = [place for place, name in enumerate(names(candidates)) if name == wanted]
        self._begun |= bool(found)
        return found[0] if found else 0


class Steps(Instrument):
    """Who made each step."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def before_task_step(self, task: Task[Any]) -> None:
        self.names.append(task.name)


# ---- picking --------------------------------------------------------------------------------------------------------


def test_the_director_is_asked_before_each_step_also_for_one_candidate() -> None:
    director, steps = Recorder(), Steps()

    async def main() -> None:
        await conc.checkpoint()
        await start_named(("a", conc.checkpoint), ("b", conc.checkpoint))
        await conc.sleep(1)

    direct(main, director, instruments=[steps])

    assert [seen[0] for seen in director.seen] == steps.names
    assert ["a", "b"] in director.seen


def test_who_stood_before_the_picked_one_goes_behind_the_others() -> None:
    director = Recorder(0, 2)

    direct(start_named, director, *((name, nothing) for name in "abcd"))

    assert director.seen[1:5] == [["a", "b", "c", "d"], ["d", "a", "b"], ["a", "b"], ["b"]]


def test_a_task_whose_operation_need_not_wait_stands_first_and_goes_on_by_itself() -> None:
    log: list[str] = []

    async def use(name: str) -> None:
        semaphore = sync.Semaphore(3)
        for _ in range(3):
            await semaphore.acquire()
            log.append(name)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, "a")
            nursery.start_soon(use, "b")

    direct(main, Director())
    assert "".join(log) == "aaabbb"
    log.clear()
    direct(main, OthersFirst())
    assert "".join(log) in {"ababab", "bababa"}


def test_a_checkpoint_lets_the_others_run_by_itself() -> None:
    log: list[str] = []

    async def count(name: str) -> None:
        for _ in range(2):
            log.append(name)
            await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(count, "a")
            nursery.start_soon(count, "b")

    direct(main, Director())
    assert "".join(log) == "abab"


async def _select(event: sync.Event, semaphore: sync.Semaphore) -> None:
    await conc.select(event.waiting(), semaphore.acquiring())


async def _send_and_receive() -> None:
    sender, receiver = channels.mpsc[int](1)
    await sender.send(1)
    await receiver.receive()
    sender.close()
    receiver.close()


async def _lock() -> None:
    async with sync.Mutex():
        pass


async def _read() -> None:
    async with sync.RwLock().read():
        pass


async def _set_event() -> sync.Event:
    event = sync.Event()
    event.set()
    return event


async def _wait_for_event() -> None:
    await (await _set_event()).wait()


async def _select_what_is_ready() -> None:
    await _select(await _set_event(), sync.Semaphore(1))


async def _join_what_has_ended() -> None:
    async with conc.open_nursery() as nursery:
        task = nursery.start_soon(nothing)
    await task.join()


OPERATIONS: dict[str, Callable[[], Awaitable[object]]] = {
    "acquire": lambda: sync.Semaphore(1).acquire(),
    "checkpoint": conc.checkpoint,
    "empty nursery": start_named,
    "event": _wait_for_event,
    "join": _join_what_has_ended,
    "mutex": _lock,
    "once": lambda: sync.OnceCell[None]().get_or_init(nothing),
    "read lock": _read,
    "select": _select_what_is_ready,
    "send": _send_and_receive,
    "sleep": lambda: conc.sleep(0),
    "sleep until": lambda: conc.sleep_until(0),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_is_a_moment_at_which_others_may_run(operation: Callable[[], Awaitable[object]]) -> None:
    ran: list[str] = []

    async def first() -> None:
        ran.append("before")
        await operation()
        ran.append("after")

    async def second() -> None:
        ran.append("other")

    direct(start_named, SecondInBetween(), ("first", first), ("second", second))
    assert ran == ["before", "other", "after"]


def test_without_preemption_an_operation_that_need_not_wait_is_no_such_moment() -> None:
    log: list[str] = []

    class Calm(OthersFirst):
        preemptive = False

    async def use(name: str) -> None:
        semaphore = sync.Semaphore(5)
        for _ in range(5):
            await semaphore.acquire()
            log.append(name)

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, "a")
            nursery.start_soon(use, "b")

    direct(main, Calm())
    assert "".join(log) == "bbbbbaaaaa"


def test_without_preemption_the_budget_of_a_turn_is_as_ever() -> None:
    class Calm(Director):
        preemptive = False

    def steps_of(director: Director | None) -> int:
        steps = Steps()

        async def main() -> None:
            semaphore = sync.Semaphore(2_000)
            for _ in range(2_000):
                await semaphore.acquire()

        conc.run(main, clock=VirtualClock(), policy=director, instruments=[steps])
        return len(steps.names)

    assert steps_of(Calm()) == steps_of(None) < 10 < 2_000 <= steps_of(Director())


def test_who_came_due_stands_beside_who_is_ready() -> None:
    director = Recorder()

    async def sleep() -> None:
        await conc.sleep(1)

    async def advance() -> None:
        current_runtime().clock.jump(1)  # type: ignore[attr-defined]
        async with sync.Mutex():
            pass

    direct(start_named, director, ("sleeper", sleep), ("advancing", advance))
    assert any(set(seen) == {"sleeper", "advancing"} for seen in director.seen[3:])


@given(picks=st.lists(st.integers(0, 9), max_size=60), data=st.data())
def test_whatever_a_director_picks_runs_next_and_everything_ends(picks: list[int], data: st.DataObject) -> None:
    steps = Steps()
    expected: list[str] = []

    class Picker(Director):
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            assert len(set(candidates)) == len(candidates)
            assert not any(task.ended for task in candidates)
            index = (picks.pop() if picks else 0) % len(candidates)
            expected.append(candidates[index].name)
            return index

    semaphore, done = sync.Semaphore(1), []

    async def work(name: str, rounds: int) -> None:
        for round_ in range(rounds):
            async with semaphore:
                await conc.sleep(round_ % 2)
        done.append(name)

    counts = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number, rounds in enumerate(counts):
                nursery.start_soon(work, str(number), rounds, name=str(number))

    direct(main, Picker(), instruments=[steps])
    assert steps.names == expected
    assert sorted(done) == [str(number) for number in range(len(counts))]
    assert semaphore.value == 1


# ---- beside all else ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("director", [Director(), OthersFirst()], ids=["first", "last"])
def test_strands_of_a_parallel_nursery_are_directed_as_all_tasks_are(director: Director) -> None:
    async def square(number: int) -> int:
        await conc.sleep(number % 2)
        return number * number

    async def main() -> list[int]:
        async with conc.open_nursery(parallel=True) as nursery:
            tasks = [nursery.start_soon(square, number) for number in range(5)]
            assert [await task.join() for task in tasks] == [0, 1, 4, 9, 16]
        return [task.join_nowait() for task in tasks]

    assert direct(main, director) == [0, 1, 4, 9, 16]


def test_mail_of_strands_is_never_a_candidate() -> None:
    class Strict(Director):
        asked = 0

        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            self.asked += 1
            assert all(isinstance(candidate, Task) for candidate in candidates)
            return len(candidates) - 1

    director = Strict()

    async def main() -> str:
        called: list[str] = []
        current_runtime().portal.call_soon(called.append, "called")
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(conc.checkpoint)
            task = nursery.start_soon(conc.sleep_forever)
            await conc.checkpoint()
            task.cancel()
        await conc.checkpoint()
        return called[0]

    assert direct(main, director) == "called"
    assert director.asked


@pytest.mark.parametrize("director", [Director(), OthersFirst()], ids=["first", "last"])
def test_thread_jobs_and_portals_go_on_under_a_director(director: Director) -> None:
    async def answer() -> int:
        await conc.checkpoint()
        return 42

    async def main() -> list[int]:
        portal = current_runtime().portal
        return [
            await conc.to_thread(portal.run, answer),
            await conc.to_thread(conc.from_thread.run, answer),
            await conc.to_thread(lambda: 7),
        ]

    assert direct(main, director) == [42, 42, 7]


def test_a_stepped_run_is_directed_in_the_same_way() -> None:
    def order(way: Callable[..., None]) -> list[str]:
        log: list[str] = []

        async def use(name: str) -> None:
            for _ in range(3):
                log.append(name)
                await conc.sleep(0)

        async def main() -> None:
            async with conc.open_nursery() as nursery:
                for name in "abc":
                    nursery.start_soon(use, name)

        way(conc.Runtime(clock=VirtualClock(), policy=Recorder(0, 2, 1, 1, 2, 1, 0, 1)), main)
        return log

    assert order(run_whole) == order(run_by_steps) != ["a", "b", "c"] * 3


def test_a_step_of_a_stepped_run_is_one_step_of_a_task() -> None:
    director = Recorder()
    runtime = conc.Runtime(clock=VirtualClock(), policy=director)

    async def main() -> None:
        semaphore = sync.Semaphore(5)
        for _ in range(5):
            await semaphore.acquire()

    runtime.start(main)
    for steps in range(1, 6):
        assert runtime.step()
        assert len(director.seen) == steps
    assert not runtime.step()


def test_context_variables_of_the_director_are_its_own() -> None:
    variable = ContextVar("variable", default="outside")
    seen: list[str] = []

    class Setting(Director):
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            seen.append(variable.get())
            variable.set("of the director")
            return 0

    async def main() -> str:
        await conc.checkpoint()
        return variable.get()

    assert direct(main, Setting()) == "outside"
    assert seen == ["outside", "of the director"]


def test_the_candidates_are_ready_and_the_running_task_is_not_among_them() -> None:
    seen: list[int] = []

    class Looking(Director):
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            for task in candidates:
                assert task.state in {"ready", "fresh"}
            with pytest.raises(RuntimeError, match="no task is running"):
                current_task()
            seen.append(len(candidates))
            return len(candidates) // 2

    direct(start_named, Looking(), *((name, lambda: conc.sleep(1)) for name in "abc"))
    assert max(seen) == 3


def test_who_is_cancelled_between_two_steps_sees_it_at_the_checkpoint_where_it_stands() -> None:
    log: list[str] = []

    class Cancelling(Director):
        def pick(self, candidates: Sequence[Task[Any]]) -> int:
            if log == ["before"]:
                candidates[0].cancel()
            return 0

    async def stand() -> None:
        log.append("before")
        await conc.checkpoint()
        log.append("after")

    direct(start_named, Cancelling(), ("one", stand))
    assert log == ["before"]


@pytest.mark.parametrize("director", [None, Director()])
def test_a_generator_that_is_dropped_in_the_last_step_is_closed_without_an_error(director: Director | None) -> None:
    log: list[str] = []

    async def generate() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.append("cleans up")
            await conc.checkpoint()
            log.append("waited")

    async def main() -> None:
        async for _ in generate():
            break

    with pytest.warns(ResourceWarning, match="dropped before it was finished"):
        conc.run(main, clock=VirtualClock(), policy=director)
    assert log == ["cleans up"]
