"""A value that is set once and given to all who wait for it."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import conc
from conc.errors import WouldBlock
from conc.sync import Event, SetOnce
from conc_testing import settle
from tests.kernel.support import Driven, run
from tests.sync.actors import Actor
from tests.sync.outside import interrupt_after_grants, until_waiting
from tests.threads.support import Stranger, hasty_switching


def test_all_who_wait_get_the_value_in_the_order_in_which_they_came() -> None:
    trace: list[tuple[str, int]] = []

    async def wait(cell: SetOnce[int], name: str) -> None:
        trace.append((name, await cell.wait()))

    async def main() -> None:
        cell: SetOnce[int] = SetOnce()
        async with conc.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(wait, cell, name)
            await settle()
            assert trace == []
            cell.set(5)
        await wait(cell, "late")
        cell._check()

    run(main)
    assert trace == [("a", 5), ("b", 5), ("c", 5), ("late", 5)]


def test_a_value_that_is_there_is_given_without_letting_others_run() -> None:
    trace: list[str] = []

    async def other() -> None:
        trace.append("other")

    async def main() -> None:
        cell: SetOnce[str] = SetOnce()
        cell.set("main")
        async with conc.open_nursery() as nursery:
            nursery.start_soon(other)
            trace.append(await cell.wait())

    run(main)
    assert trace == ["main", "other"]


@pytest.mark.parametrize("value", [None, False, 0])
def test_any_value_is_a_value(value: object) -> None:
    cell: SetOnce[object] = SetOnce()
    cell.set(value)

    assert cell.is_set()
    assert cell.get() is value
    assert run(cell.wait) is value


def test_it_cannot_be_set_twice_and_keeps_what_it_has() -> None:
    cell: SetOnce[int] = SetOnce()
    cell.set(1)

    with pytest.raises(RuntimeError, match="set before"):
        cell.set(2)
    assert cell.get() == 1


def test_a_value_that_is_not_there_is_not_given() -> None:
    cell: SetOnce[int] = SetOnce()

    with pytest.raises(WouldBlock, match="<SetOnce not set, 0 waiting> has no value yet"):
        cell.get()
    assert not cell.is_set()


# ---- cancellation ----------------------------------------------------------------------------------------------------


def test_a_cancelled_waiter_leaves_the_others_waiting() -> None:
    async def main() -> None:
        cell: SetOnce[int] = SetOnce()
        async with conc.open_nursery() as nursery:
            tasks = [nursery.start_soon(cell.wait) for _ in range(3)]
            await settle()
            tasks[1].cancel()
            await settle()
            cell._check()
            assert cell.statistics() == (False, 2)
            cell.set(1)
        assert [task.state for task in tasks] == ["returned", "cancelled", "returned"]

    run(main)


def test_a_waiter_that_was_given_the_value_returns_although_it_is_cancelled_before_it_runs() -> None:
    trace: list[object] = []

    async def use(cell: SetOnce[int]) -> None:
        trace.append(await cell.wait())
        await conc.checkpoint()
        trace.append("not reached")

    async def main() -> None:
        cell: SetOnce[int] = SetOnce()
        async with conc.open_nursery() as nursery:
            nursery.start_soon(use, cell)
            await settle()
            cell.set(1)
            nursery.cancel_scope.cancel()

    run(main)
    assert trace == [1]


@pytest.mark.parametrize("is_set", [False, True])
def test_a_cancellation_that_is_pending_is_raised_first(is_set: bool) -> None:
    async def main() -> None:
        cell: SetOnce[int] = SetOnce()
        if is_set:
            cell.set(1)
        with conc.CancelScope() as scope:
            scope.cancel()
            await cell.wait()
        assert scope.cancelled_caught
        assert cell.statistics() == (is_set, 0)

    run(main)


# ---- select, threads, strands ----------------------------------------------------------------------------------------


def test_a_select_gives_the_value() -> None:
    async def main() -> None:
        cell: SetOnce[str] = SetOnce()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, Event().waiting(), cell.waiting())
            await settle()
            cell.set("value")
        assert task.join_nowait() == (1, "value")
        assert await conc.select(cell.waiting()) == (0, "value")

    run(main)


def test_a_thread_waits_for_the_value_or_not_longer_than_it_wants(monkeypatch: pytest.MonkeyPatch) -> None:
    cell: SetOnce[int] = SetOnce()
    with pytest.raises(TimeoutError, match=r"SetOnce\.wait_blocking: nothing within"):
        cell.wait_blocking(0.01)
    stranger = Stranger(cell.wait_blocking)
    until_waiting(cell)
    cell.set(7)
    assert stranger.result() == 7
    assert cell.wait_blocking(0) == 7

    other: SetOnce[int] = SetOnce()
    interrupt_after_grants(monkeypatch)
    stranger = Stranger(other.wait_blocking)
    until_waiting(other)
    other.set(8)
    with pytest.raises(KeyboardInterrupt):
        stranger.result()
    assert other.get() == 8


def test_a_thread_that_runs_tasks_may_not_block() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="runs tasks"):
            SetOnce[int]().wait_blocking()

    run(main)


def test_of_many_that_set_it_one_does_and_all_get_what_that_gave() -> None:
    async def try_to_set(cell: SetOnce[int], number: int) -> int | None:
        await conc.checkpoint()
        try:
            cell.set(number)
        except RuntimeError:
            return None
        return number

    async def main() -> None:
        for _ in range(50):
            cell: SetOnce[int] = SetOnce()
            stranger = Stranger(cell.wait_blocking)
            async with conc.open_nursery(parallel=True) as nursery:
                waiting = [nursery.start_soon(cell.wait) for _ in range(3)]
                setting = [nursery.start_soon(try_to_set, cell, number) for number in range(5)]
            (value,) = {task.join_nowait() for task in setting} - {None}
            assert [task.join_nowait() for task in waiting] == [value] * 3
            assert await stranger.has_ended() == value
            cell._check()

    with hasty_switching():
        conc.run(main, workers=3)


def test_it_says_how_it_stands() -> None:
    async def main() -> None:
        cell: SetOnce[int] = SetOnce()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(cell.wait)
            await settle()
            assert repr(cell) == "<SetOnce not set, 1 waiting>"
            assert cell.statistics() == (False, 1)
            assert "SetOnce.wait" in repr(task)
            cell.set(1)
        assert repr(cell) == "<SetOnce set>"
        assert cell.statistics() == (True, 0)

    run(main)


# ---- against a model -------------------------------------------------------------------------------------------------

ACTORS = 4


class Model:
    """A cell, sequentially. `ends` tells what became of what each one asked for last, None while he waits."""

    def __init__(self) -> None:
        self.value: int | None = None
        self.waiting: list[int] = []
        self.ends: dict[int, object] = dict.fromkeys(range(ACTORS))

    def wait(self, who: int) -> None:
        self.ends[who] = self.value
        if self.value is None:
            self.waiting.append(who)

    def set(self, value: int) -> bool:
        first = self.value is None
        if first:
            self.value = value
            self.ends.update(dict.fromkeys(self.waiting, value))
            self.waiting = []
        return first

    def cancel(self, who: int) -> None:
        if who in self.waiting:
            self.waiting.remove(who)
            self.ends[who] = "cancelled"


class SetOnceMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.cell: SetOnce[int] = SetOnce()
        self.model = Model()
        self.actors = [Actor(self.driven) for _ in range(ACTORS)]
        self.steps = 0

    @rule(who=st.integers(0, ACTORS - 1))
    def wait(self, who: int) -> None:
        if not self.actors[who].busy:
            self.model.wait(who)
            self.actors[who].tell(self.cell.wait)

    @precondition(lambda self: self.steps > 5)
    @rule(value=st.integers(0, 9))
    def set_value(self, value: int) -> None:
        if self.model.set(value):
            self.cell.set(value)
        else:
            with pytest.raises(RuntimeError, match="set before"):
                self.cell.set(value)

    @rule(who=st.integers(0, ACTORS - 1))
    def cancel(self, who: int) -> None:
        if self.actors[who].busy:
            self.actors[who].cancel()
            self.model.cancel(who)

    @rule()
    def let_them_run(self) -> None:
        self.driven.settle()
        for who, actor in enumerate(self.actors):
            assert actor.busy == (who in self.model.waiting), f"actor {who}"
            assert actor.busy or actor.result == self.model.ends[who], f"actor {who}"

    @invariant()
    def the_value_agrees(self) -> None:
        self.steps += 1
        self.cell._check()
        assert self.cell.statistics() == (self.model.value is not None, len(self.model.waiting))
        if self.model.value is not None:
            assert self.cell.get() == self.model.value

    def teardown(self) -> None:
        self.let_them_run()
        self.driven.close()


TestSetOnce = SetOnceMachine.TestCase
TestSetOnce.settings = settings(stateful_step_count=25, max_examples=settings().max_examples // 2)
