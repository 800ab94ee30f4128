"""What the protocol of streams promises to who reads."""

from __future__ import annotations

from random import Random

import conc
from conc.errors import BusyResource, ClosedResource
from conc.io import Stream
from conc_testing.io.bench import (
    TURNS,
    Bench,
    beside,
    breathe,
    claim,
    holds,
    interrupted,
    is_cancel_point,
    raises,
    read_all,
    read_n,
)


@claim("read: returns bytes in order, at least one and at most max_bytes")
async def returns_bytes_in_order(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"0123456789")):
        got = b""
        while len(got) < 10:
            part = await b.read(3)
            holds(1 <= len(part) <= 3, f"read(3) returned {part!r}")
            got += part
        holds(got == b"0123456789", f"b'0123456789' was written, and {got!r} read")


@claim("read: does not wait for more than there is")
async def returns_what_is_there(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"abc")):
        got = await b.read(1_000_000)
        holds(got != b"" and b"abc".startswith(got), f"b'abc' was written, and {got!r} read")


@claim("read: max_bytes below 1 is a ValueError, and takes nothing")
async def refuses_max_bytes(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"abc")):
        for wrong in (0, -1):
            await raises(ValueError, lambda wrong=wrong: b.read(wrong), f"read({wrong})")  # type: ignore[misc]
        got = await read_n(b, 3)
        holds(got == b"abc", f"b'abc' was written, and {got!r} read")


@claim("read: waits until there is something")
async def waits_for_bytes(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: b.read(10)) as (reading,):
        holds(not reading.ended, f"nothing was written, and read {reading.words}")
        async with beside(lambda: a.write_all(b"x")):
            await reading.join()
        holds(reading.result == b"x", f"b'x' was written, and read {reading.words}")


@claim("read: is b'' at the end, again and again")
async def ends_again_and_again(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: _write_and_end(a, b"abc")):
        got = await read_all(b, 2)
        holds(got == b"abc", f"b'abc' was written before the end, and {got!r} read")
        for _ in range(3):
            again = await b.read(10)
            holds(again == b"", f"behind the end, read returned {again!r}")


@claim("read: gives what was written before the other side closed, then the end")
async def gives_what_was_written_before_closing(bench: Bench) -> None:
    a, b = await bench.pair()

    async def write_and_close() -> None:
        await a.write_all(b"last words")
        await a.aclose()

    async with beside(write_and_close):
        got = await read_all(b, 4)
    holds(got == b"last words", f"b'last words' was written before closing, and {got!r} read")


@claim("read: a second reader gets BusyResource, and the first goes on")
async def refuses_a_second_reader(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: b.read(10)) as (reading,):
        await raises(BusyResource, lambda: b.read(10), "a second read")
        async with beside(lambda: a.write_all(b"x")):
            await reading.join()
        holds(reading.result == b"x", f"b'x' was written, and the first read {reading.words}")


@claim("read: is ClosedResource after aclose")
async def refuses_after_closing(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"abc")):
        await b.aclose()
        await raises(ClosedResource, lambda: b.read(10), "read after aclose")


@claim("read: who waits gets ClosedResource when this side closes")
async def wakes_the_reader_when_closed(bench: Bench) -> None:
    _, b = await bench.pair()
    async with beside(lambda: b.read(10)) as (reading,):
        await b.aclose()
        await reading.settle()
        holds(isinstance(reading.error, ClosedResource), f"one that was waiting {reading.words}, not ClosedResource")


@claim("read: is a cancel point though bytes are there, and takes none of them")
async def is_cancel_point_when_ready(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"abc")):
        for _ in range(3):
            await is_cancel_point(lambda: b.read(10), "read")
        got = await read_n(b, 3)
        holds(got == b"abc", f"b'abc' was written, and {got!r} read after the cancelled reads")


@claim("read: cancelled at any moment, it takes no byte")
async def loses_nothing_when_cancelled(bench: Bench) -> None:
    a, b = await bench.pair()
    data = bytes(Random(1).randbytes(400))
    got = b""

    async def write() -> None:
        for start in range(0, len(data), 5):
            await a.write_all(data[start : start + 5])
            await conc.checkpoint()
        await a.close_write()

    async with beside(write):
        for turn in range(TURNS):
            reading = await interrupted(lambda: b.read(7), rounds=turn % 7)
            got += reading.result or b""
            await breathe(turn)
        got += await read_all(b)
    holds(got == data, f"{len(data)} bytes were written, and of these {len(got)} came through the cancelled reads")


@claim("read: goes on while this side's writing waits")
async def reads_while_writing_waits(bench: Bench) -> None:
    a, b = await bench.clogged()
    async with beside(lambda: a.write_all(b"x" * 100_000), lambda: b.write_all(b"answer")):
        got = await read_n(a, 6)
        holds(got == b"answer", f"b'answer' was written, and {got!r} read")


@claim("read: brings back all of a large transfer, both ways at once, in pieces of random sizes")
async def carries_much_both_ways(bench: Bench) -> None:
    a, b = await bench.pair()
    there, back = Random(2).randbytes(60_000), Random(3).randbytes(40_000)

    async def write(stream: Stream, data: bytes, sizes: Random) -> None:
        while data:
            size = sizes.randint(1, 4_000)
            await stream.write_all(data[:size])
            data = data[size:]
        await stream.close_write()

    async def read(stream: Stream, sizes: Random) -> bytes:
        parts = []
        while part := await stream.read(sizes.randint(1, 4_000)):
            parts.append(part)
        return b"".join(parts)

    async with beside(
        lambda: write(a, there, Random(4)),
        lambda: write(b, back, Random(5)),
        lambda: read(a, Random(6)),
        lambda: read(b, Random(7)),
    ) as attempts:
        for attempt in attempts:
            await attempt.join()
            if attempt.error is not None:
                raise attempt.error
        holds(attempts[3].result == there, "what was read is not what was written")
        holds(attempts[2].result == back, "what was read is not what was written, on the way back")


async def _write_and_end(stream: Stream, data: bytes) -> None:
    await stream.write_all(data)
    await stream.close_write()
