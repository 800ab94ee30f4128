"""The timer queue against a sorted list, and what sleeps and deadlines leave in it."""

import math

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc._kernel.current import current_worker
from conc._kernel.timers import TimerQueue
from conc_testing import VirtualClock, settle


class Expiry:
    """A timer that does nothing."""

    def __init__(self, number: int) -> None:
        self.number = number

    def expire(self) -> None:
        raise AssertionError("the queue fires nothing by itself")

    def __repr__(self) -> str:
        return f"timer {self.number}"


# Close together, so that timers share ticks and deadlines; and as far apart as floats go.
near = st.integers(0, 60).map(lambda quarter: 1000.0 + quarter / 4000)
deadlines = near | st.floats(-1e9, 1e9)


class TimerQueueMachine(RuleBasedStateMachine):
    """A list of (deadline, number of the addition, timer), sorted, is what the queue has to be."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = TimerQueue()
        self.model: list[tuple[float, int, Expiry]] = []
        self.added = 0
        self.gone: list[tuple[float, Expiry]] = []
        self.now = 1000.0

    def add_one(self, deadline: float, timer: Expiry) -> None:
        self.queue.add(deadline, timer)
        self.model.append((deadline, self.added, timer))
        self.model.sort(key=lambda entry: entry[:2])
        self.added += 1

    def take(self, position: int) -> tuple[float, Expiry]:
        deadline, _, timer = self.model.pop(position)
        self.gone.append((deadline, timer))
        return deadline, timer

    @rule(deadline=deadlines)
    def add(self, deadline: float) -> None:
        self.add_one(deadline, Expiry(self.added))

    @rule(first=deadlines, count=st.integers(1, 100), apart=st.sampled_from([0.0, 0.0001, 0.001, 1.0]))
    def add_many(self, first: float, count: int, apart: float) -> None:
        for position in range(count):
            self.add_one(first + position * apart, Expiry(self.added))

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        deadline, timer = self.take(data.draw(st.integers(0, len(self.model) - 1)))
        assert self.queue.remove(deadline, timer)

    @precondition(lambda self: self.model)
    @rule(step=st.integers(1, 3))
    def remove_many(self, step: int) -> None:
        for position in sorted(range(0, len(self.model), step), reverse=True):
            deadline, timer = self.take(position)
            assert self.queue.remove(deadline, timer)

    @precondition(lambda self: self.gone)
    @rule(data=st.data())
    def remove_what_is_gone(self, data: st.DataObject) -> None:
        deadline, timer = data.draw(st.sampled_from(self.gone))
        assert not self.queue.remove(deadline, timer)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), deadline=deadlines)
    def move(self, data: st.DataObject, deadline: float) -> None:
        before, timer = self.take(data.draw(st.integers(0, len(self.model) - 1)))
        self.gone.pop()
        assert self.queue.remove(before, timer)
        self.add_one(deadline, timer)

    @rule(passed=st.sampled_from([0.0, 0.0002, 0.00025, 0.001, 0.01, 1e6, 1e9]))
    def due(self, passed: float) -> None:
        self.now += passed
        expected = [self.take(0)[1] for deadline, _, _ in list(self.model) if deadline <= self.now]

        assert self.queue.due(self.now) == expected
        assert self.queue.earliest == (self.model[0][0] if self.model else math.inf)

    @invariant()
    def agrees_with_the_model(self) -> None:
        self.queue._check()
        assert len(self.queue) == len(self.model)
        assert bool(self.queue) == bool(self.model)
        assert self.queue.next_deadline() == (self.model[0][0] if self.model else math.inf)

    @invariant()
    def stale_ticks_are_bounded(self) -> None:
        live = len({int(deadline * 1000) for deadline, _, _ in self.model})
        assert len(self.queue._heap) <= 2 * live + 64


TestTimerQueue = TimerQueueMachine.TestCase
TestTimerQueue.settings = settings(stateful_step_count=20)


def test_a_timer_is_due_at_its_deadline_and_not_a_moment_before() -> None:
    queue = TimerQueue()
    timer = Expiry(0)
    queue.add(1.2345, timer)

    assert queue.due(math.nextafter(1.2345, 0.0)) == []
    assert queue.due(1.2345) == [timer]
    assert not queue


def test_timers_of_one_deadline_come_in_the_order_in_which_they_were_added() -> None:
    queue = TimerQueue()
    timers = [Expiry(number) for number in range(100)]
    for timer in timers:
        queue.add(5.0, timer)
    assert queue.remove(5.0, timers[3])
    queue.add(5.0, timers[3])

    assert queue.due(5.0) == [*timers[:3], *timers[4:], timers[3]]


def test_timers_that_are_taken_back_leave_a_bounded_number_of_ticks() -> None:
    queue = TimerQueue()
    queue.add(0.5, Expiry(0))  # behind the first tick nothing is dropped in passing
    for second in range(1, 1001):
        timer = Expiry(second)
        queue.add(float(second), timer)
        queue.remove(float(second), timer)
        queue._check()

    assert len(queue._heap) <= 66


# ---- what sleeps and scopes put in and take out -----------------------------------------------------------------


def timers_set() -> int:
    """How many timers the worker of the running task has."""
    queue = current_worker().timers
    queue._check()
    return len(queue)


async def test_a_cancelled_sleep_takes_its_timer_back(nursery: conc.Nursery) -> None:
    sleepers = [nursery.start_soon(conc.sleep, float(seconds)) for seconds in range(1, 101)]
    await settle()
    assert timers_set() == 100

    for sleeper in sleepers[::3]:
        sleeper.cancel()
    await settle()

    assert timers_set() == 66


async def test_a_scope_that_is_left_in_time_takes_its_timer_back() -> None:
    with conc.move_on_after(10.0):
        await settle()
        assert timers_set() == 1
    assert timers_set() == 0


async def test_a_deadline_that_never_outlives_a_step_costs_no_timer() -> None:
    for _ in range(1000):
        with conc.move_on_after(10.0):
            assert timers_set() == 0


async def test_a_moved_deadline_has_one_timer_wherever_it_goes(clock: VirtualClock) -> None:
    with conc.move_on_after(10.0) as scope:
        for deadline in (5.0, 20.0, math.inf, 7.0, 7.0, 15.0, 7.5):
            scope.deadline = deadline
            await settle()
            assert timers_set() == (deadline != math.inf)
        await conc.sleep_forever()

    assert clock.now() == 7.5
    assert timers_set() == 0


@pytest.mark.parametrize("sleep", [conc.sleep, conc.sleep_until])
async def test_a_sleep_without_end_has_no_timer(sleep: object, nursery: conc.Nursery) -> None:
    assert callable(sleep)
    sleeper = nursery.start_soon(sleep, math.inf)
    await settle()

    assert timers_set() == 0
    assert sleeper.state == "waits for nothing (sleep_forever)"


async def test_two_sleeps_of_one_tick_end_in_the_order_of_their_deadlines(clock: VirtualClock) -> None:
    woken = []

    async def sleeper(deadline: float) -> None:
        await conc.sleep_until(deadline)
        woken.append((deadline, clock.now()))

    async with conc.open_nursery() as nursery:
        for deadline in (0.0109, 0.0101, 0.0105, 0.0105):
            nursery.start_soon(sleeper, deadline)

    assert woken == [(0.0101, 0.0101), (0.0105, 0.0105), (0.0105, 0.0105), (0.0109, 0.0109)]
