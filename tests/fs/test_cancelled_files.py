"""What has happened when an operation of a file was cancelled, and when the run ends beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path as SystemPath

import pytest

import conc
from conc import fs
from conc._kernel.current import current_task
from conc._os import files, replacing
from conc.errors import ClosedResource
from conc.fs import handle
from conc.sync import Event
from tests.fs.support import Gate, Memory


async def test_a_pending_cancellation_is_raised_before_anything_happened(tmp_path: SystemPath) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    async with fs.open(path, "r+b") as file:
        for use in (
            file.read(1),
            file.write(b"x"),
            file.seek(5),
            file.truncate(0),
            file.readline(),
            file.read_exact(2),
        ):
            with conc.CancelScope() as scope:
                scope.cancel()
                await use
            assert scope.cancelled_caught
            assert await file.tell() == 0
    assert path.read_bytes() == b"0123456789"


async def test_a_write_that_a_thread_has_begun_ends_and_returns(tmp_path: SystemPath, gated_write: Gate) -> None:
    path = tmp_path / "file"
    said = []

    async def write(scope: conc.CancelScope, file: fs.File) -> None:
        with scope:
            said.append(await file.write(b"data"))
            await conc.checkpoint()
            said.append(-1)

    async with fs.open(path, "wb") as file, conc.open_nursery() as nursery:
        scope = conc.CancelScope()
        nursery.start_soon(write, scope, file)
        await conc.to_thread(gated_write.wait_for_arrival)
        scope.cancel()
        gated_write.open()
    assert said == [4]
    assert path.read_bytes() == b"data"
    assert scope.cancelled_caught


async def test_a_read_that_is_cancelled_between_memory_and_thread_loses_no_byte(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    data = bytes(range(256)) * 1000
    path.write_bytes(data)
    scope = conc.CancelScope()

    def some() -> Iterator[int | None]:
        scope.cancel()  # while the first part is taken from memory
        yield 100

    Memory(some()).install(monkeypatch)
    async with fs.open(path, "rb") as file:
        with scope:
            await file.read(4096)
        assert scope.cancelled_caught
        assert await file.tell() == 0
        assert await file.read(200) == data[:200]


async def test_closing_waits_for_the_thread_that_works_on_the_file(tmp_path: SystemPath, gated_write: Gate) -> None:
    path = tmp_path / "file"
    async with conc.open_nursery() as nursery:
        file = await fs.open(path, "wb")
        writing = nursery.start_soon(file.write, b"data")
        await conc.to_thread(gated_write.wait_for_arrival)
        closing = nursery.start_soon(file.aclose)
        await conc.checkpoint()
        with pytest.raises(ClosedResource):
            await file.tell()
        assert closing.outcome is None
        gated_write.open()
    assert await writing.join() == 4
    assert path.read_bytes() == b"data"
    file._check()


async def test_closing_happens_also_if_it_is_cancelled(tmp_path: SystemPath) -> None:
    file = await fs.open(tmp_path / "file", "wb")
    with conc.CancelScope() as scope:
        scope.cancel()
        await file.aclose()
    assert scope.cancelled_caught
    assert file._raw.closed

    with conc.CancelScope() as scope:
        async with await fs.open(tmp_path / "file", "wb") as file:
            scope.cancel()
            await conc.checkpoint()
    assert file._raw.closed


async def test_an_error_of_the_block_is_more_than_a_cancellation(tmp_path: SystemPath) -> None:
    with conc.CancelScope() as scope, pytest.raises(KeyError):
        async with await fs.open(tmp_path / "file", "wb"):
            scope.cancel()
            raise KeyError
    assert not scope.cancelled_caught


def test_a_run_that_ends_waits_for_a_write_so_it_reaches_the_file(tmp_path: SystemPath, gated_write: Gate) -> None:
    path = tmp_path / "file"

    async def main() -> None:
        async with conc.open_nursery() as nursery:
            file = await fs.open(path, "wb")
            nursery.start_soon(file.write, b"to the end")
            await conc.to_thread(gated_write.wait_for_arrival)
            threading.Timer(0.05, gated_write.open).start()
            nursery.cancel_scope.cancel()
        await file.aclose()

    conc.run(main)
    assert path.read_bytes() == b"to the end"


def test_a_file_is_handed_from_strand_to_strand(tmp_path: SystemPath) -> None:
    path = tmp_path / "file"

    async def add(file: fs.File, turns: list[conc.sync.Event], number: int) -> None:
        await turns[number].wait()
        await file.write(b"%d " % number)
        turns[number + 1].set()

    async def main() -> None:
        turns = [conc.sync.Event() for _ in range(9)]
        async with fs.open(path, "w+b") as file:
            async with conc.open_nursery(parallel=True) as nursery:
                for number in range(8):
                    nursery.start_soon(add, file, turns, number)
                turns[0].set()
            await file.seek(0)
            assert await file.read() == b"0 1 2 3 4 5 6 7 "

    conc.run(main, workers=3)


async def test_a_write_atomic_that_is_cancelled_in_the_thread_has_happened(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(files.sync_data)
    monkeypatch.setattr(replacing, "sync_data", gate)
    path = tmp_path / "file"
    path.write_bytes(b"old")
    async with conc.open_nursery() as nursery:
        scope = conc.CancelScope()

        async def write() -> None:
            with scope:
                await fs.write_atomic(path, b"new")

        nursery.start_soon(write)
        await conc.to_thread(gate.wait_for_arrival)
        scope.cancel()
        assert path.read_bytes() == b"old"
        gate.open()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


async def test_closing_finds_an_operation_that_ends_on_another_worker_at_this_moment(
    tmp_path: SystemPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await fs.open(tmp_path / "file", "wb")
    file._user = current_task()  # as if that were one of another worker

    def made_too_late() -> Event:
        file._leave()
        return Event()

    monkeypatch.setattr(handle, "Event", made_too_late)
    with conc.fail_after(1):
        await file.aclose()
