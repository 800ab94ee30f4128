"""file_reads: files are read in pieces of 4 KiB, from the cache of the system."""

import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.libraries import Library
from benchmarks.measure import timed
from benchmarks.peers import aiofiles, anyio, conc, trio
from benchmarks.scenario import Contestant, Figures, Scenario

PIECE_BYTES = 4096


async def conc_reads(pieces: int, path: str) -> None:
    async with await conc.fs.open(path, "rb") as file:
        for _ in range(pieces):
            assert len(await file.read(PIECE_BYTES)) == PIECE_BYTES


async def aiofiles_reads(pieces: int, path: str) -> None:
    async with aiofiles.open(path, "rb") as file:
        for _ in range(pieces):
            assert len(await file.read(PIECE_BYTES)) == PIECE_BYTES


async def trio_reads(pieces: int, path: str) -> None:
    async with await trio.open_file(path, "rb") as file:
        for _ in range(pieces):
            assert len(await file.read(PIECE_BYTES)) == PIECE_BYTES


async def anyio_reads(pieces: int, path: str) -> None:
    async with await anyio.open_file(path, "rb") as file:
        for _ in range(pieces):
            assert len(await file.read(PIECE_BYTES)) == PIECE_BYTES


def measure(scenario: Scenario, contestant: Contestant, library: Library, pieces: int) -> Figures:
    """`timed`, with a file that has so many pieces."""
    handle, path = tempfile.mkstemp(prefix="conc-bench-")
    try:
        os.close(handle)
        Path(path).write_bytes(os.urandom(pieces * PIECE_BYTES))
        arguments: tuple[Any, ...] = (path,)
        return timed(scenario, contestant, library, pieces, arguments)
    finally:
        os.unlink(path)


SCENARIOS = (
    Scenario(
        name="file_reads",
        family="file_reads",
        title="A file read in pieces of 4 KiB",
        unit="piece",
        size=1_000,
        uses_network=True,
        measure=partial(measure),
        contestants=(
            Contestant("conc", "conc", conc_reads),
            Contestant("aiofiles", "aiofiles", aiofiles_reads),
            Contestant("trio", "trio", trio_reads),
            Contestant("anyio (asyncio)", "anyio", anyio_reads),
        ),
        excused={
            **dict.fromkeys(("asyncio", "uvloop", "rloop", "zuvloop", "tinyio"), "it has no files"),
            "tonio": "not measured here",
        },
        notes="The file was written a moment ago, so it is in the cache of the system: what is measured is the library."
        " It is opened, read and closed once.",
    ),
)
