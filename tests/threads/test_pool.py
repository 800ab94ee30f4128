"""The pool: how many threads there are, who gets which job, and when threads end."""

from __future__ import annotations

import gc
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import conc.threads.pool as pool_module
from conc.threads.pool import Pool, current_job
from tests.threads.support import PATIENCE, Gate, Stranger, hasty_switching


class Work:
    """A job that calls a function, and tells when it was delivered."""

    def __init__(self, fn: Callable[[], Any] = lambda: None) -> None:
        self._fn = fn
        self.history: list[str] = []
        self.thread: threading.Thread | None = None
        self.error: BaseException | None = None
        self.delivered = threading.Event()

    def run(self) -> None:
        self.thread = threading.current_thread()
        self.history.append("run")
        self._fn()

    def settle(self) -> None:
        self.history.append("settle")

    def deliver(self) -> None:
        self.history.append("deliver")
        self.delivered.set()

    def fail(self, error: BaseException) -> None:
        self.error = error

    def wait(self) -> None:
        assert self.delivered.wait(PATIENCE), "never delivered"


@pytest.fixture
def idents() -> set[int]:
    return set()


@pytest.fixture
def pool(idents: set[int]) -> Iterator[Pool]:
    pool = Pool(4, idents)
    yield pool
    pool._check()
    pool.close()
    assert not idents


def run_in(pool: Pool, fn: Callable[[], Any] = lambda: None) -> Work:
    work = Work(fn)
    pool.submit(work)
    return work


def names_of(works: list[Work]) -> set[str]:
    return {work.thread.name for work in works if work.thread is not None}


def wait_until(condition: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.0005)


def test_a_job_is_run_settled_and_delivered_once_on_a_daemon_thread(pool: Pool) -> None:
    work = run_in(pool)

    work.wait()
    assert work.history == ["run", "settle", "deliver"]
    assert work.thread is not None
    assert work.thread.daemon


def test_jobs_that_follow_one_another_share_one_thread(pool: Pool) -> None:
    works = []
    for _ in range(200):
        works.append(run_in(pool))
        works[-1].wait()

    assert names_of(works) == {"conc-thread-1"}


def test_there_are_as_many_threads_as_jobs_that_block_up_to_the_limit(pool: Pool) -> None:
    gate = Gate()
    works = [run_in(pool, gate) for _ in range(7)]
    gate.arrive(4)

    assert [pool.is_in_line(work) for work in works].count(True) == 3

    gate.open()
    for work in works:
        work.wait()
    assert len(names_of(works)) == 4


def test_a_job_that_blocks_does_not_hold_up_the_ones_behind_it(pool: Pool) -> None:
    gate = Gate()
    blocked = run_in(pool, gate)
    gate.arrive()

    run_in(pool).wait()

    assert not blocked.delivered.is_set()
    gate.open()
    blocked.wait()


def test_jobs_in_line_are_run_in_the_order_in_which_they_came(idents: set[int]) -> None:
    pool = Pool(1, idents)
    gate = Gate()
    run_in(pool, gate)
    gate.arrive()
    order: list[int] = []
    works = [run_in(pool, lambda number=number: order.append(number)) for number in range(50)]  # type: ignore[misc]

    gate.open()
    works[-1].wait()

    assert order == list(range(50))
    pool.close()


def test_a_job_taken_back_out_of_the_line_never_runs(idents: set[int]) -> None:
    pool = Pool(1, idents)
    gate = Gate()
    run_in(pool, gate)
    gate.arrive()
    unwanted, wanted = run_in(pool), run_in(pool)

    with pool.lock:
        assert pool.take_back(unwanted)
        assert not pool.take_back(unwanted)
    gate.open()
    wanted.wait()

    assert unwanted.history == []
    pool.close()


def test_a_job_that_a_thread_has_cannot_be_taken_back(pool: Pool) -> None:
    gate = Gate()
    work = run_in(pool, gate)
    gate.arrive()

    with pool.lock:
        assert not pool.take_back(work)
    gate.open()
    work.wait()


def test_of_the_idle_threads_the_last_to_become_idle_is_woken_first(pool: Pool) -> None:
    gates = [Gate() for _ in range(3)]
    works = [run_in(pool, gate) for gate in gates]
    for number in (2, 0, 1):
        gates[number].arrive()
        gates[number].open()
        works[number].wait()
        wait_until(lambda number=number: works[number].thread is idle_last(pool))  # type: ignore[misc]

    last = works[1].thread
    again = run_in(pool)
    again.wait()
    assert again.thread is last


def idle_last(pool: Pool) -> threading.Thread | None:
    return pool._idle[-1]._thread if pool._idle else None


def test_an_idle_thread_ends_after_its_time_and_a_new_one_comes_for_the_next_job(
    idents: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.005)
    pool = Pool(4, idents)
    gate = Gate()
    works = [run_in(pool, gate) for _ in range(4)]
    gate.arrive(4)
    gate.open()

    wait_until(lambda: not idents)
    for work in works:
        assert work.thread is not None
        work.thread.join(PATIENCE)
        assert not work.thread.is_alive()

    run_in(pool).wait()
    pool.close()


def test_threads_idle_for_ten_seconds_unless_a_test_says_otherwise(pool: Pool) -> None:
    assert pool.idle_seconds == 10.0


def test_a_job_that_comes_when_the_last_thread_gives_up_is_run(
    idents: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nearly every job meets a thread that is about to end, ends, or has ended."""
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.0005)
    chance = random.Random(1)
    pool = Pool(2, idents)

    for _ in range(300):
        run_in(pool).wait()
        time.sleep(chance.choice([0, 0.0003, 0.0005, 0.0007]))
        pool._check()

    pool.close()
    assert not idents


def test_no_thread_to_be_had_fails_the_jobs_and_leaves_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_threads(monkeypatch)
    work = run_in(pool)

    work.wait()
    assert isinstance(work.error, RuntimeError)
    assert work.history == ["deliver"]

    monkeypatch.undo()
    run_in(pool).wait()


def test_where_there_is_a_thread_the_system_may_refuse_another_one(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    first = run_in(pool, gate)
    gate.arrive()
    refuse_threads(monkeypatch)
    works = [run_in(pool) for _ in range(5)]

    assert all(pool.is_in_line(work) for work in works)
    gate.open()
    for work in [first, *works]:
        work.wait()
    assert names_of([first, *works]) == {"conc-thread-1"}


def test_a_thread_that_became_idle_while_another_one_was_refused_is_woken(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate()
    first = run_in(pool, gate)
    gate.arrive()

    def refuse_when_the_first_is_idle(*_: object) -> None:
        gate.open()
        first.wait()
        wait_until(lambda: bool(pool._idle))
        pool.submit(third)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool_module, "start_daemon", refuse_when_the_first_is_idle)
    third = Work()
    second = run_in(pool)  # taken by the first thread, while a second one is being started

    second.wait()
    third.wait()


def refuse_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool_module, "start_daemon", refuse)


def test_closing_ends_the_idle_threads_and_waits_for_them(idents: set[int]) -> None:
    pool = Pool(8, idents)
    gate = Gate()
    works = [run_in(pool, gate) for _ in range(8)]
    gate.arrive(8)
    gate.open()
    for work in works:
        work.wait()
    wait_until(lambda: len(pool._idle) == 8)

    pool.close()

    assert not idents
    assert not any(work.thread is not None and work.thread.is_alive() for work in works)


def test_closing_does_not_wait_for_a_job_whose_thread_ends_behind_it(idents: set[int]) -> None:
    pool = Pool(1, idents)
    gate = Gate()
    work, unlucky = run_in(pool, gate), run_in(pool)
    gate.arrive()

    pool.close()

    assert not work.delivered.is_set()
    gate.open()
    work.wait()
    wait_until(lambda: not idents)
    assert unlucky.history == []


def test_closing_waits_for_a_thread_that_is_still_on_its_way(idents: set[int]) -> None:
    for _ in range(100):
        pool = Pool(3, idents)
        works = [run_in(pool) for _ in range(3)]
        for work in works:
            work.wait()
        pool.close()
        assert not idents
        assert not any(work.thread is not None and work.thread.is_alive() for work in works)


class SlowSet(set[int]):
    """Idents, at whose entrance and exit threads may be held up for a moment."""

    def __init__(self, entries_s: list[float], exits_s: list[float]) -> None:
        super().__init__()
        self._entries_s = entries_s
        self._exits_s = exits_s

    def add(self, ident: int) -> None:
        time.sleep(self._entries_s.pop(0) if self._entries_s else 0)
        super().add(ident)

    def discard(self, ident: object) -> None:
        time.sleep(self._exits_s.pop(0) if self._exits_s else 0)
        super().discard(ident)


def test_closing_waits_for_a_thread_that_arrives_when_all_is_done() -> None:
    idents = SlowSet([0, 0.05], [])
    pool = Pool(2, idents)
    gate = Gate()
    works = [run_in(pool, gate), run_in(pool)]  # the second thread comes too late for its job
    gate.open()
    for work in works:
        work.wait()
    assert pool._coming is not None
    before = threading.active_count()

    pool.close()

    assert not idents
    assert threading.active_count() == before - 2


def test_closing_waits_for_threads_that_have_given_up_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.005)
    idents = SlowSet([], [0.1, 0.05])
    pool = Pool(4, idents)
    before = threading.active_count()
    gate = Gate()
    works = [run_in(pool, gate) for _ in range(4)]
    gate.arrive(4)
    gate.open()
    for work in works:
        work.wait()
    wait_until(lambda: pool._count == 0)
    assert idents

    pool.close()

    assert not idents
    assert threading.active_count() == before


def test_a_pool_closed_while_a_thread_is_refused_does_not_wait_for_it(
    idents: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(3, idents)
    closing: list[Stranger] = []

    def close_and_refuse(*_: object) -> None:
        closing.append(Stranger(pool.close))
        wait_until(lambda: pool.closed)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(pool_module, "start_daemon", close_and_refuse)
    began = time.monotonic()
    run_in(pool)

    closing[0].result()
    assert time.monotonic() - began < pool_module.ARRIVAL_SECONDS


def test_a_thread_knows_its_job_and_others_have_none(pool: Pool) -> None:
    seen: list[object] = []
    work = run_in(pool, lambda: seen.append(current_job()))

    work.wait()
    assert seen == [work]
    assert current_job() is None


def test_an_idle_thread_keeps_no_job_alive(pool: Pool) -> None:
    work = run_in(pool)
    work.wait()
    wait_until(lambda: bool(pool._idle))
    gone = weakref.ref(work)
    del work

    wait_until(lambda: gc.collect() >= 0 and gone() is None, patience=2)


@pytest.mark.parametrize("limit", [1, 3])
def test_every_job_runs_once_when_many_threads_bring_them_in_haste(
    idents: set[int], monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(pool_module, "IDLE_SECONDS", 0.0002)
    pool = Pool(limit, idents)
    runs: list[int] = []
    taken_back: list[int] = []

    def bring(base: int) -> None:
        chance = random.Random(base)
        for number in range(base, base + 300):
            work = run_in(pool, lambda number=number: runs.append(number))  # type: ignore[misc]
            if chance.random() < 0.2:
                with pool.lock:
                    if pool.take_back(work):
                        taken_back.append(number)
                        continue
            if chance.random() < 0.3:
                work.wait()
                pool._check()

    with hasty_switching():
        for stranger in [Stranger(bring, base) for base in (0, 1000, 2000)]:
            stranger.result()
        wait_until(lambda: len(runs) + len(taken_back) == 900)
        pool.close()

    assert sorted(runs + taken_back) == [base + number for base in (0, 1000, 2000) for number in range(300)]
    assert not idents
