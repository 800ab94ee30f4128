"""Schedules drawn by Hypothesis: they find races of a program, and shrink to the switches that matter."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

import conc
import conc_testing
from conc.sync import Event, Mutex
from conc_testing import Schedule
from conc_testing.hypothesis import schedules
from tests.testing.hypothesis.minimal import QUIET, failure, shown

# ---- programs with a bug, that pass in the calm order ---------------------------------------------------------------


class Account:
    """Each method is safe; reading, then writing is not."""

    def __init__(self) -> None:
        self._amount = 0
        self._mutex = Mutex()

    async def read(self) -> int:
        async with self._mutex:
            return self._amount

    async def write(self, amount: int) -> None:
        async with self._mutex:
            self._amount = amount


async def deposits(amounts: list[int]) -> int:
    account = Account()

    async def deposit(amount: int) -> None:
        before = await account.read()
        await account.write(before + amount)

    async with conc.open_nursery() as nursery:
        for amount in amounts:
            nursery.start_soon(deposit, amount)
    return await account.read()


class Turnstile:
    """One permit at a time, first come, first served. `forgetful`: whoever is cancelled on the way out keeps it."""

    def __init__(self, forgetful: bool) -> None:
        self._free = 0
        self._line: list[Event] = []
        self._forgetful = forgetful

    async def acquire(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = Event()
        self._line.append(turn)
        try:
            await turn.wait()
            await conc.checkpoint()  # out of politeness
        except conc.Cancelled:
            if turn in self._line:
                self._line.remove(turn)
            elif not self._forgetful:
                self.release()
            raise

    def release(self) -> None:
        if self._line:
            self._line.pop(0).set()
        else:
            self._free += 1


async def pass_through(forgetful: bool) -> None:
    turnstile = Turnstile(forgetful)

    async def walker() -> None:
        await turnstile.acquire()
        turnstile.release()

    async def give_up(task: conc.Task[None]) -> None:
        task.cancel()

    async def open_it() -> None:
        await conc.checkpoint()
        turnstile.release()

    async with conc.open_nursery() as nursery:
        first = nursery.start_soon(walker)
        nursery.start_soon(walker)
        nursery.start_soon(give_up, first)
        nursery.start_soon(open_it)


async def letters(words: list[str]) -> str:
    """Two tasks that each make three steps: what they write, in order."""
    written: list[str] = []
    mutex = Mutex()

    async def write(word: str) -> None:
        for letter in word:
            async with mutex:
                written.append(letter)

    async with conc.open_nursery() as nursery:
        for word in words:
            nursery.start_soon(write, word)
    return "".join(written)


# ---- finding and shrinking ------------------------------------------------------------------------------------------


def test_a_lost_update_shrinks_to_one_switch() -> None:
    @QUIET
    @given(sched=schedules())
    def no_deposit_is_lost(sched: Schedule) -> None:
        assert conc_testing.run(deposits, [1, 1], schedule=sched) == 2

    assert shown(failure(no_deposit_is_lost)) == ["sched=Schedule(((2, 1),))"]


def test_the_switch_stays_one_where_many_tasks_could_make_it() -> None:
    @QUIET
    @given(sched=schedules())
    def no_deposit_is_lost(sched: Schedule) -> None:
        assert conc_testing.run(deposits, [1] * 6, schedule=sched) == 6

    assert shown(failure(no_deposit_is_lost)) == ["sched=Schedule(((2, 1),))"]


def test_a_lost_permit_is_a_deadlock_after_one_switch() -> None:
    @QUIET
    @given(sched=schedules())
    def everybody_passes(sched: Schedule) -> None:
        conc_testing.run(pass_through, True, schedule=sched)

    error = failure(everybody_passes)

    assert isinstance(error, conc.Deadlock)
    (line,) = shown(error)
    assert len(eval(line.removeprefix("sched=")).deviations) == 1


def test_what_takes_two_switches_shrinks_to_two() -> None:
    @settings(QUIET, max_examples=2000)
    @given(sched=schedules())
    def nobody_writes_in_between(sched: Schedule) -> None:
        assert conc_testing.run(letters, ["abc", "xyz"], schedule=sched) != "axybcz"

    assert shown(failure(nobody_writes_in_between)) == ["sched=Schedule(((2, 1), (5, 1)))"]


@QUIET
@given(sched=schedules())
def test_a_right_program_passes_under_all_schedules(sched: Schedule) -> None:
    conc_testing.run(pass_through, False, schedule=sched)


@QUIET
@given(sched=schedules(depth=0))
def test_without_deviations_a_racy_program_passes(sched: Schedule) -> None:
    assert sched == Schedule()
    assert conc_testing.run(deposits, [1, 1], schedule=sched) == 2


def test_data_and_schedule_shrink_together() -> None:
    @QUIET
    @given(amounts=st.lists(st.integers(0, 9), max_size=5), sched=schedules())
    def no_deposit_is_lost(amounts: list[int], sched: Schedule) -> None:
        assert conc_testing.run(deposits, amounts, schedule=sched) == sum(amounts)

    assert shown(failure(no_deposit_is_lost)) == ["amounts=[0, 1]", "sched=Schedule(((2, 1),))"]


# ---- as Hypothesis has it -------------------------------------------------------------------------------------------


def test_a_schedule_that_was_found_can_be_kept_as_an_example() -> None:
    tried = []

    @settings(QUIET, phases=[Phase.explicit])
    @example(sched=Schedule(((2, 1),)))
    @given(sched=schedules())
    def no_deposit_is_lost(sched: Schedule) -> None:
        tried.append(sched)
        assert conc_testing.run(deposits, [1, 1], schedule=sched) == 2

    assert isinstance(failure(no_deposit_is_lost), AssertionError)
    assert tried == [Schedule(((2, 1),))]


def test_hypothesis_decides_how_many_schedules_are_tried() -> None:
    tried: list[Schedule] = []

    @settings(QUIET, max_examples=17)
    @given(sched=schedules())
    def collect(sched: Schedule) -> None:
        tried.append(sched)

    collect()
    first = list(tried)
    collect()

    assert len(first) == 17
    assert tried == first * 2, "derandomized, it tries the same again"


@given(sched=schedules(depth=2, tasks=3))
def test_schedules_keep_within_their_limits(sched: Schedule) -> None:
    assert len(sched.deviations) <= 2
    assert all(1 <= choice <= 2 for _, choice in sched.deviations)


def test_all_shallow_schedules_are_among_them() -> None:
    seen = set()

    @settings(QUIET, max_examples=3000)
    @given(sched=schedules(depth=1, tasks=3))
    def collect(sched: Schedule) -> None:
        seen.add(sched)

    collect()

    assert {Schedule()} | {Schedule(((step, choice),)) for step in range(16) for choice in (1, 2)} <= seen
    assert max(step for one in seen for step, _ in one.deviations) > 100


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"depth": -1}, ValueError, "depth must be at least 0, not -1"),
        ({"depth": 1.5}, TypeError, r"depth must be a whole number, not 1\.5"),
        ({"depth": True}, TypeError, "depth must be a whole number, not True"),
        ({"tasks": 1}, ValueError, "tasks must be at least 2, not 1"),
        ({"tasks": "4"}, TypeError, "tasks must be a whole number, not '4'"),
    ],
)
def test_a_bad_argument_of_schedules_is_named(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        schedules(**arguments)


def test_hypothesis_is_not_needed_to_import_conc_testing() -> None:
    program = "import sys, conc_testing; print([name for name in sys.modules if name.startswith('hypothesis')])"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout == "[]\n"
