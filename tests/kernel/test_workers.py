"""Several workers: where strands run, and what a busy one holds up."""

import os
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

import conc
from conc._kernel.current import current_worker
from conc.lowlevel import wait_readable, wait_writable
from conc.sync import Semaphore
from conc_testing import VirtualClock
from tests.kernel.strands import WORKERS, Counter, Meeting, many, raced

many_on_real_time = pytest.mark.conc(workers=WORKERS, clock="real")


# ---- where strands run ------------------------------------------------------------------------------------------


async def least_of_five(measure: Callable[[], Awaitable[float]], enough: float) -> float:
    """The least of five measurements, or the first that is below `enough`: the machine has other things to do too."""
    measured: list[float] = []
    while len(measured) < 5 and not any(value < enough for value in measured):
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

    assert await least_of_five(eight_children, 0.15) < 0.15
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


# ---- what a busy strand holds up, and what it does not ----------------------------------------------------------


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

    assert 0.0 < await least_of_five(lambda: Lateness.of(wait), 0.05) < 0.05


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
        assert 0.0 < await least_of_five(lambda: Lateness.of(wait), 0.05) < 0.05


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


# ---- the runtime itself -----------------------------------------------------------------------------------------


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
