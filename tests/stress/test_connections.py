"""Very many connections that are mostly silent, and some that are not: the memory of the server stays flat."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import conc
from conc.net import TcpStream, connect_tcp
from tests.stress.load import SOAKING, Dice, load

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell memory so")

SECONDS = 60.0 if SOAKING else 3.0
MESSAGES = (1, 100, 1024, 5000, 100_000)
GROWTH_AT_MOST = 2 * 1024 * 1024  # what the allocator keeps may vary by so much
BYTES_PER_CONNECTION = 6 * 1024


class Server:
    """`echo_server`, as a process that can be asked."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.port = int(self._line())

    def ask(self) -> tuple[int, int]:
        """How many connections it has, and the bytes of memory that it holds."""
        assert self._process.stdin is not None
        self._process.stdin.write("?\n")
        self._process.stdin.flush()
        connections, memory = self._line().split()
        return int(connections), int(memory)

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


@contextmanager
def server() -> Iterator[Server]:
    """A server, which has to end well."""
    command = [sys.executable, "-m", "tests.stress.echo_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(process)
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


@contextmanager
def as_many_descriptors_as_there_may_be() -> Iterator[int]:
    """The limit of this process is as high as it gets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def talk(stream: TcpStream, dice: Dice, end: float) -> int:
    """Send messages, and read them back, until the time is over. How many."""
    count = 0
    while conc.current_time() < end:
        message = bytes([dice.between(0, 255)]) * dice.pick(MESSAGES)
        async with conc.open_nursery() as nursery:
            nursery.start_soon(stream.write_all, message)
            left = len(message)
            while left:
                data = await stream.read(left)
                assert data == message[: len(data)]
                left -= len(data)
        count += 1
        await conc.sleep(dice.seconds(0, 0.02))
    return count


def test_ten_thousand_idle_connections_and_a_hundred_busy_ones_take_no_more_memory_with_time(
    run: Callable[..., Any], dice: Dice
) -> None:
    idle, busy = load(10_000), load(100)

    async def main(server: Server) -> None:
        async with AsyncExitStack() as streams:
            _, empty = await conc.to_thread(server.ask)
            opened = [
                await streams.enter_async_context(await connect_tcp("127.0.0.1", server.port))
                for _ in range(idle + busy)
            ]
            while (await conc.to_thread(server.ask))[0] < idle + busy:
                await conc.sleep(0.01)
            _, full = await conc.to_thread(server.ask)
            assert full - empty < (idle + busy) * BYTES_PER_CONNECTION + GROWTH_AT_MOST

            begin = conc.current_time()
            async with conc.open_nursery() as nursery:
                tasks = [nursery.start_soon(talk, stream, dice.another(), begin + SECONDS) for stream in opened[-busy:]]
                await conc.sleep(SECONDS / 3)
                _, early = await conc.to_thread(server.ask)
                await conc.sleep(SECONDS / 2)
                connections, late = await conc.to_thread(server.ask)
            assert connections == idle + busy
            assert late - early < GROWTH_AT_MOST, f"{late - early} bytes more after {SECONDS / 2} s"
            counts = [await task.join() for task in tasks]
            assert min(counts) > 0, "somebody was never answered"
            for stream in opened[:idle]:  # those who were silent are still served
                await stream.write_all(b"still there?")
                assert await stream.read(100) == b"still there?"

    with as_many_descriptors_as_there_may_be() as descriptors, server() as started:
        if descriptors < idle + busy + 100:
            pytest.skip(f"a process may have {descriptors} descriptors here")
        run(main, started, workers=1)
