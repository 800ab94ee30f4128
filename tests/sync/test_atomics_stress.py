"""Atomics under threads that take turns as often as they can: nothing is lost, and nothing comes out twice."""

from __future__ import annotations

import itertools
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import conc
from conc.sync import AtomicInt, AtomicRef
from tests.stress.load import load
from tests.sync.atomics_support import BrokenInt, BrokenRef

THREADS = 4
ROUNDS_TO_BE_FOUND_OUT = 50


@pytest.fixture(autouse=True)
def _threads_take_turns_as_often_as_they_can() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


def at_once(work: Callable[[int], None], threads: int = THREADS) -> None:
    """Run `work(number)` on several threads that begin together; an error of one is an error here."""
    start = threading.Barrier(threads)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        start.wait()
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    running = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(timeout=60)
    if errors:
        raise errors[0]
    assert not any(thread.is_alive() for thread in running), "an operation does not end"


def lost_by_adding(number: AtomicInt, times: int) -> int:
    """How many of the additions of several threads did not arrive."""

    def work(_: int) -> None:
        for _ in range(times):
            number.fetch_add(1)

    at_once(work)
    number._check()
    return THREADS * times - number.load()


def lost_by_exchanging(number: AtomicInt, times: int) -> int:
    """How many successful exchanges of a number by its successor did not arrive."""

    def work(_: int) -> None:
        for _ in range(times):
            while not number.compare_exchange(old := number.load(), old + 1):
                pass

    at_once(work)
    number._check()
    return THREADS * times - number.load()


def astray_by_swapping(reference: AtomicRef[Any], times: int) -> list[object]:
    """What was put in and did not come out exactly once."""
    came_out: list[list[object]] = [[] for _ in range(THREADS)]
    first = reference.load()

    def work(thread: int) -> None:
        for number in range(times):
            came_out[thread].append(reference.swap((thread, number)))

    at_once(work)
    counts = Counter([reference.load(), *itertools.chain.from_iterable(came_out)])
    put_in = [first, *itertools.product(range(THREADS), range(times))]
    assert set(counts) <= set(put_in)
    return [thing for thing in put_in if counts[thing] != 1]


def astray_by_linking(reference: AtomicRef[Any], times: int) -> int:
    """How many nodes that threads pushed onto a stack, by comparing and exchanging its top, are not on it."""

    def work(thread: int) -> None:
        for number in range(times):
            while not reference.compare_exchange(top := reference.load(), ((thread, number), top)):
                pass

    at_once(work)
    found = []
    top = reference.load()
    while top is not None:
        thing, top = top
        found.append(thing)
    assert len(found) == len(set(found))
    for thread in range(THREADS):
        own = [number for owner, number in found if owner == thread]
        assert own == sorted(own, reverse=True), "two pushes of one thread changed places"
    return THREADS * times - len(found)


SCENARIOS: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
    "adding": (lambda: lost_by_adding(AtomicInt(), load(400_000)), lambda: lost_by_adding(BrokenInt(), 1_000)),
    "exchanging": (
        lambda: lost_by_exchanging(AtomicInt(), load(200_000)),
        lambda: lost_by_exchanging(BrokenInt(), 1_000),
    ),
    "swapping": (
        lambda: astray_by_swapping(AtomicRef(None), load(100_000)),
        lambda: astray_by_swapping(BrokenRef(None), 1_000),
    ),
    "linking": (
        lambda: astray_by_linking(AtomicRef(None), load(100_000)),
        lambda: astray_by_linking(BrokenRef(None), 1_000),
    ),
}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_nothing_is_lost_between_threads(scenario: str) -> None:
    right, _ = SCENARIOS[scenario]

    assert not right()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_atomic_that_loads_and_stores_is_found_out(scenario: str) -> None:
    _, wrong = SCENARIOS[scenario]

    assert any(wrong() for _ in range(ROUNDS_TO_BE_FOUND_OUT))


def test_adding_and_subtracting_come_to_nothing() -> None:
    number = AtomicInt()
    times = load(100_000)

    def work(thread: int) -> None:
        change = number.fetch_add if thread % 2 else number.fetch_sub
        for n in range(times):
            change(n)

    at_once(work)
    assert number.load() == 0


def test_numbers_drawn_by_several_threads_are_all_different() -> None:
    number = AtomicInt()
    drawn: list[list[int]] = [[] for _ in range(THREADS)]
    times = load(50_000)

    def work(thread: int) -> None:
        for _ in range(times):
            drawn[thread].append(number.fetch_add())

    at_once(work)
    assert sorted(itertools.chain.from_iterable(drawn)) == list(range(THREADS * times))
    assert all(own == sorted(own) for own in drawn)


def test_the_greatest_number_that_any_thread_saw_stays() -> None:
    greatest = AtomicInt(-1)
    times = load(50_000)

    def work(thread: int) -> None:
        for n in range(times):
            greatest.fetch_max(n * THREADS + thread)

    at_once(work)
    assert greatest.load() == times * THREADS - 1


def test_a_reader_never_sees_a_number_go_back() -> None:
    number = AtomicInt()
    times = load(100_000)

    def work(thread: int) -> None:
        if thread:
            for _ in range(times):
                number.fetch_add()
            return
        seen = 0
        while seen < times * (THREADS - 1):
            now = number.load()
            assert now >= seen
            seen = now

    at_once(work)


def test_a_value_that_is_seen_is_complete() -> None:
    reference: AtomicRef[dict[str, int]] = AtomicRef({"a": 0, "b": 0})
    times = load(50_000)

    def work(thread: int) -> None:
        for n in range(times):
            if thread == 0:
                reference.store({"a": n, "b": n})
            else:
                seen = reference.load()
                assert len(seen) == 2
                assert seen["a"] == seen["b"]

    at_once(work)


def test_what_was_counted_by_strands_is_counted() -> None:
    number = AtomicInt()
    best: AtomicRef[tuple[int, int]] = AtomicRef((0, 0))
    times = load(5_000)

    async def count(strand: int) -> None:
        for n in range(times):
            number.fetch_add()
            best.fetch_update(lambda old, mine=(n, strand): max(old, mine))  # type: ignore[misc]
            if n % 50 == 0:
                await conc.checkpoint()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for strand in range(8):
                nursery.start_soon(count, strand)

    conc.run(main, workers=3)
    assert number.load() == 8 * times
    assert best.load() == (times - 1, 7)
