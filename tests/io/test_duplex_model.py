"""A duplex against a model of it, step by step; and in every order of its tasks, with cancellations anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import ClosedResource
from conc.io import duplex
from conc_testing import Budget, VirtualClock, explore, settle

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.lists(st.binary(max_size=7), min_size=1, max_size=3)),
        st.tuples(st.just("read"), st.integers(1, 9)),
        st.tuples(st.just("read_into"), st.integers(1, 9)),
        st.tuples(st.just("cancel"), st.just(None)),
    ),
    max_size=25,
)


@given(capacity=st.integers(1, 8), steps=STEPS)
def test_what_is_read_is_what_was_written_and_never_more_is_there_than_has_room(
    capacity: int, steps: list[tuple[str, object]]
) -> None:
    async def main() -> None:
        one, other = duplex(capacity)
        accepted = b""  # what writers were started with, as far as it was taken
        got = b""
        offered = b""
        before = 0
        scopes: list[conc.CancelScope] = []

        async def write(buffers: list[bytes]) -> None:
            with conc.CancelScope() as scope:
                scopes.append(scope)
                await one.write_all(*buffers)

        async with conc.open_nursery() as nursery:
            writing: conc.Task[None] | None = None
            for name, argument in steps:
                if writing is not None and writing.outcome is not None:
                    accepted += offered[: one.bytes_written - before]
                    writing = None
                if name == "write" and writing is None:
                    assert isinstance(argument, list)
                    offered, before = b"".join(argument), one.bytes_written
                    writing = nursery.start_soon(write, argument)
                elif name == "cancel" and writing is not None:
                    scopes[-1].cancel()
                elif name == "read" and len(got) < one.bytes_written:
                    assert isinstance(argument, int)
                    got += await other.read(argument)
                elif name == "read_into" and len(got) < one.bytes_written:
                    assert isinstance(argument, int)
                    buffer = bytearray(argument)
                    got += buffer[: await other.read_into(buffer)]
                await settle()
                one._check()
                there = one.bytes_written - len(got)
                assert 0 <= there <= capacity
                unwritten = len(offered) - (one.bytes_written - before) if writing is not None else 0
                assert not (writing is not None and writing.outcome is None and (there < capacity or not unwritten))
            for scope in scopes:
                scope.cancel()
        if writing is not None:
            accepted += offered[: one.bytes_written - before]
        await one.close_write()
        while part := await other.read(5):
            got += part
        assert got == accepted

    conc.run(main, clock=VirtualClock())


@pytest.mark.parametrize("capacity", [1, 3, 8])
def test_no_order_and_no_cancellation_loses_or_doubles_a_byte(capacity: int) -> None:
    async def transfer() -> None:
        one, other = duplex(capacity)
        data = b"abcdefgh"
        got = b""

        async def write() -> None:
            while one.bytes_written < len(data):
                with conc.CancelScope() as scope:
                    scopes.append(scope)
                    await one.write_all(data[one.bytes_written : one.bytes_written + 5])
            await one.close_write()

        async def interrupt() -> None:
            for _ in range(2):
                await conc.checkpoint()
                for scope in scopes:
                    scope.cancel()

        scopes: list[conc.CancelScope] = []
        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            nursery.start_soon(interrupt)
            ended = False
            while not ended:
                with conc.CancelScope() as scope:
                    scopes.append(scope)
                    part = await other.read(3)
                    ended = not part
                    got += part
        assert got == data
        one._check()
        other._check()

    report = explore(transfer, budget=Budget(runs=300, seconds=15))
    report.assert_ok()
    assert report.contested > 0


def test_wherever_it_is_cancelled_all_is_accounted_for() -> None:
    async def transfer() -> None:
        one, other = duplex(2)
        got = b""
        try:
            async with conc.open_nursery() as nursery:

                async def write() -> None:
                    async with one:
                        await one.write_all(b"abc", b"defg")

                nursery.start_soon(write)
                while part := await other.read(3):
                    got += part
        finally:
            one._check()
            assert b"abcdefg".startswith(got)
            left = b""
            if one._sink.size:
                left = other.read_nowait(100)
            assert len(got) + len(left) == one.bytes_written
            assert b"abcdefg".startswith(got + left)

    explore(transfer, budget=Budget(runs=400, seconds=15), cancel="sweep").assert_ok()


def test_closing_at_any_moment_ends_both_sides() -> None:
    async def close_while_they_work() -> None:
        one, other = duplex(2)
        ends: list[str] = []

        async def write() -> None:
            try:
                await one.write_all(b"abcdef")
            except conc.errors.BrokenResource:
                ends.append("broken")
            else:
                ends.append("written")

        async def read() -> None:
            try:
                while await other.read(2):
                    pass
            except ClosedResource:
                ends.append("closed")

        async with conc.open_nursery() as nursery:
            nursery.start_soon(write)
            nursery.start_soon(read)
            await other.aclose()
        assert sorted(ends) in (["broken", "closed"], ["closed", "written"])

    report = explore(close_while_they_work, budget=Budget(runs=200, seconds=15))
    report.assert_ok()
