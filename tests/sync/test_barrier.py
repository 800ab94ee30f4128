"""A barrier: all together or nobody, one leader each time, and who is cancelled has not arrived."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.sync import Barrier
from conc_testing import settle
from tests.kernel.support import Driven, run
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger, hasty_switching


async def arrive(barrier: Barrier, order: list[str], name: str) -> bool:
    leads = await barrier.wait()
    order.append(name)
    return leads


def test_nobody_passes_before_the_last_has_arrived() -> None:
    order: list[str] = []

    async def main() -> None:
        barrier = Barrier(3)
        async with conc.open_nursery() as nursery:
            for name in "ab":
                nursery.start_soon(arrive, barrier, order, name)
            await settle()
            assert order == []
            nursery.start_soon(arrive, barrier, order, "c")

    run(main)
    assert sorted(order) == ["a", "b", "c"]


def test_who_comes_last_leads_and_nobody_else() -> None:
    async def main() -> None:
        barrier = Barrier(4)
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(barrier.wait) for _ in range(4)]
        assert [task.join_nowait() for task in tasks] == [False, False, False, True]

    run(main)


def test_a_barrier_for_one_lets_it_pass_at_once_as_the_leader() -> None:
    trace: list[str] = []

    async def main() -> None:
        barrier = Barrier(1)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(arrive, Barrier(1), trace, "other")
            for _ in range(3):
                assert await barrier.wait()
            trace.append("main")
        assert barrier.statistics().generation == 3

    run(main)
    assert trace == ["main", "other"]


def test_it_is_new_for_each_generation() -> None:
    leads: list[list[bool]] = [[], [], []]

    async def main() -> None:
        barrier = Barrier(3)

        async def go(number: int) -> None:
            for _ in range(5):
                leads[number].append(await barrier.wait())
                if number == 2:
                    await conc.sleep(1)

        async with conc.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(go, number)
        assert barrier.statistics() == (3, 0, 5)
        barrier._check()

    run(main)
    assert [sum(generation) for generation in zip(*leads, strict=True)] == [1] * 5


def test_a_newcomer_belongs_to_the_next_generation_although_the_woken_have_not_run_yet() -> None:
    order: list[str] = []

    async def main() -> None:
        barrier = Barrier(2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(arrive, barrier, order, "a")
            await settle()
            assert await barrier.wait()
            assert barrier.statistics() == (2, 0, 1)
            newcomer = nursery.start_soon(arrive, barrier, order, "newcomer")
            await settle()
            assert order == ["a"]
            assert newcomer.outcome is None
            nursery.cancel_scope.cancel()

    run(main)


# ---- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancelled_wait_has_not_arrived() -> None:
    order: list[str] = []

    async def main() -> None:
        barrier = Barrier(3)
        async with conc.open_nursery() as nursery:
            tasks = {name: nursery.start_soon(arrive, barrier, order, name) for name in "ab"}
            await settle()
            tasks["a"].cancel()
            await settle()
            assert barrier.statistics().tasks_waiting == 1
            barrier._check()
            nursery.start_soon(arrive, barrier, order, "c")
            await settle()
            assert order == []
            nursery.start_soon(arrive, barrier, order, "d")

    run(main)
    assert sorted(order) == ["b", "c", "d"]


def test_who_was_let_through_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[str] = []

    async def waiter(barrier: Barrier) -> None:
        trace.append(f"leads: {await barrier.wait()}")
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        barrier = Barrier(2)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(waiter, barrier)
            await settle()
            assert await barrier.wait()
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == ["leads: False"]


def test_one_that_was_cancelled_before_the_last_came_is_waited_for_again() -> None:
    order: list[str] = []

    async def main() -> None:
        barrier = Barrier(2)
        async with conc.open_nursery() as nursery:
            first = nursery.start_soon(arrive, barrier, order, "first")
            await settle()
            first.cancel()
            second = nursery.start_soon(arrive, barrier, order, "second")
            await settle()
            assert second.outcome is None
            assert await barrier.wait()
        assert second.join_nowait() is False

    run(main)
    assert order == ["second"]


# ---- threads and strands ---------------------------------------------------------------------------------------------


def test_threads_arrive_beside_tasks() -> None:
    async def main() -> None:
        barrier = Barrier(3)
        strangers = [Stranger(barrier.wait_blocking) for _ in range(2)]
        await conc.to_thread(until_waiting, barrier, 2)
        assert await barrier.wait()
        assert [await stranger.has_ended() for stranger in strangers] == [False, False]

    conc.run(main)


def test_a_thread_whose_timeout_passes_has_not_arrived() -> None:
    barrier = Barrier(2)

    with pytest.raises(TimeoutError, match=r"Barrier\.wait_blocking"):
        barrier.wait_blocking(timeout=0)
    assert barrier.statistics().tasks_waiting == 0
    barrier._check()


def test_an_interrupted_thread_has_arrived_all_the_same_and_takes_no_lead_away(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after_grants(monkeypatch)
    barrier = Barrier(2)
    stranger = Stranger(barrier.wait_blocking)
    until_waiting(barrier)

    assert barrier.wait_blocking()

    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert barrier.statistics() == (2, 0, 1)


def test_strands_and_threads_pass_together_each_time_with_one_leader() -> None:
    rounds = 100
    arrived: list[int] = []
    leaders: list[int] = []

    def passed(phase: int, leads: bool) -> None:
        assert arrived.count(phase) == 6, "somebody passed before all had arrived"
        if leads:
            leaders.append(phase)

    def thread(barrier: Barrier) -> None:
        for phase in range(rounds):
            arrived.append(phase)
            passed(phase, barrier.wait_blocking())

    async def strand(barrier: Barrier) -> None:
        for phase in range(rounds):
            arrived.append(phase)
            passed(phase, await barrier.wait())

    async def main() -> None:
        barrier = Barrier(6)
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(4):
                nursery.start_soon(strand, barrier)
            strangers = [Stranger(thread, barrier) for _ in range(2)]
        for stranger in strangers:
            stranger.result()
        barrier._check()

    with hasty_switching():
        conc.run(main, workers=3)
    assert leaders == list(range(rounds))


# ---- looking ---------------------------------------------------------------------------------------------------------


def test_it_says_how_many_have_arrived() -> None:
    async def main() -> None:
        barrier = Barrier(3)
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(barrier.wait)
            await settle()
            assert repr(barrier) == "<Barrier 1 of 3 arrived>"
            assert barrier.statistics() == (3, 1, 0)
            assert barrier.parties == 3
            assert "Barrier.wait" in repr(task)
            nursery.cancel_scope.cancel()

    run(main)


@pytest.mark.parametrize(("parties", "error"), [(0, ValueError), (-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_a_bad_number_of_parties_is_refused_by_name(parties: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="parties"):
        Barrier(parties)


# ---- against a model -------------------------------------------------------------------------------------------------


class Model:
    """A barrier, sequentially: who stands before it, and what became of the others."""

    def __init__(self, parties: int) -> None:
        self.parties, self.generation = parties, 0
        self.line: list[int] = []
        self.ends: dict[int, bool | None] = {}  # whether it leads; None if it was cancelled

    def arrive(self, name: int) -> None:
        self.line.append(name)
        if len(self.line) == self.parties:
            self.ends.update(dict.fromkeys(self.line, False))
            self.ends[name] = True
            self.generation += 1
            self.line = []

    def cancel(self, name: int) -> None:
        if name in self.line:
            self.line.remove(name)
            self.ends[name] = None


class BarrierMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.tasks: list[conc.Task[bool]] = []
        self.barrier = Barrier(1)
        self.model = Model(1)

    @precondition(lambda self: not self.tasks)
    @rule(parties=st.integers(1, 4))
    def begin(self, parties: int) -> None:
        self.barrier, self.model = Barrier(parties), Model(parties)

    @rule()
    def arrive(self) -> None:
        self.model.arrive(len(self.tasks))
        self.tasks.append(self.driven.start(self.barrier.wait))

    @rule()
    def arrive_without_a_turn_for_the_woken(self) -> None:
        if len(self.model.line) + 1 == self.model.parties:
            self.model.arrive(-1)
            assert self.barrier.wait_blocking(timeout=0)

    @precondition(lambda self: self.tasks)
    @rule(choice=st.integers(0, 1000))
    def cancel(self, choice: int) -> None:
        name = choice % len(self.tasks)
        self.driven.do(self.tasks[name].cancel)
        self.model.cancel(name)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for name, task in enumerate(self.tasks):
            ended = task.outcome
            assert (ended is not None) == (name in self.model.ends)
            if ended is not None and self.model.ends[name] is None:
                with pytest.raises(conc.TaskCancelled):
                    task.join_nowait()
            elif ended is not None:
                assert task.join_nowait() is self.model.ends[name]

    @invariant()
    def the_numbers_agree(self) -> None:
        self.barrier._check()
        model = self.model
        assert self.barrier.statistics() == (model.parties, len(model.line), model.generation)

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestBarrier = BarrierMachine.TestCase
TestBarrier.settings = settings(stateful_step_count=40)
