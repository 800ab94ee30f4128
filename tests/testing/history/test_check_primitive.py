"""Checking primitives against models: right ones pass, each wrong one is found, and the report says enough."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

import conc
from conc.errors import WouldBlock
from conc.lowlevel import checkpoint_if_due, current_task, park, unpark
from conc.sync import Mutex, Semaphore
from conc_testing import UNIQUE, Budget, NotLinearizable, Operation, PrimitiveReport, check_primitive, models, replay
from conc_testing.history.programs import Program, Step, all_programs, alphabet, shrink
from conc_testing.history.writing import write_programs


def try_acquire(semaphore: Semaphore) -> bool:
    try:
        semaphore.acquire_nowait()
    except WouldBlock:
        return False
    return True


OPS: dict[str, Any] = {
    "acquire": (Semaphore.acquire, (1,), (2,)),
    "release": Semaphore.release,
    "try_acquire": try_acquire,
}


def check(make: Callable[[], Semaphore], **options: Any) -> PrimitiveReport:
    """Check a semaphore of one permit."""
    return check_primitive(models.Semaphore(1), make, OPS, **options)


def test_a_right_primitive_passes_with_a_proof() -> None:
    report = check(lambda: Semaphore(1), plan=["delay<=1"], most_programs=10)

    report.assert_ok()
    assert (report.verdict, report.programs, report.exhausted) == ("passed", 10, "delay<=1")
    assert report.runs > 30
    assert str(report).startswith(f"Semaphore: passed, 10 programs in {report.runs} runs, every interleaving")


# ---- wrong ones ------------------------------------------------------------------------------------------------------


class Line:
    """A semaphore of tasks that are parked in a line, as simple as can be; below are those that get it wrong."""

    def __init__(self) -> None:
        self.free = 1
        self.line: deque[tuple[Any, int]] = deque()

    @property
    def reason(self) -> str:
        return "a permit"

    async def acquire(self, n: int = 1) -> None:
        await checkpoint_if_due()
        if self.line or self.free < n:
            self.line.append((current_task(), n))
            await park(self)
        else:
            self.free -= n

    def release(self) -> None:
        self.free += 1
        self.serve()

    def serve(self) -> None:
        while self.line and self.line[0][1] <= self.free:
            task, n = self.line.popleft()
            self.free -= n
            unpark(task)

    def withdraw(self, task: Any) -> bool:
        waiting = [entry for entry in self.line if entry[0] is task]
        for entry in waiting:
            self.line.remove(entry)
            self.serve()
        return bool(waiting)


class Overtaking(Line):
    """Lets a small request go before a large one."""

    def serve(self) -> None:
        for entry in list(self.line):
            if entry[1] <= self.free:
                self.line.remove(entry)
                self.free -= entry[1]
                unpark(entry[0])


class LastIn(Line):
    """Serves who came last."""

    def serve(self) -> None:
        while self.line and self.line[-1][1] <= self.free:
            task, n = self.line.pop()
            self.free -= n
            unpark(task)


class Forgetting(Line):
    """A cancelled waiter blocks those behind it until the next release."""

    def withdraw(self, task: Any) -> bool:
        waiting = [entry for entry in self.line if entry[0] is task]
        for entry in waiting:
            self.line.remove(entry)
        return bool(waiting)


class Barging(Line):
    """Puts a permit back before it wakes who waited for it, who then has to look again."""

    async def acquire(self, n: int = 1) -> None:
        await checkpoint_if_due()
        while self.free < n:
            self.line.append((current_task(), n))
            await park(self)
        self.free -= n

    def serve(self) -> None:
        if self.line:
            unpark(self.line.popleft()[0])


class Giving(Line):
    """Gives a permit to a waiter that was cancelled, and says nothing."""

    async def acquire(self, n: int = 1) -> None:
        await super().acquire(n)
        await conc.checkpoint()


def check_line(cls: type[Line], *only: str, **options: Any) -> PrimitiveReport:
    """Check one of these, in programs of all its operations, or of some."""
    ops: dict[str, Any] = {"acquire": (cls.acquire, (1,), (2,)), "release": cls.release}
    return check_primitive(
        models.Semaphore(1), cls, {name: ops[name] for name in only or ops}, **{"plan": ["delay<=1"], **options}
    )


def test_a_primitive_of_ones_own_passes_if_it_is_right() -> None:
    check_line(Line, most_programs=10).assert_ok()


@pytest.mark.parametrize(
    ("cls", "cancel", "only"),
    [
        (Overtaking, False, ()),
        (LastIn, False, ()),
        (Forgetting, True, ("acquire",)),
        (Barging, False, ()),
        (Giving, True, ()),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_primitive_is_found_and_made_small(cls: type[Line], cancel: bool, only: tuple[str, ...]) -> None:
    report = check_line(cls, *only, cancel=cancel)

    assert report.verdict == "failed"
    assert report.failure is not None
    assert isinstance(report.failure.error, NotLinearizable), report.failure.error
    assert sum(len(steps) for _, steps in report.failure.program.tasks) <= 5
    with pytest.raises(AssertionError, match="has no place in any order that Semaphore allows"):
        report.assert_ok()


def test_a_failure_is_told_in_full_and_can_be_run_again() -> None:
    report = check_line(LastIn, cancel=False)
    failure = report.failure
    assert failure is not None

    again = replay(failure.trial, failure.token, leaks="ignore")

    assert again.failure is not None
    assert str(again.failure.error) == str(failure.error)
    assert str(failure.history) == str(failure.trial.history)
    for part in (str(failure.program), str(failure.error), failure.found.table, failure.token):
        assert part in str(report)


def test_the_sweep_cancels_each_task_at_each_step() -> None:
    report = check_line(Giving, "acquire", cancel="sweep", plan=["delay<=0"])

    assert report.failure is not None
    assert "was cancelled" in str(report.failure.history)


def test_a_timeout_is_a_cancellation_too() -> None:
    report = check_line(Giving, cancel=False, timeout=1.0, time="racing")

    assert report.failure is not None
    assert "was cancelled" in str(report.failure.history)
    check_line(Line, cancel=False, timeout=1.0, time="racing", most_programs=3).assert_ok()


class Audited(Semaphore):
    """Finds fault with itself."""

    __slots__ = ()

    def audit(self) -> str | None:
        return "a permit is missing" if self.value == 0 else None


def test_a_primitive_is_asked_for_its_invariants() -> None:
    report = check(lambda: Audited(1))

    assert report.failure is not None
    assert "a permit is missing" in str(report.failure.error)
    assert len(report.failure.program.tasks) == 1
    assert f"\n\n  {str(report.failure.history).splitlines()[0]}" in str(report)


def test_parts_of_a_tuple_are_asked_one_by_one() -> None:
    ops = {"acquire": lambda both: both[1].acquire()}

    report = check_primitive(models.Semaphore(1), lambda: (Mutex(), Audited(1)), ops)

    assert report.failure is not None
    assert "a permit is missing" in str(report.failure.error)


# ---- what it does with its arguments ---------------------------------------------------------------------------------


def test_one_task_alone_shows_nothing() -> None:
    report = check_primitive(
        models.Register(), object, {"read": lambda thing: None}, tasks=1, ops_per_task=1, cancel=False
    )

    assert report.verdict == "inconclusive"
    with pytest.raises(AssertionError, match="inconclusive"):
        report.assert_ok()


def test_what_was_made_is_closed_at_the_end_of_each_run() -> None:
    made: list[Semaphore] = []
    closed: list[Semaphore] = []

    def make() -> Semaphore:
        made.append(Semaphore(1))
        return made[-1]

    report = check(make, most_programs=2, plan=["delay<=1"], close=closed.append)

    report.assert_ok()
    assert len(made) == len(closed) == report.runs
    assert all(one is other for one, other in zip(made, closed, strict=True))


def test_a_budget_bounds_each_program() -> None:
    report = check(lambda: Semaphore(1), most_programs=3, plan=["random"], budget=Budget(runs=5))

    assert (report.runs, report.exhausted) == (15, None)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"tasks": 0}, "tasks must be from 1 to 26, not 0"),
        ({"ops_per_task": 0}, "ops_per_task must be at least 1"),
        ({"most_programs": 0}, "most_programs must be at least 1"),
        ({"plan": ["guess"]}, "plan: there is no 'guess'"),
        ({"cancel": "always"}, 'cancel must be True, False or "sweep"'),
        ({"timeout": 0}, "timeout must be None, or more than 0 and finite, not 0"),
    ],
)
def test_a_bad_argument_is_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check(lambda: Semaphore(1), **options)


@pytest.mark.parametrize(
    ("ops", "named"),
    [
        ({}, "ops must name at least one operation"),
        ({"cancel": Semaphore.release}, "none 'cancel'"),
        ({"release": 3}, r"ops\['release'\] must be a function"),
        ({"release": (Semaphore.release, 3)}, r"ops\['release'\] must be a function"),
    ],
)
def test_bad_operations_are_named(ops: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        check_primitive(models.Semaphore(1), lambda: Semaphore(1), ops)


class Stuck(models.Register):
    """In which nothing can happen."""

    def request(self, state: Any, op: Operation) -> Any:
        return []


def test_a_model_in_which_nothing_can_happen_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing that ops name can happen in the first state of Stuck, None"):
        check_primitive(Stuck(), object, {"read": id, "write": (id, (1,), (2,))})


# ---- programs --------------------------------------------------------------------------------------------------------

Calls = dict[str, list[tuple[Any, ...]]]


def alphabets(calls: Calls, names: str, cancel: bool) -> dict[str, list[Step]]:
    """What each of these tasks may do."""
    return {name: alphabet(calls, name, names, cancel) for name in names}


SEMAPHORE = alphabets({"acquire": [(1,), (2,)], "release": [()]}, "ABC", cancel=True)


def test_all_programs_are_made_if_they_are_few() -> None:
    every = all_programs(alphabets({"go": [()], "stop": [()]}, "AB", cancel=False), 1, 4)

    assert every is not None
    assert [str(program) for program in every] == [
        f"  A: {a}()\n  B: {b}()" for a in ("go", "stop") for b in ("go", "stop")
    ]
    assert all_programs(SEMAPHORE, 2, 1000) is None


def test_a_unique_argument_is_named_by_task_and_step() -> None:
    every = all_programs(alphabets({"send": [(UNIQUE, 1)]}, "AB", cancel=False), 2, 1)

    assert every is not None
    assert str(every[0]) == "  A: send('A1', 1); send('A2', 1)\n  B: send('B1', 1); send('B2', 1)"


def test_programs_are_written_in_which_much_happens() -> None:
    written = write_programs(models.Semaphore(1), SEMAPHORE, 2, 12, seed=7)

    assert len(set(written)) == len(written) == 12
    assert any(
        "acquire(2)" in str(program) and "acquire(1)" in str(program) and "cancel(" in str(program)
        for program in written
    )
    assert written == write_programs(models.Semaphore(1), SEMAPHORE, 2, 12, seed=7)
    assert written != write_programs(models.Semaphore(1), SEMAPHORE, 2, 12, seed=8)


def test_who_does_something_first_in_a_program_is_the_first_task() -> None:
    for program in write_programs(models.Semaphore(0), SEMAPHORE, 2, 20, seed=1):
        names = [name for name, _ in program.tasks]
        assert names == list("ABC")[: len(names)]
        assert all(step.args[0] != name for name, steps in program.tasks for step in steps if step.name == "cancel")


def test_programs_can_be_written_without_anything_that_waits() -> None:
    calls: Calls = {"read": [()], "write": [(1,), (2,)], "cas": [(1, 2)]}

    written = write_programs(models.Register(), alphabets(calls, "AB", cancel=True), 2, 5, seed=0)

    assert len(written) == 5
    assert not any("cancel" in str(program) for program in written)


def test_shrinking_leaves_out_tasks_and_steps_with_those_that_cancel_them() -> None:
    go, stop = Step("go"), Step("stop")
    program = Program((("A", (go, stop)), ("B", (Step("cancel", ("A",)), go)), ("C", (Step("cancel", ("B",)),))))

    smallest = shrink(program, lambda one: "stop()" in str(one))

    assert str(smallest) == "  A: stop()"
    assert all("cancel('B')" not in str(one) for one in program.smaller() if "B:" not in str(one))


def test_shrinking_can_leave_out_two_steps_at_once() -> None:
    take, give = Step("take"), Step("give")
    program = Program((("A", (take, give)), ("B", (take,))))

    smallest = shrink(program, lambda one: str(one).count("take") - str(one).count("give") == 1)

    assert str(smallest) in {"  A: take()", "  B: take()"}
