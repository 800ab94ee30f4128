"""What a BufReader costs: memory that the bytes need and no more, and time for each byte once."""

from __future__ import annotations

import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from conc.errors import IncompleteRead, LimitExceeded
from conc.io import BufReader
from tests.io.pieces import Pieces


async def peak_of(operation: Callable[[], Awaitable[object]]) -> int:
    """How much memory was in use at a time, in bytes, beyond what was before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        await operation()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["read_exact", "peek", "read_int"])
async def test_a_huge_length_that_was_announced_uses_no_memory_before_the_bytes_come(name: str) -> None:
    reader = BufReader(Pieces([b"abc"] * 10))

    async def read() -> None:
        if name == "peek":
            assert len(await reader.peek(2**60)) == 30
            return
        with pytest.raises(IncompleteRead):
            await getattr(reader, name)(2**60)

    assert await peak_of(read) < 100_000


@pytest.mark.parametrize("size", [1, 1_000, 65_536])
@pytest.mark.parametrize("name", ["read_until", "read_line", "read_to_end"])
async def test_who_sends_without_end_fills_no_memory_beyond_the_limit(name: str, size: int) -> None:
    class Endless:
        given = 0

        async def read(self, max_bytes: int) -> bytes:
            self.given += size
            return b"x" * size

    stream = Endless()
    reader = BufReader(stream)
    arguments = (b"\n",) if name == "read_until" else ()

    async def read() -> None:
        for _ in range(3):
            with pytest.raises(LimitExceeded):
                await getattr(reader, name)(*arguments, 20_000)

    assert await peak_of(read) < 300_000
    assert stream.given <= 20_001 + size


@pytest.mark.parametrize("delimiter", [b"\n", b"\r\n", b"abcabd"])
async def test_what_was_searched_is_not_searched_again_for_each_piece(
    delimiter: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    searched = 0

    class Counting(bytearray):
        def find(self, sub: Any, start: Any = None, end: Any = None) -> int:
            nonlocal searched
            searched += len(self) - start
            return super().find(sub, start)

    monkeypatch.setattr("conc.io.buffered.bytearray", Counting, raising=False)
    reader = BufReader(Pieces([b"a"] * 3_000 + [delimiter]))

    assert len(await reader.read_until(delimiter)) == 3_000 + len(delimiter)
    assert 2_900 < searched < 3_100 * len(delimiter)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"x"] * 3_000,
        [b"x" * 1_000] * 30,
        [b"x" * (1 << exponent) for exponent in range(14)],
        [b"x" * (1 << exponent) for exponent in range(14, 0, -1)],
        [b"x" * (1 + i % 2 * 1_000) for i in range(200)],
    ],
    ids=["small", "large", "growing", "shrinking", "alternating"],
)
async def test_no_byte_is_copied_more_than_a_few_times_to_be_joined(
    pieces: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = 0

    class Joins(BufReader):
        """Counts the bytes that are put in place by each fill; what a bytearray has already is not touched."""

        __slots__ = ()

        async def _fill(self) -> bool:
            nonlocal copied
            before = self._buffer
            more = await super()._fill()
            grown = before is self._buffer or not before
            copied += 0 if grown else len(self._buffer)
            return more

    total = sum(map(len, pieces))

    assert len(await Joins(Pieces(pieces)).read_to_end(total)) == total
    assert copied <= 3 * total


async def test_a_piece_that_is_taken_whole_is_not_copied() -> None:
    piece = b"one line, and nothing behind it\n"

    assert await BufReader(Pieces([piece])).read_line() is piece
    assert await BufReader(Pieces([piece])).read_exact(len(piece)) is piece
    assert await BufReader(Pieces([piece])).read(1_000) is piece
    assert await BufReader(Pieces([piece])).read_until(b"\n") is piece
