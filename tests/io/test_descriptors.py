"""Descriptors of streams: their numbers, which others get when they are closed, and what is registered of them."""

from __future__ import annotations

import gc
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import conc
from conc._kernel.current import current_task, current_worker
from conc._kernel.descriptors import Descriptor
from conc._kernel.worker import Worker
from conc._os.poller import READ
from conc._os.select_poller import SelectPoller
from conc.errors import ClosedResource
from conc.io import PipeReader, PipeWriter, open_pipe
from conc.io.pollable import Pollable
from tests.io.waiting import until_it_waits
from tests.net.support import run

MUCH = b"x" * 1_000_000  # more than a pipe holds


def reuse(fd: int, path: Path) -> None:
    """Open a file which gets the number of a descriptor that was just closed."""
    other = os.open(path, os.O_RDWR | os.O_CREAT)
    if other != fd:  # another thread was faster
        os.dup2(other, fd)
        os.close(other)


def forget(ends: list[Any]) -> None:
    """Drop the first, which nobody else has."""
    del ends[0]
    gc.collect()


async def test_a_closed_writer_does_not_write_to_the_file_that_has_its_number_now(tmp_path: Path) -> None:
    reader, writer = open_pipe()
    fd = writer._fd
    await writer.aclose()
    reuse(fd, tmp_path / "other")
    for data in (b"x", memoryview(b"x")):
        with pytest.raises(ClosedResource):
            await writer.write_all(data)
        with pytest.raises(ClosedResource):
            writer.write_nowait(data)
    assert os.fstat(fd).st_size == 0
    os.close(fd)
    await reader.aclose()


async def test_a_writer_that_was_woken_and_then_closed_does_not_go_on_in_another_file(tmp_path: Path) -> None:
    reader, writer = open_pipe()
    fd = writer._fd

    async def write() -> None:
        with pytest.raises(ClosedResource):
            await writer.write_all(MUCH)

    async with conc.open_nursery() as nursery:
        await until_it_waits(nursery.start_soon(write))
        reader.read_nowait(65_536)
        worker = current_worker()
        worker.descriptors.notify(worker.poller.poll(1))
        writer._close()
        reuse(fd, tmp_path / "other")

    assert os.fstat(fd).st_size == 0
    os.close(fd)
    await reader.aclose()


async def test_a_reader_that_was_woken_and_then_closed_does_not_read_from_another_file(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"secret")
    reader, writer = open_pipe()
    fd = reader._fd

    async def read() -> None:
        with pytest.raises(ClosedResource):
            await reader.read_into(bytearray(10))

    async with conc.open_nursery() as nursery:
        await until_it_waits(nursery.start_soon(read))
        writer.write_nowait(b"mine")
        worker = current_worker()
        worker.descriptors.notify(worker.poller.poll(1))
        reader._close()
        reuse(fd, tmp_path / "other")

    os.close(fd)
    await writer.aclose()


@pytest.mark.parametrize("poller", [None, SelectPoller])
def test_a_terminal_that_has_several_lines_gives_one_after_the_other(poller: type[SelectPoller] | None) -> None:
    async def main() -> None:
        master, terminal = os.openpty()
        async with PipeReader(terminal) as reader:
            with conc.move_on_after(0.01):
                await reader.read(100)  # so that it is registered
            os.write(master, b"one\ntwo\nthree\n")
            buffer = bytearray(100)
            assert await reader.read(100) == b"one\n"
            assert buffer[: await reader.read_into(buffer)] == b"two\n"
            assert await reader.read(100) == b"three\n"
        os.close(master)

    run(main, poller=poller)


def test_lines_that_come_to_who_waits_at_a_terminal_come_one_after_the_other() -> None:
    async def main() -> None:
        master, terminal = os.openpty()
        async with PipeReader(terminal) as reader, conc.open_nursery() as nursery:
            for _ in range(2):
                first = nursery.start_soon(reader.read, 100)
                await until_it_waits(first)
                os.write(master, b"one\ntwo\n")
                assert await first.join() == b"one\n"
                assert await reader.read(100) == b"two\n"
        os.close(master)

    run(main)


async def test_a_pipe_that_is_forgotten_is_closed_with_a_warning() -> None:
    ends: list[Any] = [*open_pipe()]
    fds = [end._fd for end in ends]
    with conc.move_on_after(0.01):
        await ends[0].read(1)  # so that it is registered
    await conc.checkpoint()  # the cancellation is forgotten
    with pytest.warns(ResourceWarning, match=f"descriptor {fds[0]} of a pipe or terminal was never closed"):
        forget(ends)
    with pytest.warns(ResourceWarning, match=f"descriptor {fds[1]} "):
        forget(ends)
    for fd in fds:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(fd)


async def test_the_number_of_a_forgotten_pipe_can_be_waited_for_again() -> None:
    ends: list[Any] = [*open_pipe()]
    with conc.move_on_after(0.01):
        await ends[0].read(1)
    await conc.checkpoint()
    fd = ends[0]._fd
    with pytest.warns(ResourceWarning):
        forget(ends)
    await ends[0].aclose()
    one, other = os.pipe()
    if one != fd:
        os.dup2(one, fd)
        os.close(one)
    async with PipeReader(fd) as again, PipeWriter(other) as writer, conc.open_nursery() as nursery:
        reading = nursery.start_soon(again.read, 10)
        await until_it_waits(reading)
        await writer.write_all(b"new")
        assert await reading.join() == b"new"


class Plain(Pollable):
    """One with a name."""

    def __repr__(self) -> str:
        return "<Plain>"


class Interrupted(Plain):
    """One that, when `strand` is about to write, lets another thread do something at the worst moment."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        self.now = threading.Event()
        self.done = threading.Event()

    def _settle(self, worker: Worker, former: object) -> Descriptor:
        descriptor = super()._settle(worker, former)  # type: ignore[arg-type]
        if former is None and self._reading is not None:
            self.now.set()
            assert self.done.wait(10)
        return descriptor


def test_a_registration_that_a_writer_takes_up_while_the_reader_leaves_it_is_kept() -> None:
    mine, peer = socket.socketpair()
    mine.setblocking(False)
    pollable = Interrupted(mine.fileno())
    apart = threading.Barrier(2, timeout=10)  # so that no worker gets both strands

    async def write() -> None:
        apart.wait()
        task = current_task()
        with conc.move_on_after(0.01):
            await pollable._wait(task, pollable._read_in(task.strand))  # so that it is registered
        with suppress(BlockingIOError):
            while True:
                mine.send(MUCH)
        writing = pollable._write_in(task.strand)
        writing.ready = False
        with suppress(BlockingIOError):
            peer.setblocking(False)
            with conc.move_on_after(0.01):  # until the message of the other strand has been read
                await conc.sleep_forever()
            while True:
                peer.recv(1_000_000)
        with conc.fail_after(5):
            await pollable._wait(task, writing)

    async def take_the_reading() -> None:
        apart.wait()
        assert pollable.now.wait(10)
        pollable._read_in(current_task().strand)
        pollable.done.set()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(write)
            nursery.start_soon(take_the_reading)

    run(main, workers=3)
    mine.close()
    peer.close()


@pytest.mark.parametrize("poller", [None, SelectPoller])
def test_who_was_woken_before_another_worker_closed_it_does_not_wait_again(poller: type[SelectPoller] | None) -> None:
    mine, peer = socket.socketpair()
    mine.setblocking(False)
    pollable = Plain(mine.fileno())
    apart = threading.Barrier(2, timeout=10)  # so that no worker gets both strands
    is_registered, is_closing = threading.Event(), threading.Event()

    async def read() -> None:
        apart.wait()
        task = current_task()
        with conc.move_on_after(0.01):
            await pollable._wait(task, pollable._read_in(task.strand))
        reading = pollable._reading
        assert reading is not None
        is_registered.set()
        assert is_closing.wait(10)
        await conc.sleep(0.01)  # the message of the other strand comes before it has closed the descriptor
        with conc.fail_after(5), pytest.raises(ClosedResource):
            await pollable._wait(task, reading)

    async def close() -> None:
        apart.wait()
        assert is_registered.wait(10)
        pollable._deregister()
        is_closing.set()

    async def main() -> None:
        async with conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(read)
            nursery.start_soon(close)

    run(main, workers=3, poller=poller)
    mine.close()
    peer.close()


def test_a_reader_that_was_woken_for_nothing_takes_back_what_another_strand_took_meanwhile() -> None:
    apart = threading.Barrier(2, timeout=10)  # so that no worker gets both strands
    is_woken, is_taken = threading.Event(), threading.Event()

    async def main() -> None:
        reader, writer = open_pipe()

        async def read() -> None:
            apart.wait()
            async with conc.open_nursery() as nursery:
                reading = nursery.start_soon(reader.read, 10)
                await until_it_waits(reading)
                current_worker().descriptors.notify([(reader._fd, READ)])
                is_woken.set()
                assert is_taken.wait(10)
            assert await reading.join() == b"x"

        async def take() -> None:
            apart.wait()
            assert is_woken.wait(10)
            reader._read_in(current_task().strand)
            is_taken.set()
            await conc.sleep(0.02)  # until it waits again
            await writer.write_all(b"x")

        async with reader, writer, conc.open_nursery(parallel=True) as nursery:
            nursery.start_soon(read)
            nursery.start_soon(take)

    run(main, workers=3, seconds=5)
