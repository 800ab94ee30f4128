"""Operations: a few lines told once, and what the kernel makes of them in each form."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc._kernel.choosing import Branch
from conc._kernel.current import charge
from conc._kernel.operation import LATER, QueueOperation, perform, perform_blocking, perform_nowait
from conc._kernel.suspend import toll
from conc._kernel.waitqueue import Waiter, WaitQueue
from conc.errors import WouldBlock
from conc.lowlevel import Operation, current_task
from conc.sync import Event
from conc_testing import settle
from tests.kernel.support import run


class Box:
    """Something that holds at most one thing. Whoever wants it waits in line."""

    def __init__(self, content: Any = None) -> None:
        self.content = content
        self.parties: list[object] = []
        self.line = WaitQueue("Box.take")

    def put(self, content: Any) -> None:
        with self.line.lock:
            waiter = self.line.grant(content)
            if waiter is None:
                self.content = content
        if waiter is not None:
            waiter.resume()


class Take(QueueOperation[str]):
    """Take what is in the box."""

    def __init__(self, box: Box) -> None:
        super().__init__(box.line)
        self.box = box

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        self.box.parties.append(party)
        content, self.box.content = self.box.content, None
        if content == "broken":
            raise ValueError(content)
        return LATER if content is None else content

    def finish(self, granted: Any) -> str:
        if granted == "bad":
            raise ValueError(granted)
        return f"a {granted}"


async def take(box: Box) -> str:
    charge() or await toll()
    return await perform(Take(box))


def test_one_operation_serves_all_forms() -> None:
    async def main() -> None:
        assert await take(Box("hat")) == "a hat"
        assert perform_nowait(Take(Box("hat"))) == "a hat"
        assert await conc.select(Take(Box("hat"))) == (0, "a hat")
        assert await conc.to_thread(perform_blocking, Take(Box("hat")), None, "Box.take") == "a hat"

    conc.run(main)


def test_what_is_granted_to_who_waits_is_finished_by_him() -> None:
    async def main() -> None:
        box = Box()
        for wait in (take, lambda box: conc.select(Take(box))):
            async with conc.open_nursery() as nursery:
                task = nursery.start_soon(wait, box)
                await settle()
                box.put("hat")
            assert "a hat" in str(task.join_nowait())

    run(main)


def test_a_thing_that_nobody_can_have_now_would_block() -> None:
    with pytest.raises(WouldBlock, match=r"Box\.take would have to wait"):
        perform_nowait(Take(Box()))


def test_an_operation_knows_on_whose_behalf_it_is_done() -> None:
    box = Box()

    async def main() -> None:
        for form in (take(box), conc.select(Take(box))):
            box.content = "hat"
            await form
        box.content = "hat"
        perform_nowait(Take(box))
        assert box.parties == [current_task()] * 3

    run(main)


@pytest.mark.parametrize("content", ["broken", "bad"])
def test_an_error_of_an_operation_leaves_the_lock_free(content: str) -> None:
    async def main() -> None:
        box = Box()
        for form in (lambda: take(box), lambda: conc.select(Take(box), Event().waiting(), biased=True)):
            box.content = content
            with pytest.raises(ValueError, match=content):
                await form()
            assert not box.line.lock.locked()

    run(main)
    box = Box()
    for form in (perform_nowait, lambda take: perform_blocking(take, None, "Box.take")):
        box.content = content
        with pytest.raises(ValueError, match=content):
            form(Take(box))
        assert not box.line.lock.locked()


class Turns(Operation[int]):
    """A branch without a line: it is ready when its task asks for the third time."""

    def __init__(self) -> None:
        self.entered: list[Branch] = []
        self.left: list[Branch] = []
        self.asked = 0

    @property
    def reason(self) -> str:
        return "the third turn"

    def attempt(self, party: object, woken: list[Waiter]) -> Any:
        self.asked += 1
        return LATER if self.asked < 3 else self.asked

    def enter(self, branch: Branch) -> None:
        self.entered.append(branch)

    def leave(self, branch: Branch) -> None:
        self.left.append(branch)


def test_an_operation_without_a_line_is_entered_and_left_as_any_other() -> None:
    async def main() -> None:
        turns = Turns()
        for _ in range(2):
            assert await conc.select(turns, conc.after(1)) == (1, None)
        assert turns.entered == turns.left
        assert [branch.index for branch in turns.left] == [0, 0]
        assert await conc.select(Event().waiting(), turns) == (1, 3)
        assert len(turns.entered) == 2

    run(main)


def test_a_branch_without_a_line_may_be_what_ends_the_wait() -> None:
    async def main() -> None:
        turns, other = Turns(), Turns()
        async with conc.open_nursery() as nursery:
            task = nursery.start_soon(conc.select, other, turns)
            await settle()
            turns.entered[0].expire()
            other.entered[0].expire()  # too late
            other.entered[0].tell()
        assert task.join_nowait() == (1, None)
        assert (turns.left, other.left) == ([], other.entered)

    run(main)
