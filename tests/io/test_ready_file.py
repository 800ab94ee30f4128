"""Files that are always ready: others run while much is written, and what the system took is counted."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

import conc
from conc._os.shared_files import SharedFile
from conc.errors import BrokenResource, ClosedResource
from conc.io.ready_file import PIECE, ReadyFile


async def test_others_run_while_much_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    endpoint = SharedFile(os.open(path, os.O_WRONLY | os.O_CREAT), 1 << 20)
    file = ReadyFile(endpoint, "a file")
    size = 100 * PIECE
    turns: list[int] = []

    async def look() -> None:
        while file.bytes_written < size:
            turns.append(file.bytes_written)
            await conc.checkpoint()

    async with conc.open_nursery() as nursery:
        nursery.start_soon(look)
        await conc.checkpoint()
        await file.write_all(bytes(size))
    assert len([written for written in turns if written]) >= 4
    assert path.stat().st_size == size
    endpoint.close()
    with pytest.raises(ClosedResource):
        await file.write_all(b"x")


async def test_a_write_that_fails_half_way_counts_what_was_taken() -> None:
    class Filling:
        room = PIECE + 10

        def fileno(self) -> int:
            return 0

        def recv(self, max_bytes: int) -> bytes:
            raise NotImplementedError

        def recv_into(self, buffer: memoryview) -> int:
            raise NotImplementedError

        def send(self, data: bytes | bytearray | memoryview) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            sent = min(len(data), self.room)
            self.room -= sent
            return sent

        def sendmsg(self, buffers: list[memoryview]) -> int:
            raise NotImplementedError

        def close(self) -> None:
            raise NotImplementedError

    file = ReadyFile(Filling(), "a disk")
    with pytest.raises(BrokenResource, match="<a disk>: No space left on device") as caught:
        await file.write_all(b"x", bytes(2 * PIECE))
    assert file.bytes_written == PIECE + 10
    assert isinstance(caught.value.__cause__, OSError)
