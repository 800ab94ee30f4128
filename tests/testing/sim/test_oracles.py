"""What nobody asserts is seen all the same: lost wake-ups, orphaned grants, broken invariants, runs without end."""

from __future__ import annotations

import pytest

import conc
from conc import sync
from conc.lowlevel import Task, park, unpark
from conc_testing import (
    BrokenInvariant,
    Budget,
    Livelock,
    LostWakeup,
    OrphanedGrant,
    explore,
    run,
    watch,
)
from tests.testing.sim import planted


class Slot:
    """Where one task waits for a thing. Who puts it there has to wake the task, and may forget that."""

    reason = "a thing in the slot"

    def __init__(self, forgets: bool = False) -> None:
        self.thing: object = None
        self._forgets = forgets
        self._waiting: list[Task[object]] = []

    async def take(self) -> object:
        while self.thing is None:
            await park(self, self._waiting.append)
        thing, self.thing = self.thing, None
        return thing

    def put(self, thing: object) -> None:
        self.thing = thing
        if self._waiting and not self._forgets:
            unpark(self._waiting.pop())

    def withdraw(self, task: Task[object]) -> bool:
        self._waiting.remove(task)
        return True

    def would_succeed(self, task: Task[object]) -> bool:
        return self.thing is not None


async def give_and_take(slot: Slot) -> None:
    async with conc.open_nursery() as nursery:
        nursery.start_soon(slot.take, name="taker")
        await conc.sleep(1)
        slot.put("thing")
        await conc.sleep(10)


# ---- wake-ups -----------------------------------------------------------------------------------------------------


def test_who_waits_for_what_could_be_had_is_found_at_once_and_named() -> None:
    times: list[float] = []

    async def scenario() -> None:
        try:
            await give_and_take(Slot(forgets=True))
        finally:
            times.append(conc.current_time())

    with pytest.raises(LostWakeup, match=r"main/0:taker waits for a thing in the slot, which could be had"):
        run(scenario)
    assert times == [1]


def test_a_wake_up_that_comes_is_not_lost() -> None:
    async def scenario() -> None:
        await give_and_take(Slot())

    assert explore(scenario, budget=Budget(runs=60)).failure is None


def test_a_lost_wake_up_that_needs_an_order_is_found_by_the_search() -> None:
    async def scenario() -> None:
        waiting: list[Task[None]] = []
        full = False

        class Wait:
            reason = "the box to be full"

            def withdraw(self, task: Task[None]) -> bool:
                return True

            def would_succeed(self, task: Task[None]) -> bool:
                return full

        async def wait() -> None:
            if not full:
                await planted.pass_by()  # between the look and the wait somebody fills it
                await park(Wait(), waiting.append)

        async def fill() -> None:
            nonlocal full
            full = True
            for task in waiting:
                unpark(task)

        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait, name="waiter")
            nursery.start_soon(fill)

    report = explore(scenario)
    assert report.failure is not None
    assert isinstance(report.failure.error, LostWakeup)
    assert len(report.failure.deviations) == 1


# ---- grants and invariants ----------------------------------------------------------------------------------------


class Audited:
    """Something with books that say what is wrong."""

    def __init__(self) -> None:
        self.wrong: str | None = None
        self.broken: str | None = None
        self.looks = 0

    def audit(self) -> str | None:
        self.looks += 1
        return self.wrong

    def _check(self) -> None:
        assert self.broken is None, self.broken


def test_a_grant_that_came_to_nobody_is_found_when_the_program_is_at_rest() -> None:
    async def scenario() -> None:
        audited = watch(Audited())
        audited.wrong = "one of it is gone"
        await planted.pass_by()
        await conc.sleep(1)
        raise AssertionError("too late")

    with pytest.raises(OrphanedGrant, match=r"Audited \(made in test_oracles.py:\d+\): one of it is gone"):
        run(scenario)


def test_a_broken_invariant_is_found_when_the_program_is_at_rest() -> None:
    async def scenario() -> None:
        audited = watch(Audited())
        audited.broken = "two owners"
        await conc.sleep(1)
        raise AssertionError("too late")

    with pytest.raises(BrokenInvariant, match=r"Audited \(made in test_oracles.py:\d+\), at rest: two owners"):
        run(scenario)


@pytest.mark.parametrize("attribute", ["wrong", "broken"])
def test_what_is_wrong_at_the_end_is_found_without_a_rest(attribute: str) -> None:
    async def scenario() -> None:
        setattr(watch(Audited()), attribute, "at the very end")

    with pytest.raises((OrphanedGrant, BrokenInvariant), match="at the very end"):
        run(scenario)


def test_what_is_wrong_only_between_two_steps_is_nobodys_business() -> None:
    async def scenario() -> None:
        audited = watch(Audited())
        audited.broken = "for a moment"
        await planted.pass_by()
        audited.broken = None
        await conc.sleep(1)
        assert audited.looks >= 1

    assert explore(scenario).failure is None


def test_primitives_of_conc_are_watched_by_themselves() -> None:
    async def scenario() -> None:
        semaphore = sync.Semaphore(1)
        semaphore._free = -1
        await conc.sleep(1)

    with pytest.raises(BrokenInvariant, match=r"made in test_oracles.py:\d+"):
        run(scenario)


def test_watch_gives_its_object_back_and_does_nothing_outside_of_simulations() -> None:
    audited = Audited()
    audited.wrong = "not looked at"
    assert watch(audited) is audited

    async def main() -> Audited:
        return watch(audited)

    assert conc.run(main) is audited


# ---- runs without end -----------------------------------------------------------------------------------------------


async def ask_for_ever() -> None:
    while True:
        await conc.checkpoint()


def test_tasks_that_ask_again_and_again_are_a_livelock() -> None:
    with pytest.raises(Livelock, match=r"1000 steps were made at 0 s, and time does not pass; the last was of main"):
        run(ask_for_ever, livelock=1_000)


def test_a_livelock_is_told_also_where_no_operation_has_to_wait() -> None:
    async def work_for_ever() -> None:
        while True:
            await planted.pass_by()

    with pytest.raises(Livelock):
        run(work_for_ever, livelock=1_000)


def test_a_run_that_goes_on_for_ever_though_time_passes_is_a_livelock_too() -> None:
    async def tick() -> None:
        while True:
            await conc.sleep(1)

    with pytest.raises(Livelock, match="the run does not end"):
        run(tick, livelock=10)


def test_many_steps_are_no_livelock_as_long_as_time_passes() -> None:
    async def tick() -> None:
        for _ in range(50):
            for _ in range(90):
                await conc.checkpoint()
            await conc.sleep(1)

    run(tick, livelock=100)


@pytest.mark.parametrize("plan", ["delay<=1", "random", "pct:d=3", "pos"])
def test_who_asks_until_another_has_answered_is_no_livelock_in_any_order(plan: str) -> None:
    async def scenario() -> None:
        answers: list[int] = []

        async def answer() -> None:
            await planted.pass_by()
            answers.append(42)

        async def ask() -> None:
            while not answers:
                await conc.checkpoint()

        async with conc.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(answer)

    report = explore(scenario, plan=(plan,), budget=Budget(runs=40), livelock=2_000)
    assert report.failure is None


def test_a_deadlock_is_found_with_the_tree_of_who_waits_for_what() -> None:
    report = explore(planted.waits_for_ever)
    assert report.failure is not None
    assert isinstance(report.failure.error, conc.Deadlock)
    assert "Each of these waits for the next" in str(report.failure.error)
