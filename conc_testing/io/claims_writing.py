"""What the protocol of streams promises to who writes."""

from __future__ import annotations

from random import Random

import conc
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc_testing.io.bench import (
    LARGE,
    MOMENT,
    ROUNDS,
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


@claim("write_all: writes all bytes of all buffers in order, of any kind")
async def writes_all_buffers(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"ab", bytearray(b"cd"), memoryview(b"ef"))):
        got = await read_n(b, 6)
        holds(got == b"abcdef", f"b'ab', b'cd' and b'ef' were written, and {got!r} read")


@claim("write_all: without bytes it writes nothing")
async def writes_nothing(bench: Bench) -> None:
    a, b = await bench.pair()
    await a.write_all()
    await a.write_all(b"")
    await a.write_all(b"", b"")
    holds(a.bytes_written == 0, f"bytes_written is {a.bytes_written}, and nothing was written")
    async with beside(lambda: a.write_all(b"x")):
        got = await b.read(10)
        holds(got == b"x", f"b'x' was written behind empty buffers, and {got!r} read")


@claim("bytes_written: counts what was written")
async def counts_bytes(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: read_n(b, 3), lambda: a.write_all(b"ab", b"c")) as (_, writing):
        await writing.join()
        holds((a.bytes_written, b.bytes_written) == (3, 0), f"it is {a.bytes_written} after 3 bytes")


@claim("write_all: waits while there is no room")
async def waits_for_room(bench: Bench) -> None:
    a, b = await bench.clogged()
    async with beside(lambda: a.write_all(b"x")) as (writing,):
        with conc.move_on_after(MOMENT):
            await writing.join()
        holds(not writing.ended, f"there was no room, and write_all {writing.words}")
        async with beside(lambda: read_all(b)):
            await writing.join()
        holds(writing.error is None, f"there was room again, and write_all raised {writing.error!r}")


@claim("write_all: a second writer gets BusyResource, close_write too, and the first goes on")
async def refuses_a_second_writer(bench: Bench) -> None:
    a, b = await bench.clogged()
    async with beside(lambda: a.write_all(b"x" * 1000)) as (writing,):
        await raises(BusyResource, lambda: a.write_all(b"y"), "a second write_all")
        await raises(BusyResource, a.close_write, "close_write while write_all waits")
        async with beside(lambda: read_all(b)):
            await writing.join()
        holds(writing.error is None, f"the first write_all raised {writing.error!r}")


@claim("write_all: is ClosedResource after aclose, and after close_write")
async def refuses_after_closing(bench: Bench) -> None:
    a, b = await bench.pair()
    await a.close_write()
    await raises(ClosedResource, lambda: a.write_all(b"x"), "write_all after close_write")
    await b.aclose()
    await raises(ClosedResource, lambda: b.write_all(b"x"), "write_all after aclose")


@claim("write_all: who waits gets ClosedResource when this side closes")
async def wakes_the_writer_when_closed(bench: Bench) -> None:
    a, _ = await bench.clogged()
    async with beside(lambda: a.write_all(b"x" * 1000)) as (writing,):
        await a.aclose()
        await writing.settle()
        holds(isinstance(writing.error, ClosedResource), f"one that was waiting {writing.words}, not ClosedResource")


@claim("write_all: is BrokenResource when the other side is gone")
async def notices_that_the_other_side_is_gone(bench: Bench) -> None:
    a, b = await bench.pair()
    await b.aclose()
    for _ in range(ROUNDS):
        try:
            await a.write_all(b"x" * 1000)
        except BrokenResource:
            return
        await conc.sleep(0.001)  # it may take a moment to become known
    raise AssertionError(f"the other side is closed, and took {a.bytes_written} bytes")


@claim("write_all: who waits gets BrokenResource when the other side goes")
async def wakes_the_writer_when_the_other_side_goes(bench: Bench) -> None:
    a, b = await bench.clogged()
    async with beside(lambda: a.write_all(b"x" * 1_000_000)) as (writing,):
        await b.aclose()
        await writing.join()
        holds(isinstance(writing.error, BrokenResource), f"one that was waiting {writing.words}, not BrokenResource")


@claim("write_all: is a cancel point though there is room, and writes nothing then")
async def is_cancel_point_when_ready(bench: Bench) -> None:
    a, b = await bench.pair()
    for _ in range(3):
        await is_cancel_point(lambda: a.write_all(b"no"), "write_all")
    await is_cancel_point(a.write_all, "write_all without bytes")
    holds(a.bytes_written == 0, f"bytes_written is {a.bytes_written} after cancelled calls of write_all")
    async with beside(lambda: a.write_all(b"yes")):
        got = await read_n(b, 3)
        holds(got == b"yes", f"b'yes' was written behind cancelled calls, and {got!r} read")


@claim("write_all: cancelled while it waits, it is continued by bytes_written, and writes no more by itself")
async def is_continued_after_a_cancellation(bench: Bench) -> None:
    a, b = await bench.pair()
    before = a.bytes_written
    with conc.move_on_after(MOMENT) as scope:
        await a.write_all(LARGE)
    written = a.bytes_written - before
    holds(scope.cancelled_caught == (written < len(LARGE)), f"it told of {written} of {len(LARGE)} bytes")

    data = LARGE[: written + 20_000]

    async def go_on() -> None:
        await a.write_all(data[written:])
        await a.close_write()

    async with beside(go_on):
        got = await read_all(b)
    holds(got == data, f"it told of {written} bytes; with the rest {len(got)} of {len(data)} came, or not in order")


@claim("write_all: cancelled at any moment, bytes_written tells what was written")
async def tells_what_was_written(bench: Bench) -> None:
    a, b = await bench.pair()
    data = Random(1).randbytes(600)

    async def read() -> bytes:
        got = b""
        while part := await b.read(1):
            got += part
            await conc.checkpoint()
        return got

    async with beside(read) as (reading,):
        for turn in range(TURNS):
            part = data[a.bytes_written :][:40]
            await interrupted(lambda part=part: a.write_all(part), rounds=turn % 7)  # type: ignore[misc]
            await breathe(turn)
        await a.write_all(data[a.bytes_written :])
        await a.close_write()
        await reading.join()
        holds(reading.result == data, f"{len(data)} bytes were told to be written, and {len(reading.result)} read")
