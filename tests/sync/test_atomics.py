"""Atomics: what each operation does, what is refused, and what they may be used in that no lock may."""

from __future__ import annotations

import ast
import enum
import gc
import inspect
import signal
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

import conc
from conc.sync import AtomicInt, AtomicRef, atomics


def test_an_integer_is_loaded_stored_and_swapped() -> None:
    number = AtomicInt()
    assert number.load() == 0

    number.store(5)
    assert number.swap(7) == 5
    assert number.load() == 7


def test_what_is_fetched_is_the_number_before() -> None:
    number = AtomicInt(10)

    assert number.fetch_add() == 10
    assert number.fetch_add(4) == 11
    assert number.fetch_sub() == 15
    assert number.fetch_sub(3) == 14
    assert number.fetch_max(20) == 11
    assert number.fetch_max(15) == 20
    assert number.fetch_min(2) == 20
    assert number.fetch_min(8) == 2
    assert number.fetch_update(lambda old: old * 50) == 2
    assert number.load() == 100


def test_an_integer_is_exchanged_where_it_equals_what_is_expected() -> None:
    number = AtomicInt(10**20)

    assert not number.compare_exchange(1, 2)
    assert number.load() == 10**20
    assert number.compare_exchange(int("1" + "0" * 20), 3)  # equal, and another object
    assert number.load() == 3


@pytest.mark.parametrize("limit", [2**31, 2**63, 2**64, -(2**63)])
def test_an_integer_has_no_limits(limit: int) -> None:
    number = AtomicInt(limit - 1)

    number.fetch_add(1)
    assert number.load() == limit
    number.fetch_add(limit)
    number.fetch_sub(-1)
    assert number.compare_exchange(2 * limit + 1, limit * limit)
    assert number.load() == limit * limit


class Level(enum.IntEnum):
    HIGH = 3


def test_integers_of_other_types_become_plain_ones() -> None:
    number = AtomicInt(Level.HIGH)

    number.fetch_add(Level.HIGH)
    assert type(number.load()) is int
    number.store(Level.HIGH)
    number.compare_exchange(Level.HIGH, Level.HIGH)
    number.fetch_max(Level.HIGH)
    number._check()
    assert number.load() == 3


@pytest.mark.parametrize("bad", [1.0, "1", None, True], ids=repr)
@pytest.mark.parametrize(
    ("use", "argument"),
    [
        (AtomicInt, "value"),
        (AtomicInt(1).store, "value"),
        (AtomicInt(1).swap, "value"),
        (AtomicInt(1).fetch_add, "n"),
        (AtomicInt(1).fetch_sub, "n"),
        (AtomicInt(1).fetch_max, "value"),
        (AtomicInt(1).fetch_min, "value"),
        (lambda bad: AtomicInt(1).compare_exchange(bad, 1), "expected"),
        (lambda bad: AtomicInt(1).compare_exchange(1, bad), "value"),
        (lambda bad: AtomicInt(1).fetch_update(lambda _: bad), "value"),
    ],
    ids=["new", "store", "swap", "add", "sub", "max", "min", "expected", "exchange", "update"],
)
def test_what_is_no_whole_number_is_refused_by_name(use: Callable[[Any], object], argument: str, bad: object) -> None:
    with pytest.raises(TypeError, match=rf"^{argument} must be a whole number, not {bad!r}"):
        use(bad)


def test_a_refused_call_leaves_the_number_alone() -> None:
    number = AtomicInt(4)

    for wrong in (number.store, number.fetch_add, number.swap):
        with pytest.raises(TypeError):
            wrong("5")  # type: ignore[arg-type]
    number._check()
    assert number.load() == 4


def test_a_reference_is_loaded_stored_and_swapped() -> None:
    reference: AtomicRef[list[int] | None] = AtomicRef(None)
    assert reference.load() is None

    first, second = [1], [2]
    reference.store(first)
    assert reference.swap(second) is first
    assert reference.load() is second


class Agreeable:
    """Equal to everything, and says who asked."""

    asked = 0

    def __eq__(self, other: object) -> bool:
        Agreeable.asked += 1
        return True

    __hash__ = None  # type: ignore[assignment]


def test_a_reference_is_exchanged_by_identity_and_asks_no_value() -> None:
    there, equal = Agreeable(), Agreeable()
    reference = AtomicRef(there)

    assert not reference.compare_exchange(equal, Agreeable())
    assert reference.load() is there
    assert reference.compare_exchange(there, equal)
    assert reference.load() is equal
    assert Agreeable.asked == 0


def test_a_reference_is_updated_by_a_function_of_its_value() -> None:
    members: AtomicRef[frozenset[str]] = AtomicRef(frozenset())

    assert members.fetch_update(lambda old: old | {"ada"}) == frozenset()
    assert members.fetch_update(lambda old: old | {"bob"}) == {"ada"}
    assert members.load() == {"ada", "bob"}


@pytest.mark.parametrize("atomic", [AtomicInt(1), AtomicRef(1)], ids=["int", "ref"])
def test_an_update_runs_again_when_somebody_came_between(atomic: AtomicInt | AtomicRef[int]) -> None:
    seen = []

    def double(old: int) -> int:
        seen.append(old)
        if len(seen) == 1:
            atomic.store(10)
        return old * 2

    assert atomic.fetch_update(double) == 10
    assert seen == [1, 10]
    assert atomic.load() == 20


@pytest.mark.parametrize("atomic", [AtomicInt(1), AtomicRef(1)], ids=["int", "ref"])
def test_an_update_that_raises_changes_nothing(atomic: AtomicInt | AtomicRef[int]) -> None:
    def fail(old: int) -> int:
        raise ValueError(old)

    with pytest.raises(ValueError, match="1"):
        atomic.fetch_update(fail)

    assert atomic.load() == 1
    atomic.store(2)
    assert atomic.load() == 2


@pytest.mark.parametrize("atomic", [AtomicInt(1), AtomicRef(1)], ids=["int", "ref"])
def test_an_update_by_what_is_no_plain_function_is_refused(atomic: Any) -> None:
    async def double(old: int) -> int:
        return old * 2

    with pytest.raises(TypeError, match=r"plain function is due.*double"):
        atomic.fetch_update(double)
    with pytest.raises(TypeError, match="fn must be a function, not 2"):
        atomic.fetch_update(2)
    assert atomic.load() == 1


class Thing:
    """Something whose end can be seen."""


def test_a_value_that_was_replaced_is_let_go_of_at_once() -> None:
    reference: AtomicRef[Thing] = AtomicRef(Thing())

    for replace in (
        lambda: reference.store(Thing()),
        lambda: reference.swap(Thing()),
        lambda: reference.compare_exchange(reference.load(), Thing()),
        lambda: reference.fetch_update(lambda _: Thing()),
    ):
        end = weakref.ref(reference.load())
        replace()
        assert end() is None


class LookingBack:
    """Looks at the atomic that it was in, when it is dropped, from another thread too."""

    def __init__(self, reference: AtomicRef[object], seen: list[object]) -> None:
        self._reference = reference
        self._seen = seen

    def __del__(self) -> None:
        self._seen.append(self._reference.load())
        thread = threading.Thread(target=self._reference.store, args=("by another thread",))
        thread.start()
        thread.join(timeout=30)
        self._seen.append(self._reference.load())


def test_a_value_is_dropped_after_the_lock_was_released() -> None:
    seen: list[object] = []
    reference: AtomicRef[object] = AtomicRef(None)
    reference.store(LookingBack(reference, seen))

    reference.store("new")

    assert seen == ["new", "by another thread"]


def test_an_atomic_that_refers_to_itself_is_found_by_the_garbage_collector() -> None:
    class Owner:
        def __init__(self) -> None:
            self.reference = AtomicRef(self)

    end = weakref.ref(Owner())
    gc.collect()
    assert end() is None


@pytest.mark.parametrize("atomic", [AtomicInt(1), AtomicRef(1)], ids=["int", "ref"])
def test_an_atomic_has_no_truth_value(atomic: AtomicInt | AtomicRef[int]) -> None:
    with pytest.raises(TypeError, match=r"did you mean atomic\.load\(\)"):
        bool(atomic)


def test_the_repr_shows_what_is_there() -> None:
    assert repr(AtomicInt(-3)) == "<AtomicInt -3>"
    assert repr(AtomicRef("x")) == "<AtomicRef 'x'>"


def test_a_type_may_be_given_to_a_reference() -> None:
    reference = AtomicRef[int | None](None)
    reference.store(3)
    assert reference.load() == 3


def test_atomics_need_no_runtime_and_yield_to_nobody_inside_one() -> None:
    order = []

    async def other() -> None:
        order.append("other")

    async def main() -> None:
        number = AtomicInt()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            for _ in range(10_000):
                number.fetch_add()
            order.append("main")

    conc.run(main)
    assert order == ["main", "other"]


def test_between_taking_a_lock_and_releasing_it_nothing_is_called() -> None:
    sections = [node for node in ast.walk(ast.parse(inspect.getsource(atomics))) if isinstance(node, ast.With)]
    interruptible = ast.Call | ast.For | ast.While | ast.With | ast.Subscript | ast.Starred
    inner = [node for section in sections for statement in section.body for node in ast.walk(statement)]

    assert len(sections) == 8
    assert [ast.unparse(node) for node in inner if isinstance(node, interruptible)] == []


class InterruptedLock:
    """A lock of an atomic; once it is taken, something interrupts its thread."""

    def __init__(self, atomic: Any, interruption: Callable[[], object]) -> None:
        self._lock = atomic._lock
        self._interruption = interruption
        self._interrupted = False
        atomic._lock = self

    def __enter__(self) -> None:
        self._lock.acquire()
        if not self._interrupted:
            self._interrupted = True
            self._interruption()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


@pytest.mark.parametrize(
    ("operation", "argument", "found", "left"),
    [("fetch_add", 1, 6, 7), ("fetch_sub", 1, 6, 5), ("fetch_max", 3, 6, 6), ("fetch_min", 3, 6, 3), ("swap", 9, 6, 9)],
)
def test_an_interruption_under_the_lock_may_use_the_atomic(
    operation: str, argument: int, found: int, left: int
) -> None:
    number = AtomicInt(1)
    InterruptedLock(number, lambda: number.fetch_add(5))
    results: list[int] = []

    thread = threading.Thread(target=lambda: results.append(getattr(number, operation)(argument)), daemon=True)
    thread.start()
    thread.join(timeout=30)

    assert not thread.is_alive(), "the thread waits for itself"
    assert results == [found]
    assert number.load() == left


def test_an_interruption_under_the_lock_may_replace_what_a_reference_refers_to() -> None:
    reference = AtomicRef("old")
    InterruptedLock(reference, lambda: reference.store("between"))
    results: list[bool] = []

    thread = threading.Thread(target=lambda: results.append(reference.compare_exchange("old", "new")), daemon=True)
    thread.start()
    thread.join(timeout=30)

    assert not thread.is_alive(), "the thread waits for itself"
    assert results == [False]
    assert reference.load() == "between"


def test_a_signal_handler_may_count_what_the_main_thread_counts() -> None:
    number = AtomicInt()
    handled = inside = 0

    def handle(_: int, frame: FrameType | None) -> None:
        nonlocal handled, inside
        number.fetch_add(1)
        handled += 1
        inside += frame is not None and frame.f_code.co_name == "fetch_add"

    previous = signal.signal(signal.SIGALRM, handle)
    counted = 0
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
        while inside < 20 and counted < 20_000_000:
            number.fetch_add(1)
            counted += 1
        signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)

    number._check()
    assert inside >= 20
    assert number.load() == counted + handled


def test_objects_may_be_counted_as_they_come_and_go() -> None:
    alive = AtomicInt()

    class Counted:
        def __init__(self) -> None:
            alive.fetch_add()
            self.myself = self  # only the garbage collector ends it, wherever that happens to run

        def __del__(self) -> None:
            alive.fetch_sub()

    thresholds = gc.get_threshold()
    gc.set_threshold(7, 2, 2)
    try:
        for _ in range(20_000):
            Counted()
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    alive._check()
    assert alive.load() == 0
