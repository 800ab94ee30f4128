"""The streams of conc_testing in a search: pieces and faults are chosen, and no order or cancellation loses a byte."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.errors import BrokenResource
from conc_testing import Budget, MemoryStream, duplex, explore, lockstep_pair, replay, script

FEW = Budget(runs=200, seconds=20)


async def in_one_piece_by_duplex() -> None:
    one, other = duplex(chunk="choice")
    await one.write_all(b"hello")
    assert await other.read(5) == b"hello"


async def in_one_piece_by_script() -> None:
    async with script("peer").provide(b"hello", chunks="choice").stream() as stream:
        assert await stream.read(5) == b"hello"


@pytest.mark.parametrize("scenario", [in_one_piece_by_duplex, in_one_piece_by_script])
def test_code_that_takes_a_piece_for_a_message_is_found_out(scenario: Callable[[], Awaitable[None]]) -> None:
    report = explore(scenario, budget=FEW)
    assert report.failure is not None
    assert [deviation.site for deviation in report.failure.deviations] == ["io.chunk"]
    again = replay(scenario, report.failure.token)
    assert again.failure is not None
    assert isinstance(again.failure.error, AssertionError)


def test_every_read_and_every_write_fails_in_some_run() -> None:
    broken: set[str] = set()

    async def client() -> None:
        peer = script("peer").provide(b"a").expect(b"b").provide(b"c")
        async with peer.stream() as stream:
            for name in ("first read", "write", "second read"):
                try:
                    await (stream.write_all(b"b") if name == "write" else stream.read(1))
                except BrokenResource:
                    broken.add(name)
                    break

    explore(client, budget=FEW, faults="sweep").assert_ok()
    assert broken == {"first read", "write", "second read"}


@pytest.mark.parametrize("make", [lambda: duplex(2), lockstep_pair])
def test_no_order_and_no_cancellation_loses_a_byte(make: Callable[[], tuple[MemoryStream, MemoryStream]]) -> None:
    async def transfer() -> None:
        one, other = make()
        got = b""

        async def write(data: bytes) -> None:
            while one.bytes_written < len(data):
                with conc.CancelScope() as scope:
                    writing.append(scope)
                    await one.write_all(data[one.bytes_written :])
            await one.close_write()

        async def interrupt() -> None:
            for _ in range(2):
                await conc.checkpoint()
                for scope in writing:
                    scope.cancel()

        writing: list[conc.CancelScope] = []
        async with conc.open_nursery() as nursery:
            nursery.start_soon(write, b"abcde")
            nursery.start_soon(interrupt)
            while part := await other.read(3):
                got += part
        assert got == b"abcde"

    report = explore(transfer, budget=FEW)
    report.assert_ok()
    assert report.contested > 0


def test_a_script_says_the_same_in_whatever_order_reader_and_writer_run() -> None:
    """What is provided does not wait to be read, and a read waits for what comes first: so no order is a mismatch."""

    async def pipelined() -> None:
        peer = script("peer").provide(b"1").expect(b"a").provide(b"2").expect(b"b").provide(b"3").end()
        async with peer.stream() as stream, conc.open_nursery() as nursery:

            async def read() -> bytes:
                got = b""
                while part := await stream.read(10):
                    got += part
                return got

            reading = nursery.start_soon(read)
            nursery.start_soon(stream.write_all, b"ab")
            assert await reading.join() == b"123"

    report = explore(pipelined, budget=FEW)
    report.assert_ok()
    assert report.contested > 0
