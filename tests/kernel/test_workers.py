"""Several workers: where strands run, what a busy one holds up, and what crosses from one to another."""

import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

import conc
from conc._kernel.current import current_worker
from conc.lowlevel import wait_readable, wait_writable
from conc.sync import Event, Semaphore
from conc_testing import VirtualClock, settle

WORKERS = 4
many = pytest.mark.conc(workers=WORKERS)
many_on_real_time = pytest.mark.conc(workers=WORKERS, clock="real")


@pytest.fixture(params=[None, 1e-6], ids=["usual switches", "switches all the time"])
def switching(request: pytest.FixtureRequest) -> Iterator[None]:
    """The same again with threads that are switched as often as the interpreter can: what races, shows."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(request.param or usual)
    yield
    sys.setswitchinterval(usual)


raced = pytest.mark.usefixtures("switching")


class Meeting:
    """Where strands wait, blocking their threads, until there are as many threads as strands: one on each worker."""

    def __init__(self, strands: int) -> None:
        self._barrier = threading.Barrier(strands)

    def __call__(self) -> int:
        self._barrier.wait(10.0)
        return current_worker().index


# ---- where strands run -----------------------------------------------------------------------------------------------


async def least_of_three(measure: Callable[[], Awaitable[float]], enough: float) -> float:
    """The least of three measurements, or the first that is below `enough`: the machine has other things to do too."""
    measured: list[float] = []
    while len(measured) < 3 and not any(value < enough for value in measured):
        measured.append(await measure())
    return min(measured)


@raced
@many_on_real_time
async def test_eight_children_that_block_for_50_ms_end_within_150_on_at_least_three_threads() -> None:
    threads = set()

    async def block() -> None:
        time.sleep(0.05)
        threads.add(threading.get_ident())

    async def eight_children() -> float:
        started = time.monotonic()
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(8):
                nursery.start_soon(block)
        return time.monotonic() - started

    assert await least_of_three(eight_children, 0.15) < 0.15
    assert len(threads) >= 3


@raced
@many
async def test_unstarted_strands_go_to_workers_that_have_nothing_to_do() -> None:
    meet = Meeting(WORKERS)
    seen = []

    async def strand() -> None:
        seen.append(meet())

    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(WORKERS):
            nursery.start_soon(strand)

    assert sorted(seen) == list(range(WORKERS))


@raced
@many
async def test_a_strand_lives_on_one_thread_from_its_first_step_to_its_end(clock: VirtualClock) -> None:
    threads: list[set[int]] = []

    async def strand(number: int) -> None:
        mine: set[int] = set()
        threads.append(mine)
        for _ in range(5):
            mine.add(threading.get_ident())
            await conc.sleep(number / 10)
            async with conc.open_nursery() as children:
                for _ in range(3):
                    children.start_soon(child, mine)
            mine.add(threading.get_ident())

    async def child(mine: set[int]) -> None:
        mine.add(threading.get_ident())
        await conc.checkpoint()
        mine.add(threading.get_ident())

    async with conc.open_nursery(parallel=True) as nursery:
        for number in range(20):
            nursery.start_soon(strand, number)

    assert [len(mine) for mine in threads] == [1] * 20


@raced
@many
async def test_what_is_kept_for_a_thread_is_kept_for_a_strand_over_its_awaits() -> None:
    kept = threading.local()
    meet = Meeting(WORKERS)

    async def strand(number: int) -> None:
        meet()
        kept.number = number
        for _ in range(20):
            await conc.checkpoint()
            assert kept.number == number

    async with conc.open_nursery(parallel=True) as nursery:
        for number in range(WORKERS):
            nursery.start_soon(strand, number)


@raced
@many
async def test_a_lock_of_a_thread_may_be_held_over_an_await() -> None:
    lock = threading.RLock()
    inside = 0
    meet = Meeting(WORKERS)

    async def strand() -> None:
        nonlocal inside
        meet()
        for _ in range(10):
            with lock:
                inside += 1
                await conc.checkpoint()
                with lock:
                    assert inside == 1
                inside -= 1

    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(WORKERS):
            nursery.start_soon(strand)


@many
async def test_children_of_an_ordinary_nursery_take_turns_between_awaits() -> None:
    busy = 0

    async def child() -> None:
        nonlocal busy
        for _ in range(20):
            busy += 1
            assert busy == 1
            busy -= 1
            await conc.checkpoint()

    async def strand() -> None:
        async with conc.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(child)

    await strand()


@raced
@many
async def test_parallel_nurseries_inside_parallel_nurseries_spread_as_well() -> None:
    count = Counter()

    async def strand(depth: int) -> None:
        count.add()
        if depth:
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(3):
                    nursery.start_soon(strand, depth - 1)

    await strand(5)

    assert count.value == sum(3**depth for depth in range(6))


class Counter:
    """Counts what several threads do."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def add(self, number: int = 1) -> None:
        with self._lock:
            self.value += number


@raced
@many
async def test_every_strand_runs_exactly_once() -> None:
    count = Counter()

    async def strand() -> None:
        count.add()

    for size in (1, 2, 3, 50, 500):
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(size):
                nursery.start_soon(strand)
        assert count.value == size
        count.value = 0


# ---- what a busy strand holds up, and what it does not ---------------------------------------------------------------


class Lateness:
    """How late a strand was, at worst, while another one blocked its own worker."""

    def __init__(self) -> None:
        self.meet = Meeting(2)
        self.blocks = threading.Event()
        self.worst = 0.0

    async def block(self) -> None:
        self.meet()
        self.blocks.set()
        time.sleep(0.3)
        self.blocks.clear()

    async def watch(self, wait: Callable[[], Awaitable[float]]) -> None:
        """Call `wait`, which says how late it came back, as long as the other one blocks."""
        self.meet()
        self.blocks.wait(5.0)
        while self.blocks.is_set():
            self.worst = max(self.worst, await wait())

    @classmethod
    async def of(cls, wait: Callable[[], Awaitable[float]]) -> float:
        lateness = cls()
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(lateness.block)
            nursery.start_soon(lateness.watch, wait)
        return lateness.worst


@many_on_real_time
async def test_a_strand_that_blocks_for_300_ms_delays_no_timer_of_another_worker_much() -> None:
    async def wait() -> float:
        due = conc.current_time() + 0.005
        await conc.sleep_until(due)
        return conc.current_time() - due

    assert 0.0 < await least_of_three(lambda: Lateness.of(wait), 0.05) < 0.05


@many_on_real_time
async def test_a_strand_that_blocks_for_300_ms_delays_no_socket_of_another_worker_much() -> None:
    left, right = socket.socketpair()
    sent = 0.0

    def send_soon() -> None:
        nonlocal sent
        time.sleep(0.005)
        sent = time.monotonic()
        left.send(b"!")

    async def wait() -> float:
        thread = threading.Thread(target=send_soon)
        thread.start()
        await wait_readable(right)
        late = time.monotonic() - sent
        thread.join()
        right.recv(1)
        return late

    with left, right:
        left.setblocking(False)
        right.setblocking(False)
        assert 0.0 < await least_of_three(lambda: Lateness.of(wait), 0.05) < 0.05


@many
async def test_a_descriptor_is_waited_for_in_the_poller_of_the_worker_that_owns_the_strand() -> None:
    meet = Meeting(2)
    waiting = Semaphore(0)
    pairs = [socket.socketpair() for _ in range(2)]
    homes: dict[int, list[int]] = {}

    async def reader(sock: socket.socket) -> None:
        meet()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(wait_readable, sock)
            await conc.checkpoint()
            homes[sock.fileno()] = [current_worker().index]
            waiting.release()
        homes[sock.fileno()].append(current_worker().index)

    async with conc.open_nursery(parallel=True) as nursery:
        for _, sock in pairs:
            nursery.start_soon(reader, sock)
        await waiting.acquire(2)
        registered = {
            fd: {worker.index for worker in current_worker().crew.workers if fd in worker.descriptors._table}
            for fd in homes
        }
        for writer, _ in pairs:
            writer.send(b"!")
    for pair in pairs:
        for sock in pair:
            sock.close()

    assert {fd: [home] * 2 for fd, (home,) in registered.items()} == homes
    assert len({home for home, _ in homes.values()}) == 2


@raced
@many
async def test_both_directions_of_one_descriptor_may_be_waited_for_on_different_workers() -> None:
    left, right = socket.socketpair()
    left.setblocking(False)
    right.setblocking(False)
    meet = Meeting(2)
    rounds = 100

    async def reads() -> None:
        meet()
        for _ in range(rounds):
            await wait_readable(right)
            assert right.recv(1) == b"!"

    async def writes() -> None:
        meet()
        for _ in range(rounds):
            await wait_writable(left)
            left.send(b"!")

    with left, right:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(reads)
            nursery.start_soon(writes)


# ---- what crosses: cancellation --------------------------------------------------------------------------------------


@raced
@many
async def test_cancelling_reaches_parked_unstarted_and_running_strands() -> None:
    ends: dict[str, list[str]] = {"parked": [], "running": [], "unstarted": []}
    running = Semaphore(0)

    async def strand(kind: str, wait: Callable[[], Awaitable[object]]) -> None:
        try:
            await wait()
        except conc.Cancelled as cancelled:
            ends[kind].append(str(cancelled))
            raise

    async def spin() -> None:
        running.release()
        while True:
            await conc.checkpoint()

    async with conc.open_nursery(parallel=True) as nursery:
        for _ in range(8):
            nursery.start_soon(strand, "parked", Event().wait)
        await settle()
        for _ in range(8):
            nursery.start_soon(strand, "running", spin)
        await running.acquire(8)
        for _ in range(8):
            nursery.start_soon(strand, "unstarted", Event().wait)
        nursery.cancel_scope.cancel("enough")

    assert ends == {kind: ["cancelled (explicit): enough"] * 8 for kind in ends}


@raced
@many
async def test_an_unstarted_strand_of_a_cancelled_nursery_runs_to_its_first_cancel_point() -> None:
    log = Counter()

    async def strand() -> None:
        log.add()
        await conc.checkpoint()
        log.add(1000)

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.cancel_scope.cancel()
        for _ in range(20):
            nursery.start_soon(strand)

    assert log.value == 20


@raced
@many
async def test_a_deadline_of_the_parent_reaches_strands_and_what_they_started(clock: VirtualClock) -> None:
    ended = Counter()

    async def leaf() -> None:
        try:
            await conc.sleep_forever()
        finally:
            ended.add()

    async def strand() -> None:
        async with conc.open_nursery() as nursery:
            nursery.start_soon(leaf)
            async with conc.open_nursery(parallel=True) as strands:
                strands.start_soon(leaf)

    with conc.move_on_after(2.0) as scope:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(5):
                nursery.start_soon(strand)

    assert scope.cancelled_caught
    assert (ended.value, clock.now()) == (10, 2.0)


@raced
@many
async def test_a_shield_in_a_strand_keeps_the_cancellation_of_the_parent_out(clock: VirtualClock) -> None:
    log = []

    async def strand() -> None:
        with conc.CancelScope(shield=True):
            await conc.sleep(1.0)
            log.append("slept")
        await conc.checkpoint()
        log.append("not reached")

    with conc.move_on_after(0.5):
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(strand)
            nursery.start_soon(strand)

    assert log == ["slept", "slept"]
    assert clock.now() == 1.0


@raced
@many
async def test_one_strand_may_be_cancelled_alone_from_another(clock: VirtualClock) -> None:
    meet = Meeting(2)

    async def victim() -> None:
        meet()
        await conc.sleep_forever()

    async def other(task: conc.Task[None]) -> str:
        meet()
        task.cancel("by a sibling")
        with pytest.raises(conc.TaskCancelled, match="by a sibling"):
            await task.join()
        await conc.sleep(1.0)
        return "went on"

    async with conc.open_nursery(parallel=True) as nursery:
        task = nursery.start_soon(victim)
        sibling = nursery.start_soon(other, task)

    assert sibling.join_nowait() == "went on"


# ---- what crosses: errors, values, starts ----------------------------------------------------------------------------


@raced
@many
async def test_errors_of_parallel_children_leave_together_in_a_group_and_cancel_the_rest() -> None:
    meet = Meeting(3)
    cancelled = Counter()

    async def fail(number: int) -> None:
        meet()
        raise ValueError(number)

    async def wait() -> None:
        try:
            await Event().wait()
        finally:
            cancelled.add()

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(5):
                nursery.start_soon(wait)
            await settle()
            for number in range(3):
                nursery.start_soon(fail, number)

    assert sorted(str(error) for error in caught.value.exceptions) == ["0", "1", "2"]
    assert cancelled.value == 5


@many
async def test_a_call_that_does_not_fit_fails_in_the_parallel_child() -> None:
    async def takes_nothing() -> None: ...

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(takes_nothing, 1)  # type: ignore[arg-type]

    assert [type(error) for error in caught.value.exceptions] == [TypeError]


@raced
@many
async def test_a_task_of_another_strand_may_be_joined_before_and_after_its_end() -> None:
    async def square(number: int) -> int:
        for _ in range(number):
            await conc.checkpoint()
        return number * number

    async def add(tasks: list[conc.Task[int]]) -> int:
        total = sum([await task.join() for task in tasks])
        assert total == sum([await task.join() for task in tasks])
        return total

    async with conc.open_nursery(parallel=True) as nursery:
        squares = [nursery.start_soon(square, number) for number in range(20)]
        sums = [nursery.start_soon(add, squares) for _ in range(4)]

    assert {task.join_nowait() for task in sums} == {sum(number * number for number in range(20))}


@raced
@many
async def test_a_join_over_strands_that_is_cancelled_leaves_the_task_alone() -> None:
    go = Event()

    async def slow() -> str:
        await go.wait()
        return "done"

    async def impatient(task: conc.Task[str]) -> bool:
        with conc.move_on_after(1.0) as scope:
            await task.join()
        return scope.cancelled_caught

    async with conc.open_nursery(parallel=True) as nursery:
        task = nursery.start_soon(slow)
        joiners = [nursery.start_soon(impatient, task) for _ in range(6)]
        for joiner in joiners:
            assert await joiner.join()
        go.set()

    assert task.join_nowait() == "done"


@raced
@many
async def test_a_failed_strand_is_told_to_its_joiner_and_reported_once() -> None:
    async def fail() -> None:
        raise ValueError("once")

    async def join(task: conc.Task[None]) -> None:
        with conc.CancelScope(shield=True), pytest.raises(conc.TaskFailed) as failed:
            await task.join()
        assert repr(failed.value.__cause__) == "ValueError('once')"

    with pytest.raises(ExceptionGroup) as caught:
        async with conc.open_nursery(parallel=True) as nursery:
            task = nursery.start_soon(fail)
            nursery.start_soon(join, task)
            nursery.start_soon(join, task)

    assert [repr(error) for error in caught.value.exceptions] == ["ValueError('once')"]


@raced
@many
@pytest.mark.parametrize("parallel", [False, True])
async def test_a_strand_may_start_tasks_in_the_nurseries_around_it(parallel: bool) -> None:
    home = threading.get_ident()
    started = {"outer": Counter(), "inner": Counter()}
    at_home = Counter()

    async def late(nursery: str) -> None:
        started[nursery].add()
        at_home.add(nursery == "outer" and threading.get_ident() == home)

    async def strand(outer: conc.Nursery, inner: conc.Nursery) -> None:
        for _ in range(5):
            outer.start_soon(late, "outer")
            inner.start_soon(late, "inner")
            await conc.checkpoint()

    async with conc.open_nursery(parallel=parallel) as outer:
        async with conc.open_nursery(parallel=True) as inner:
            for _ in range(8):
                inner.start_soon(strand, outer, inner)

    assert (started["outer"].value, started["inner"].value) == (40, 40)
    assert parallel or at_home.value == 40


@raced
@many
async def test_what_a_strand_starts_outside_as_its_last_act_still_runs_before_the_nursery_closes() -> None:
    log = Counter()

    async def late() -> None:
        await conc.checkpoint()
        log.add()

    async def strand(outer: conc.Nursery) -> None:
        outer.start_soon(late)

    for round_ in range(50):
        async with conc.open_nursery() as outer, conc.open_nursery(parallel=True) as inner:
            inner.start_soon(strand, outer)
            inner.start_soon(strand, inner)
        assert log.value == 2 * (round_ + 1)


@many
async def test_a_nursery_that_is_not_around_the_strand_is_refused_with_the_reason() -> None:
    not_around: list[conc.Nursery] = []
    opened, refused = Event(), Event()

    async def opens() -> None:
        async with conc.open_nursery() as nursery:
            not_around.append(nursery)
            opened.set()
            await refused.wait()

    async def intrudes() -> None:
        await opened.wait()
        with pytest.raises(RuntimeError, match="at home in another strand and not around the caller"):
            not_around[0].start_soon(conc.sleep, 0.0)
        with pytest.raises(RuntimeError, match="start: "):
            await not_around[0].start(conc.sleep)
        refused.set()

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(opens)
        nursery.start_soon(intrudes)

    async def too_late() -> None:
        with pytest.raises(RuntimeError, match="this nursery has ended"):
            not_around[0].start_soon(conc.sleep, 0.0)

    async with conc.open_nursery(parallel=True) as nursery:
        nursery.start_soon(too_late)


# ---- the runtime itself ----------------------------------------------------------------------------------------------


@raced
@pytest.mark.parametrize("workers", [1, 2, 4, 9])
def test_a_run_leaves_no_thread_behind(workers: int) -> None:
    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for _ in range(10):
                nursery.start_soon(conc.sleep, 0.001)

    before = threading.active_count()
    for _ in range(5):
        conc.run(main, workers=workers)

    assert threading.active_count() == before


def test_automatic_workers_are_the_cores_where_they_can_be_used_and_else_one() -> None:
    is_enabled: Callable[[], bool] = getattr(sys, "_is_gil_enabled", lambda: True)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    expected = 1 if is_enabled() else cores

    assert repr(conc.Runtime(workers="auto")).startswith(f"<Runtime with {expected} worker")


@pytest.mark.parametrize(
    ("workers", "error"), [(0, ValueError), (-1, ValueError), (True, TypeError), ("two", TypeError)]
)
def test_a_bad_number_of_workers_is_named(workers: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="workers must be"):
        conc.Runtime(workers=workers)
