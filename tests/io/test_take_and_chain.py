"""take and chain: what comes out depends on the bytes, and not on the pieces they come in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import conc
from conc.errors import BrokenResource
from conc.io import AsyncRead, BufReader, chain, duplex, empty, repeat, take
from conc_testing import VirtualClock, script, settle
from tests.io.pieces import Pieces

PIECES = st.lists(st.binary(max_size=5), max_size=6)  # an empty piece is a moment without bytes


async def read_all(reader: AsyncRead, sizes: list[int]) -> bytes:
    """Everything until the end, so many bytes at a time, in turn; and the end is there to stay."""
    got = b""
    turn = 0
    while part := await reader.read(size := sizes[turn % len(sizes)]):
        assert len(part) <= size
        got += part
        turn += 1
    assert await reader.read(1) == b""
    return got


@given(pieces=PIECES, n=st.integers(0, 40), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_take_gives_the_first_bytes_and_leaves_the_rest(pieces: list[bytes], n: int, sizes: list[int]) -> None:
    async def main() -> None:
        data = b"".join(pieces)
        source = Pieces(pieces)
        taken = take(source, n)
        assert await read_all(taken, sizes) == data[:n]
        assert taken.remaining == max(0, n - len(data))
        assert await read_all(source, [100]) == data[n:]
        taken._check()

    conc.run(main, clock=VirtualClock())


@given(parts=st.lists(PIECES, max_size=4), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_chain_gives_all_bytes_of_each_reader_in_order(parts: list[list[bytes]], sizes: list[int]) -> None:
    async def main() -> None:
        chained = chain(*map(Pieces, parts))
        assert await read_all(chained, sizes) == b"".join(b"".join(pieces) for pieces in parts)

    conc.run(main, clock=VirtualClock())


@given(pieces=PIECES, cuts=st.lists(st.integers(0, 5), max_size=4), times=st.lists(st.floats(0, 3), max_size=8))
def test_cancelled_reads_lose_nothing_of_either(pieces: list[bytes], cuts: list[int], times: list[float]) -> None:
    async def main() -> None:
        data = b"".join(pieces)
        source = Pieces(pieces)
        chained = chain(*(take(source, n) for n in cuts), source)
        got = b""
        ended = False
        deadlines = iter(times)
        while not ended:
            with conc.move_on_after(next(deadlines, 100)):
                part = await chained.read(3)
                got += part
                ended = not part
        assert got == data

    conc.run(main, clock=VirtualClock())


async def test_take_asks_for_no_more_than_remains_and_not_at_all_for_nothing() -> None:
    source = Pieces([b"abcdef"])
    taken = take(source, 4)
    assert [await taken.read(3), await taken.read(100), await taken.read(100)] == [b"abc", b"d", b""]
    assert source.asked == [3, 1]


async def test_what_remains_can_be_set_anew() -> None:
    taken = take(repeat(b"ab"), 1)
    assert (await taken.read(9), await taken.read(9)) == (b"a", b"")
    taken.remaining = 3
    assert (await taken.read(9), taken.remaining, await taken.read(9)) == (b"bab", 0, b"")


async def test_what_remains_may_be_set_while_a_read_waits(nursery: conc.Nursery) -> None:
    one, other = duplex()
    taken = take(other, 10)
    reading = nursery.start_soon(taken.read, 10)
    await settle()
    taken.remaining = 2
    await one.write_all(b"abcde")
    assert (await reading.join(), taken.remaining) == (b"abcde", 0)
    taken._check()


async def test_any_number_of_bytes_may_be_asked_for() -> None:
    """Take of Tokio overflowed (6080)."""
    taken = take(Pieces([b"abc"]), 1 << 70)
    assert (await taken.read(1 << 80), taken.remaining) == (b"abc", (1 << 70) - 3)


@pytest.mark.parametrize(("n", "kind"), [(-1, ValueError), (True, TypeError), (1.5, TypeError), (None, TypeError)])
async def test_a_bad_number_is_refused_by_name(n: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="n must be"):
        take(empty(), n)
    taken = take(empty(), 1)
    with pytest.raises(kind, match="remaining must be"):
        taken.remaining = n
    assert taken.remaining == 1


async def test_to_read_less_than_one_byte_is_a_mistake_and_not_the_end() -> None:
    """Chain of Tokio took a read of nothing for the end of its first reader (8251)."""
    chained = chain(Pieces([b"a"]), Pieces([b"b"]))
    for reader in (chained, take(Pieces([b"a"]), 0)):
        with pytest.raises(ValueError, match="max_bytes must be at least 1, not 0"):
            await reader.read(0)
    assert await read_all(chained, [9]) == b"ab"


async def test_chain_reads_on_only_behind_the_end_and_asks_what_has_ended_no_more() -> None:
    first, second = Pieces([b"a"]), Pieces([b"b"])
    chained = chain(first, second)
    assert (await chained.read(9), second.reads) == (b"a", 0)
    assert (await chained.read(9), await chained.read(9), await chained.read(9)) == (b"b", b"", b"")
    assert (first.reads, second.reads) == (2, 2)


async def test_a_chain_of_nothing_is_at_its_end() -> None:
    assert await chain().read(1) == b""
    assert await chain(empty(), empty()).read(1) == b""


async def test_what_cannot_be_read_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match=r"readers must have a method read.*b'abc'"):
        chain(empty(), b"abc")  # type: ignore[arg-type]


async def test_an_error_of_a_reader_is_raised_and_the_reader_stays_in_its_place() -> None:
    async with script("peer").provide(b"a").fail_read(ConnectionResetError(104, "reset")).stream() as broken:
        chained = chain(broken, Pieces([b"b"]))
        assert await chained.read(1) == b"a"
        for _ in range(2):
            with pytest.raises(BrokenResource):
                await chained.read(1)


async def test_a_body_is_parsed_without_touching_what_follows() -> None:
    source = BufReader(Pieces([b"4\nabcd", b"5\n", b"efghi"]))
    bodies = []
    while line := await source.read_line():
        bodies.append(await BufReader(take(source, int(line))).read_to_end())
    assert bodies == [b"abcd", b"efghi"]


async def test_both_are_cancel_points_where_nothing_is_to_wait_for() -> None:
    for reader in (take(empty(), 0), take(empty(), 1), chain(), chain(empty())):
        with conc.CancelScope() as scope:
            scope.cancel()
            await reader.read(1)
        assert scope.cancelled_caught


def test_they_show_what_they_stand_before() -> None:
    assert repr(take(empty(), 5)) == "<Take 5 more bytes of <Empty, 0 bytes written>>"
    assert repr(chain(empty())) == "<Chain of [<Empty, 0 bytes written>]>"
