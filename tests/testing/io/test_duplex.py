"""duplex: room, backpressure, latency, pieces; what its streams promise besides is checked by check_stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest

import conc
from conc.errors import BrokenResource
from conc_testing import MemoryStream, VirtualClock, assert_checkpoints, duplex, settle


def check(stream: MemoryStream) -> None:
    source: Any = stream._source
    source._check()
    stream._check()


async def read_all(stream: MemoryStream) -> bytes:
    got = b""
    while part := await stream.read(7):
        got += part
    return got


async def test_a_write_waits_while_there_is_no_room(nursery: conc.Nursery) -> None:
    one, other = duplex(10)
    writing = nursery.start_soon(one.write_all, b"0123456789abcdef")
    await settle()
    assert (one.bytes_written, writing.state) == (10, "waits for room in a duplex of 10 bytes")
    assert await other.read(4) == b"0123"
    await settle()
    assert (one.bytes_written, writing.outcome) == (14, None)
    assert await other.read(100) == b"456789abcd"
    await writing.join()
    assert await other.read(100) == b"ef"


async def test_each_direction_has_room_of_its_own() -> None:
    one, other = duplex(3)
    await one.write_all(b"abc")
    await other.write_all(b"def")
    assert (await one.read(9), await other.read(9)) == (b"def", b"abc")


async def test_a_read_takes_together_what_was_written_apart() -> None:
    one, other = duplex()
    for part in (b"a", b"b", b"c"):
        await one.write_all(part)
    assert await other.read(9) == b"abc"


@pytest.mark.parametrize(("chunk", "pieces"), [(None, [5]), (2, [2, 2, 1]), ("choice", [5])])
async def test_a_read_returns_no_more_than_a_chunk(chunk: Any, pieces: list[int]) -> None:
    one, other = duplex(chunk=chunk)
    await one.write_all(b"abcde")
    assert [len(await other.read(100)) for _ in pieces] == pieces


@pytest.mark.parametrize(("chosen", "piece"), [(0, b"abcdef"), (1, b"a"), (2, b"abc"), (3, b"abcde")])
async def test_the_search_may_choose_all_or_one_or_half_or_all_but_one(
    chosen: int, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []

    def choose(site: str, n: int) -> int:
        asked.append((site, n))
        return chosen

    monkeypatch.setattr("conc_testing.io.pieces.choose", choose)
    one, other = duplex(chunk="choice")
    await one.write_all(b"abcdef")
    assert await other.read(100) == piece
    assert asked == [("io.chunk", 4)]


async def test_of_few_bytes_each_size_is_offered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def choose(site: str, n: int) -> int:
        asked.append(n)
        return 0

    monkeypatch.setattr("conc_testing.io.pieces.choose", choose)
    one, other = duplex(chunk="choice")
    for n in (1, 2, 3):
        await one.write_all(b"x" * n)
        assert len(await other.read(100)) == n
    assert asked == [2, 3]


async def test_bytes_and_the_end_arrive_after_the_latency_and_in_order(
    clock: VirtualClock, nursery: conc.Nursery
) -> None:
    one, other = duplex(latency=2)
    await one.write_all(b"ab")
    await conc.sleep(1)
    await one.write_all(b"c")
    await one.close_write()
    reading = nursery.start_soon(other.read, 9)
    await settle()
    assert reading.state == "waits for bytes that are on their way"
    assert (await reading.join(), clock.now()) == (b"ab", 2)
    assert (await other.read(9), clock.now()) == (b"c", 3)
    assert (await other.read(9), clock.now()) == (b"", 3)


async def test_who_waits_when_bytes_set_out_reads_them_when_they_arrive(
    clock: VirtualClock, nursery: conc.Nursery
) -> None:
    one, other = duplex(latency=2)
    reading = nursery.start_soon(other.read, 9)
    await conc.sleep(1)
    assert reading.state == "waits for bytes from the other end"
    await one.write_all(b"x")
    assert (await reading.join(), clock.now()) == (b"x", 3)
    ending = nursery.start_soon(other.read, 9)
    await settle()
    await one.aclose()
    assert (await ending.join(), clock.now()) == (b"", 5)


async def test_bytes_that_are_on_their_way_take_room() -> None:
    one, _ = duplex(5, latency=10)
    with conc.move_on_after(1) as scope:
        await one.write_all(b"0123456789")
    assert (scope.cancelled_caught, one.bytes_written) == (True, 5)


async def test_the_rest_can_be_read_when_the_other_end_is_closed_but_nothing_written() -> None:
    one, other = duplex()
    await one.write_all(b"last")
    await one.aclose()
    operations: list[Callable[[], Awaitable[None]]] = [lambda: other.write_all(b"x"), other.close_write]
    for operation in operations:
        with pytest.raises(BrokenResource, match="<MemoryStream: its other end>: the other end is closed") as raised:
            await operation()
        assert isinstance(raised.value.__cause__, BrokenPipeError)
    assert [await other.read(9), await other.read(9)] == [b"last", b""]


async def test_a_stream_is_closed_at_the_end_of_its_block() -> None:
    one, other = duplex()
    async with one:
        await one.write_all(b"x")
    assert repr(one) == "<MemoryStream: one end of a duplex, closed>"
    assert await read_all(other) == b"x"
    await other.aclose()


async def test_the_end_of_a_block_is_a_cancel_point_unless_an_error_leaves_it() -> None:
    one, other = duplex()
    with assert_checkpoints():
        async with one:
            pass
    with pytest.raises(LookupError), conc.CancelScope() as scope:
        async with other:
            scope.cancel()
            raise LookupError
    assert other._closed


@pytest.mark.conc(workers=4)
async def test_the_ends_may_live_in_different_strands() -> None:
    pairs = [duplex(50, chunk=chunk) for chunk in (None, 3, 1, None)]
    data = [Random(number).randbytes(5_000) for number in range(8)]

    async def write(stream: MemoryStream, what: bytes) -> None:
        sizes = Random(what)
        while what:
            size = sizes.randint(1, 120)
            before = stream.bytes_written
            with conc.move_on_after(0 if sizes.random() < 0.1 else 1000):
                await stream.write_all(what[:size])
            what = what[stream.bytes_written - before :]
        await stream.close_write()

    async with conc.open_nursery(parallel=True) as nursery:
        reading = []
        for number, (one, other) in enumerate(pairs):
            nursery.start_soon(write, one, data[number])
            nursery.start_soon(write, other, data[number + 4])
            reading += [nursery.start_soon(read_all, other), nursery.start_soon(read_all, one)]
    for number in range(4):
        assert await reading[2 * number].join() == data[number]
        assert await reading[2 * number + 1].join() == data[number + 4]
        for stream in pairs[number]:
            check(stream)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"capacity": 0}, ValueError, r"capacity must be at least 1, not 0; without any room it is lockstep_pair\(\)"),
        ({"capacity": 1.5}, TypeError, "capacity must be a number of bytes, not 1.5"),
        ({"chunk": 0}, ValueError, "chunk must be at least 1, not 0"),
        ({"chunk": "half"}, TypeError, 'chunk must be None, a number of bytes or "choice"'),
        ({"latency": -1}, ValueError, "latency must be finite and at least 0, not -1"),
        ({"latency": float("nan")}, ValueError, "latency must be finite"),
        ({"latency": "1"}, TypeError, "latency must be a number of seconds, not '1'"),
    ],
)
def test_a_bad_argument_is_named(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        duplex(**options)


async def test_what_is_no_bytes_is_refused_before_anything_is_written() -> None:
    one, _ = duplex()
    for wrong in ("text", memoryview(b"abcd")[::2], 7):
        with pytest.raises(TypeError, match="what is written must be contiguous bytes"):
            await one.write_all(b"ok", wrong)  # type: ignore[arg-type]
    assert one.bytes_written == 0
