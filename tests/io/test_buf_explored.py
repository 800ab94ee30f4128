"""Cancelled at every step, in every order, with bytes in all pieces: no byte is lost, none comes twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

import conc
from conc.io import BufReader, BufStream, BufWriter
from conc_testing import Budget, duplex, explore, script

BUDGET = Budget(runs=400, seconds=20)
TEXT = b"first line\nsecond\n\nlast"

READS: dict[str, Callable[[BufReader], Awaitable[bytes | int]]] = {
    "read": lambda reader: reader.read(4),
    "read_into": lambda reader: reader.read_into(bytearray(3)),
    "read_exact": lambda reader: reader.read_exact(7),
    "read_until": lambda reader: reader.read_until(b"\n\n"),
    "read_line": lambda reader: reader.read_line(),
    "read_to_end": lambda reader: reader.read_to_end(),
    "read_u64": lambda reader: reader.read_u64(),
    "peek": lambda reader: reader.peek(9),
}


@pytest.mark.parametrize("name", READS)
def test_a_read_that_is_cancelled_anywhere_took_nothing(name: str) -> None:
    async def scenario() -> None:
        there, here = duplex(chunk="choice")
        reader = BufReader(here)
        taken: list[int] = []

        async def write() -> None:
            for start in range(0, len(TEXT), 9):
                await there.write_all(TEXT[start : start + 9])
            await there.close_write()

        async def read() -> None:
            result = await READS[name](reader)
            if isinstance(result, bytes):
                taken.append(0 if name == "peek" else len(result))
            else:
                taken.append(8 if name == "read_u64" else int(result))

        async with conc.open_nursery() as nursery:
            nursery.start_soon(read, name="reader")
            await write()
        reader._check()
        assert await reader.read_to_end() == TEXT[sum(taken) :]

    explore(scenario, budget=BUDGET, cancel="sweep", sweep_tasks="reader").assert_ok()


@pytest.mark.parametrize("kind", [BufWriter, BufStream])
def test_a_write_or_a_flush_that_is_cancelled_anywhere_is_continued(kind: type[BufWriter | BufStream]) -> None:
    async def scenario() -> None:
        here, there = duplex(capacity=5, chunk="choice")
        writer = kind(here, 8)

        async def write() -> None:
            for part in (b"first ", b"line\n", b"second\n\nla", b"st"):
                await writer.write_all(part)
            await writer.flush()

        async def go_on() -> None:
            await writer.write_all(TEXT[writer.bytes_written :])
            await writer.close_write()

        async with conc.open_nursery() as nursery:
            reading = nursery.start_soon(BufReader(there).read_to_end)
            writing = nursery.start_soon(write, name="writer")
            while writing.outcome is None:
                await conc.checkpoint()
            assert TEXT[: writer.bytes_written].endswith(writer.unsent)
            await go_on()
            assert await reading.join() == TEXT
        writer._check()

    explore(scenario, budget=BUDGET, cancel="sweep", sweep_tasks="writer").assert_ok()


def test_a_conversation_of_which_one_step_is_cancelled_can_go_on_with_that_step() -> None:
    async def scenario() -> None:
        server = script("numbers").expect(b"GET answer\n").provide(b"4").provide(b"2\n").expect(b"BYE\n").end()
        async with server.stream() as inner:
            stream = BufStream(inner)
            done: list[bytes] = []

            async def talk() -> None:
                """From where it was left."""
                if not stream.bytes_written:
                    await stream.write_all(b"GET answer\n")
                if not done:
                    await stream.flush()
                    done.append(await stream.read_line())
                if stream.bytes_written == 11:
                    await stream.write_all(b"BYE\n")
                await stream.flush()

            async with conc.open_nursery() as nursery:
                first = nursery.start_soon(talk, name="first")
                while first.outcome is None:
                    await conc.checkpoint()
            await talk()
            assert done == [b"42\n"]
            assert await stream.read_line() == b""

    explore(scenario, budget=BUDGET, cancel="sweep", sweep_tasks="first").assert_ok()
