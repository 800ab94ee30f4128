"""A stream is handed from strand to strand on different workers: no byte is lost, no edge, and nothing stays behind."""

from __future__ import annotations

import os
import random
import socket
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

import conc
from conc._kernel.current import current_worker
from conc._kernel.worker import Worker
from conc.errors import BusyResource, ClosedResource
from conc.net import TcpStream, connect_tcp, listen_tcp
from conc.sync import Semaphore
from tests.net.support import connected, run

T = TypeVar("T")

WORKERS = 3
TOTAL = 1_000_000 if os.environ.get("CONC_SOAK") else 100_000
SEEDS = range(40 if os.environ.get("CONC_SOAK") else 4)


@contextmanager
def tiny_switch_interval() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


class Turns:
    """Strands on different workers, of which one at a time has the stream."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.places = [Semaphore(0) for _ in range(WORKERS)]
        self.over = False
        self.workers: set[int] = set()

    async def play(self, place: int, act: Callable[[], Awaitable[None]]) -> None:
        """One strand: act whenever it is its turn, until somebody says that it is over."""
        time.sleep(0.02)  # so that no worker gets two strands
        self.workers.add(current_worker().index)
        over = False
        while not over:
            await self.places[place].acquire()
            if not self.over:
                await act()
            over = self.over  # looked at while it is our turn; all have to hear of it
            following = (place + 1) % WORKERS if over else self.random.randrange(WORKERS)
            self.places[following].release()

    async def run(self, act: Callable[[], Awaitable[None]]) -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            for place in range(WORKERS):
                nursery.start_soon(self.play, place, act)
            self.places[0].release()
        assert len(self.workers) > 1


def peer(data: bytes, seed: int) -> tuple[int, Callable[[], bytes]]:
    """Somebody outside who writes `data` in pieces at random moments, then ends, and keeps what he reads: his port, and
    how to wait for what that was."""
    rand = random.Random(seed)
    listener = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []

    def write() -> None:
        sock, _ = listener.accept()
        listener.close()
        reader = threading.Thread(target=read, args=(sock,))
        reader.start()
        rest = data
        while rest:
            size = rand.choice([1, 10, 100, 400])
            sock.sendall(rest[:size])
            rest = rest[size:]
            if rand.random() < 0.5:
                time.sleep(rand.choice([0, 0, 0.0001, 0.0005]))
        sock.shutdown(socket.SHUT_WR)
        reader.join()
        sock.close()

    def read(sock: socket.socket) -> None:
        while part := sock.recv(rand.choice([10, 1_000, 50_000])):
            got.append(part)

    thread = threading.Thread(target=write)
    thread.start()

    def wait() -> bytes:
        thread.join()
        return b"".join(got)

    return listener.getsockname()[1], wait


@pytest.mark.parametrize("seed", SEEDS)
def test_what_strands_in_turn_read_is_what_was_written(seed: int) -> None:
    data = random.Random(seed).randbytes(TOTAL)
    port, wait = peer(data, seed)

    async def main() -> bytes:
        turns = Turns(seed)
        got: list[bytes] = []
        async with await connect_tcp("127.0.0.1", port) as stream:

            async def act() -> None:
                for _ in range(turns.random.randrange(3)):
                    # Leave the stream in every state: fresh, with more to read, after a short read, after waiting in
                    # vain, at its end.
                    with conc.move_on_after(turns.random.choice([0.0002, 0.002, 5])):
                        part = await stream.read(turns.random.choice([1, 7, 100, 400, 65_536]))
                        got.append(part)
                        turns.over = not part

            await turns.run(act)
            assert await stream.read(1) == b""
        return b"".join(got)

    with tiny_switch_interval():
        assert run(main, workers=WORKERS) == data
    wait()


@pytest.mark.parametrize("seed", SEEDS)
def test_what_strands_in_turn_write_arrives_in_order(seed: int) -> None:
    data = random.Random(seed).randbytes(TOTAL * 20)
    port, wait = peer(b"", seed)

    async def main() -> None:
        turns = Turns(seed)
        async with await connect_tcp("127.0.0.1", port) as stream:

            async def act() -> None:
                start = stream.bytes_written
                with conc.move_on_after(turns.random.choice([0.0005, 0.005, 5])):
                    await stream.write_all(data[start : start + turns.random.choice([1, 1_000, 100_000])])
                turns.over = stream.bytes_written == len(data)

            await turns.run(act)

    with tiny_switch_interval():
        run(main, workers=WORKERS)
    assert wait() == data


@pytest.mark.parametrize("seed", SEEDS)
def test_one_strand_reads_while_another_writes_and_both_change(seed: int) -> None:
    data = random.Random(seed).randbytes(TOTAL)
    port, wait = peer(data, seed)

    async def main() -> bytes:
        got: list[bytes] = []
        async with await connect_tcp("127.0.0.1", port) as stream:
            readers, writers = Turns(seed), Turns(seed + 1)

            async def read() -> None:
                with conc.move_on_after(readers.random.choice([0.0005, 5])):
                    part = await stream.read(readers.random.choice([100, 1_000]))
                    got.append(part)
                    readers.over = not part

            async def write() -> None:
                start = stream.bytes_written
                with conc.move_on_after(writers.random.choice([0.0005, 5])):
                    await stream.write_all(data[start : start + writers.random.choice([100, 100_000])])
                writers.over = stream.bytes_written == len(data)

            async with conc.open_nursery() as nursery:
                nursery.start_soon(readers.run, read)
                nursery.start_soon(writers.run, write)
        return b"".join(got)

    with tiny_switch_interval():
        assert run(main, workers=WORKERS) == data
    assert wait() == data


def test_a_worker_that_a_stream_has_left_gives_its_registration_up() -> None:
    async def main() -> None:
        async with connected() as (client, server):
            registered: dict[int, int] = {}

            async def wait_a_moment() -> None:
                time.sleep(0.02)
                with conc.move_on_after(0.01):
                    await server.read(1)

            async def count() -> None:
                time.sleep(0.02)
                await conc.sleep(0.05)
                worker = current_worker()
                registered[worker.index] = len(worker.descriptors)

            async with conc.open_nursery(parallel=True) as nursery:
                nursery.start_soon(wait_a_moment)
            with conc.move_on_after(0.01):
                await server.read(1)
            async with conc.open_nursery(parallel=True) as nursery:
                for _ in range(WORKERS):
                    nursery.start_soon(count)

            assert registered == {0: 2, 1: 0, 2: 0}  # the two ends of the connection, both used by the root strand last
            await client.write_all(b"x")
            assert await server.read(1) == b"x"

    run(main, workers=WORKERS)


def test_a_strand_may_close_what_a_strand_of_another_worker_has_used() -> None:
    async def main() -> None:
        for _ in range(20):
            async with connected() as (client, server):

                async def wait_a_moment(stream: TcpStream) -> None:
                    with conc.move_on_after(0.001):
                        await stream.read(1)

                async with conc.open_nursery(parallel=True) as nursery:
                    nursery.start_soon(wait_a_moment, client)
                    nursery.start_soon(wait_a_moment, server)
                # The numbers are free for the next connection now, while the messages to the workers are under way.

    run(main, workers=WORKERS)


def start_elsewhere(nursery: conc.Nursery, async_fn: Callable[[], Awaitable[T]]) -> conc.Task[T]:
    """Start a child of a parallel nursery on another worker: this one is blocked until an idle one has taken it."""
    here = current_worker()

    async def elsewhere() -> T:
        assert current_worker() is not here
        return await async_fn()

    task = nursery.start_soon(elsewhere)
    time.sleep(0.03)
    return task


def test_closing_wakes_a_reader_on_another_worker() -> None:
    async def main() -> None:
        async with connected() as (client, _):

            async def read() -> None:
                with pytest.raises(ClosedResource):
                    await client.read(1)

            async with conc.open_nursery(parallel=True) as nursery:
                start_elsewhere(nursery, read)
                await client.aclose()

    run(main, workers=WORKERS)


def test_a_closed_descriptor_that_somebody_has_duplicated_is_watched_by_no_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(Worker, "heard", lambda worker, fd: heard.append(fd))

    async def main() -> None:
        async with connected() as (client, server):

            async def wait_then_be_busy() -> None:
                with conc.move_on_after(0.001):
                    await client.read(1)
                time.sleep(0.1)  # no message gets through

            number = client._socket.fileno()
            async with conc.open_nursery(parallel=True) as nursery:
                start_elsewhere(nursery, wait_then_be_busy)
                duplicate = os.dup(number)
                await client.aclose()
            await server.write_all(b"somebody there?")
            await conc.sleep(0.02)
            os.close(duplicate)
            assert number not in heard

    run(main, workers=WORKERS)


def test_a_stream_that_a_strand_of_another_worker_waits_for_is_busy() -> None:
    async def main() -> None:
        async with connected() as (client, server):
            async with conc.open_nursery(parallel=True) as nursery:
                reading = start_elsewhere(nursery, lambda: client.read(1))
                with pytest.raises(BusyResource):
                    await client.read(1)
                await server.write_all(b"x")
            assert await reading.join() == b"x"

    run(main, workers=WORKERS)


def test_a_stream_outlives_the_run_that_opened_it() -> None:
    kept: list[TcpStream] = []

    async def open_both() -> None:
        async with await listen_tcp("127.0.0.1", 0) as listener:
            kept.append(await connect_tcp("127.0.0.1", listener.port))
            kept.append(await listener.accept())
        with conc.move_on_after(0.001):
            await kept[1].read(1)

    async def use() -> None:
        async with kept[0] as client, kept[1] as server:
            await client.write_all(b"x")
            assert await server.read(1) == b"x"

    run(open_both)
    run(use)
