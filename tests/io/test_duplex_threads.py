"""A duplex between strands of several workers, on as many threads: no byte is lost, doubled or out of order."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random

import pytest

import conc
from conc.errors import BrokenResource, ClosedResource
from conc.io import DuplexStream, duplex

SECONDS_AT_MOST = 60.0


@pytest.fixture(autouse=True)
def threads_change_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


async def write(stream: DuplexStream, data: bytes, seed: int) -> None:
    """In pieces of any size, some of them with a deadline that passes, going on where that left it."""
    dice = Random(seed)
    while stream.bytes_written < len(data):
        start = stream.bytes_written
        size = dice.choice([1, 3, 50, 3000])
        middle = start + size // 2
        with conc.move_on_after(0 if dice.random() < 0.1 else dice.choice([0.00001, 0.0003, 10])):
            await stream.write_all(data[start:middle], data[middle : start + size])
    await stream.close_write()


async def read(stream: DuplexStream, seed: int) -> bytes:
    dice = Random(seed)
    got = bytearray()
    ended = False
    while not ended:
        with conc.move_on_after(0 if dice.random() < 0.1 else dice.choice([0.00001, 0.0003, 10])):
            part = await stream.read(dice.choice([1, 7, 100, 10_000]))
            got += part
            ended = not part
    return bytes(got)


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("capacity", [1, 100, 10_000])
def test_all_bytes_arrive_in_order_whatever_is_cancelled_on_the_way(workers: int, capacity: int) -> None:
    size = 1_000 if capacity == 1 else 20_000
    data = Random(7).randbytes(size)

    async def main() -> None:
        with conc.fail_after(SECONDS_AT_MOST):
            for turn in range(4):
                one, other = duplex(capacity)
                async with conc.open_nursery(parallel=True) as nursery:
                    nursery.start_soon(write, one, data, turn)
                    there = nursery.start_soon(read, other, turn + 1)
                    nursery.start_soon(write, other, data[::-1], turn + 2)
                    back = nursery.start_soon(read, one, turn + 3)
                assert await there.join() == data
                assert await back.join() == data[::-1]
                one._check()
                other._check()

    conc.run(main, workers=workers)


@pytest.mark.parametrize("workers", [2, 3])
def test_closing_in_one_strand_ends_what_waits_in_others(workers: int) -> None:
    """Who writes is told, or was through; who reads has read what was written before, and the end."""

    async def write_until_broken(stream: DuplexStream) -> None:
        with pytest.raises((BrokenResource, ClosedResource)):
            while True:
                await stream.write_all(b"abc")

    async def read_until_over(stream: DuplexStream) -> None:
        try:
            while await stream.read(2):
                pass
        except ClosedResource:
            pass

    async def close_soon(stream: DuplexStream, seconds: float) -> None:
        await conc.sleep(seconds)
        await stream.aclose()

    async def main() -> None:
        with conc.fail_after(SECONDS_AT_MOST):
            for turn in range(60):
                one, other = duplex(5)
                async with conc.open_nursery(parallel=True) as nursery:
                    nursery.start_soon(write_until_broken, one)
                    nursery.start_soon(read_until_over, other)
                    nursery.start_soon(read_until_over, one)
                    nursery.start_soon(write_until_broken, other)
                    nursery.start_soon(close_soon, (one, other)[turn % 2], turn % 5 * 0.0001)
                one._check()
                other._check()

    conc.run(main, workers=workers)


def test_an_end_may_go_from_strand_to_strand() -> None:
    async def ask(stream: DuplexStream, number: int) -> None:
        await stream.write_all(b"%03d" % number)
        assert await stream.read(3) == b"%03d" % number

    async def echo(stream: DuplexStream) -> None:
        while data := await stream.read(100):
            await stream.write_all(data)

    async def main() -> None:
        with conc.fail_after(SECONDS_AT_MOST):
            one, other = duplex()
            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(echo, other)
                for number in range(50):
                    async with conc.open_nursery(parallel=True) as inner:
                        inner.start_soon(ask, one, number)
                await one.close_write()

    conc.run(main, workers=3)
