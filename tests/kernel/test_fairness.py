"""Fairness, counted in steps: what is due runs soon, whatever others do, and nobody keeps the worker for himself."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

import conc
from conc.lowlevel import Instrument, Task, checkpoint_if_cancelled, wait_readable
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock

STEPS = 61  # of others, at most, before what is due runs: so many make a turn
OPERATIONS = 400  # that need not wait: so many in a turn, then one in each step

Start = Callable[..., Task[None]]


class Steps(Instrument):
    """Counts the steps of tasks, and does something before a chosen one."""

    def __init__(self) -> None:
        self.count = 0
        self.chosen = 0
        self.then: Callable[[], object] = lambda: None

    def before_task_step(self, task: Task[Any]) -> None:
        self.count += 1
        if self.count == self.chosen:
            self.then()


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(auto=False)


@pytest.fixture
def runtime(steps: Steps, clock: VirtualClock) -> Iterator[conc.Runtime]:
    with conc.Runtime(clock=clock, instruments=[steps]) as runtime:
        yield runtime


# ---- what others do ---------------------------------------------------------------------------------------------


def only_ready_operations(start: Start) -> None:
    """Tasks whose operations never have to wait."""
    semaphore = Semaphore(2)

    async def take_and_give_back() -> None:
        while True:
            async with semaphore:
                pass

    start(take_and_give_back)
    start(take_and_give_back)


def a_chain_of_spawns(start: Start) -> None:
    """Each task starts the next one, and ends."""

    async def link() -> None:
        await checkpoint_if_cancelled()  # or the chain could not be ended
        start(link)

    start(link)


def ten_thousand_that_yield(start: Start) -> None:
    """A very long line of ready tasks."""

    async def yields() -> None:
        while True:
            await conc.checkpoint()

    for _ in range(10_000):
        start(yields)


def wake_ups_back_and_forth(start: Start) -> None:
    """Two tasks that wake each other."""
    ours, theirs = Semaphore(1), Semaphore(0)

    async def player(mine: Semaphore, others: Semaphore) -> None:
        while True:
            await mine.acquire()
            others.release()

    start(player, ours, theirs)
    start(player, theirs, ours)


def strands_that_start_strands(start: Start) -> None:
    """There is always an unstarted strand, and mail."""

    async def host() -> None:
        async with conc.open_nursery(parallel=True) as nursery:

            async def strand() -> None:
                await checkpoint_if_cancelled()
                nursery.start_soon(strand)

            nursery.start_soon(strand)
            nursery.start_soon(strand)

    start(host)


# ---- what becomes due -------------------------------------------------------------------------------------------


class Due:
    """Something that is made due in the midst of the others, and how many of their steps came before its own."""

    def __init__(self, steps: Steps, clock: VirtualClock) -> None:
        self.steps = steps
        self.clock = clock
        self.since = 0
        self.waited: int | None = None

    def ran(self) -> None:
        """Called by its first step."""
        self.waited = self.steps.count - 1 - self.since

    async def wait(self) -> None:
        """Wait in a task until it is due."""
        raise NotImplementedError

    def make_due(self) -> None:
        """Called before a step of another task."""
        self.since = self.steps.count - 1


class DueTimer(Due):
    """A sleep whose time comes."""

    async def wait(self) -> None:
        await conc.sleep(1.0)
        self.ran()

    def make_due(self) -> None:
        super().make_due()
        self.clock.jump(1.0)


class DueSocket(Due):
    """A socket that becomes readable."""

    async def wait(self) -> None:
        self.near, self.far = socket.socketpair()
        with self.near, self.far:
            self.near.setblocking(False)
            await wait_readable(self.near)
            self.ran()

    def make_due(self) -> None:
        super().make_due()
        self.far.send(b"!")


class DueStrand(Due):
    """An unstarted strand."""

    async def wait(self) -> None:
        self.wanted = Event()
        await self.wanted.wait()
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(self.strand)
            self.since = self.steps.count
            await Event().wait()

    async def strand(self) -> None:
        self.ran()

    def make_due(self) -> None:
        self.wanted.set()


@pytest.mark.parametrize("whole_turns", [False, True], ids=["step by step", "in whole turns"])
@pytest.mark.parametrize("phase", [0, 20, 40, 60])
@pytest.mark.parametrize("kind", [DueTimer, DueSocket, DueStrand])
@pytest.mark.parametrize(
    "others",
    [
        only_ready_operations,
        a_chain_of_spawns,
        ten_thousand_that_yield,
        wake_ups_back_and_forth,
        strands_that_start_strands,
    ],
)
def test_what_is_due_runs_after_at_most_61_steps_of_others(
    runtime: conc.Runtime,
    steps: Steps,
    clock: VirtualClock,
    others: Callable[[Start], None],
    kind: type[Due],
    phase: int,
    whole_turns: bool,
) -> None:
    due = kind(steps, clock)
    size = STEPS if whole_turns else 1

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(due.wait)
            await conc.checkpoint()
            await conc.checkpoint()
            others(nursery.start_soon)
            await Event().wait()

    runtime.start(main)
    for _ in range(20):
        runtime.step(STEPS)
    steps.chosen = steps.count + 1 + phase
    steps.then = due.make_due
    while due.waited is None:
        assert runtime.step(size)
        assert steps.count < steps.chosen + 100_000, "it never ran"

    assert due.waited <= STEPS


def test_a_message_from_outside_is_read_after_at_most_61_steps_of_others(runtime: conc.Runtime, steps: Steps) -> None:
    waiting: list[Task[None]] = []

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            waiting.append(nursery.start_soon(Event().wait))
            await conc.checkpoint()
            ten_thousand_that_yield(nursery.start_soon)

    runtime.start(main)
    runtime.run_until(lambda: steps.count > 20_000)
    before = steps.count
    waiting[0].cancel()  # outside of a step: as from another strand, or another thread
    assert waiting[0].state == "waits for Event.wait"
    runtime.run_until(lambda: waiting[0].state == "ready")

    assert steps.count - before <= STEPS


# ---- nobody keeps the worker for himself ------------------------------------------------------------------------


async def through_a_semaphore(semaphore: Semaphore) -> None:
    async with semaphore:
        pass


async def past_a_set_event(event: Event) -> None:
    await event.wait()


async def to_the_end_of_an_ended_task(task: Task[None]) -> None:
    await task.join()


@pytest.mark.parametrize("operation", [through_a_semaphore, past_a_set_event, to_the_end_of_an_ended_task])
@pytest.mark.parametrize("tasks", [1, 10])
def test_a_task_of_ready_operations_is_switched_away_within_the_budget_and_not_much_earlier(
    runtime: conc.Runtime, steps: Steps, operation: Callable[[Any], Awaitable[None]], tasks: int
) -> None:
    done = 0
    steps_of_the_other = 0

    async def operate(thing: object) -> None:
        nonlocal done
        while True:
            await operation(thing)
            done += 1

    async def other() -> None:
        nonlocal steps_of_the_other
        while True:
            steps_of_the_other += 1
            await conc.checkpoint()

    async def main() -> None:
        event = Event()
        event.set()
        async with conc.open_nursery() as nursery:
            ended = nursery.start_soon(event.wait)
            await ended.join()
            things = {
                through_a_semaphore: Semaphore(1),
                past_a_set_event: event,
                to_the_end_of_an_ended_task: ended,
            }
            for _ in range(tasks):
                nursery.start_soon(operate, things[operation])
            nursery.start_soon(other)

    runtime.start(main)
    runtime.run_until(lambda: steps_of_the_other == 5)
    in_a_step = []
    for _ in range(10 * (tasks + 1)):
        before = done
        runtime.step()
        in_a_step.append(done - before)
    in_a_turn = []
    for _ in range(20):
        before, steps_before = done, steps.count
        runtime.step(STEPS)
        in_a_turn.append(done - before)
        assert steps.count - steps_before <= STEPS

    assert max(in_a_step) <= OPERATIONS + 1  # the switch itself has paid for one
    assert max(in_a_step) >= OPERATIONS // 4, "switching that often costs more than the operations"
    assert max(in_a_turn) <= OPERATIONS + STEPS
    assert steps_of_the_other >= 5 + 10


def test_ready_tasks_take_turns_in_order(runtime: conc.Runtime, steps: Steps) -> None:
    order: list[int] = []

    async def yields(number: int) -> None:
        while True:
            order.append(number)
            await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(yields, number)

    runtime.start(main)
    runtime.run_until(lambda: len(order) == 5000)

    assert order == list(range(1000)) * 5


@pytest.mark.parametrize("size", [1, STEPS])
def test_what_is_always_due_does_not_keep_ready_tasks_out(runtime: conc.Runtime, steps: Steps, size: int) -> None:
    turns = 0
    pairs = [socket.socketpair() for _ in range(100)]

    async def reads(sock: socket.socket) -> None:
        while True:
            await wait_readable(sock)  # and leaves it readable

    async def yields() -> None:
        nonlocal turns
        while True:
            turns += 1
            await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            for near, far in pairs:
                near.setblocking(False)
                far.send(b"!")
                nursery.start_soon(reads, near)
            nursery.start_soon(yields)

    runtime.start(main)
    while steps.count < 100 * STEPS:
        runtime.step(size)
    runtime.close()
    for pair in pairs:
        for sock in pair:
            sock.close()

    assert turns >= 100


@pytest.mark.parametrize("size", [1, STEPS])
def test_what_is_posted_all_the_time_does_not_keep_ready_tasks_out(
    runtime: conc.Runtime, steps: Steps, size: int
) -> None:
    turns = 0
    read = 0

    async def yields() -> None:
        nonlocal turns
        while True:
            turns += 1
            await conc.checkpoint()

    def again() -> None:
        nonlocal read
        read += 1
        runtime.root_strand.post(again)

    runtime.start(yields)
    runtime.root_strand.post(again)
    for _ in range(100 * STEPS // size):
        runtime.step(size)

    assert turns >= 100
    assert read >= 100


def test_a_thousand_unstarted_strands_start_one_a_turn_and_in_order(runtime: conc.Runtime, steps: Steps) -> None:
    order: list[int] = []
    started: list[int] = []

    async def strand(number: int) -> None:
        order.append(number)
        started.append(steps.count)

    async def main() -> None:
        async with conc.open_nursery() as nursery, conc.open_nursery(parallel=True) as strands:
            only_ready_operations(nursery.start_soon)
            for number in range(1000):
                strands.start_soon(strand, number)

    runtime.start(main)
    runtime.run_until(lambda: len(order) == 1000)

    assert order == list(range(1000))
    assert max(later - earlier for earlier, later in pairwise(started)) <= STEPS + 1
