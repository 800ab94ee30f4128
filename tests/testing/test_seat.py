"""Tables and seats: who is called looks again, once, whatever comes between."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

import conc
from conc.lowlevel import current_task
from conc_testing import settle
from conc_testing.seat import Later, Seat, Table


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Box:
    """What two tasks hand to one another: one thing at a time."""

    def __init__(self) -> None:
        self.table = Table()
        self.filled, self.emptied = Seat(self.table), Seat(self.table)
        self.content: int | None = None

    def put(self, thing: int) -> Later | None:
        if self.content is not None:
            return Later("the box to be empty")
        self.content = thing
        self.filled.call()
        return None

    def take(self) -> int | Later:
        thing, self.content = self.content, None
        if thing is None:
            return Later("something in the box")
        self.emptied.call()
        return thing


async def test_an_attempt_is_repeated_after_a_call_until_it_succeeds(nursery: conc.Nursery) -> None:
    box = Box()
    taking = nursery.start_soon(box.filled.attempt, box.take)
    await settle()
    assert taking.state == "waits for something in the box"
    with box.table:
        box.filled.call()
    await settle()
    assert taking.state == "waits for something in the box"
    await box.emptied.attempt(lambda: box.put(7))
    assert await taking.join() == 7
    box.filled._check()
    assert repr(box.filled) == "<Seat, empty>"


async def test_an_attempt_is_repeated_when_its_time_has_come() -> None:
    seat, tries = Seat(Table()), []

    def attempt() -> float | Later:
        tries.append(conc.current_time())
        return tries[-1] if len(tries) > 2 else Later("the time", until=len(tries) * 2.0)

    assert await seat.attempt(attempt) == 4.0
    assert tries == [0.0, 2.0, 4.0]


async def test_who_is_cancelled_leaves_the_seat_and_can_sit_down_again(nursery: conc.Nursery) -> None:
    box = Box()
    with conc.move_on_after(1) as scope:
        await box.filled.attempt(box.take)
    assert scope.cancelled_caught
    taking = nursery.start_soon(box.filled.attempt, box.take)
    await settle()
    await box.emptied.attempt(lambda: box.put(1))
    assert await taking.join() == 1


async def test_who_was_called_returns_though_a_cancellation_comes_before_it_runs() -> None:
    box, got = Box(), []

    async def take() -> None:
        got.append(await box.filled.attempt(box.take))

    async with conc.open_nursery() as nursery:
        taking = nursery.start_soon(take)
        await settle()
        with box.table:
            box.put(1)
        taking.cancel()
    assert got == [1]


async def test_who_has_been_called_cannot_be_taken_back(nursery: conc.Nursery) -> None:
    box = Box()
    taking = nursery.start_soon(box.filled.attempt, box.take)
    await settle()
    with box.table:
        box.filled.call()
    assert not box.filled.withdraw(taking)
    await settle()
    assert box.filled.withdraw(taking)
    box.filled._sit(taking)


async def test_a_call_between_the_attempt_and_the_sitting_down_is_not_missed() -> None:
    seat = Seat(Table())
    tries: list[None] = []

    class Interloper(Later):
        """A reason that is looked at right before who waits sits down: a call comes then."""

        @property
        def until(self) -> float:
            if len(tries) == 1:
                with seat._table:
                    seat.call()
            return float("inf")

    def attempt() -> str | Later:
        tries.append(None)
        return Interloper("a call") if len(tries) == 1 else "called"

    assert await seat.attempt(attempt) == "called"


async def test_what_an_attempt_raises_is_raised_and_leaves_the_table_free() -> None:
    table = Table()

    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await Seat(table).attempt(fail)
    with table:
        assert table._lock.locked()


async def test_who_is_called_by_another_thread_right_behind_the_lock_is_resumed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resumed: list[object] = []
    monkeypatch.setattr("conc_testing.seat.unpark", resumed.append)
    table, task = Table(), current_task()

    class Crowded:
        """A lock that somebody else takes at the moment when it is given back."""

        def __init__(self) -> None:
            self.others = [task]

        def acquire(self) -> None:
            """Nobody has it."""

        def release(self) -> None:
            if self.others:
                with table:
                    table.resume_after(self.others.pop())

    table._lock = Crowded()  # type: ignore[assignment]
    with table:
        """Nobody is called."""
    assert resumed == [task]


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.conc(workers=4)
async def test_strands_that_meet_at_one_table_are_each_resumed_once() -> None:
    """All at one table, so that calls of different threads fall together; who is resumed twice breaks the run."""
    table = Table()
    boxes = [Box() for _ in range(4)]
    for box in boxes:
        box.table = table
        box.filled, box.emptied = Seat(table), Seat(table)

    async def put(box: Box) -> None:
        for number in range(1, 400):
            await box.emptied.attempt(lambda number=number: box.put(number))  # type: ignore[misc]

    async def take(box: Box) -> int:
        return sum([await box.filled.attempt(box.take) for _ in range(1, 400)])

    async with conc.open_nursery(parallel=True) as nursery:
        taking = [nursery.start_soon(take, box) for box in boxes]
        for box in boxes:
            nursery.start_soon(put, box)
    assert [await task.join() for task in taking] == [sum(range(1, 400))] * 4
