"""What the protocol of streams promises about the end."""

from __future__ import annotations

from conc.errors import ClosedResource
from conc.io import Stream
from conc_testing.io.bench import Bench, beside, claim, holds, interrupted, is_cancel_point, raises, read_n


@claim("stream: has the methods of conc.io.Stream")
async def has_all_methods(bench: Bench) -> None:
    for stream in await bench.pair():
        holds(isinstance(stream, Stream), f"{stream!r} lacks some")


@claim("close_write: ends one direction, and the other goes on")
async def ends_one_direction(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: a.write_all(b"question")):
        got = await read_n(b, 8)
    await a.close_write()
    end = await b.read(10)
    holds((got, end) == (b"question", b""), f"b'question' and the end were written, {got!r} and {end!r} read")
    async with beside(lambda: b.write_all(b"answer")):
        got = await read_n(a, 6)
    holds(got == b"answer", f"b'answer' was written behind the end of the question, and {got!r} read")


@claim("close_write: wakes who reads on the other side")
async def wakes_the_reader(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: b.read(10)) as (reading,):
        await a.close_write()
        await reading.join()
        holds(reading.result == b"", f"the read that waited {reading.words}, and should have returned b''")


@claim("close_write: is idempotent")
async def may_be_repeated(bench: Bench) -> None:
    a, b = await bench.pair()
    await a.close_write()
    await a.close_write()
    holds(await b.read(10) == b"", "the other side did not read the end")
    await a.close_write()


@claim("close_write: is a cancel point, and the direction is open then")
async def leaves_the_direction_open_when_cancelled(bench: Bench) -> None:
    a, b = await bench.pair()
    await is_cancel_point(a.close_write, "close_write")
    async with beside(lambda: a.write_all(b"open")):
        got = await read_n(b, 4)
    holds(got == b"open", f"b'open' was written behind a cancelled close_write, and {got!r} read")


@claim("close_write: is ClosedResource after aclose")
async def refuses_after_closing(bench: Bench) -> None:
    a, _ = await bench.pair()
    await a.aclose()
    await raises(ClosedResource, a.close_write, "close_write after aclose")


@claim("close_write: cancelled at any moment, it was done or it was not")
async def is_done_or_not(bench: Bench) -> None:
    for rounds in range(4):
        a, b = await bench.pair()
        closing = await interrupted(a.close_write, rounds)
        if not closing.returned:
            async with beside(lambda a=a: a.write_all(b"x")):  # type: ignore[misc]
                got = await b.read(10)
            holds(got == b"x", f"cancelled after {rounds} rounds it had closed all the same: {got!r} was read")
        else:
            holds(await b.read(10) == b"", f"it returned after {rounds} rounds, and had not closed")


@claim("aclose: is idempotent")
async def may_close_again(bench: Bench) -> None:
    a, _ = await bench.pair()
    await a.aclose()
    await a.aclose()


@claim("aclose: tells the other side")
async def tells_the_other_side(bench: Bench) -> None:
    a, b = await bench.pair()
    async with beside(lambda: b.read(10)) as (reading,):
        await a.aclose()
        await reading.join()
        holds(reading.result == b"", f"the read that waited {reading.words}, and should have returned b''")


@claim("aclose: is a cancel point, and the stream is closed all the same")
async def closes_though_cancelled(bench: Bench) -> None:
    a, b = await bench.pair()
    await is_cancel_point(a.aclose, "aclose")
    await raises(ClosedResource, lambda: a.read(1), "read after a cancelled aclose")
    await raises(ClosedResource, lambda: a.write_all(b"x"), "write_all after a cancelled aclose")
    got = await b.read(10)
    holds(got == b"", f"the other side read {got!r} after a cancelled aclose, not the end")


@claim("aclose: cancelled at any moment, it has closed")
async def closes_whenever_cancelled(bench: Bench) -> None:
    for rounds in range(4):
        a, _ = await bench.pair()
        await interrupted(a.aclose, rounds)
        await raises(ClosedResource, lambda a=a: a.read(1), f"read after an aclose cancelled after {rounds} rounds")  # type: ignore[misc]


@claim("aclose: does not wait, whatever the other side does")
async def does_not_wait(bench: Bench) -> None:
    a, _ = await bench.clogged()
    async with beside(a.aclose) as (closing,):
        holds(closing.ended, "the other side reads nothing, and aclose waits")
        holds(closing.error is None, f"it raised {closing.error!r}")
