"""State machines with async rules: what lives from rule to rule, and how failures come out."""

import unittest
from traceback import walk_tb
from typing import Any

import pytest
from hypothesis import assume, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, initialize, multiple, precondition, rule

import conc
from conc.channels import mpsc
from conc.sync import Event, Mutex, Semaphore
from conc_testing import settle
from conc_testing.hypothesis import AsyncStateMachine, ainitialize, ainvariant, aprecondition, arule
from tests.testing.hypothesis.minimal import QUIET, check, smallest

FEW = settings(QUIET, max_examples=30, stateful_step_count=10)

# ---- what lives from rule to rule -----------------------------------------------------------------------------------


class MailMachine(AsyncStateMachine):
    """A task that receives, started by one rule, served by the others."""

    @ainitialize(capacity=st.integers(1, 3))
    async def open(self, capacity: int) -> None:
        self.sent: list[int] = []
        self.received: list[int] = []
        self.sender, self.receiver = mpsc[int](capacity)
        self.reader = self.nursery.start_soon(self.read)

    async def read(self) -> None:
        async for item in self.receiver:
            self.received.append(item)

    @arule(item=st.integers())
    async def send(self, item: int) -> None:
        await self.sender.send(item)
        self.sent.append(item)

    @rule(item=st.integers())
    def send_from_outside(self, item: int) -> None:
        self._stage._check()  # type: ignore[union-attr]
        try:
            self.sender.send_nowait(item)
        except conc.errors.ChannelFull:
            return
        self.sent.append(item)

    @ainvariant()
    async def all_arrives_in_order(self) -> None:
        await settle()
        assert self.received == self.sent
        assert self.reader.outcome is None


TestMail = MailMachine.TestCase
TestMail.settings = FEW


class BaggageMachine(AsyncStateMachine):
    """A lock is taken by one rule and released by another, as if one task did all."""

    def __init__(self) -> None:
        super().__init__()
        self.mutex = Mutex()
        self.locked = False

    @precondition(lambda self: not self.locked)
    @arule()
    async def take(self) -> None:
        await self.mutex.acquire()
        self.locked = True

    @arule()
    @aprecondition(lambda self: self.locked)
    async def give_back(self) -> None:
        self.mutex.release()
        self.locked = False

    @precondition(lambda self: self.locked)
    @ainvariant()
    async def it_is_ours(self) -> None:
        assert self.locked
        self._stage._check()  # type: ignore[union-attr]
        with pytest.raises(RuntimeError, match="cannot be taken twice"):
            await self.mutex.acquire()

    async def ateardown(self) -> None:
        if self.locked:
            await self.give_back()


TestBaggage = BaggageMachine.TestCase
TestBaggage.settings = FEW


class HourglassMachine(AsyncStateMachine):
    """Time passes inside rules only, and exactly as far as they say."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[float] = []
        self.rung: list[float] = []
        self.time = 0.0

    async def alarm(self, after: float) -> None:
        await conc.sleep(after)
        self.rung.append(conc.current_time())

    @arule(after=st.integers(1, 9))
    def set_alarm(self, after: int) -> None:
        self.nursery.start_soon(self.alarm, float(after))
        self.due.append(self.time + after)

    @arule(seconds=st.integers(0, 9))
    async def advance(self, seconds: int) -> None:
        await self.clock.advance(seconds)
        self.time += seconds

    @arule(seconds=st.integers(1, 9))
    async def sleep(self, seconds: int) -> None:
        await conc.sleep(seconds)
        await settle()
        self.time += seconds

    @ainvariant()
    async def what_is_due_has_rung(self) -> None:
        await settle()
        assert conc.current_time() == self.clock.now() == self.time
        assert self.rung == sorted(due for due in self.due if due <= self.time)


TestHourglass = HourglassMachine.TestCase
TestHourglass.settings = FEW


class LibraryMachine(AsyncStateMachine):
    """Bundles, several results, values that are consumed, and plain rules beside the others."""

    books = Bundle("books")

    @initialize()
    def build(self) -> None:
        self.on_shelf: list[str] = []

    @ainitialize(target=books, title=st.text("ab", min_size=1))
    async def found(self, title: str) -> str:
        await conc.checkpoint()
        return title

    @arule(targets=(books,), titles=st.lists(st.text("ab", min_size=1), max_size=3))
    async def buy(self, titles: list[str]) -> Any:
        await conc.checkpoint()
        return multiple(*titles)

    @arule(book=consumes(books))
    async def put_up(self, book: str) -> None:
        assert isinstance(book, str)
        self.on_shelf.append(book)

    @rule(book=books)
    def look_at(self, book: str) -> None:
        assert isinstance(book, str)

    @arule(more=st.data())
    async def draw_inside(self, more: st.DataObject) -> None:
        number = more.draw(st.integers(0, 3), "how many")
        assume(number != 3)
        note(f"it is {number}")


TestLibrary = LibraryMachine.TestCase
TestLibrary.settings = FEW


def test_each_example_has_a_runtime_of_its_own() -> None:
    runtimes = []

    class Machine(AsyncStateMachine):
        @ainitialize()
        async def begin(self) -> None:
            runtimes.append(conc.lowlevel.current_runtime())
            assert conc.current_time() == 0.0
            assert not self.nursery.children
            self.nursery.start_soon(conc.sleep_forever)

        @arule()
        async def go_on(self) -> None:
            assert conc.lowlevel.current_runtime() is runtimes[-1]
            await conc.sleep(1)

    check(Machine, FEW)

    assert len(set(runtimes)) == len(runtimes) > 5


def test_chance_is_the_same_in_each_example() -> None:
    chosen = set()

    class Machine(AsyncStateMachine):
        @arule()
        async def choose(self) -> None:
            first, second = Event(), Event()
            first.set()
            second.set()
            chosen.add((await conc.select(first.waiting(), second.waiting()))[0])

    check(Machine, FEW)

    assert len(chosen) == 1


def test_settings_and_test_cases_are_those_of_hypothesis() -> None:
    steps = []

    class Machine(AsyncStateMachine):
        @arule()
        async def step(self) -> None:
            steps.append(self)

    Machine.TestCase.settings = settings(QUIET, max_examples=4, stateful_step_count=3)
    result = unittest.TestResult()
    Machine.TestCase("runTest").run(result)

    assert result.wasSuccessful() and result.testsRun == 1
    assert len(steps) <= 4 * 3
    assert len(set(map(id, steps))) <= 4


# ---- failures -------------------------------------------------------------------------------------------------------


def test_a_failing_rule_shrinks_to_the_steps_that_matter() -> None:
    class Machine(AsyncStateMachine):
        cups = Bundle("cups")

        @arule(target=cups, size=st.integers(0, 100))
        async def make(self, size: int) -> list[int]:
            await conc.sleep(1)
            return [size]

        @arule(cup=cups, n=st.integers(0, 100))
        async def fill(self, cup: list[int], n: int) -> None:
            await conc.sleep(1)
            assert n <= cup[0], "it runs over"

    error, steps = smallest(Machine)

    assert str(error).startswith("it runs over")
    assert steps == ["cups_0 = make(size=0)", "fill(cup=cups_0, n=1)"]
    names = [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)]
    assert names[-1] == "fill" and "_serve" not in names


def test_a_failing_invariant_is_found_after_the_rule_that_broke_it() -> None:
    class Machine(AsyncStateMachine):
        level = 0

        @arule(n=st.integers(0, 5))
        async def pour(self, n: int) -> None:
            self.nursery.start_soon(self.drip, n)

        async def drip(self, n: int) -> None:
            self.level += n

        @ainvariant()
        async def it_is_low(self) -> None:
            await settle()
            assert self.level < 7

    _, steps = smallest(Machine)

    assert [step for step in steps if step != "it_is_low()"] == ["pour(n=2)", "pour(n=5)"]


def test_a_rule_that_can_never_end_is_a_deadlock_with_the_tree() -> None:
    class Machine(AsyncStateMachine):
        @ainitialize()
        async def open(self) -> None:
            self.semaphore = Semaphore(2)
            self.nursery.start_soon(self.hoard)

        async def hoard(self) -> None:
            async with self.semaphore:
                await conc.sleep_forever()

        @arule()
        async def acquire(self) -> None:
            await self.semaphore.acquire()

    error, steps = smallest(Machine)

    assert isinstance(error, conc.Deadlock)
    assert "Semaphore.acquire" in str(error) and "Machine.hoard #1: waits for" in str(error)
    assert steps == ["open()", "acquire()", "acquire()"]


def test_a_rule_that_goes_round_for_ever_is_an_error_with_the_tree() -> None:
    class Machine(AsyncStateMachine):
        steps_per_rule = 100

        @arule()
        async def poll(self) -> None:
            while True:
                await conc.sleep(1)

        async def ateardown(self) -> None:
            raise AssertionError("what is stuck cannot be torn down")

    error, steps = smallest(Machine)

    assert "Machine.poll did not end within 100 steps of tasks (steps_per_rule)" in str(error)
    assert "Machine #0: " in str(error)
    assert steps == ["poll()"]


def test_an_error_in_the_nursery_fails_the_rule_under_way() -> None:
    class Machine(AsyncStateMachine):
        @arule(seconds=st.integers(1, 9))
        async def light_the_fuse(self, seconds: int) -> None:
            self.nursery.start_soon(self.explode, seconds)

        async def explode(self, seconds: int) -> None:
            await conc.sleep(seconds)
            raise LookupError("boom")

        @arule(seconds=st.integers(0, 9))
        async def wait(self, seconds: int) -> None:
            await conc.sleep(seconds)

    error, steps = smallest(Machine)

    assert isinstance(error, ExceptionGroup)
    assert [repr(one) for one in error.exceptions] == ["LookupError('boom')"]
    assert steps[0] == "light_the_fuse(seconds=1)"
    assert steps[1:] in (["wait(seconds=1)"], ["wait(seconds=2)"])


def test_a_rule_may_not_cancel_the_nursery_that_all_rules_are_in() -> None:
    class Machine(AsyncStateMachine):
        @arule(now=st.booleans())
        async def tidy_up(self, now: bool) -> None:
            self.nursery.cancel_scope.cancel()
            if now:
                await conc.checkpoint()

    error, steps = smallest(Machine)

    assert isinstance(error, RuntimeError) and "cancelled self.nursery" in str(error)
    assert steps == ["tidy_up(now=False)"]


def test_a_lost_wakeup_is_told_by_name() -> None:
    class Wait:
        reason = "what is there already"

        def withdraw(self, task: Any) -> bool:
            return True

        def would_succeed(self, task: Any) -> bool:
            return True

    class Machine(AsyncStateMachine):
        @arule()
        async def wait(self) -> None:
            await conc.lowlevel.park(Wait())

    error, steps = smallest(Machine)

    assert "waits for what is there already, which could be had" in str(error)
    assert steps == ["wait()"]
