"""lockstep_pair: a write is a meeting."""

from __future__ import annotations

from typing import Any

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc_testing import lockstep_pair, settle


async def test_a_write_returns_when_all_of_it_was_read(nursery: conc.Nursery) -> None:
    one, other = lockstep_pair()
    writing = nursery.start_soon(one.write_all, b"abc", b"def")
    await settle()
    assert writing.state == "waits for the other end to read all that is written (lockstep)"
    assert (await other.read(4), one.bytes_written) == (b"abcd", 4)
    there: Any = one._sink
    there._check()
    await settle()
    assert writing.outcome is None
    assert await other.read(9) == b"ef"
    await writing.join()
    assert one.bytes_written == 6


async def test_who_gives_up_writing_takes_back_what_was_not_read(nursery: conc.Nursery) -> None:
    one, other = lockstep_pair()
    reading = nursery.start_soon(other.read, 2)
    with conc.move_on_after(1):
        await one.write_all(b"abcd")
    assert (await reading.join(), one.bytes_written) == (b"ab", 2)
    nursery.start_soon(one.write_all, b"xy")
    assert await other.read(9) == b"xy"


async def test_two_who_write_before_they_read_stand_still() -> None:
    one, other = lockstep_pair()
    with conc.move_on_after(5) as scope:
        await conc.join(one.write_all(b"you first"), other.write_all(b"you first"))
    assert scope.cancelled_caught
    assert (one.bytes_written, other.bytes_written) == (0, 0)


async def test_a_write_that_was_read_in_full_is_done_though_the_reader_closes(nursery: conc.Nursery) -> None:
    one, other = lockstep_pair()
    writing = nursery.start_soon(one.write_all, b"abc")
    assert await other.read(3) == b"abc"
    await other.aclose()
    await writing.join()
    await one.write_all(b"")
    with pytest.raises(BrokenResource, match="the other end is closed"):
        await one.write_all(b"x")
    with pytest.raises(BrokenResource):
        await one.close_write()


async def test_what_is_offered_when_its_side_closes_is_not_written(nursery: conc.Nursery) -> None:
    one, other = lockstep_pair()

    async def write() -> None:
        with pytest.raises(ClosedResource):
            await one.write_all(b"abc")

    nursery.start_soon(write)
    await settle()
    await one.aclose()
    await settle()
    assert (await other.read(9), one.bytes_written) == (b"", 0)


async def test_a_reset_reaches_who_waits_at_both_ends(nursery: conc.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = lockstep_pair()

    async def expect_broken(operation: object) -> None:
        with pytest.raises(BrokenResource, match="connection reset by peer"):
            await operation  # type: ignore[misc]

    tasks = [nursery.start_soon(expect_broken, one.write_all(b"x")), nursery.start_soon(expect_broken, one.read(1))]
    await settle()
    monkeypatch.setattr("conc_testing.io.memory.fault", lambda site: site == "fault.io")
    with pytest.raises(BrokenResource):
        await other.read(1)
    for task in tasks:
        await task.join()
