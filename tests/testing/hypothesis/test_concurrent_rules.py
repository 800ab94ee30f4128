"""Rules that run beside one another: which, in which order, and what comes of their errors."""

from typing import Any

from hypothesis import assume, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, invariant, multiple, precondition

import conc
from conc.sync import Mutex, Semaphore
from conc_testing import choose
from conc_testing.hypothesis import AsyncStateMachine, ainitialize, aprecondition, arule, concurrent
from tests.testing.hypothesis.minimal import QUIET, check, smallest

FEW = settings(QUIET, max_examples=60, stateful_step_count=10)


class BankMachine(AsyncStateMachine):
    """Each step of a deposit is safe; it is not safe as a whole, unless it holds the mutex all the time."""

    careful = False

    def __init__(self) -> None:
        super().__init__()
        self.amount = 0
        self.paid_in = 0
        self.mutex = Mutex()
        self.whole = Mutex()

    @concurrent()
    @arule(n=st.integers(1, 100))
    async def deposit(self, n: int) -> None:
        if self.careful:
            async with self.whole:
                await self.add(n)
        else:
            await self.add(n)

    async def add(self, n: int) -> None:
        async with self.mutex:
            before = self.amount
        async with self.mutex:
            self.amount = before + n
        self.paid_in += n

    @arule()
    async def read(self) -> None:
        assert self.amount == self.paid_in


class CarefulBankMachine(BankMachine):
    careful = True


TestCarefulBank = CarefulBankMachine.TestCase
TestCarefulBank.settings = FEW


def test_a_lost_update_shrinks_to_two_calls_and_one_switch() -> None:
    _, steps = smallest(BankMachine)

    assert steps == ["deposit(n=1, with_=[deposit(n=1)], Schedule(((2, 1),)))", "read()"]


def test_what_fails_alone_shrinks_to_the_plain_rule() -> None:
    class Machine(AsyncStateMachine):
        @concurrent(max_tasks=4)
        @arule(n=st.integers(0, 100))
        async def step(self, n: int) -> None:
            await conc.sleep(1)
            assert n < 42

    error, steps = smallest(Machine)

    assert isinstance(error, AssertionError)
    assert steps == ["step(n=42, with_=[])"]


def test_a_race_of_two_different_rules_is_found() -> None:
    class Machine(AsyncStateMachine):
        @ainitialize()
        async def open(self) -> None:
            self.mutex = Mutex()
            self.seats = 1

        @concurrent()
        @arule()
        async def book(self) -> None:
            async with self.mutex:
                is_free = self.seats > 0
            if is_free:
                async with self.mutex:
                    self.seats -= 1
            assert self.seats >= 0

        @concurrent()
        @arule()
        async def close(self) -> None:
            async with self.mutex:
                self.seats = 0

    _, steps = smallest(Machine)

    assert steps[0] == "open()"
    assert steps[1] in ("book(with_=[book()], Schedule(((2, 1),)))", "book(with_=[close()], Schedule(((2, 1),)))")
    assert len(steps) == 2


def test_a_deadlock_in_a_batch_names_the_calls() -> None:
    class Machine(AsyncStateMachine):
        @ainitialize()
        async def open(self) -> None:
            self.forks = [Mutex(), Mutex()]

        @concurrent(max_tasks=2)
        @arule(left=st.integers(0, 1))
        async def eat(self, left: int) -> None:
            async with self.forks[left], self.forks[1 - left]:
                await conc.checkpoint()

    error, steps = smallest(Machine)

    assert isinstance(error, conc.Deadlock)
    left = int("eat(left=1) #1" in str(error))
    circle = f"eat(left={left}) #1 -> eat(left={1 - left}) #2 -> eat(left={left}) #1"
    assert str(error).endswith(f"Each of these waits for the next: {circle}")
    assert steps[0] == "open()" and len(steps) == 2
    assert steps[1].startswith(f"eat(left={left}, with_=[eat(left={1 - left})], Schedule(")
    assert 1 <= steps[1].count(", 1)") <= 2


def test_a_batch_has_at_most_max_tasks_calls_and_often_as_many() -> None:
    sizes = set()

    class Machine(AsyncStateMachine):
        running = 0

        @concurrent(max_tasks=3)
        @arule()
        async def run(self) -> None:
            self.running += 1
            sizes.add(self.running)
            await conc.sleep(1)
            self.running -= 1

        @arule()
        async def look(self) -> None:
            assert self.running == 0, "the batch was not joined"

    check(Machine, FEW)

    assert sizes == {1, 2, 3}


def test_models_of_the_outside_world_follow_the_schedule_of_a_batch() -> None:
    class Machine(AsyncStateMachine):
        @concurrent()
        @arule()
        async def read(self) -> None:
            assert choose("io.chunk", 2) == 0

    _, steps = smallest(Machine)

    assert len(steps) == 1 and "Schedule(" in steps[0]


# ---- arguments and results ------------------------------------------------------------------------------------------


class TokensMachine(AsyncStateMachine):
    """Values go from hand to hand: each is made once and used up once, whoever runs beside whom."""

    tokens = Bundle("tokens")

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.used: list[int] = []

    @concurrent()
    @arule(target=tokens)
    async def make(self) -> int:
        self.made += 1
        number = self.made
        await conc.sleep(1)
        return number

    @concurrent()
    @arule(target=tokens, n=st.integers(0, 3))
    async def make_many(self, n: int) -> Any:
        numbers = [self.made + index for index in range(1, n + 1)]
        self.made += n
        await conc.sleep(1)
        return multiple(*numbers)

    @concurrent()
    @arule(token=consumes(tokens))
    async def use(self, token: int) -> None:
        assert isinstance(token, int)
        assert token <= self.made
        assert token not in self.used
        self.used.append(token)
        await conc.sleep(1)

    @concurrent()
    @arule(token=tokens)
    async def look_at(self, token: int) -> None:
        assert token not in self.used or token in self.used
        await conc.sleep(1)


TestTokens = TokensMachine.TestCase
TestTokens.settings = FEW


def test_values_of_bundles_are_shown_by_their_names() -> None:
    class Machine(AsyncStateMachine):
        boxes = Bundle("boxes")

        @concurrent()
        @arule(target=boxes)
        async def make(self) -> list[int]:
            return []

        @concurrent()
        @arule(box=consumes(boxes))
        async def fill(self, box: list[int]) -> None:
            self.filling = getattr(self, "filling", 0) + 1
            await conc.sleep(1)
            assert self.filling < 2
            self.filling -= 1

    _, steps = smallest(Machine)

    assert steps[-1] in (
        "fill(box=boxes_1, with_=[fill(box=boxes_0)])",
        "fill(box=boxes_0, with_=[fill(box=boxes_1)])",
    )


def test_results_come_in_the_order_of_the_calls() -> None:
    class Machine(AsyncStateMachine):
        letters = Bundle("letters")

        @concurrent()
        @arule(target=letters, seconds=st.integers(1, 2))
        async def make(self, seconds: int) -> tuple[str, int]:
            await conc.sleep(seconds)
            return ("made", seconds)

        @arule(letter=letters)
        async def use(self, letter: tuple[str, int]) -> None:
            assert letter != ("made", 2)

    _, steps = smallest(Machine)

    assert steps in (
        ["letters_0 = make(seconds=2, with_=[])", "use(letter=letters_0)"],
        ["letters_0, letters_1 = make(seconds=1, with_=[make(seconds=2)])", "use(letter=letters_1)"],
    )


def test_rules_with_other_targets_do_not_run_beside_each_other() -> None:
    class Machine(AsyncStateMachine):
        odd, even = Bundle("odd"), Bundle("even")

        @concurrent()
        @arule(target=odd)
        async def make_odd(self) -> int:
            return 1

        @concurrent()
        @arule(target=even)
        async def make_even(self) -> int:
            return 2

        @arule(first=odd, second=even)
        async def look(self, first: int, second: int) -> None:
            assert (first, second) == (1, 2)

    check(Machine, FEW)


class PoolMachine(AsyncStateMachine):
    """Conditions are asked again when a call begins: another call of the batch may have taken what was there."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = Semaphore(3, max_value=3)
        self.held = 0

    @aprecondition(lambda self: self.held < 3)
    @concurrent(max_tasks=4)
    @arule()
    async def take(self) -> None:
        self.held += 1
        await self.pool.acquire()

    @aprecondition(lambda self: self.held > 0)
    @concurrent(max_tasks=4)
    @arule()
    async def put_back(self) -> None:
        self.held -= 1
        assert self.held >= 0
        await conc.checkpoint()
        self.pool.release()

    @precondition(lambda self: self.held == 0)
    @concurrent()
    @arule()
    async def look(self) -> None:
        await conc.checkpoint()


TestPool = PoolMachine.TestCase
TestPool.settings = FEW


def test_hypothesis_steers_from_inside_a_batch() -> None:
    drawn = set()

    class Machine(AsyncStateMachine):
        @concurrent()
        @arule(data=st.data())
        async def draw(self, data: st.DataObject) -> None:
            await conc.checkpoint()
            number = data.draw(st.integers(0, 9))
            assume(number != 5)
            note(f"it is {number}")
            drawn.add(number)

    check(Machine, FEW)

    assert len(drawn) > 5 and 5 not in drawn


def test_a_rule_whose_bundle_is_empty_runs_beside_nobody() -> None:
    steps: list[int] = []

    class Machine(AsyncStateMachine):
        nothing = Bundle("nothing")
        done = 0

        @concurrent()
        @arule(one=nothing)
        async def use(self, one: object) -> None:
            raise AssertionError("there is nothing to use")

        @concurrent()
        @arule()
        async def step(self) -> None:
            await conc.checkpoint()

        @invariant()
        def count(self) -> None:
            self.done += 1

        async def ateardown(self) -> None:
            steps.append(self.done - 1)

    check(Machine, FEW)

    whole = steps.count(FEW.stateful_step_count)
    assert whole > len(steps) / 2, "examples were given up"
