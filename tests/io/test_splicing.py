"""Copying between sockets and pipes, in which the system moves the bytes: nothing is lost, whatever interrupts it."""

from __future__ import annotations

import errno
import os
import sys
import threading
import tty
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

import conc
from conc._os.splicing import CAN_SPLICE, Sluice
from conc.errors import BrokenResource, BusyResource, ClosedResource
from conc.io import AsyncRead, Copy, PipeReader, PipeWriter, copy, copy_bidirectional, open_pipe
from conc.io import splicing as splicing_module
from conc.net import TcpStream, connect_tcp, listen_tcp
from tests.io.waiting import until_it_waits
from tests.net.support import reset, run

pytestmark = [pytest.mark.skipif(not CAN_SPLICE, reason="this system does not splice"), pytest.mark.conc(clock="real")]

DATA = Random(5).randbytes(5_000_000)  # more than all buffers on the way


class Moves:
    """What went through pipes of the system."""

    def __init__(self) -> None:
        self.filled = 0
        self.drained = 0


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> Iterator[Moves]:
    """Counts; and in the end nothing is left in a pipe."""
    moves = Moves()
    fill, drain, take = Sluice.fill, Sluice.drain, Sluice.take

    def counting_fill(self: Sluice, fd: int) -> int:
        n = fill(self, fd)
        moves.filled += n
        return n

    def counting_drain(self: Sluice, fd: int, n: int) -> int:
        n = drain(self, fd, n)
        moves.drained += n
        return n

    def counting_take(self: Sluice, n: int) -> bytes:
        moves.drained += n
        return take(self, n)

    monkeypatch.setattr(Sluice, "fill", counting_fill)
    monkeypatch.setattr(Sluice, "drain", counting_drain)
    monkeypatch.setattr(Sluice, "take", counting_take)
    yield moves
    assert moves.filled == moves.drained


async def read_all(reader: AsyncRead) -> bytes:
    parts = []
    while part := await reader.read(65_536):
        parts.append(part)
    return b"".join(parts)


@asynccontextmanager
async def relay() -> AsyncIterator[tuple[TcpStream, TcpStream, TcpStream, TcpStream]]:
    """A client, the two streams of a proxy, and a server."""
    async with await listen_tcp("127.0.0.1", 0) as listener:
        client = await connect_tcp("127.0.0.1", listener.port)
        near = await listener.accept()
        far = await connect_tcp("127.0.0.1", listener.port)
        server = await listener.accept()
    async with client, near, far, server:
        yield client, near, far, server


async def send(stream: Any, data: bytes = DATA) -> None:
    await stream.write_all(data)
    await stream.close_write()


@pytest.mark.parametrize("workers", [1, 2])
def test_much_goes_through_pipes_of_the_system_and_arrives_whole(workers: int, moves: Moves) -> None:
    async def main() -> None:
        async with relay() as (client, near, far, server), conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(send, client)
            reading = nursery.start_soon(read_all, server)
            assert await copy(near, far) == len(DATA) == far.bytes_written
            await far.close_write()
            assert await reading.join() == DATA

    run(main, workers=workers)
    assert moves.filled > len(DATA) // 2


async def test_little_does_not(moves: Moves) -> None:
    async with relay() as (client, near, far, _):
        await send(client, b"x" * 1000)
        assert await copy(near, far) == 1000
    assert moves.filled == 0


async def test_pipes_are_copied_so_too(moves: Moves, nursery: conc.Nursery) -> None:
    reader, entry = open_pipe()
    exit_, writer = open_pipe()
    async with reader, exit_:
        nursery.start_soon(send, entry)
        reading = nursery.start_soon(read_all, exit_)
        assert await copy(reader, writer) == len(DATA)
        await writer.aclose()
        assert await reading.join() == DATA
    assert moves.filled > 0


async def test_what_is_in_the_pipe_when_it_is_cancelled_is_pending(moves: Moves) -> None:
    async with relay() as (client, near, far, server), conc.open_nursery() as nursery:
        nursery.start_soon(send, client)
        copying = Copy(near, far)
        with conc.move_on_after(0.05) as scope:
            await copying.run()
        assert scope.cancelled_caught
        assert copying.copied == far.bytes_written
        assert moves.filled > 0
        assert len(copying.pending) > 0
        got = server.read_nowait(65_536)

        async def go_on() -> None:
            while True:  # again and again
                with conc.move_on_after(0.001) as scope:
                    await copying.run()
                if not scope.cancelled_caught:
                    break
            await far.close_write()

        nursery.start_soon(go_on)
        while part := await server.read(65_536):
            got += part
            await conc.sleep(0.0005)
        assert got == DATA


@pytest.mark.parametrize("side", ["near", "far"])
async def test_a_reset_says_whether_reading_or_writing_failed(side: str, moves: Moves) -> None:
    async with relay() as (client, near, far, server), conc.open_nursery() as nursery:

        async def write() -> None:
            try:
                while True:
                    await client.write_all(DATA)
            except (BrokenResource, ClosedResource):
                pass

        async def break_off() -> None:
            got = 0
            while got < 3_000_000:
                got += len(await server.read(65_536))
            reset(client if side == "near" else server)

        nursery.start_soon(write)
        breaking = nursery.start_soon(break_off)
        copying = Copy(near, far)
        if side == "near":
            nursery.start_soon(drop_all, server, breaking)
        with pytest.raises(BrokenResource) as caught:
            await copying.run()
        verb = "reading from" if side == "near" else "writing to"
        assert f"while {verb} <TcpStream" in caught.value.__notes__[0]
        assert copying.copied == far.bytes_written
        await far.aclose()
        await near.aclose()


async def drop_all(stream: TcpStream, after: conc.Task[None]) -> None:
    await after.join()
    try:
        await read_all(stream)
    except BrokenResource:
        pass


@pytest.mark.parametrize("which", [0, 1])
async def test_closing_a_stream_under_it_is_a_closed_resource(which: int, moves: Moves) -> None:
    async with relay() as (client, near, far, _), conc.open_nursery() as nursery:
        writing = nursery.start_soon(client.write_all, DATA)
        copying = Copy(near, far)
        errors: list[ClosedResource] = []

        async def expect_closed() -> None:
            with pytest.raises(ClosedResource) as caught:
                await copying.run()
            errors.append(caught.value)

        task = nursery.start_soon(expect_closed)
        await conc.sleep(0.05)  # it waits for room
        assert moves.filled > 0
        await (far, near)[which].aclose()
        if which:
            await far.aclose()
        await task.join()
        assert "while writing to <TcpStream" in errors[0].__notes__[0]
        assert len(copying.pending) > 0
        writing.cancel()


async def test_somebody_else_who_writes_is_found_out_and_nothing_is_lost(moves: Moves) -> None:
    async with relay() as (client, near, far, _), conc.open_nursery() as nursery:
        copying = Copy(near, far)
        await until_it_waits(nursery.start_soon(far.write_all, DATA))
        nursery.start_soon(client.write_all, DATA)
        with pytest.raises(BusyResource):
            await copying.run()
        assert copying.copied == 0
        assert DATA.startswith(copying.pending)
        assert copying.pending
        nursery.cancel_scope.cancel()


async def copy_to_its_end(reader: TcpStream, writer: TcpStream) -> str:
    """The note of the error that it ends with."""
    with pytest.raises(BrokenResource) as caught:
        await copy(reader, writer)
    (note,) = caught.value.__notes__
    return note


def failing(code: int) -> Callable[..., int]:
    def fail(*args: object) -> int:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("broken", ["fill", "drain", "no pipes"])
async def test_where_the_system_cannot_it_is_copied(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if broken == "no pipes":
        monkeypatch.setattr(splicing_module, "PIPES_AT_MOST", 0)
    else:
        monkeypatch.setattr(Sluice, broken, failing(errno.EINVAL))
    async with relay() as (client, near, far, server), conc.open_nursery() as nursery:
        nursery.start_soon(send, client)
        reading = nursery.start_soon(read_all, server)
        assert await copy(near, far) == len(DATA)
        await far.close_write()
        assert await reading.join() == DATA


async def test_an_error_after_the_system_could_not_names_the_right_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sluice, "drain", failing(errno.EINVAL))
    async with relay() as (client, near, far, server), conc.open_nursery() as nursery:
        sending = nursery.start_soon(client.write_all, DATA)
        reading = nursery.start_soon(read_all, server)

        async def break_off() -> None:
            await sending.join()
            while far.bytes_written < len(DATA):
                await conc.sleep(0.001)
            await until_it_waits(copying)
            reset(client)

        nursery.start_soon(break_off)
        copying = nursery.start_soon(copy_to_its_end, near, far)
        note = await copying.join()
        assert note.startswith(f"while reading from {near!r}")
        await far.close_write()
        assert await reading.join() == DATA


def test_workers_that_borrow_pipes_at_the_same_time_do_not_miscount() -> None:
    sluices = splicing_module.Sluices()
    together = threading.Barrier(4)

    def use() -> None:
        together.wait()
        for _ in range(20_000):
            sluice = sluices.borrow()
            assert sluice is not None
            sluices.give_back(sluice)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sluices._lent == 0
    assert len(sluices._free) <= 4
    sluices.close()


def test_a_pipe_that_comes_back_behind_the_end_of_the_run_is_closed() -> None:
    sluices = splicing_module.Sluices()
    sluice = sluices.borrow()
    assert sluice is not None
    sluices.close()
    os.fstat(sluice._reader)  # still open: it may have bytes in it
    sluices.give_back(sluice)
    for fd in (sluice._reader, sluice._writer):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


async def test_more_copies_than_there_are_pipes_all_come_to_their_end(
    monkeypatch: pytest.MonkeyPatch, moves: Moves
) -> None:
    monkeypatch.setattr(splicing_module, "PIPES_AT_MOST", 2)

    async def one() -> None:
        async with relay() as (client, near, far, server), conc.open_nursery() as nursery:
            nursery.start_soon(send, client)
            nursery.start_soon(copy_bidirectional, near, far)
            await conc.sleep(0.02)  # meanwhile its bytes stand in a pipe
            assert await read_all(server) == DATA
            await server.close_write()

    async with conc.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(one)
    assert moves.filled > 0


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_the_pipes_are_given_back_with_the_run(moves: Moves) -> None:
    async def transfer(finish: Callable[[Copy], Awaitable[None]]) -> None:
        async with relay() as (client, near, far, _), conc.open_nursery() as nursery:
            nursery.start_soon(client.write_all, DATA)
            await finish(Copy(near, far))
            nursery.cancel_scope.cancel()

    async def cancelled(copying: Copy) -> None:
        with conc.move_on_after(0.05):
            await copying.run()

    before = len(os.listdir("/proc/self/fd"))
    run(transfer, cancelled)
    assert moves.filled > 0
    assert len(os.listdir("/proc/self/fd")) == before


async def test_ends_of_pipes_that_are_terminals_are_copied(nursery: conc.Nursery) -> None:
    master, terminal = os.openpty()
    tty.setraw(terminal)
    reader, entry = open_pipe()
    async with PipeReader(master) as out, PipeWriter(terminal) as writer, reader:
        nursery.start_soon(send, entry, DATA[:200_000])
        copying = nursery.start_soon(copy, reader, writer)
        got = b""
        while len(got) < 200_000:
            got += await out.read(65_536)
        assert got == DATA[:200_000]
        assert await copying.join() == 200_000
