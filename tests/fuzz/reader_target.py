"""What must hold of `BufReader` for any bytes: they decide what comes, in which pieces, and how it is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import conc
from conc.errors import IncompleteRead, LimitExceeded
from conc.io import BufReader
from tests.fuzz.codec_targets import Bytes

DELIMITERS = (b"\n", b"a", b"ab", b"aab", b"\r\n")
STEPS_AT_MOST = 24


class Pieces:
    """A stream that gives its bytes in pieces of chosen sizes."""

    def __init__(self, content: bytes, sizes: list[int]) -> None:
        self.left = content
        self._sizes = sizes
        self._reads = 0

    async def read(self, max_bytes: int) -> bytes:
        """The next piece."""
        size = min(self._sizes[self._reads % len(self._sizes)], max_bytes)
        self._reads += 1
        piece, self.left = self.left[:size], self.left[size:]
        return piece


class Trial:
    """A reader, and the bytes that it has yet to give out."""

    def __init__(self, data: bytes) -> None:
        choice = Bytes(data)
        self.sizes = [choice.number(1, 40) for _ in range(choice.number(1, 5))]
        self.asked = [(choice.number(0, 6), choice.number(1, 60)) for _ in range(choice.number(1, STEPS_AT_MOST))]
        self.expected = choice.rest()
        self.stream = Pieces(self.expected, self.sizes)
        self.reader = BufReader(self.stream)

    async def run(self) -> None:
        """Ask in all ways, and then for the rest: not a byte may be lost, doubled or changed."""
        for way, number in self.asked:
            await (self.some, self.exactly, self.until, self.line, self.all, self.into, self.ahead)[way](number)
            self.reader._check()
            assert self.reader.buffered + self.stream.left == self.expected, "bytes were lost, doubled or changed"
        assert await self.reader.read_to_end(len(self.expected)) == self.expected

    def takes(self, data: bytes) -> None:
        """It gave this out."""
        assert self.expected.startswith(data), f"{data!r} is not what comes next"
        self.expected = self.expected[len(data) :]

    async def some(self, number: int) -> None:
        data = await self.reader.read(number)
        assert len(data) <= number and bool(data) == bool(self.expected)
        self.takes(data)

    async def into(self, number: int) -> None:
        buffer = bytearray(number)
        count = await self.reader.read_into(buffer)
        assert bool(count) == bool(self.expected)
        self.takes(bytes(buffer[:count]))

    async def ahead(self, number: int) -> None:
        assert await self.reader.peek(number) == self.expected[:number]

    async def exactly(self, number: int) -> None:
        if number <= len(self.expected):
            self.takes(await self.reader.read_exact(number))
        else:
            await refused(lambda: self.reader.read_exact(number), IncompleteRead)

    async def all(self, limit: int) -> None:
        if len(self.expected) <= limit:
            assert await self.reader.read_to_end(limit) == self.expected
            self.expected = b""
        else:
            await refused(lambda: self.reader.read_to_end(limit), LimitExceeded)

    async def line(self, limit: int) -> None:
        end = self.expected.find(b"\n", 0, limit) + 1
        if end or len(self.expected) < limit:
            line = await self.reader.read_line(limit)
            assert line == (self.expected[:end] if end else self.expected)
            self.takes(line)
        else:
            await refused(lambda: self.reader.read_line(limit), LimitExceeded)

    async def until(self, number: int) -> None:
        delimiter = DELIMITERS[number % len(DELIMITERS)]
        limit = len(delimiter) + number // 2
        start = self.expected.find(delimiter, 0, limit)
        if start >= 0 or not self.expected:
            chunk = self.expected[: start + len(delimiter)] if start >= 0 else b""
            assert await self.reader.read_until(delimiter, limit) == chunk
            self.takes(chunk)
        else:
            error = LimitExceeded if len(self.expected) >= limit else IncompleteRead
            await refused(lambda: self.reader.read_until(delimiter, limit), error)


async def refused(ask: Callable[[], Awaitable[bytes]], error: type[Exception]) -> None:
    """It must not give anything out."""
    try:
        data = await ask()
    except error:
        return
    raise AssertionError(f"it gave {data!r} in place of {error.__name__}")


def check_reader(data: bytes) -> None:
    """Let the bytes decide, and raise an AssertionError where something does not hold."""
    conc.run(Trial(data).run)
