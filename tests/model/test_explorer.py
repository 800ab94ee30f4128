"""The explorer finds what can go wrong, by the shortest way, and refuses models whose state it could not see."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.model.explorer import Model, Steps, Violation, Wait, explore, require
from tests.model.state import Fingerprints, Shared

Body = Callable[["Counter"], Steps[None]]


@dataclass(slots=True, eq=False, repr=False)
class Counter(Model):
    """Threads that run what they are given, over one number, two locks and a deque."""

    bodies: tuple[str, ...] = ()
    number: int = 0
    locks: dict[str, bool] = field(default_factory=lambda: {"first": False, "second": False})
    things: deque[Shared] = field(default_factory=deque)
    flag: bool | int = False
    limit: int = 2
    expected: int | None = None

    def programs(self) -> dict[str, Steps[None]]:
        return {f"{name} {place}": getattr(self, name)() for place, name in enumerate(self.bodies, 1)}

    def always(self) -> None:
        require(self.number <= self.limit, "too many")

    def at_rest(self, waiting: dict[str, str]) -> None:
        Model.at_rest(self, waiting)
        require(self.expected in (None, self.number), f"{self.number} in place of {self.expected}")

    def add(self) -> Steps[None]:
        yield "add one"
        self.number += 1

    def read_then_write(self) -> Steps[None]:
        yield "read"
        seen = self.number
        yield "write"
        self.number = seen + 1

    def lock_first(self) -> Steps[None]:
        yield from self.lock_both("first", "second")

    def lock_second(self) -> Steps[None]:
        yield from self.lock_both("second", "first")

    def lock_both(self, one: str, other: str) -> Steps[None]:
        yield Wait(f"lock the {one}", lambda: not self.locks[one])
        self.locks[one] = True
        yield Wait(f"lock the {other}", lambda: not self.locks[other])
        self.locks[one] = False

    def spin(self) -> Steps[None]:
        while True:
            yield "look"
            if self.number:
                return

    def toggle(self) -> Steps[None]:
        yield "set the flag"
        self.flag = True
        yield "set the number in its place"
        self.flag = 1

    def hold_a_container(self) -> Steps[None]:
        yield "copy"
        things = self.things
        yield "use"
        things.clear()

    def hold_a_container_in_a_tuple(self) -> Steps[None]:
        yield "copy"
        pair = (self.things, 1)
        yield f"use {len(pair)}"

    def make_an_object(self) -> Steps[None]:
        yield "make"
        self.things.append(Shared("new"))
        yield "go on"

    def hide_an_object(self) -> Steps[None]:
        yield "make"
        hidden = Shared("hidden")
        yield f"use {hidden}"

    def make_a_twin(self) -> Steps[None]:
        yield "make"
        self.things.append(Shared(self.name))
        yield "go on"

    def fail(self) -> Steps[None]:
        yield "divide"
        self.number //= 0

    def yield_in_a_for(self) -> Steps[None]:
        for _ in range(2):
            yield "step"

    def yield_in_an_expression(self) -> Steps[None]:
        yield "step"
        self.number = self.number + (yield from self.give_one())

    def yield_in_an_except(self) -> Steps[None]:
        try:
            yield "step"
            raise Violation("never seen")
        except Violation:
            yield "step"

    def give_one(self) -> Steps[int]:
        yield "give"
        return 1


@dataclass(slots=True, eq=False, repr=False)
class Box(Shared):
    content: object


def message_of(make: Callable[[], Model]) -> str:
    failure = explore(make).failure
    return "" if failure is None else failure.message


def test_atomic_steps_in_any_order_hold_and_are_counted() -> None:
    report = explore(lambda: Counter("counter", ("add", "add"), expected=2))

    assert report.failure is None
    assert (report.states, report.moves, report.depth) == (4, 4, 2)


def test_a_lost_update_is_found_by_the_shortest_way() -> None:
    report = explore(lambda: Counter("counter", ("read_then_write", "read_then_write"), expected=2))

    assert report.failure is not None
    assert report.failure.message == "1 in place of 2"
    assert len(report.failure.trace) == 4
    assert [step for _, step in report.failure.trace] == ["read", "read", "write", "write"]


def test_a_trace_is_a_table_with_a_column_for_each_thread() -> None:
    failure = explore(lambda: Counter("counter", ("read_then_write", "add"), expected=2)).failure

    assert failure is not None
    assert str(failure).splitlines()[:7] == [
        "1 in place of 2, after 3 steps:",
        "",
        "      read_then_write 1  add 2",
        "   1  read",
        "   2                     add one",
        "   3  write",
        "",
    ]


def test_an_invariant_is_checked_in_every_state() -> None:
    assert message_of(lambda: Counter("counter", ("add", "add", "add"))) == "too many"


def test_a_deadlock_says_who_waits_for_what() -> None:
    message = message_of(lambda: Counter("counter", ("lock_first", "lock_second")))

    assert message == "deadlock: lock_first 1 waits: lock the second, lock_second 2 waits: lock the first"


def test_threads_that_never_come_to_rest_are_an_error() -> None:
    assert message_of(lambda: Counter("counter", ("spin",))) == "from here on the threads never come to rest"


def test_a_thread_that_spins_until_another_has_moved_comes_to_rest() -> None:
    assert message_of(lambda: Counter("counter", ("spin", "add"))) == ""


def test_true_and_one_are_different_states() -> None:
    assert explore(lambda: Counter("counter", ("toggle",))).states == 3


def test_values_that_look_alike_are_different_states() -> None:
    prints = Fingerprints()

    contents: tuple[object, ...] = (0, False, None, (), [], deque(), set(), {}, ("0",))

    keys = {prints.objects(Box("box", content)) for content in contents}

    assert len(keys) == 9


def test_too_many_states_are_refused() -> None:
    with pytest.raises(RuntimeError, match="more than 3 states"):
        explore(lambda: Counter("counter", ("add", "add")), limit=3)


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("hold_a_container", TypeError, "things of Counter.hold_a_container holds deque"),
        ("hold_a_container_in_a_tuple", TypeError, "pair of Counter.hold_a_container_in_a_tuple holds"),
        ("make_an_object", TypeError, "new came or went"),
        ("hide_an_object", TypeError, "only a local variable leads to hidden"),
        ("make_a_twin", ValueError, "two shared objects have the name 'counter'"),
        ("yield_in_a_for", TypeError, "yields in its line 3 half through"),
        ("yield_in_an_expression", TypeError, "yields in its line 3 half through"),
        ("yield_in_an_except", TypeError, "yields in its line 6 half through"),
    ],
)
def test_what_hides_from_the_explorer_is_refused(body: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        explore(lambda: Counter("counter", (body,)))


def test_an_error_of_the_model_itself_tells_how_it_came_to_it() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        explore(lambda: Counter("counter", ("fail", "add")))

    assert caught.value.__notes__ == ["The model itself is broken. The way there: fail 1: divide"]


def test_a_shared_object_without_slots_is_refused() -> None:
    class Loose(Shared):
        pass

    with pytest.raises(TypeError, match="Loose must be a dataclass with slots"):
        Fingerprints().objects(Loose("loose"))
