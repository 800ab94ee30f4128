"""Sequencer: blocks of several tasks, in the order of their numbers."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc.errors import Deadlock
from conc_testing import Sequencer, assert_checkpoints, assert_no_checkpoints, settle
from tests.kernel.support import run


async def test_blocks_run_in_the_order_of_their_numbers() -> None:
    sequencer, order = Sequencer(), []

    async def take_turns(*numbers: int) -> None:
        for number in numbers:
            async with sequencer(number):
                order.append(number)
                await conc.sleep(1)
                order.append(number)

    async with conc.open_nursery() as nursery:
        nursery.start_soon(take_turns, 3, 4)
        nursery.start_soon(take_turns, 1, 5)
        nursery.start_soon(take_turns, 0, 2)
    sequencer._check()
    assert order == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.conc(workers=3)
async def test_turns_are_taken_across_strands() -> None:
    sequencer, order = Sequencer(), []

    async def take_turns(first: int) -> None:
        for number in range(first, 60, 3):
            async with sequencer(number):
                order.append(number)

    async with conc.open_nursery(parallel=True) as nursery:
        for first in range(3):
            nursery.start_soon(take_turns, first)
    assert order == list(range(60))


async def test_a_number_is_used_once() -> None:
    sequencer = Sequencer()
    async with sequencer(0):
        with pytest.raises(RuntimeError, match="the number 0 of this Sequencer was used before"):
            async with sequencer(0):
                pytest.fail("entered twice")
    async with sequencer(1):
        pass
    with pytest.raises(RuntimeError, match="was used before"):
        async with sequencer(1):
            pytest.fail("entered twice")


@pytest.mark.parametrize(("number", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError)])
def test_a_bad_number_is_refused_at_the_call(number: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="number must be"):
        Sequencer()(number)


async def test_who_is_cancelled_breaks_it_for_the_others(nursery: conc.Nursery) -> None:
    sequencer, heard = Sequencer(), []

    async def wait_for(number: int) -> None:
        try:
            async with sequencer(number):
                pytest.fail("entered")
        except RuntimeError as error:
            heard.append(str(error))

    tasks = [nursery.start_soon(wait_for, number) for number in (1, 2, 3)]
    await settle()
    assert tasks[1].state == "waits for turn 2 of a Sequencer, which is at 0"
    tasks[1].cancel()
    await settle()
    assert heard == [
        f"the turn {number} of this Sequencer never comes: who waited for turn 2 was cancelled" for number in (1, 3)
    ]
    await wait_for(0)
    assert len(heard) == 3
    assert repr(sequencer) == "<Sequencer at 0, broken>"


async def test_who_is_cancelled_before_it_waits_breaks_it_too() -> None:
    sequencer = Sequencer()
    with conc.CancelScope() as scope:
        scope.cancel()
        async with sequencer(0):
            pytest.fail("entered")
    assert scope.cancelled_caught
    with pytest.raises(RuntimeError, match="who waited for turn 0 was cancelled"):
        async with sequencer(1):
            pytest.fail("entered")


async def test_an_error_of_a_block_passes_the_turn_on() -> None:
    sequencer = Sequencer()
    with pytest.raises(LookupError):
        async with sequencer(0):
            raise LookupError
    async with sequencer(1):
        assert repr(sequencer) == "<Sequencer at 1>"


async def test_entering_is_a_cancel_point_and_leaving_is_none() -> None:
    sequencer = Sequencer()
    with assert_checkpoints():
        async with sequencer(0):
            pass
    block = sequencer(1)
    await block.__aenter__()
    with assert_no_checkpoints():
        await block.__aexit__(None, None, None)


def test_a_turn_that_never_comes_is_named() -> None:
    async def main() -> None:
        async with Sequencer()(2):
            pytest.fail("entered")

    with pytest.raises(Deadlock, match="waits for turn 2 of a Sequencer, which is at 0"):
        run(main)
